//! Kiro by ACP: JSON-RPC, a JSON object a line, on the pipes of `kiro-cli acp` (facts of kiro-cli, "ACP").
//!
//! Owns: the session, the calls, what counts as the answer. Called by `main` and `converse`.
//! The client is our own, because the wire needed here is small: the crate `agent-client-protocol` 5 makes a static binary
//! of 2.3 MB before our first line (141 packages), brings its own process handling, and Kiro's `_kiro.dev/*` messages want raw JSON anyway.

use std::future::pending;
use std::time::Duration;

use nanoclaw_protocol::Cause;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Failure;
use super::answer::{Answer, Answered};
use super::chat::Chat;
use super::launch::{BAD_ARGUMENTS, Launch};
use super::process::{Heard, Process};
use super::tools::{self, Calls};

/// A start includes Kiro's MCP servers; npx may have to fetch one first.
const OPEN_LIMIT: Duration = Duration::from_secs(120);
/// A load is known to hang; a new session is better than none.
pub const LOAD_LIMIT: Duration = Duration::from_secs(20);

const AUTH_REQUIRED: i64 = -32000;
const METHOD_NOT_FOUND: i64 = -32601;

pub struct Acp {
    process: Process,
    launch: Launch,
    /// What kiro-cli's help says, if that had to be asked.
    help: Option<String>,
    /// Our MCP server, beside those that the user's own configuration names (R10).
    server: Value,
    can_load: bool,
    /// A call was not answered in time: nothing else would be.
    stuck: bool,
    last_id: u64,
    session: Option<String>,
    answer: Answer,
    calls: Calls,
    /// The tool that was refused after Kiro last said something.
    refused: Option<String>,
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

impl Acp {
    /// Starts kiro-cli; [`begin`](Self::begin) comes next.
    pub fn start(launch: Launch, server: Value) -> Result<Self, Failure> {
        Ok(Self {
            process: Process::start(&launch, &launch.acp(None))?,
            launch,
            help: None,
            server,
            can_load: false,
            stuck: false,
            last_id: 0,
            session: None,
            answer: Answer::default(),
            calls: Calls::default(),
            refused: None,
        })
    }

    /// Shakes hands; [`open`](Self::open) comes next. False where this kiro-cli has no ACP.
    pub async fn begin(&mut self) -> Result<bool, Failure> {
        let mut begun = self.initialize().await;
        if begun.is_err() && self.process.exit_code() == Some(BAD_ARGUMENTS) {
            // It names what it doesn't know: the command, or one of its options.
            if self.process.said().contains("'acp'") {
                return Ok(false);
            }
            let help = self.launch.help("acp").await?;
            if !help.contains("--") {
                return Ok(false);
            }
            self.help = Some(help);
            begun = self.restart().await;
        }
        crate::note(&format!("Kiro {} is driven by ACP.", begun?));
        Ok(true)
    }

    /// The next best way, where this one isn't there.
    pub async fn give_way(&self) -> Result<Chat, Failure> {
        let help = self.launch.help("chat").await?;
        Ok(Chat::new(self.launch.clone(), help, &self.server))
    }

    /// Goes on with `session` where Kiro can, else with a new one; our stderr then says why.
    pub async fn open(&mut self, session: Option<&str>) -> Result<(), Failure> {
        if let Some(id) = session {
            let why = match self.load(id).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure.text,
            };
            crate::note(&format!("Session {id} could not be loaded, a new one was started: {why}"));
            if self.stuck || self.process.gone() {
                self.restart().await?;
            }
        }
        let params = json!({"cwd": self.launch.folder, "mcpServers": [self.server]});
        let opened = self.call("session/new", params, Some(OPEN_LIMIT)).await?;
        let id = opened["sessionId"]
            .as_str()
            .ok_or_else(|| Failure::new(Cause::Unknown, "Kiro gave its new session no id."))?;
        self.session = Some(id.to_owned());
        Ok(())
    }

    pub async fn ask(&mut self, text: &str) -> Result<Answered, Failure> {
        self.answer = Answer::default();
        self.calls = Calls::default();
        self.refused = None;
        self.process.forget();
        let params = json!({"sessionId": self.session, "prompt": [{"type": "text", "text": text}]});
        let ended = self.call("session/prompt", params, None).await?;
        let mut answered = std::mem::take(&mut self.answer).finish();
        if let Some(tool) = &self.refused {
            // A person who asked gets an answer, also where Kiro ends the turn at a refusal.
            if answered.text.is_empty() {
                answered.text = tools::refusal(tool);
            }
            return Ok(answered);
        }
        match ended["stopReason"].as_str() {
            Some("cancelled") => Err(Failure::new(Cause::Unknown, "Kiro gave the turn up.")),
            Some("refusal") if answered.text.is_empty() => Err(Failure::new(Cause::Unknown, "Kiro refused to answer.")),
            _ => Ok(answered),
        }
    }

    pub fn session_id(&self) -> Option<&str> {
        self.session.as_deref()
    }

    pub async fn ended(&mut self) -> Failure {
        loop {
            if let Err(failure) = self.hear().await {
                return failure;
            }
        }
    }

    pub fn into_process(self) -> Process {
        self.process
    }

    /// Kiro's version.
    async fn initialize(&mut self) -> Result<String, Failure> {
        let params = json!({
            "protocolVersion": 1,
            "clientCapabilities": {"fs": {"readTextFile": false, "writeTextFile": false}, "terminal": false},
            "clientInfo": {"name": "nanoclaw", "version": env!("CARGO_PKG_VERSION")},
        });
        let agent = self.call("initialize", params, Some(OPEN_LIMIT)).await?;
        self.can_load = agent["agentCapabilities"]["loadSession"] == true;
        Ok(agent["agentInfo"]["version"].as_str().unwrap_or("of unknown version").to_owned())
    }

    /// Another process in the place of one that is gone or hangs.
    async fn restart(&mut self) -> Result<String, Failure> {
        self.process.end(true, pending::<()>()).await;
        self.process = Process::start(&self.launch, &self.launch.acp(self.help.as_deref()))?;
        self.stuck = false;
        self.initialize().await
    }

    async fn load(&mut self, id: &str) -> Result<(), Failure> {
        if !self.can_load {
            return Err(Failure::new(Cause::Unknown, "this Kiro can't load sessions."));
        }
        let params = json!({"sessionId": id, "cwd": self.launch.folder, "mcpServers": [self.server]});
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
            self.stuck = true;
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
            if self.answer.is_empty()
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
            Heard::Endless => return Err(Failure::endless()),
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
            let (outcome, refused) = tools::decide(&self.launch.tools, &self.calls, params);
            if let Some(tool) = &refused {
                crate::note(&format!("Kiro asked for {tool}, which this group may not use."));
                self.refused = refused;
            }
            json!({"jsonrpc": "2.0", "id": id, "result": {"outcome": outcome}})
        } else {
            let error = json!({"code": METHOD_NOT_FOUND, "message": format!("{method} is not offered")});
            json!({"jsonrpc": "2.0", "id": id, "error": error})
        };
        self.send(&reply).await;
    }

    /// A notification: a piece of the answer, what it took, or news of Kiro's own, of which only troubles are kept.
    fn notice(&mut self, method: &str, params: &Value) {
        // Agents that Kiro starts itself speak in sessions of their own.
        let ours = params["sessionId"].as_str().is_none_or(|id| Some(id) == self.session_id());
        match method {
            "session/update" if ours => {
                let update = &params["update"];
                self.calls.take(update);
                self.answer.update(update);
                if update["sessionUpdate"] == "agent_message_chunk" {
                    self.refused = None;
                }
            }
            "_kiro.dev/metadata" if ours => self.answer.metadata(params),
            "session/update" | "_kiro.dev/metadata" => {}
            _ if ["fail", "error", "not_found", "limit"].iter().any(|sign| method.contains(sign)) => {
                self.process.note(format!("{method} {params}").as_bytes());
            }
            _ => {}
        }
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
