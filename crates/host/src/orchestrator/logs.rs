//! What a person sees of logs: which file shows one, and what is found in it. Files are read on threads beside the loop: a log
//! may be large.

use std::{cmp::Reverse, io};

use jiff::Timestamp;
use nanoclaw_core::{
    command::{Answer, Command},
    group::Folder,
    logs::{Filter, Query},
    problem::Trouble,
    queue::RunId,
    status::rfc3339,
};
use serde_json::json;

use super::{State, commands::json_of, live::stamp_of};
use crate::{logs, paths::Home, ports::Ask};

/// Whether a command is answered from files, beside the loop.
pub(super) fn answered_beside(command: &Command) -> bool {
    matches!(command, Command::Logs { .. } | Command::LogsFind(_) | Command::LogsRuns { .. })
}

impl State {
    pub(super) fn show_log(&self, Ask { command, reply }: Ask) {
        let home = self.home.clone();
        let live: Vec<(RunId, Folder)> =
            self.runs.iter().map(|(run, live)| (run.clone(), live.folder.clone())).collect();
        let chat = match &command {
            Command::LogsFind(Query { chat, .. }) | Command::LogsRuns { chat } => chat.as_deref(),
            _ => None,
        };
        let chat = match chat.map(|chat| self.group_named(chat).map(|group| group.folder.clone())).transpose() {
            Ok(chat) => chat,
            Err(trouble) => return drop(reply.send(Err(trouble))),
        };
        let folders = chat.clone().map_or_else(|| self.groups.keys().cloned().collect(), |chat| vec![chat]);
        // Its end is the answer; the asker may have gone.
        drop(tokio::task::spawn_blocking(move || {
            drop(reply.send(match command {
                Command::Logs { run } => path(&home, run, &live),
                Command::LogsFind(query) => find(&home, query, chat.as_ref(), &live),
                _ => runs(&home, &folders, &live),
            }));
        }));
    }
}

/// `{path}`: the one log, or a copy of an ended run's. A run at work has none yet.
fn path(home: &Home, run: Option<String>, live: &[(RunId, Folder)]) -> Answer {
    let Some(run) = run else { return Ok(json!({ "path": home.log() })) };
    let (folder, began) = ended(&run, live)?;
    let shown = home.logs().join("runs").join(format!("{run}.log"));
    logs::copy(home, &folder, began, &shown).map_err(|error| unknown(&run, &error))?;
    Ok(json!({ "path": shown }))
}

fn find(home: &Home, query: Query, chat: Option<&Folder>, live: &[(RunId, Folder)]) -> Answer {
    let Query { run, level, text, since, .. } = query;
    let (text, since) = (text.as_deref(), since.as_deref());
    let found = match run {
        Some(run) if live.iter().any(|(id, _)| *id == run) => {
            logs::find(home, &Filter::new(level, text).of_run(&run), since)
        }
        Some(run) => {
            let (folder, began) = ended(&run, live)?;
            let found = logs::find_in_run(home, &folder, began, &Filter::new(None, text), since);
            return json_of(&found.map_err(|error| unknown(&run, &error))?);
        }
        None => {
            let filter = Filter::new(level, text);
            logs::find(home, &chat.map_or_else(|| filter.clone(), |chat| filter.clone().of_chat(chat)), since)
        }
    };
    let unreadable = |error| Trouble::Internal { reason: format!("the log can't be read: {error}.") };
    json_of(&found.map_err(unreadable)?)
}

/// `[{run, group, startedAt, atWork}]`, the latest first.
fn runs(home: &Home, folders: &[Folder], live: &[(RunId, Folder)]) -> Answer {
    let listed = |run: String, group: &Folder, at_work| json!({"run": run, "group": group, "startedAt": stamp_of(&run).map(rfc3339), "atWork": at_work});
    let mut at_work: Vec<_> = live.iter().filter(|(_, folder)| folders.contains(folder)).collect();
    at_work.sort_by_key(|(run, _)| Reverse(stamp_of(run)));
    let at_work = at_work.into_iter().map(|(run, folder)| listed(run.to_string(), folder, true));
    let ended = logs::runs(home, folders).into_iter().filter_map(|(folder, at)| {
        let run = format!("{folder}-{}", at.as_millisecond());
        // Its log is written before it has quite ended.
        (!live.iter().any(|(id, _)| *id == run)).then(|| listed(run, &folder, false))
    });
    Ok(at_work.chain(ended).collect())
}

/// Whose run it was, and when it began.
fn ended(run: &str, live: &[(RunId, Folder)]) -> Result<(Folder, Timestamp), Trouble> {
    let parted = run.rsplit_once('-').filter(|_| !live.iter().any(|(id, _)| id == run));
    let folder = parted.and_then(|(folder, _)| Folder::new(folder).ok());
    folder.zip(stamp_of(run)).ok_or_else(|| Trouble::UnknownRun { run: run.to_owned() })
}

fn unknown(run: &str, error: &io::Error) -> Trouble {
    tracing::debug!(run, %error, "no log");
    Trouble::UnknownRun { run: run.to_owned() }
}
