//! `kiro-cli chat --no-interactive`: one prompt, one answer; text with Kiro's ornaments, or stream-json.

use std::io::Read;
use std::time::Duration;

use serde_json::json;

use crate::script::{self, Script};
use crate::turn::{self, Asked, Ended, Listener};
use crate::{account, option};

/// Options of `chat` that take no value.
const FLAGS: [&str; 8] =
    ["--no-interactive", "-a", "--trust-all-tools", "-r", "--resume", "-l", "--list-sessions", "--require-mcp-startup"];

const NOT_LOGGED_IN: &str =
    "error: Not logged in. Set the KIRO_API_KEY environment variable or run `kiro-cli login` first.";

struct Collected {
    text: String,
    trusted: bool,
}

impl Listener for Collected {
    fn wait(&mut self, time: Duration) -> bool {
        std::thread::sleep(time);
        true
    }

    fn may_use(&mut self, tool: &str, _ask: bool) -> bool {
        eprintln!("\u{1b}[38;5;141m🛠️  Using tool: {tool}\u{1b}[0m");
        self.trusted
    }

    fn say(&mut self, text: &str) {
        self.text.push_str(text);
    }
}

pub fn answer(script: &Script, arguments: &[String]) -> u8 {
    if let Some(code) = account::turned_away(script, NOT_LOGGED_IN) {
        return code;
    }
    let stream = option(arguments, &["--output-format"]) == Some("stream-json");
    let mut prompt = input(arguments).unwrap_or_default();
    if prompt.is_empty() {
        let _ = std::io::stdin().read_to_string(&mut prompt);
    }
    script::log(&json!({"event": "prompt", "by": "chat", "prompt": prompt}));
    let folder = std::env::current_dir().unwrap_or_default();
    let asked = Asked { prompt: &prompt, count: 1, folder: &folder, servers: &[] };
    let trusted = arguments.iter().any(|a| a == "-a" || a == "--trust-all-tools");
    let mut collected = Collected { text: String::new(), trusted };
    let id = option(arguments, &["--resume-id"]).map_or_else(|| format!("chat-{}", std::process::id()), str::to_owned);
    if stream {
        println!("{}", json!({"type": "runStarted", "sessionId": id}));
    }
    let ended = turn::answer(&asked, &mut collected);
    let text = collected.text;
    if stream {
        let update = json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}});
        println!("{}", json!({"type": "sessionUpdate", "sessionId": id, "update": update}));
    } else {
        println!("\u{1b}[38;5;141m> \u{1b}[0m{text}\u{1b}[0m");
    }
    match ended {
        Ended::Exit(code) => code,
        Ended::Failed(error) => {
            if stream {
                println!("{}", json!({"type": "runError", "sessionId": id, "stage": "prompt", "message": error}));
            }
            eprintln!("error: {error}");
            1
        }
        Ended::Answered | Ended::Cancelled => {
            if stream {
                let finished = json!({"type": "runFinished", "sessionId": id, "status": "success", "stopReason": "end_turn",
                    "finalText": text, "finalTextTruncated": false});
                println!("{finished}");
            } else {
                eprintln!("\n\u{1b}[38;5;8m▸ Credits: 0.01 • Time: 1s\u{1b}[0m");
            }
            0
        }
    }
}

/// The argument that is neither an option nor an option's value.
fn input(arguments: &[String]) -> Option<String> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if !argument.starts_with('-') {
            return Some(argument.clone());
        }
        if !FLAGS.contains(&argument.as_str()) {
            arguments.next();
        }
    }
    None
}
