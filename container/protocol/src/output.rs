//! What the runner answers (R4): one [`Output`] a result, framed on stdout.

use serde::{Deserialize, Serialize};

/// The line before a result.
pub const OUTPUT_START: &str = "---NANOCLAW_OUTPUT_START---";
/// The line after a result.
pub const OUTPUT_END: &str = "---NANOCLAW_OUTPUT_END---";

/// One result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    pub status: Status,
    /// The last turn that this answers, and with it every open turn before it. None: all open turns (C1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
    /// What Kiro said, for the user. None with `error`, or where there was nothing to say.
    #[serde(default)]
    pub result: Option<String>,
    /// Kiro's session id, to be given back in the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_session_id: Option<String>,
    /// What went wrong, for the log and for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What the turn took, where Kiro said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// What Kiro says that a turn took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Of the account, for this turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<f64>,
    /// How full the session's context is after it, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_percent: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Success,
    Error,
}

/// Why a run failed, as far as the runner can tell. The host chooses sentence and cure by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Kiro asks for a sign-in (A5).
    SignedOut,
    /// A sign-in that is no longer valid (A5).
    Expired,
    /// Kiro tried to open a browser to sign in (A5).
    Browser,
    /// Too many requests, or no credits left.
    Quota,
    /// No such model, or it can't be used.
    Model,
    /// No such agent configuration, or a faulty one.
    Agent,
    /// An MCP server didn't start.
    Mcp,
    /// Kiro's service can't be reached.
    Network,
    /// kiro-cli isn't there.
    Missing,
    /// kiro-cli doesn't know what is asked of it.
    Old,
    DiskFull,
    /// Anything else, and whatever a newer runner may say.
    #[serde(other)]
    Unknown,
}

impl Output {
    /// An answer to `turn`.
    pub fn success(turn: u64, result: impl Into<String>) -> Self {
        Self {
            status: Status::Success,
            turn: Some(turn),
            result: Some(result.into()),
            new_session_id: None,
            error: None,
            cause: None,
            usage: None,
        }
    }

    /// A failure of `turn`, or of all open turns.
    pub fn error(turn: Option<u64>, cause: Cause, error: impl Into<String>) -> Self {
        Self {
            status: Status::Error,
            turn,
            result: None,
            new_session_id: None,
            error: Some(error.into()),
            cause: Some(cause),
            usage: None,
        }
    }

    /// The frame: marker, JSON, marker, a line each. A marker inside a text can't end it, as it shares the JSON's one line.
    pub fn to_frame(&self) -> String {
        format!("{OUTPUT_START}\n{}{OUTPUT_END}\n", crate::to_line(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R4: the names on the wire.
    #[test]
    fn frame_text() {
        let mut output = Output::success(3, "hello\n---NANOCLAW_OUTPUT_END---\n");
        output.new_session_id = Some("s-1".into());
        assert_eq!(
            output.to_frame(),
            "---NANOCLAW_OUTPUT_START---\n\
             {\"status\":\"success\",\"turn\":3,\"result\":\"hello\\n---NANOCLAW_OUTPUT_END---\\n\",\"newSessionId\":\"s-1\"}\n\
             ---NANOCLAW_OUTPUT_END---\n"
        );
        let error = Output::error(None, Cause::SignedOut, "sign in");
        assert!(
            error.to_frame().contains(r#"{"status":"error","result":null,"error":"sign in","cause":"signed-out"}"#)
        );
    }

    // R4
    #[test]
    fn usage() {
        let mut output = Output::success(1, "hi");
        output.usage = Some(Usage { credits: Some(0.05), context_percent: None });
        let frame = output.to_frame();
        assert!(frame.contains(r#""usage":{"credits":0.05}"#), "{frame}");
        let json = frame.lines().nth(1).unwrap();
        assert_eq!(serde_json::from_str::<Output>(json).unwrap(), output);
    }

    // R4: a runner that knows more causes or fields than this host.
    #[test]
    fn newer_runner() {
        let text = r#"{"status":"error","error":"x","cause":"solar-flare","colour":"red"}"#;
        let output: Output = serde_json::from_str(text).unwrap();
        assert_eq!(output.cause, Some(Cause::Unknown));
        assert_eq!(output.turn, None);
    }
}
