//! Kiro by ACP: JSON-RPC, a JSON object a line, on the pipes of `kiro-cli acp` (facts of kiro-cli, "ACP").
//!
//! Owns: the session, the calls, what counts as the answer. Called by `main` and `converse`.
//! The client is our own, because the wire needed here is small: the crate `agent-client-protocol` 5 makes a static binary
//! of 2.3 MB before our first line (141 packages), brings its own process handling, and Kiro's `_kiro.dev/*` messages want raw JSON anyway.

use std::time::Duration;

use nanoclaw_protocol::{Cause, Request};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::signal::unix::Signal as Listener;

use super::Failure;
use super::launch::{BAD_ARGUMENTS, Launch};
use super::process::{Heard, Process};
use crate::text;

/// A start includes Kiro's MCP servers; npx may have to fetch one first.
const OPEN_LIMIT: Duration = Duration::from_secs(120);
/// A load is known to hang; a new session is better than none.
const LOAD_LIMIT: Duration = Duration::from_secs(30);
/// An answer is cut here: a chat message holds far less, and a frame has to hold it.
const ANSWER_BYTES: usize = 1024 * 1024;

const AUTH_REQUIRED: i64 = -32000;
const METHOD_NOT_FOUND: i64 = -32601;

pub struct Kiro {
    process: Process,
    launch: Launch,
    is_main: bool,
    /// The MCP servers of each session, beside those that the user's own configuration names (R10).
    servers: Value,
    last_id: u64,
    session: Option<String>,
    answer: Answer,
}

/// The text of the turn under way.
#[derive(Default)]
struct Answer {
    text: String,
    /// Kiro used a tool after the last piece of text.
    tool_between: bool,
    cut: bool,
}

/// Any of JSON-RPC's three kinds.
#[derive(Deserialize)]
struct Message {
    id: Option<Value>,
    method: Option<String>,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    result: Value,
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RpcError {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Value,
}

impl Kiro {
    /// Starts kiro-cli; [`open`](Self::open) comes next.
    pub fn start(request: &Request) -> Result<Self, Failure> {
        let launch = Launch::new(request.secrets.clone());
        Ok(Self {
            process: Process::start(&launch, None)?,
            launch,
            is_main: request.is_main,
            servers: json!([crate::mcp::entry(request)]),
            last_id: 0,
            session: None,
            answer: Answer::default(),
        })
    }

    /// Goes on with `session` where Kiro can, else with a new one; our stderr then says why.
    pub async fn open(&mut self, session: Option<&str>) -> Result<(), Failure> {
        let mut initialized = self.initialize().await;
        if initialized.is_err() && self.process.exit_code() == Some(BAD_ARGUMENTS) {
            let help = self.launch.help().await?;
            self.process = Process::start(&self.launch, Some(&help))?;
            initialized = self.initialize().await;
        }
        let can_load = initialized?["agentCapabilities"]["loadSession"] == true;
        match session {
            Some(_) if !can_load => crate::note("This Kiro can't load sessions; a new one was started."),
            Some(id) => match self.load(id).await {
                Ok(()) => return Ok(()),
                Err(failure) => {
                    crate::note(&format!("Session {id} could not be loaded, a new one was started: {}", failure.text))
                }
            },
            None => {}
        }
        let params = json!({"cwd": self.launch.folder, "mcpServers": self.servers});
        let opened = self.call("session/new", params, Some(OPEN_LIMIT)).await?;
        let id = opened["sessionId"]
            .as_str()
            .ok_or_else(|| Failure::new(Cause::Unknown, "Kiro gave its new session no id."))?;
        self.session = Some(id.to_owned());
        Ok(())
    }

    /// Kiro's answer to `text`, plain; empty where it said nothing.
    pub async fn ask(&mut self, text: &str) -> Result<String, Failure> {
        self.answer = Answer::default();
        self.process.forget();
        let params = json!({"sessionId": self.session, "prompt": [{"type": "text", "text": text}]});
        let ended = self.call("session/prompt", params, None).await?;
        let answer = std::mem::take(&mut self.answer).finish();
        match ended["stopReason"].as_str() {
            Some("cancelled") => Err(Failure::new(Cause::Unknown, "Kiro gave the turn up.")),
            Some("refusal") if answer.is_empty() => Err(Failure::new(Cause::Unknown, "Kiro refused to answer.")),
            _ => Ok(answer),
        }
    }

    pub fn session_id(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// Waits until Kiro ends, between turns; meanwhile it is listened to.
    pub async fn ended(&mut self) -> Failure {
        loop {
            if let Err(failure) = self.hear().await {
                return failure;
            }
        }
    }

    /// See [`Process::stop`].
    pub async fn stop(self, at_once: bool, terminate: &mut Listener) {
        self.process.stop(at_once, terminate).await;
    }

    async fn initialize(&mut self) -> Result<Value, Failure> {
        let params = json!({
            "protocolVersion": 1,
            "clientCapabilities": {"fs": {"readTextFile": false, "writeTextFile": false}, "terminal": false},
            "clientInfo": {"name": "nanoclaw", "version": env!("CARGO_PKG_VERSION")},
        });
        self.call("initialize", params, Some(OPEN_LIMIT)).await
    }

    async fn load(&mut self, id: &str) -> Result<(), Failure> {
        let params = json!({"sessionId": id, "cwd": self.launch.folder, "mcpServers": self.servers});
        self.call("session/load", params, Some(LOAD_LIMIT)).await?;
        self.session = Some(id.to_owned());
        Ok(())
    }

    async fn call(&mut self, method: &str, params: Value, limit: Option<Duration>) -> Result<Value, Failure> {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        let Some(limit) = limit else {
            return self.reply(id).await;
        };
        tokio::time::timeout(limit, self.reply(id)).await.unwrap_or_else(|_| {
            let text = format!("Kiro did not answer {method} within {} s.", limit.as_secs());
            Err(Failure::new(Cause::Unknown, text))
        })
    }

    /// The answer to the call `id`.
    async fn reply(&mut self, id: u64) -> Result<Value, Failure> {
        loop {
            if let Some(message) = self.hear().await?
                && message.id == Some(id.into())
            {
                return match message.error {
                    None => Ok(message.result),
                    Some(error) => Err(error.into_failure(self.process.said())),
                };
            }
            // Signed out, Kiro may wait for a browser for minutes. But a tool may speak of other sign-ins: what comes
            // after the first piece of an answer is no sign.
            if self.answer.text.is_empty()
                && let Some(failure) = self.process.sign_in_failure()
            {
                return Err(failure);
            }
        }
    }

    /// Deals with the next thing that comes; Some is the answer to a call, an error Kiro's end.
    async fn hear(&mut self) -> Result<Option<Message>, Failure> {
        let line = match self.process.next().await {
            Heard::Ended => return Err(self.process.failure()),
            Heard::Said => return Ok(None),
            Heard::Line(line) => line,
        };
        let Ok(mut message) = serde_json::from_slice::<Message>(&line) else {
            self.process.note(&line);
            return Ok(None);
        };
        match (message.method.take(), message.id.take()) {
            (Some(method), Some(id)) => self.serve(&method, &message.params, id).await,
            (Some(method), None) => self.notice(&method, &message.params),
            (None, id) => return Ok(Some(Message { id, ..message })),
        }
        Ok(None)
    }

    async fn send(&mut self, message: &Value) {
        let mut line = message.to_string();
        line.push('\n');
        self.process.write(line.as_bytes()).await;
    }

    /// A request of Kiro's.
    async fn serve(&mut self, method: &str, params: &Value, id: Value) {
        let reply = if method == "session/request_permission" {
            let outcome = outcome(decide(self.is_main, params), params);
            json!({"jsonrpc": "2.0", "id": id, "result": {"outcome": outcome}})
        } else {
            let error = json!({"code": METHOD_NOT_FOUND, "message": format!("{method} is not offered")});
            json!({"jsonrpc": "2.0", "id": id, "error": error})
        };
        self.send(&reply).await;
    }

    /// A notification: a piece of the answer, or news of Kiro's own, of which only troubles are kept.
    fn notice(&mut self, method: &str, params: &Value) {
        if method != "session/update" {
            if ["fail", "error", "not_found", "limit"].iter().any(|sign| method.contains(sign)) {
                self.process.note(format!("{method} {params}").as_bytes());
            }
            return;
        }
        if params["sessionId"].as_str() != self.session_id() {
            return;
        }
        let update = &params["update"];
        match update["sessionUpdate"].as_str() {
            Some("agent_message_chunk") => {
                if let Some(text) = update["content"]["text"].as_str() {
                    self.answer.push(text);
                }
            }
            Some("tool_call") => self.answer.tool_between = true,
            _ => {}
        }
    }
}

impl Answer {
    fn push(&mut self, text: &str) {
        if std::mem::take(&mut self.tool_between) && !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
        if self.text.len() + text.len() > ANSWER_BYTES {
            self.cut = true;
        }
        if !self.cut {
            self.text.push_str(text);
        }
    }

    fn finish(self) -> String {
        let mut text = text::plain(&self.text);
        if self.cut {
            text.push_str("\n… (cut: the answer was too long)");
        }
        text
    }
}

impl RpcError {
    fn into_failure(self, said: &str) -> Failure {
        let text = match &self.data {
            Value::Null => self.message,
            Value::String(data) => format!("{}: {data}", self.message),
            data => format!("{}: {data}", self.message),
        };
        let mut failure = Failure::told(&text, said);
        if failure.cause == Cause::Unknown && self.code == AUTH_REQUIRED {
            failure.cause = Cause::SignedOut;
        }
        failure
    }
}

/// Whether Kiro may use the tool that `request` (ACP `session/request_permission`) names. The container is the boundary:
/// inside it every group's agent may do what its work needs.
fn decide(_is_main: bool, _request: &Value) -> bool {
    true
}

/// The option that says so, for this once if there is a choice; where none fits, the request is cancelled.
fn outcome(allowed: bool, request: &Value) -> Value {
    let kinds = if allowed { ["allow_once", "allow_always"] } else { ["reject_once", "reject_always"] };
    let options = request["options"].as_array().map_or(&[][..], Vec::as_slice);
    let chosen = kinds.iter().find_map(|kind| options.iter().find(|option| option["kind"] == *kind));
    match chosen {
        Some(option) => json!({"outcome": "selected", "optionId": option["optionId"]}),
        None => json!({"outcome": "cancelled"}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permission_outcome() {
        let options = |kinds: &[&str]| {
            let options: Vec<_> = kinds.iter().map(|kind| json!({"optionId": kind, "kind": kind})).collect();
            json!({"options": options})
        };
        let all = options(&["allow_always", "allow_once", "reject_once"]);
        for (allowed, request, expect) in [
            (true, &all, "allow_once"),
            (false, &all, "reject_once"),
            (true, &options(&["allow_always"]), "allow_always"),
        ] {
            assert_eq!(outcome(allowed, request), json!({"outcome": "selected", "optionId": expect}));
        }
        for request in [&options(&["reject_once"]), &json!({})] {
            assert_eq!(outcome(true, request), json!({"outcome": "cancelled"}));
        }
    }
}
