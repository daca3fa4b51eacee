//! One prompt's answer: the script's turn for it, or an echo.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use regex::Regex;
use serde_json::Value;

use crate::mcp;
use crate::script::{Script, Turn};

/// How an answer reaches whoever asked.
pub trait Listener {
    /// False: the turn was cancelled meanwhile.
    fn wait(&mut self, time: Duration) -> bool;
    fn may_use(&mut self, tool: &str, ask: bool) -> bool;
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
    if script.auth.state == "expired" {
        return Ended::Failed("ExpiredTokenException: The security token included in the request is expired".into());
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
    let output = output(turn, asked, listener);
    let parts = match (&turn.parts[..], &output) {
        ([], Some(output)) => std::slice::from_ref(output),
        (parts, _) => parts,
    };
    for part in parts {
        let part = part
            .replace("{output}", output.as_deref().unwrap_or_default())
            .replace("{count}", &asked.count.to_string())
            .replace("{text}", &text);
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
    let name = match (&turn.tool, &turn.run) {
        (Some(tool), _) => format!("@{}/{}", tool.server, tool.name),
        (None, Some(_)) => "execute_bash".into(),
        (None, None) => return None,
    };
    if !listener.may_use(&name, turn.ask) {
        return Some(format!("{name} was not allowed"));
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
    let inner = prompt.rfind("<message ").and_then(|start| {
        let open = start + prompt[start..].find('>')? + 1;
        let close = open + prompt[open..].find("</message>")?;
        Some(&prompt[open..close])
    });
    let Some(text) = inner else {
        return prompt.to_owned();
    };
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
    }
}
