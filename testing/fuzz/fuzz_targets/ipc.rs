//! What an agent writes into its folders (I1–I3): a group that is not main never acts for another, whatever it says.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use nanoclaw_core::{
    authorize::{Action, Refusal, authorize},
    chat::Jid,
    group::{Folder, Group},
};
use nanoclaw_protocol::ipc::{IpcFile, is_id};

const OWN: &str = "120363000000000001@g.us";

fn groups() -> BTreeMap<Folder, Group> {
    let chats = [("main", "491@s.whatsapp.net"), ("family", OWN), ("work", "120363000000000002@g.us")];
    let group = |(folder, jid)| {
        let folder = Folder::new(folder).expect("a folder");
        (folder.clone(), Group::new(Jid::new(jid), "A chat", folder))
    };
    chats.into_iter().map(group).collect()
}

fuzz_target!(|input: (bool, Option<&str>, &[u8])| {
    let (main, task_group, file) = input;
    let Ok(IpcFile { id, request }) = serde_json::from_slice(file) else { return };
    if let Some(id) = id.filter(|id| is_id(id)) {
        assert!(!id.contains(['/', '\0']) && id != "." && id != "..", "{id:?} as a file's name");
    }
    let source = Folder::new(if main { "main" } else { "family" }).expect("a folder");
    match authorize(&source, request, &groups(), task_group) {
        Err(Refusal::Denied(why) | Refusal::Bad(why)) => assert!(!why.is_empty()),
        Ok(action) if !main => match action {
            Action::Say { chat, .. } => assert_eq!(chat.as_str(), OWN),
            Action::Plan { group, .. } => assert_eq!(group, source),
            Action::PauseTask { .. }
            | Action::ResumeTask { .. }
            | Action::CancelTask { .. }
            | Action::UpdateTask { .. } => assert_eq!(task_group, Some("family")),
            Action::RefreshGroups | Action::Register(_) => panic!("{action:?} by a group that is not main"),
        },
        Ok(_) => {}
    }
});
