//! Taking over from the Node.js service: a folder as it leaves one (facts: original), and what came of it.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise, its helping functions too")]

use std::{fs, path::Path, process::Command};

use nanoclaw_core::{chat::Jid, trigger::Trigger};
use rusqlite::Connection;

use crate::{
    import::take_over,
    paths::Home,
    settings,
    store::{Store, cursors, groups, messages, tasks},
};

/// Its tables, and what a family's NanoClaw holds after a while. Two messages in one second, one of them unseen.
const OLD: &str = include_str!("old.sql");

fn old(folder: &Path) {
    for part in ["store", "data", "groups/main/.kiro", "groups/family/logs", "groups/global"] {
        fs::create_dir_all(folder.join(part)).unwrap();
    }
    Connection::open(folder.join("store/messages.db")).unwrap().execute_batch(OLD).unwrap();
    fs::write(folder.join("groups/family/notes.md"), "milk").unwrap();
    fs::write(folder.join("groups/global/rules.md"), "be kind").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("groups/family/link")).unwrap();
    fs::write(
        folder.join(".env"),
        "ASSISTANT_NAME=\"Nano\"\nMAX_CONCURRENT_CONTAINERS=0\nANTHROPIC_API_KEY=x\nexport LOG_LEVEL=debug\n",
    )
    .unwrap();
}

fn digest(folder: &Path) -> Vec<u8> {
    let all = "find . -type f -exec sha256sum {} + | sort; find . | sort";
    Command::new("sh").args(["-c", all]).current_dir(folder).output().unwrap().stdout
}

#[tokio::test]
async fn what_it_kept_comes_over_once_and_its_folder_is_only_read() {
    let place = tempfile::tempdir().unwrap();
    let (from, home) = (place.path().join("old"), Home::at(place.path().join("home")).unwrap());
    old(&from);
    let before = digest(&from);
    home.create().unwrap();
    fs::create_dir_all(home.groups().join("family")).unwrap();
    fs::write(home.groups().join("family/notes.md"), "bread").unwrap();
    fs::write(home.settings(), r#"{"LOG_LEVEL": "warn"}"#).unwrap();

    let rehearsed = take_over(&home, &from, true).await.unwrap();
    assert!(!home.database().exists() && settings::stored(&home).unwrap().len() == 1, "a rehearsal changes nothing");
    let done = take_over(&home, &from, false).await.unwrap();
    let told = |report| {
        let mut told = serde_json::to_value(report).unwrap();
        told["dryRun"] = false.into();
        // What lies in the folders already is known only there.
        told["files"] = 0.into();
        told
    };
    assert_eq!(told(&rehearsed), told(&done));
    assert_eq!(digest(&from), before);
    assert_eq!((done.rows.chats, done.rows.messages, done.rows.tasks, done.rows.task_runs), (3, 4, 1, 2));
    assert_eq!(done.settings, ["ASSISTANT_NAME"]);
    assert_eq!(done.files, 1, "what is there stays");
    assert_eq!(fs::read_to_string(home.groups().join("family/notes.md")).unwrap(), "bread");
    let left: Vec<&str> = done.rows.left.iter().map(|left| left.what.as_str()).collect();
    assert_eq!(left.len(), 5, "{left:?}");
    for what in ["chat Work", "task orphan", "MAX_CONCURRENT_CONTAINERS", "LOG_LEVEL"] {
        assert!(left.contains(&what), "{what} in {left:?}");
    }
    assert!(left.iter().any(|what| what.ends_with("family/link")));

    let store = Store::open(&home.database()).unwrap();
    let (groups, unseen, planned) = store
        .read(|db| {
            let family = Jid::new("1@g.us");
            let seen = cursors::get(db, &family)?;
            Ok((groups::list(db)?, messages::unseen(db, &family, seen, &Trigger::any())?, tasks::list(db)?))
        })
        .await
        .unwrap();
    let folders: Vec<_> = groups.iter().map(|group| (group.folder.as_str(), group.requires_trigger)).collect();
    assert_eq!(folders, [("main", false), ("family", true)]);
    assert_eq!(groups[1].trigger.as_deref(), Some("@Nano"));
    assert_eq!(groups[1].mounts[0].host_path, "~/photos");
    // C2: by arrival, not by time alone; what the old agent had seen stays seen.
    assert_eq!(unseen.iter().map(|message| message.content.as_str()).collect::<Vec<_>>(), ["@Nano and now?"]);
    assert_eq!(planned[0].prompt, "water the plants");
    drop(store);

    let again = take_over(&home, &from, false).await.unwrap();
    assert_eq!((again.rows.chats, again.rows.messages, again.rows.groups.len(), again.rows.tasks), (0, 0, 0, 0));
    assert_eq!(again.files, 0);
}

#[tokio::test]
async fn rubbish_is_refused_and_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (from, home) = (place.path().join("old"), Home::at(place.path().join("home")).unwrap());
    assert_eq!(take_over(&home, &from, false).await.unwrap_err().code(), "nothing-to-import");
    assert!(!home.root().exists());
    fs::create_dir_all(from.join("store")).unwrap();
    fs::write(from.join("store/messages.db"), "no database at all, but long enough to be looked at").unwrap();
    assert_eq!(take_over(&home, &from, false).await.unwrap_err().code(), "internal");
    // An empty database is an installation that was never used.
    fs::write(from.join("store/messages.db"), "").unwrap();
    assert_eq!(take_over(&home, &from, false).await.unwrap().rows.messages, 0);
}
