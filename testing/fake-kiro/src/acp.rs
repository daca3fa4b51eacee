//! `kiro-cli acp`: JSON-RPC, an object a line, on stdio. One session at a time has a turn, each turn a thread of its own, so
//! that a cancel or a second prompt is heard meanwhile.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::account;
use crate::script::{self, Script};
use crate::sessions::{self, Session};
use crate::turn::{self, Asked, Ended, Listener, Trust, Used};

const INTERNAL: i64 = -32603;

#[derive(Default)]
struct Agent {
    sessions: Mutex<HashMap<String, Session>>,
    busy: AtomicBool,
    cancelled: AtomicBool,
    trust: Trust,
    asked: AtomicU64,
    /// Who waits for the answer to a permission request.
    waiting: Mutex<Option<Sender<Value>>>,
}

pub fn serve(script: &Script, arguments: &[String]) -> u8 {
    if let Some(code) = account::turned_away(script, account::NOT_LOGGED_IN) {
        return code;
    }
    let agent = Arc::new(Agent { trust: Trust::of(arguments), ..Agent::default() });
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        match serde_json::from_str::<Value>(&line) {
            Ok(message) => agent.clone().take(&message),
            Err(error) => {
                send(&json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": error.to_string()}}))
            }
        }
    }
    sessions::unlock_all();
    0
}

impl Agent {
    fn take(self: Arc<Self>, message: &Value) {
        let (id, params) = (message["id"].clone(), message["params"].clone());
        let Some(method) = message["method"].as_str() else {
            if let Some(waiting) = lock(&self.waiting).take() {
                let _ = waiting.send(message["result"].clone());
            }
            return;
        };
        let result = match method {
            "initialize" => Ok(json!({
                "protocolVersion": 1,
                "agentCapabilities": {"loadSession": true, "promptCapabilities": {"image": true}},
                "authMethods": [],
                "agentInfo": {"name": "Kiro CLI Agent", "version": Script::read().capabilities.version},
            })),
            "session/new" => Ok(self.open(&params)),
            "session/load" => self.load(&params),
            "session/prompt" => {
                if self.busy.swap(true, Ordering::SeqCst) {
                    Err("Prompt already in progress".into())
                } else {
                    thread::spawn(move || self.prompt(&id, &params));
                    return;
                }
            }
            "session/cancel" => {
                self.cancelled.store(true, Ordering::SeqCst);
                return;
            }
            "session/set_mode" | "session/set_model" => Ok(json!({})),
            other => Err(format!("unknown method {other}")),
        };
        if !id.is_null() {
            reply(&id, result);
        }
    }

    fn open(&self, params: &Value) -> Value {
        let session = Session::new();
        let id = session.id.clone();
        self.keep_open(session, params);
        send(
            &json!({"jsonrpc": "2.0", "method": "_kiro.dev/commands/available", "params": {"sessionId": id, "commands": []}}),
        );
        if let Some(server) = Script::read().mcp_fails {
            let params = json!({"sessionId": id, "serverName": server, "error": "did not start"});
            send(&json!({"jsonrpc": "2.0", "method": "_kiro.dev/mcp/server_init_failure", "params": params}));
        }
        json!({"sessionId": id, "modes": {"currentModeId": "kiro_default", "availableModes": []}})
    }

    fn load(&self, params: &Value) -> Result<Value, String> {
        let id = params["sessionId"].as_str().unwrap_or_default();
        let session = Session::load(&Script::read(), id)?;
        for (prompt, answer) in &session.history {
            update(id, &json!({"sessionUpdate": "user_message_chunk", "content": {"type": "text", "text": prompt}}));
            update(id, &json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": answer}}));
        }
        self.keep_open(session, params);
        Ok(json!({}))
    }

    fn keep_open(&self, mut session: Session, params: &Value) {
        session.cwd = params["cwd"].as_str().unwrap_or("/").into();
        session.servers = params["mcpServers"].as_array().cloned().unwrap_or_default();
        session.lock();
        lock(&self.sessions).insert(session.id.clone(), session);
    }

    /// One turn, on a thread of its own.
    fn prompt(&self, id: &Value, params: &Value) {
        self.cancelled.store(false, Ordering::SeqCst);
        let result = self.play(params);
        self.busy.store(false, Ordering::SeqCst);
        reply(id, result);
    }

    fn play(&self, params: &Value) -> Result<Value, String> {
        let id = params["sessionId"].as_str().unwrap_or_default();
        let session = lock(&self.sessions).get(id).cloned().ok_or("Session not found")?;
        let blocks = params["prompt"].as_array().map_or(&[][..], Vec::as_slice);
        let prompt = blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n");
        script::log(&json!({"event": "prompt", "by": "acp", "session": id, "prompt": prompt}));
        if let Some(command) = prompt.trim().strip_prefix('/') {
            if command == "quit" {
                std::process::exit(0);
            }
            update(id, &message(&format!("(ran the command /{command})")));
            return Ok(json!({"stopReason": "end_turn"}));
        }
        let mut listener = Client { agent: self, session: id, said: String::new() };
        let (folder, servers) = (&session.cwd, &session.servers);
        let asked = Asked { prompt: &prompt, count: session.history.len() + 1, folder, servers };
        let ended = turn::answer(&asked, &mut listener);
        let said = listener.said;
        match ended {
            Ended::Exit(code) => {
                sessions::unlock_all();
                std::process::exit(code.into());
            }
            Ended::Failed(error) => return Err(error),
            Ended::Cancelled => return Ok(json!({"stopReason": "cancelled"})),
            Ended::Answered => {}
        }
        metadata(id, Script::read().usage.credits);
        // A helper's session of Kiro's own.
        metadata("another", 99.0);
        if let Some(session) = lock(&self.sessions).get_mut(id) {
            session.add(prompt, said);
        }
        Ok(json!({"stopReason": "end_turn"}))
    }
}

/// The one on the other side of the pipes.
struct Client<'a> {
    agent: &'a Agent,
    session: &'a str,
    said: String,
}

impl Listener for Client<'_> {
    fn wait(&mut self, time: Duration) -> bool {
        let step = Duration::from_millis(10).min(time);
        let mut left = time;
        while !left.is_zero() && !self.agent.cancelled.load(Ordering::SeqCst) {
            thread::sleep(step.min(left));
            left = left.saturating_sub(step);
        }
        !self.agent.cancelled.load(Ordering::SeqCst)
    }

    fn may_use(&mut self, tool: &Used, ask: bool) -> bool {
        let call = format!("tool-{}", self.agent.asked.fetch_add(1, Ordering::SeqCst));
        let title = format!("Using {} as it needs to be", tool.name);
        let mut identity = json!({"toolName": tool.name});
        if let Some(server) = tool.server {
            identity["mcpServerName"] = json!(server);
        }
        update(
            self.session,
            &json!({"sessionUpdate": "tool_call", "toolCallId": call, "title": title, "status": "pending",
                "_meta": {"kiro": identity}}),
        );
        if self.agent.trust.covers(tool) && !ask {
            return true;
        }
        let (sender, answer): (_, Receiver<Value>) = mpsc::channel();
        *lock(&self.agent.waiting) = Some(sender);
        send(&json!({"jsonrpc": "2.0", "id": call, "method": "session/request_permission", "params": {
            "sessionId": self.session,
            "toolCall": {"toolCallId": call, "title": title},
            "options": [
                {"optionId": "allow_once", "name": "Yes", "kind": "allow_once"},
                {"optionId": "allow_always", "name": "Always", "kind": "allow_always"},
                {"optionId": "reject_once", "name": "No", "kind": "reject_once"},
            ],
        }}));
        let outcome = answer.recv().unwrap_or_default();
        script::log(&json!({"event": "permission", "tool": tool.to_string(), "answer": outcome}));
        outcome["outcome"]["optionId"].as_str().is_some_and(|option| option.starts_with("allow"))
    }

    fn say(&mut self, text: &str) {
        self.said.push_str(text);
        update(self.session, &message(text));
    }
}

fn metadata(session: &str, credits: f64) {
    let context = Script::read().usage.context_percent;
    send(&json!({"jsonrpc": "2.0", "method": "_kiro.dev/metadata", "params": {
        "sessionId": session, "contextUsagePercentage": context, "turnDurationMs": 7,
        "meteringUsage": [{"value": credits, "unit": "credit", "unitPlural": "credits"}],
    }}));
}

fn message(text: &str) -> Value {
    json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}})
}

fn update(session: &str, update: &Value) {
    let params = json!({"sessionId": session, "update": update});
    send(&json!({"jsonrpc": "2.0", "method": "session/update", "params": params}));
}

fn reply(id: &Value, result: Result<Value, String>) {
    send(&match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(message) => json!({"jsonrpc": "2.0", "id": id, "error": {"code": INTERNAL, "message": message}}),
    });
}

fn send(message: &Value) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(format!("{message}\n").as_bytes()).and_then(|()| stdout.flush());
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
