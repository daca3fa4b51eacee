//! The tools: what Kiro is told of them, and from a call's arguments the request or what is wrong with them (A6).

use nanoclaw_protocol::ipc::IpcRequest;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::Identity;

/// The longest text, in characters; a request's file has to hold it (I4).
const LONGEST_TEXT: usize = 10_000;
const LONGEST_NAME: usize = 200;

const SCHEDULE_TYPE: &str = "cron (recurring at times), interval (recurring), or once";
const SCHEDULE_VALUE: &str = "cron: five fields in local time, as \"0 9 * * 1-5\"; interval: milliseconds, as \"3600000\"; \
    once: local time without a zone, as \"2030-01-31T09:00:00\"";

/// What a call comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    Host(IpcRequest),
    List,
}

/// Name, description and JSON Schema of each.
pub fn all() -> Vec<(&'static str, &'static str, Value)> {
    let text = |description: &str| json!({"type": "string", "description": description});
    let kind = || json!({"type": "string", "enum": ["cron", "interval", "once"], "description": SCHEDULE_TYPE});
    let object = |properties: Value, required: &[&str]| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    let task = || object(json!({"task_id": text("As list_tasks shows it")}), &["task_id"]);
    vec![
        (
            "send_message",
            "Sends a message to this chat now, while you go on working. Your answer at the end is sent anyway.",
            object(
                json!({"text": text("The message"), "sender": text("Who speaks, if not you yourself: a role's name")}),
                &["text"],
            ),
        ),
        (
            "schedule_task",
            "Plans a task that an agent does later, with your tools; its result is sent to the chat.",
            object(
                json!({
                    "prompt": text("What is to be done; in isolated mode all that must be known for it"),
                    "schedule_type": kind(),
                    "schedule_value": text(SCHEDULE_VALUE),
                    "context_mode": {"type": "string", "enum": ["group", "isolated"],
                        "description": "group: goes on with this chat's conversation; isolated: starts fresh each time"},
                    "target_group_jid": text("Main chat only: the registered chat to plan it for, instead of this one"),
                }),
                &["prompt", "schedule_type", "schedule_value", "context_mode"],
            ),
        ),
        ("list_tasks", "Lists the planned tasks: the main chat sees all, others their own.", object(json!({}), &[])),
        ("pause_task", "Lets a task rest.", task()),
        ("resume_task", "Lets a resting task go on, from its next time.", task()),
        ("cancel_task", "Removes a task.", task()),
        (
            "update_task",
            "Changes what a task does, or when.",
            object(
                json!({
                    "task_id": text("As list_tasks shows it"),
                    "prompt": text("What is to be done instead"),
                    "schedule_type": kind(),
                    "schedule_value": text(SCHEDULE_VALUE),
                }),
                &["task_id"],
            ),
        ),
        (
            "register_group",
            "Main chat only: lets an agent work for another chat. Chats are listed in available_groups.json.",
            object(
                json!({
                    "jid": text("The chat's address, as 120363000000000001@g.us"),
                    "name": text("What the chat is called"),
                    "folder": text("Its folder: a-z, 0-9 and -, 63 at most"),
                    "trigger": text("The word that calls the agent, as @Andy"),
                }),
                &["jid", "name", "folder", "trigger"],
            ),
        ),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    text: String,
    sender: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    prompt: String,
    schedule_type: String,
    schedule_value: String,
    context_mode: Option<String>,
    target_group_jid: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    task_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    task_id: String,
    prompt: Option<String>,
    schedule_type: Option<String>,
    schedule_value: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    jid: String,
    name: String,
    folder: String,
    trigger: String,
}

/// # Errors
/// What is wrong with the call, for the agent.
pub fn read(name: &str, arguments: Map<String, Value>, identity: &Identity) -> Result<Asked, String> {
    let request = match name {
        "list_tasks" => return Ok(Asked::List),
        "send_message" => {
            let Message { text, sender } = arguments_of(arguments)?;
            filled("text", &text, LONGEST_TEXT)?;
            IpcRequest::Message { chat_jid: identity.chat.clone(), text, sender }
        }
        "schedule_task" => {
            let Plan { prompt, schedule_type, schedule_value, context_mode, target_group_jid } =
                arguments_of(arguments)?;
            filled("prompt", &prompt, LONGEST_TEXT)?;
            schedule(&schedule_type, &schedule_value)?;
            if !matches!(context_mode.as_deref(), None | Some("group" | "isolated")) {
                return Err("context_mode is group or isolated.".to_owned());
            }
            if target_group_jid.as_ref().is_some_and(|jid| *jid != identity.chat) && !identity.is_main {
                return Err("Only the main chat may plan tasks for other chats.".to_owned());
            }
            IpcRequest::ScheduleTask {
                prompt,
                schedule_type,
                schedule_value,
                context_mode,
                target_jid: Some(target_group_jid.unwrap_or_else(|| identity.chat.clone())),
            }
        }
        "pause_task" => IpcRequest::PauseTask { task_id: task(arguments)? },
        "resume_task" => IpcRequest::ResumeTask { task_id: task(arguments)? },
        "cancel_task" => IpcRequest::CancelTask { task_id: task(arguments)? },
        "update_task" => {
            let Update { task_id, prompt, schedule_type, schedule_value } = arguments_of(arguments)?;
            filled("task_id", &task_id, LONGEST_NAME)?;
            if let Some(prompt) = &prompt {
                filled("prompt", prompt, LONGEST_TEXT)?;
            }
            match (&schedule_type, &schedule_value) {
                (Some(kind), Some(value)) => schedule(kind, value)?,
                (Some(_), None) => return Err("A schedule_type needs its schedule_value.".to_owned()),
                (None, None) if prompt.is_none() => return Err("Say what is to be changed.".to_owned()),
                (None, _) => {}
            }
            IpcRequest::UpdateTask { task_id, prompt, schedule_type, schedule_value }
        }
        "register_group" => {
            let Group { jid, name, folder, trigger } = arguments_of(arguments)?;
            if !identity.is_main {
                return Err("Only the main chat may register chats.".to_owned());
            }
            for (what, value) in [("jid", &jid), ("name", &name), ("folder", &folder), ("trigger", &trigger)] {
                filled(what, value, LONGEST_NAME)?;
            }
            IpcRequest::RegisterGroup { jid, name, folder, trigger, requires_trigger: None, container_config: None }
        }
        _ => return Err(format!("There is no tool {name}.")),
    };
    Ok(Asked::Host(request))
}

fn arguments_of<T: DeserializeOwned>(arguments: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(arguments)).map_err(|error| format!("The arguments are wrong: {error}."))
}

fn task(arguments: Map<String, Value>) -> Result<String, String> {
    let Task { task_id } = arguments_of(arguments)?;
    filled("task_id", &task_id, LONGEST_NAME)?;
    Ok(task_id)
}

fn filled(what: &str, value: &str, longest: usize) -> Result<(), String> {
    let fits = !value.trim().is_empty() && value.chars().count() <= longest;
    if fits { Ok(()) } else { Err(format!("{what} has 1 to {longest} characters.")) }
}

/// The shape alone; the host knows the zone and the calendar.
fn schedule(kind: &str, value: &str) -> Result<(), String> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let wrong = match kind {
        "cron" => value.split_whitespace().count() != 5,
        "interval" => !digits(value) || value.bytes().all(|b| b == b'0'),
        "once" => !value.contains(['T', ' ']) || value.contains(['Z', 'z', '+', '[']),
        _ => return Err("schedule_type is cron, interval or once.".to_owned()),
    };
    if wrong { Err(format!("\"{value}\" is no value for {kind}. {SCHEDULE_VALUE}.")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, arguments: Value, is_main: bool) -> Result<Asked, String> {
        let identity = Identity { chat: "1@g.us".into(), is_main, ipc: "/nowhere".into() };
        read(name, arguments.as_object().cloned().unwrap_or_default(), &identity)
    }

    // A6: what is wrong is said before anything is written.
    #[test]
    fn bad_arguments_are_told() {
        let plan = |kind: &str, value: &str| json!({"prompt": "p", "schedule_type": kind, "schedule_value": value, "context_mode": "group"});
        for (name, arguments, part) in [
            ("dance", json!({}), "no tool dance"),
            ("send_message", json!({}), "missing field `text`"),
            ("send_message", json!({"text": " "}), "text has 1 to"),
            ("send_message", json!({"text": "x".repeat(10_001)}), "text has 1 to"),
            ("send_message", json!({"text": 7}), "invalid type"),
            ("send_message", json!({"text": "a", "chat": "2@g.us"}), "unknown field"),
            ("schedule_task", plan("daily", "x"), "schedule_type is"),
            ("schedule_task", plan("cron", "9 9"), "no value for cron"),
            ("schedule_task", plan("interval", "0"), "no value for interval"),
            ("schedule_task", plan("interval", "1h"), "no value for interval"),
            ("schedule_task", plan("once", "2030-01-01T09:00:00Z"), "no value for once"),
            ("pause_task", json!({"task_id": ""}), "task_id has"),
            ("update_task", json!({"task_id": "t"}), "what is to be changed"),
            ("update_task", json!({"task_id": "t", "schedule_type": "cron"}), "needs its schedule_value"),
            ("register_group", json!({"jid": "2@g.us", "name": "n", "folder": "f", "trigger": "@A"}), "Only the main"),
        ] {
            let wrong = call(name, arguments.clone(), false).unwrap_err();
            assert!(wrong.contains(part), "{name} {arguments}: {wrong}");
        }
        let mut other = plan("cron", "0 9 * * *");
        other["target_group_jid"] = json!("2@g.us");
        assert!(call("schedule_task", other.clone(), false).unwrap_err().contains("Only the main"));
        assert!(call("schedule_task", other, true).is_ok());
    }

    #[test]
    fn requests() {
        assert_eq!(call("list_tasks", json!({}), false), Ok(Asked::List));
        assert_eq!(
            call("send_message", json!({"text": "hi"}), false),
            Ok(Asked::Host(IpcRequest::Message { chat_jid: "1@g.us".into(), text: "hi".into(), sender: None }))
        );
        assert_eq!(
            call("update_task", json!({"task_id": "t", "schedule_value": "5"}), false),
            Ok(Asked::Host(IpcRequest::UpdateTask {
                task_id: "t".into(),
                prompt: None,
                schedule_type: None,
                schedule_value: Some("5".into())
            }))
        );
        for (name, _, schema) in all() {
            assert_eq!(schema["type"], "object", "{name}");
            assert!(name == "list_tasks" || call(name, json!({}), true).is_err());
        }
    }
}
