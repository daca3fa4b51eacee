//! What an agent may have done: (whose folder the request lay in, the request, the groups) → action or refusal (I2, I3).
//!
//! Who asks is never told by the request. Main may act for all; the others for their own chat and tasks alone. What is
//! allowed is still checked for sense by whoever does it: schedules by `schedule`, folder names and names by the
//! registering.

use std::collections::BTreeMap;

use nanoclaw_protocol::ipc::{ContainerConfig, IpcRequest};

use crate::{
    chat::Jid,
    group::{Folder, Group, Registration},
    schedule::Context,
};

/// WhatsApp's own limit for a text, in characters.
pub const LONGEST_TEXT: usize = 65_536;
const LONGEST_SENDER: usize = 50;

/// What is to be done for an agent. Tasks are named by ids that exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Say { chat: Jid, text: String },
    Plan { group: Folder, prompt: String, schedule: String, value: String, context: Context },
    PauseTask { id: String },
    ResumeTask { id: String },
    CancelTask { id: String },
    UpdateTask { id: String, prompt: Option<String>, schedule: Option<String>, value: Option<String> },
    RefreshGroups,
    Register(Registration),
}

/// Why it is not done; the sentence reaches the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It may not ask for that (I3): logged, counted and shown.
    Denied(String),
    /// It may, but what it asks for makes no sense.
    Bad(String),
}

/// # Arguments
/// `task_group`: the folder of the task that the request names, where there is such a task.
///
/// # Errors
/// Why the request is refused.
pub fn authorize(
    source: &Folder,
    request: IpcRequest,
    groups: &BTreeMap<Folder, Group>,
    task_group: Option<&str>,
) -> Result<Action, Refusal> {
    let denied = |text: &str| Err(Refusal::Denied(text.to_owned()));
    let bad = |text: String| Err(Refusal::Bad(text));
    let Some(own) = groups.get(source) else { return denied("This chat is not registered.") };
    let is_main = own.is_main();
    // The same words for a task that is not there and for one of another group.
    let task = |id: String| match task_group {
        Some(group) if is_main || group == source.as_str() => Ok(id),
        Some(_) => Err(Refusal::Denied(format!("There is no task {id} of this chat."))),
        None => Err(Refusal::Bad(format!("There is no task {id} of this chat."))),
    };
    Ok(match request {
        IpcRequest::Message { chat_jid, text, sender } => {
            let chat = Jid::new(chat_jid);
            if !is_main && chat != own.jid {
                return denied("Only the main chat's agent may write to other chats.");
            }
            if !chat.is_chat() {
                return bad(format!("There is no chat {chat}."));
            }
            if text.trim().is_empty() || text.chars().count() > LONGEST_TEXT {
                return bad(format!("A text has 1 to {LONGEST_TEXT} characters."));
            }
            let sender: Option<String> =
                sender.map(|sender| sender.chars().filter(|c| !c.is_control()).take(LONGEST_SENDER).collect());
            let text = match sender.as_deref().map(str::trim) {
                Some(sender) if !sender.is_empty() => format!("{sender}: {text}"),
                _ => text,
            };
            Action::Say { chat, text }
        }
        IpcRequest::ScheduleTask { prompt, schedule_type, schedule_value, context_mode, target_jid } => {
            let target = match target_jid.map(Jid::new) {
                None => own,
                Some(jid) if jid == own.jid => own,
                Some(_) if !is_main => return denied("Only the main chat's agent may plan tasks for other chats."),
                Some(jid) => match groups.values().find(|group| group.jid == jid) {
                    Some(group) => group,
                    None => return bad(format!("The chat {jid} is not registered.")),
                },
            };
            let context = match context_mode.as_deref() {
                Some("group") => Context::Group,
                Some("isolated") | None => Context::Isolated,
                Some(_) => return bad("The context mode is group or isolated.".to_owned()),
            };
            let group = target.folder.clone();
            Action::Plan { group, prompt, schedule: schedule_type, value: schedule_value, context }
        }
        IpcRequest::PauseTask { task_id } => Action::PauseTask { id: task(task_id)? },
        IpcRequest::ResumeTask { task_id } => Action::ResumeTask { id: task(task_id)? },
        IpcRequest::CancelTask { task_id } => Action::CancelTask { id: task(task_id)? },
        IpcRequest::UpdateTask { task_id, prompt, schedule_type, schedule_value } => {
            if prompt.is_none() && schedule_type.is_none() && schedule_value.is_none() {
                return bad("Nothing is to be changed.".to_owned());
            }
            Action::UpdateTask { id: task(task_id)?, prompt, schedule: schedule_type, value: schedule_value }
        }
        IpcRequest::RefreshGroups if is_main => Action::RefreshGroups,
        IpcRequest::RefreshGroups => return denied("Only the main chat's agent may have the groups read again."),
        IpcRequest::RegisterGroup { .. } if !is_main => {
            return denied("Only the main chat's agent may register chats.");
        }
        IpcRequest::RegisterGroup { jid, name, folder, trigger, requires_trigger, container_config } => {
            if folder == crate::group::MAIN {
                return denied("Only the owner may say which chat is the main one.");
            }
            let trigger = Some(trigger).filter(|trigger| !trigger.trim().is_empty());
            let (jid, no_trigger) = (Jid::new(jid), requires_trigger == Some(false));
            // Whether it may have what it mounts is asked of the allowlist, at each run's start (X3).
            let ContainerConfig { additional_mounts: mounts, timeout, tools } = container_config.unwrap_or_default();
            Action::Register(Registration { jid, name, folder, trigger, no_trigger, mounts, timeout, tools })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nanoclaw_protocol::ipc::AdditionalMount;
    use serde_json::{Value, json};

    const MAIN: &str = "1@s.whatsapp.net";
    const FAMILY: &str = "2@g.us";
    const WORK: &str = "3@g.us";

    fn groups() -> BTreeMap<Folder, Group> {
        [("main", MAIN), ("family", FAMILY), ("work", WORK)]
            .into_iter()
            .map(|(folder, jid)| {
                let folder = Folder::new(folder).unwrap();
                let group = Group::new(Jid::new(jid), folder.as_str(), folder.clone());
                (folder, group)
            })
            .collect()
    }

    fn ask(source: &str, request: &Value, task_group: Option<&str>) -> Result<Action, Refusal> {
        let request = serde_json::from_value(request.clone()).unwrap();
        authorize(&Folder::new(source).unwrap(), request, &groups(), task_group)
    }

    fn message(chat: &str) -> Value {
        json!({"type": "message", "chatJid": chat, "text": "hi"})
    }

    fn plan(target: Option<&str>) -> Value {
        json!({"type": "schedule_task", "prompt": "p", "schedule_type": "interval", "schedule_value": "5",
               "context_mode": "group", "targetJid": target})
    }

    #[test]
    fn who_may_ask_for_what() {
        // I2, I3: ✓ done, ✗ denied, ? allowed but senseless; for main, family, and a folder that is no group.
        let register =
            json!({"type": "register_group", "jid": "4@g.us", "name": "n", "folder": "new", "trigger": "@A"});
        let of_main =
            json!({"type": "register_group", "jid": "4@g.us", "name": "n", "folder": "main", "trigger": "@A"});
        let task = |kind: &str| json!({"type": kind, "taskId": "t"});
        let update = json!({"type": "update_task", "taskId": "t", "prompt": "new"});
        let rows: Vec<(Value, Option<&str>, &str)> = vec![
            (message(MAIN), None, "✓✗✗"),
            (message(FAMILY), None, "✓✓✗"),
            (message(WORK), None, "✓✗✗"),
            (message("9@s.whatsapp.net"), None, "✓✗✗"),
            (message("not a chat"), None, "?✗✗"),
            (message("2@g.us "), None, "?✗✗"),
            (message("２@g.us"), None, "?✗✗"),
            (plan(None), None, "✓✓✗"),
            (plan(Some(MAIN)), None, "✓✗✗"),
            (plan(Some(FAMILY)), None, "✓✓✗"),
            (plan(Some("9@g.us")), None, "?✗✗"),
            (task("pause_task"), Some("main"), "✓✗✗"),
            (task("pause_task"), Some("family"), "✓✓✗"),
            (task("pause_task"), Some("work"), "✓✗✗"),
            (task("pause_task"), None, "??✗"),
            (task("resume_task"), Some("family"), "✓✓✗"),
            (task("resume_task"), Some("work"), "✓✗✗"),
            (task("cancel_task"), Some("family"), "✓✓✗"),
            (task("cancel_task"), Some("main"), "✓✗✗"),
            (update.clone(), Some("family"), "✓✓✗"),
            (update, Some("main"), "✓✗✗"),
            (json!({"type": "refresh_groups"}), None, "✓✗✗"),
            (register, None, "✓✗✗"),
            (of_main, None, "✗✗✗"),
        ];
        for (request, task_group, expect) in rows {
            let mark = |source| match ask(source, &request, task_group) {
                Ok(_) => '✓',
                Err(Refusal::Denied(_)) => '✗',
                Err(Refusal::Bad(_)) => '?',
            };
            let marks: String = ["main", "family", "nobody"].map(mark).iter().collect();
            assert_eq!(marks, expect, "{request} {task_group:?}");
        }
    }

    #[test]
    fn what_the_file_says_about_its_sender_counts_for_nothing() {
        // I2
        let mut forged = message(MAIN);
        for (key, value) in [("groupFolder", "main"), ("source", "main"), ("isMain", "true"), ("sender", "main")] {
            forged[key] = json!(value);
        }
        assert!(matches!(ask("family", &forged, None), Err(Refusal::Denied(_))));
    }

    #[test]
    fn a_task_of_others_looks_like_none() {
        let pause = json!({"type": "pause_task", "taskId": "t"});
        let text = |refusal| match refusal {
            Err(Refusal::Denied(text) | Refusal::Bad(text)) => text,
            Ok(action) => panic!("{action:?}"),
        };
        assert_eq!(text(ask("family", &pause, Some("main"))), text(ask("family", &pause, None)));
    }

    #[test]
    fn actions() {
        for (source, request, expect) in [
            (
                "family",
                json!({"type": "message", "chatJid": FAMILY, "text": "hi", "sender": "Cook\n"}),
                Ok(Action::Say { chat: Jid::new(FAMILY), text: "Cook: hi".into() }),
            ),
            (
                "family",
                json!({"type": "message", "chatJid": FAMILY, "text": " "}),
                Err(Refusal::Bad("A text has 1 to 65536 characters.".into())),
            ),
            (
                "main",
                plan(Some(WORK)),
                Ok(Action::Plan {
                    group: Folder::new("work").unwrap(),
                    prompt: "p".into(),
                    schedule: "interval".into(),
                    value: "5".into(),
                    context: Context::Group,
                }),
            ),
            (
                "main",
                json!({"type": "schedule_task", "prompt": "p", "schedule_type": "cron", "schedule_value": "x", "context_mode": "y"}),
                Err(Refusal::Bad("The context mode is group or isolated.".into())),
            ),
            (
                "main",
                json!({"type": "update_task", "taskId": "t"}),
                Err(Refusal::Bad("Nothing is to be changed.".into())),
            ),
            (
                "main",
                json!({"type": "register_group", "jid": "4@g.us", "name": "n", "folder": "../x", "trigger": " ", "requiresTrigger": false,
                       "containerConfig": {"additionalMounts": [{"hostPath": "~/a", "readonly": false}], "timeout": 5, "tools": ["t"]}}),
                Ok(Action::Register(Registration {
                    jid: Jid::new("4@g.us"),
                    name: "n".into(),
                    folder: "../x".into(),
                    trigger: None,
                    no_trigger: true,
                    mounts: vec![AdditionalMount {
                        host_path: "~/a".into(),
                        container_path: None,
                        readonly: Some(false),
                    }],
                    timeout: Some(5),
                    tools: Some(vec!["t".into()]),
                })),
            ),
        ] {
            assert_eq!(ask(source, &request, Some("main")), expect, "{request}");
        }
    }
}
