//! `import`: works on the files, while no NanoClaw has the Home.

use std::path::Path;

use nanoclaw_host::{
    import::{Report, take_over},
    paths::Home,
};

use crate::out::{Failure, Out, plain};

/// With `--json`: `{dryRun, chats, messages, groups: [{jid, name, folder}], tasks, taskRuns, files, settings: [name], left:
/// [{what, why}]}`.
pub async fn import(home: &Home, from: &Path, dry_run: bool, out: &mut Out) -> Result<(), Failure> {
    let report = take_over(home, from, dry_run).await?;
    if out.json {
        return out.value(&report);
    }
    let Report { rows, files, settings, .. } = &report;
    out.line(if dry_run { "This would come over:" } else { "This came over:" })?;
    for (count, what) in [
        (rows.chats, "chats known"),
        (rows.groups.len(), "chats registered"),
        (rows.messages, "messages"),
        (rows.tasks, "tasks"),
        (*files, "files of chats' folders"),
        (settings.len(), "settings"),
    ] {
        out.line(format!("{count:>9} {what}"))?;
    }
    let left = rows.left.iter().map(|left| [left.what.clone(), left.why.clone()]).collect::<Vec<_>>();
    if !left.is_empty() {
        out.line("")?;
        out.table(["LEFT OUT", "WHY"], left, "")?;
    }
    out.line(plain(match dry_run {
        true => "\nNothing was changed.",
        false => "\nStop the old service, start NanoClaw and link WhatsApp: its sign-in can't be taken over.",
    }))
}
