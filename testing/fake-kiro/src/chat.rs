//! `kiro-cli chat --no-interactive`: one prompt, one answer; text with Kiro's ornaments, or stream-json.

use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::script::{self, Script};
use crate::sessions::{self, Session};
use crate::turn::{self, Asked, Ended, Listener, Trust, Used};
use crate::{account, option};

/// Options of `chat` that take no value.
const FLAGS: [&str; 8] =
    ["--no-interactive", "-a", "--trust-all-tools", "-r", "--resume", "-l", "--list-sessions", "--require-mcp-startup"];

const NOT_LOGGED_IN: &str = "Not logged in. Set the KIRO_API_KEY environment variable or run `kiro-cli login` first.";

/// Stdout, in the form that was asked for.
struct Output {
    stream: bool,
    session: String,
    trust: Trust,
    text: String,
}

pub fn answer(script: &Script, arguments: &[String]) -> u8 {
    if let Some(code) = account::turned_away(script, NOT_LOGGED_IN) {
        return code;
    }
    let mut prompt = input(arguments).unwrap_or_default();
    if prompt.is_empty() {
        let _ = std::io::stdin().read_to_string(&mut prompt);
    }
    let mut output = Output {
        stream: option(arguments, &["--output-format"]) == Some("stream-json"),
        session: String::new(),
        trust: Trust::of(arguments),
        text: String::new(),
    };
    let mut session = match option(arguments, &["--resume-id"]).map(|id| Session::load(script, id)) {
        None => Session::new(),
        Some(Ok(session)) => session,
        Some(Err(error)) => return output.failed("init", &error),
    };
    let folder = std::env::current_dir().unwrap_or_default();
    let servers = servers(&folder, option(arguments, &["--agent"]));
    output.session.clone_from(&session.id);
    script::log(&json!({"event": "prompt", "by": "chat", "session": session.id, "prompt": prompt}));
    output.event(json!({"type": "runStarted", "sessionId": session.id}));
    session.lock();
    let asked = Asked { prompt: &prompt, count: session.history.len() + 1, folder: &folder, servers: &servers };
    let ended = turn::answer(&asked, &mut output);
    sessions::unlock_all();
    match ended {
        Ended::Exit(code) => {
            output.show();
            code
        }
        Ended::Failed(error) => {
            output.show();
            output.failed("prompt", &error)
        }
        Ended::Answered | Ended::Cancelled => {
            session.add(prompt, output.text.clone());
            output.show();
            output.finished(script);
            0
        }
    }
}

impl Output {
    fn event(&self, event: Value) {
        if self.stream {
            let mut stdout = std::io::stdout();
            let _ = writeln!(stdout, "{event}").and_then(|()| stdout.flush());
        }
    }

    fn update(&self, update: Value) {
        self.event(json!({"type": "sessionUpdate", "sessionId": self.session, "update": update}));
    }

    /// The text as a terminal gets it, at the end.
    fn show(&self) {
        if !self.stream {
            println!("\u{1b}[38;5;141m> \u{1b}[0m{}\u{1b}[0m", self.text);
        }
    }

    fn finished(&self, script: &Script) {
        let usage = &script.usage;
        self.event(
            json!({"type": "metadata", "sessionId": self.session, "contextUsagePercentage": usage.context_percent,
            "meteringUsage": [{"value": usage.credits, "unit": "credit"}]}),
        );
        self.event(
            json!({"type": "runFinished", "sessionId": self.session, "status": "success", "stopReason": "end_turn",
            "finalText": self.text, "finalTextTruncated": false}),
        );
        if !self.stream {
            eprintln!("\n\u{1b}[38;5;8m▸ Credits: {} • Time: 1s\u{1b}[0m", usage.credits);
        }
    }

    fn failed(&self, stage: &str, error: &str) -> u8 {
        self.event(json!({"type": "runError", "sessionId": self.session, "stage": stage, "message": error}));
        eprintln!("error: {error}");
        1
    }
}

impl Listener for Output {
    fn wait(&mut self, time: Duration) -> bool {
        std::thread::sleep(time);
        true
    }

    /// Nobody can be asked: what isn't trusted is refused.
    fn may_use(&mut self, tool: &Used, _ask: bool) -> bool {
        self.update(
            json!({"sessionUpdate": "tool_call", "toolCallId": "1", "title": "Using a tool", "status": "pending"}),
        );
        let trusted = self.trust.covers(tool);
        eprintln!("\u{1b}[38;5;141m🛠️  Using tool: {tool}\u{1b}[0m{}", if trusted { "" } else { " (not trusted)" });
        script::log(&json!({"event": "permission", "tool": tool.to_string(), "answer": trusted}));
        trusted
    }

    fn say(&mut self, text: &str) {
        self.text.push_str(text);
        self.update(json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}));
    }
}

/// The MCP servers of the agent in the folder's `.kiro/agents`, in ACP's form.
fn servers(folder: &Path, agent: Option<&str>) -> Vec<Value> {
    let file = folder.join(format!(".kiro/agents/{}.json", agent.unwrap_or_default()));
    let agent: Value = std::fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let servers = agent["mcpServers"].as_object().into_iter().flatten();
    servers
        .map(|(name, server)| {
            let env = server["env"].as_object().into_iter().flatten();
            let env: Vec<Value> = env.map(|(name, value)| json!({"name": name, "value": value})).collect();
            json!({"name": name, "command": server["command"], "args": server["args"], "env": env})
        })
        .collect()
}

/// The argument that is neither an option nor an option's value.
fn input(arguments: &[String]) -> Option<String> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if !argument.starts_with('-') {
            return Some(argument.clone());
        }
        if !FLAGS.contains(&argument.as_str()) && !argument.contains('=') {
            arguments.next();
        }
    }
    None
}
