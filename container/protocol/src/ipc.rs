//! The files under `ipc/<group>/` (I1), in the original's shapes with an `id` added.
//!
//! From agent to host: [`IpcFile`]s in `messages/` and `tasks/`, written to a name that doesn't end in `.json` and then renamed.
//! From host to agent: [`IpcResult`] in `results/<id>.json` (I8), and the two snapshots (R8).
//! Who asks is told by the folder that a file lies in, never by what it says (I2). Times are RFC 3339 text.

use serde::{Deserialize, Serialize};

/// Folder of [`IpcRequest::Message`].
pub const MESSAGES: &str = "messages";
/// Folder of every other request.
pub const TASKS: &str = "tasks";
/// Folder of the host's answers, `<id>.json` each.
pub const RESULTS: &str = "results";
/// Snapshot: `[CurrentTask]`.
pub const CURRENT_TASKS: &str = "current_tasks.json";
/// Snapshot: [`AvailableGroups`].
pub const AVAILABLE_GROUPS: &str = "available_groups.json";

/// A request as it lies in its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpcFile {
    /// Names the answer's file, see [`is_id`]. Without it nobody waits for an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(flatten)]
    pub request: IpcRequest,
}

/// What an agent may ask of the host. Values that a person or a model chose (schedule, mode, folder, jid) are plain text
/// here: the host checks them and answers why it refuses (I5, I6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum IpcRequest {
    #[serde(rename_all = "camelCase")]
    Message {
        chat_jid: String,
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sender: Option<String>,
    },
    ScheduleTask {
        prompt: String,
        /// `cron`, `interval` or `once` (I5).
        schedule_type: String,
        schedule_value: String,
        /// `group` or `isolated` (S3).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context_mode: Option<String>,
        /// None: the asking group's own chat.
        #[serde(default, rename = "targetJid", skip_serializing_if = "Option::is_none")]
        target_jid: Option<String>,
    },
    #[serde(rename_all = "camelCase")]
    PauseTask {
        task_id: String,
    },
    #[serde(rename_all = "camelCase")]
    ResumeTask {
        task_id: String,
    },
    #[serde(rename_all = "camelCase")]
    CancelTask {
        task_id: String,
    },
    UpdateTask {
        #[serde(rename = "taskId")]
        task_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prompt: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schedule_type: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schedule_value: Option<String>,
    },
    RefreshGroups,
    #[serde(rename_all = "camelCase")]
    RegisterGroup {
        jid: String,
        name: String,
        folder: String,
        trigger: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requires_trigger: Option<bool>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container_config: Option<ContainerConfig>,
    },
}

/// A group's own container settings, the same JSON as in `registered_groups.container_config`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerConfig {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_mounts: Vec<AdditionalMount>,
    /// Hard limit of a run in milliseconds (R5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// The tools that the agent may use; None: those of its trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
}

/// A folder that a group asks for beside its own; the mount allowlist decides (X1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdditionalMount {
    pub host_path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readonly: Option<bool>,
}

/// The host's answer: `{"ok":true}` or `{"error":"why"}` (I8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpcResult {
    Ok(bool),
    Error(String),
}

/// An entry of [`CURRENT_TASKS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentTask {
    pub id: String,
    #[serde(rename = "groupFolder")]
    pub group_folder: String,
    pub prompt: String,
    pub schedule_type: String,
    pub schedule_value: String,
    pub status: String,
    pub next_run: Option<String>,
}

/// The content of [`AVAILABLE_GROUPS`], written for main only (R8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AvailableGroups {
    pub groups: Vec<AvailableGroup>,
    pub last_sync: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AvailableGroup {
    pub jid: String,
    pub name: String,
    pub last_activity: Option<String>,
    pub is_registered: bool,
}

impl IpcRequest {
    /// The folder under `ipc/<group>/` that its file belongs in.
    pub fn folder(&self) -> &'static str {
        match self {
            Self::Message { .. } => MESSAGES,
            _ => TASKS,
        }
    }
}

/// Whether `id` may name an answer's file: 1 to 64 letters, digits and `-`.
pub fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    // I1: each shape, both ways.
    #[test]
    fn request_shapes() {
        fn check(mut shape: Value, request: IpcRequest, folder: &str) {
            assert_eq!(request.folder(), folder);
            // As the original wrote it, without an id.
            let read: IpcFile = serde_json::from_value(shape.clone()).unwrap();
            assert_eq!((read.id, &read.request), (None, &request));

            shape["id"] = json!("req-1");
            let file = IpcFile { id: Some("req-1".into()), request };
            assert_eq!(serde_json::to_value(&file).unwrap(), shape);
            assert_eq!(serde_json::from_value::<IpcFile>(shape).unwrap(), file);
        }
        let task_id = || "task-1".to_owned();
        check(
            json!({"type": "message", "chatJid": "1@g.us", "text": "hi"}),
            IpcRequest::Message { chat_jid: "1@g.us".into(), text: "hi".into(), sender: None },
            MESSAGES,
        );
        check(
            json!({"type": "message", "chatJid": "1@g.us", "text": "hi", "sender": "Researcher"}),
            IpcRequest::Message { chat_jid: "1@g.us".into(), text: "hi".into(), sender: Some("Researcher".into()) },
            MESSAGES,
        );
        check(
            json!({"type": "schedule_task", "prompt": "p", "schedule_type": "cron",
                   "schedule_value": "0 9 * * *", "context_mode": "group", "targetJid": "1@g.us"}),
            IpcRequest::ScheduleTask {
                prompt: "p".into(),
                schedule_type: "cron".into(),
                schedule_value: "0 9 * * *".into(),
                context_mode: Some("group".into()),
                target_jid: Some("1@g.us".into()),
            },
            TASKS,
        );
        let ids = json!({"taskId": "task-1"});
        for (kind, request) in [
            ("pause_task", IpcRequest::PauseTask { task_id: task_id() }),
            ("resume_task", IpcRequest::ResumeTask { task_id: task_id() }),
            ("cancel_task", IpcRequest::CancelTask { task_id: task_id() }),
        ] {
            let mut shape = ids.clone();
            shape["type"] = json!(kind);
            check(shape, request, TASKS);
        }
        check(
            json!({"type": "update_task", "taskId": "task-1", "schedule_value": "60000"}),
            IpcRequest::UpdateTask {
                task_id: task_id(),
                prompt: None,
                schedule_type: None,
                schedule_value: Some("60000".into()),
            },
            TASKS,
        );
        check(json!({"type": "refresh_groups"}), IpcRequest::RefreshGroups, TASKS);
        check(
            json!({"type": "register_group", "jid": "2@g.us", "name": "Family", "folder": "family",
                   "trigger": "@Andy", "requiresTrigger": false,
                   "containerConfig": {"timeout": 60000, "tools": ["read"], "additionalMounts":
                       [{"hostPath": "~/notes", "containerPath": "notes", "readonly": true}]}}),
            IpcRequest::RegisterGroup {
                jid: "2@g.us".into(),
                name: "Family".into(),
                folder: "family".into(),
                trigger: "@Andy".into(),
                requires_trigger: Some(false),
                container_config: Some(ContainerConfig {
                    additional_mounts: vec![AdditionalMount {
                        host_path: "~/notes".into(),
                        container_path: Some("notes".into()),
                        readonly: Some(true),
                    }],
                    timeout: Some(60_000),
                    tools: Some(vec!["read".into()]),
                }),
            },
            TASKS,
        );
    }

    // I8: the answers.
    #[test]
    fn result_shapes() {
        for (shape, result) in [
            (json!({"ok": true}), IpcResult::Ok(true)),
            (json!({"error": "no such task"}), IpcResult::Error("no such task".into())),
        ] {
            assert_eq!(serde_json::to_value(&result).unwrap(), shape);
            assert_eq!(serde_json::from_value::<IpcResult>(shape).unwrap(), result);
        }
    }

    // R8: the snapshots.
    #[test]
    fn snapshot_shapes() {
        let task = CurrentTask {
            id: "task-1".into(),
            group_folder: "main".into(),
            prompt: "p".into(),
            schedule_type: "once".into(),
            schedule_value: "2030-01-01T09:00:00".into(),
            status: "active".into(),
            next_run: None,
        };
        assert_eq!(
            serde_json::to_value(&task).unwrap(),
            json!({"id": "task-1", "groupFolder": "main", "prompt": "p", "schedule_type": "once",
                   "schedule_value": "2030-01-01T09:00:00", "status": "active", "next_run": null})
        );
        let groups = AvailableGroups {
            groups: vec![AvailableGroup {
                jid: "1@g.us".into(),
                name: "Family".into(),
                last_activity: Some("2030-01-01T09:00:00.000Z".into()),
                is_registered: true,
            }],
            last_sync: None,
        };
        assert_eq!(
            serde_json::to_value(&groups).unwrap(),
            json!({"groups": [{"jid": "1@g.us", "name": "Family",
                               "lastActivity": "2030-01-01T09:00:00.000Z", "isRegistered": true}], "lastSync": null})
        );
    }

    // I1, I8: an id that would leave its folder is none.
    #[test]
    fn ids() {
        for (id, expect) in
            [("req-1", true), ("", false), ("../x", false), ("a.b", false), ("a b", false), (&"a".repeat(65), false)]
        {
            assert_eq!(is_id(id), expect, "{id}");
        }
    }
}
