//! What the host writes to the runner's stdin (R3): one [`Request`], then any number of [`FollowUp`]s, a JSON line each.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest line that the runner accepts, in bytes; a longer one is answered with an error frame.
pub const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;

/// The first line: what a run is for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The id of this hand-over (C1); the frame that answers it names it.
    pub turn: u64,
    /// What Kiro is asked. Empty: open the session and wait (kept warm).
    pub prompt: String,
    /// Kiro's own session id, as an earlier frame gave it in `newSessionId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    pub group_folder: String,
    pub chat_jid: String,
    pub is_main: bool,
    /// Kiro's tools that the agent may use, as kiro-cli names them: `fs_read`, `@server`, `@server/*`, `@server/tool`. None: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// No person sent the prompt (A1); the run ends right after its result (S6).
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_scheduled_task: bool,
    /// Milliseconds without a result after which the runner ends by itself (R5).
    pub idle_timeout: u64,
    /// Environment for kiro-cli alone, by name. Never in argv, on disk or in a log.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
}

/// A later line on the same stdin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum FollowUp {
    /// More for the same session. Several waiting ones become one turn, named by the last of them (A3). Turns only grow within
    /// a run; one that came already is not taken again.
    Message { turn: u64, text: String },
    /// Finish the turn under way, then end.
    Close,
}

impl Request {
    /// One JSON line with its `\n`.
    pub fn to_line(&self) -> String {
        crate::to_line(self)
    }
}

impl FollowUp {
    /// One JSON line with its `\n`.
    pub fn to_line(&self) -> String {
        crate::to_line(self)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("turn", &self.turn)
            .field("prompt", &self.prompt)
            .field("session_id", &self.session_id)
            .field("group_folder", &self.group_folder)
            .field("chat_jid", &self.chat_jid)
            .field("is_main", &self.is_main)
            .field("tools", &self.tools)
            .field("is_scheduled_task", &self.is_scheduled_task)
            .field("idle_timeout", &self.idle_timeout)
            .field("secrets", &self.secrets.keys())
            .finish()
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            turn: 7,
            prompt: "line one\nline two".into(),
            session_id: None,
            group_folder: "main".into(),
            chat_jid: "123@g.us".into(),
            is_main: true,
            tools: None,
            is_scheduled_task: false,
            idle_timeout: 300_000,
            secrets: BTreeMap::new(),
        }
    }

    // R3: the names on the wire, and what is left out when it says nothing.
    #[test]
    fn request_line() {
        let line = request().to_line();
        assert_eq!(
            line,
            "{\"turn\":7,\"prompt\":\"line one\\nline two\",\"groupFolder\":\"main\",\"chatJid\":\"123@g.us\",\"isMain\":true,\"idleTimeout\":300000}\n"
        );
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request());

        let full = Request {
            session_id: Some("s-1".into()),
            tools: Some(vec!["fs_read".into(), "@nanoclaw".into()]),
            is_scheduled_task: true,
            secrets: [("KIRO_API_KEY".to_owned(), "k".to_owned())].into(),
            ..request()
        };
        let line = full.to_line();
        assert!(line.contains(r#""sessionId":"s-1""#) && line.contains(r#""isScheduledTask":true"#));
        assert!(line.contains(r#""secrets":{"KIRO_API_KEY":"k"}"#));
        assert!(line.contains(r#""tools":["fs_read","@nanoclaw"]"#), "{line}");
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), full);
    }

    // R3
    #[test]
    fn follow_up_lines() {
        let message = FollowUp::Message { turn: 8, text: "and\nthis".into() };
        assert_eq!(message.to_line(), "{\"type\":\"message\",\"turn\":8,\"text\":\"and\\nthis\"}\n");
        assert_eq!(FollowUp::Close.to_line(), "{\"type\":\"close\"}\n");
        for follow_up in [message, FollowUp::Close] {
            assert_eq!(serde_json::from_str::<FollowUp>(&follow_up.to_line()).unwrap(), follow_up);
        }
    }

    // R3: secrets never reach a log.
    #[test]
    fn debug_shows_no_secret() {
        let secret = Request { secrets: [("KIRO_API_KEY".to_owned(), "ksk-hidden".to_owned())].into(), ..request() };
        let shown = format!("{secret:?}");
        assert!(!shown.contains("ksk-hidden"), "{shown}");
        assert!(shown.contains("KIRO_API_KEY"), "{shown}");
    }
}
