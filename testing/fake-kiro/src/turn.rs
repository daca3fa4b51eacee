//! One prompt's answer: the script's turn for it, or an echo.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use regex::Regex;
use serde_json::Value;

use crate::script::{Script, Turn};
use crate::{account, mcp};

const REFUSED: &str = "was not allowed";

/// A tool that a turn uses.
pub struct Used<'a> {
    /// None for one of Kiro's own.
    pub server: Option<&'a str>,
    pub name: &'a str,
}

impl std::fmt::Display for Used<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.server {
            Some(server) => write!(f, "@{server}/{}", self.name),
            None => f.write_str(self.name),
        }
    }
}

/// What `-a` and `--trust-tools` say.
#[derive(Default)]
pub struct Trust {
    all: bool,
    listed: Vec<String>,
}

impl Trust {
    pub fn of(arguments: &[String]) -> Self {
        let all = arguments.iter().any(|a| a == "-a" || a == "--trust-all-tools");
        let listed = crate::option(arguments, &["--trust-tools"]).unwrap_or_default().split(',').map(str::to_owned);
        Self { all, listed: listed.collect() }
    }

    pub fn covers(&self, tool: &Used) -> bool {
        let server = tool.server.map(|server| format!("@{server}"));
        self.all || self.listed.iter().any(|listed| *listed == tool.to_string() || Some(listed) == server.as_ref())
    }
}

/// How an answer reaches whoever asked.
pub trait Listener {
    /// False: the turn was cancelled meanwhile.
    fn wait(&mut self, time: Duration) -> bool;
    fn may_use(&mut self, tool: &Used, ask: bool) -> bool;
    fn say(&mut self, text: &str);
}

/// What is asked, and where.
pub struct Asked<'a> {
    pub prompt: &'a str,
    /// The session's prompts so far, this one included.
    pub count: usize,
    pub folder: &'a Path,
    /// ACP's `mcpServers` of the session.
    pub servers: &'a [Value],
}

pub enum Ended {
    Answered,
    Cancelled,
    Failed(String),
    Exit(u8),
}

pub fn answer(asked: &Asked, listener: &mut impl Listener) -> Ended {
    let script = Script::read();
    if let Some(error) = account::refused(&script) {
        return Ended::Failed(error);
    }
    let arguments: Vec<String> = std::env::args().collect();
    if let (Some(model), Some(models)) = (crate::option(&arguments, &["--model"]), &script.models)
        && !models.iter().any(|known| known == model)
    {
        return Ended::Failed(format!("Invalid model ID: {model}"));
    }
    let fits = |turn: &&Turn| Regex::new(&turn.pattern).is_ok_and(|pattern| pattern.is_match(asked.prompt));
    let text = last_message(asked.prompt);
    let Some(turn) = script.turns.iter().find(fits) else {
        listener.say(&format!("echo: {text}"));
        return Ended::Answered;
    };
    if turn.delay_ms > 0 && !listener.wait(Duration::from_millis(turn.delay_ms)) {
        return Ended::Cancelled;
    }
    if let Some(stderr) = &turn.stderr {
        eprintln!("{stderr}");
    }
    let mut stdout = std::io::stdout();
    let _ = stdout.write_all(turn.raw.as_bytes());
    let _ = stdout.write_all(&vec![b'x'; turn.flood]);
    let _ = stdout.flush();
    let output = output(turn, asked, listener);
    if turn.ends_refused && output.as_ref().is_some_and(|output| output.ends_with(REFUSED)) {
        return Ended::Answered;
    }
    let parts = match (&turn.parts[..], &output) {
        ([], Some(output)) => std::slice::from_ref(output),
        (parts, _) => parts,
    };
    for part in parts {
        let part = part
            .replace("{output}", output.as_deref().unwrap_or_default())
            .replace("{count}", &asked.count.to_string())
            .replace("{text}", &text)
            .replace("{texts}", &messages(asked.prompt).join(" "));
        listener.say(&part);
    }
    match (turn.exit, &turn.error) {
        (Some(code), _) => Ended::Exit(code),
        (None, Some(error)) => Ended::Failed(error.clone()),
        (None, None) => Ended::Answered,
    }
}

/// What the turn's tool or command gave; None where there is none.
fn output(turn: &Turn, asked: &Asked, listener: &mut impl Listener) -> Option<String> {
    let used = match (&turn.tool, &turn.run) {
        (Some(tool), _) => Used { server: Some(&tool.server), name: &tool.name },
        (None, Some(_)) => Used { server: None, name: "execute_bash" },
        (None, None) => return None,
    };
    if !listener.may_use(&used, turn.ask) {
        return Some(format!("{used} {REFUSED}"));
    }
    let mut output = String::new();
    if let Some(tool) = &turn.tool {
        output = match mcp::call(asked.servers, tool) {
            Ok(text) => text,
            Err(error) => format!("error: {error}"),
        };
    }
    if let Some(run) = &turn.run {
        let done = Command::new("sh").args(["-c", run]).current_dir(asked.folder).output();
        output = match done {
            Ok(done) => [done.stdout, done.stderr].map(|out| String::from_utf8_lossy(&out).into_owned()).concat(),
            Err(error) => format!("error: {error}"),
        };
    }
    Some(output.trim_end().to_owned())
}

/// The text of the last `<message …>…</message>`, else the whole prompt.
fn last_message(prompt: &str) -> String {
    messages(prompt).pop().unwrap_or_else(|| prompt.to_owned())
}

/// The texts of all `<message …>…</message>`.
fn messages(prompt: &str) -> Vec<String> {
    let inner = |message: &str| {
        let open = message.find('>')? + 1;
        let close = open + message[open..].find("</message>")?;
        Some(unescaped(&message[open..close]))
    };
    prompt.split("<message ").skip(1).filter_map(inner).collect()
}

fn unescaped(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_messages_text() {
        for (prompt, expect) in [
            ("hello", "hello"),
            (
                "<messages>\n<message sender=\"a &gt; b\" time=\"1\">one</message>\n<message sender=\"b\" time=\"2\">two &lt;&amp;lt;&gt;\nlines</message>\n</messages>",
                "two <&lt;>\nlines",
            ),
            ("<messages>\n</messages>", "<messages>\n</messages>"),
            ("<message cut", "<message cut"),
        ] {
            assert_eq!(last_message(prompt), expect, "{prompt}");
        }
        assert_eq!(messages("<message a=\"1\">one</message>\n<message b>&lt;two</message>"), ["one", "<two"]);
    }
}
