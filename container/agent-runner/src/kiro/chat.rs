//! Kiro by `kiro-cli chat --no-interactive`, a process a turn: where it has no ACP. Its answer comes as stream-json, a JSON
//! object a line, or, from still older ones, as text for a terminal (facts of kiro-cli, "Commands").
//!
//! By text Kiro doesn't say which session it made, and a guess could be another group's (R11): then each turn stands alone.

use std::future::pending;
use std::path::Path;

use nanoclaw_protocol::Cause;
use serde_json::Value;
use tokio::time::timeout;

use super::acp::LOAD_LIMIT;
use super::answer::{Answer, Answered};
use super::launch::{Launch, RESUME, STREAM_JSON};
use super::process::{Heard, Process};
use super::{Failure, agent};

pub struct Chat {
    launch: Launch,
    /// What `chat --help` says.
    help: String,
    stream: bool,
    session: Option<String>,
    /// The turn under way, or the last one.
    process: Option<Process>,
}

/// A turn as far as it has come.
#[derive(Default)]
struct Turn {
    answer: Answer,
    /// Kiro has begun with it: the session is there.
    begun: bool,
    /// stream-json's `runFinished`.
    finished: Option<Value>,
}

impl Chat {
    /// `help` is what `chat --help` says, `server` our MCP server in ACP's form.
    pub fn new(mut launch: Launch, help: String, server: &Value) -> Self {
        let stream = help.contains(STREAM_JSON);
        let form = if stream { "stream-json" } else { "plain text; it remembers nothing from turn to turn" };
        crate::note(&format!("Kiro has no ACP; it is driven by chat with {form}."));
        match agent::write(Path::new(&launch.folder), launch.agent.as_deref(), server) {
            Ok(name) => launch.agent = Some(name.into()),
            Err(error) => crate::note(&format!("Kiro can't be given NanoClaw's tools: {error}")),
        }
        Self { launch, help, stream, session: None, process: None }
    }

    pub fn open(&mut self, session: Option<&str>) {
        self.session = session.map(str::to_owned);
        if let Some(id) = self.session.take_if(|_| !self.help.contains(RESUME)) {
            crate::note(&not_loaded(&id, "this Kiro can't load sessions."));
        }
    }

    pub async fn ask(&mut self, text: &str) -> Result<Answered, Failure> {
        let mut turn = Turn::default();
        let asked = self.turn(text, &mut turn).await;
        match (asked, self.session.take_if(|_| !turn.begun)) {
            (Err(failure), Some(id)) if lost_session(&failure) => {
                crate::note(&not_loaded(&id, &failure.text));
                let mut turn = Turn::default();
                self.turn(text, &mut turn).await?;
                turn.finish(self.said())
            }
            (asked, kept) => {
                self.session = self.session.take().or(kept);
                asked?;
                turn.finish(self.said())
            }
        }
    }

    pub fn session_id(&self) -> Option<&str> {
        self.session.as_deref()
    }

    pub fn into_process(self) -> Option<Process> {
        self.process
    }

    /// One process, from its start to what it has to say.
    async fn turn(&mut self, text: &str, turn: &mut Turn) -> Result<(), Failure> {
        if let Some(last) = &mut self.process {
            // It may still be about to go: its answer was not held up for that.
            last.end(false, pending::<()>()).await;
        }
        let arguments = self.launch.chat(&self.help, self.session.as_deref());
        let process = self.process.insert(Process::start(&self.launch, &arguments)?);
        process.feed(text.as_bytes().to_vec());
        // Text says nothing until the answer, however long that takes.
        let resuming = self.stream && self.session.is_some();
        loop {
            let heard = if resuming && !turn.begun {
                let Ok(heard) = timeout(LOAD_LIMIT, process.next()).await else {
                    process.end(true, pending::<()>()).await;
                    let text = format!("Kiro did not load the session within {} s.", LOAD_LIMIT.as_secs());
                    return Err(Failure::new(Cause::Unknown, text));
                };
                heard
            } else {
                process.next().await
            };
            match heard {
                Heard::Line(line) if self.stream => match serde_json::from_slice(&line) {
                    Ok(event) => turn.event(&event, &mut self.session, process.said())?,
                    Err(_) => process.note(&line),
                },
                Heard::Line(line) => turn.line(&line),
                Heard::Said => {}
                Heard::Endless => return Err(Failure::endless()),
                Heard::Ended => break,
            }
            if turn.finished.is_some() {
                return Ok(());
            }
            // It may wait for a browser for minutes.
            if turn.answer.is_empty()
                && let Some(failure) = process.sign_in_failure()
            {
                return Err(failure);
            }
        }
        if self.stream || process.exit_code() != Some(0) {
            return Err(process.failure());
        }
        process.said().lines().for_each(|line| turn.answer.credits_line(line));
        Ok(())
    }

    fn said(&self) -> &str {
        self.process.as_ref().map_or("", Process::said)
    }
}

impl Turn {
    /// One of stream-json's events; unknown ones are left out. `session` becomes the one that Kiro names.
    fn event(&mut self, event: &Value, session: &mut Option<String>, said: &str) -> Result<(), Failure> {
        let id = event["sessionId"].as_str();
        let ours = id.is_none() || id == session.as_deref();
        match event["type"].as_str() {
            Some("runStarted") => {
                self.begun = true;
                if let (Some(old), Some(new)) = (&session, id)
                    && old != new
                {
                    crate::note(&not_loaded(old, "Kiro did so."));
                }
                *session = id.map(str::to_owned);
            }
            Some("sessionUpdate") if ours => self.answer.update(&event["update"]),
            Some("metadata") if ours => {
                let inner = ["metadata", "params"].iter().map(|key| &event[*key]).find(|inner| inner.is_object());
                self.answer.metadata(inner.unwrap_or(event));
            }
            Some("runFinished") => self.finished = Some(event.clone()),
            Some("runError") => {
                let mut failure = Failure::told(event["message"].as_str().unwrap_or("Kiro's run failed."), said);
                if failure.cause == Cause::Unknown && event["stage"] == "auth" {
                    failure.cause = Cause::SignedOut;
                }
                return Err(failure);
            }
            _ => {}
        }
        Ok(())
    }

    /// A line of text.
    fn line(&mut self, line: &[u8]) {
        self.begun = true;
        self.answer.push(&String::from_utf8_lossy(line));
        self.answer.push("\n");
    }

    /// The answer, or why there is none. `said` is what Kiro wrote to stderr.
    fn finish(self, said: &str) -> Result<Answered, Failure> {
        let Self { mut answer, finished, .. } = self;
        let Some(finished) = finished else {
            let mut answered = answer.finish();
            // The mark before an answer in the terminal.
            if let Some(text) = answered.text.strip_prefix('>').filter(|text| text.is_empty() || text.starts_with(' '))
            {
                answered.text = text.trim_start_matches(' ').to_owned();
            }
            return Ok(answered);
        };
        if answer.is_empty() {
            answer.push(finished["finalText"].as_str().unwrap_or_default());
            if finished["finalTextTruncated"] == true {
                answer.cut();
            }
        }
        let (status, reason) = (finished["status"].as_str(), finished["stopReason"].as_str());
        if status == Some("cancelled") || reason == Some("cancelled") {
            return Err(Failure::new(Cause::Unknown, "Kiro gave the turn up."));
        }
        if matches!(status, Some("error" | "failed" | "failure")) {
            return Err(Failure::told(&format!("{said}Kiro's run failed."), ""));
        }
        let answered = answer.finish();
        if reason == Some("refusal") && answered.text.is_empty() {
            return Err(Failure::new(Cause::Unknown, "Kiro refused to answer."));
        }
        Ok(answered)
    }
}

fn not_loaded(session: &str, why: &str) -> String {
    format!("Session {session} could not be loaded, a new one was started: {why}")
}

/// Whether a turn that had not begun failed because its session can't be gone on with.
fn lost_session(failure: &Failure) -> bool {
    failure.cause == Cause::Unknown && failure.text.to_lowercase().contains("session")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What a stream comes to: the answer, or the failure's cause and text; and the session.
    fn run(events: &[Value]) -> (Result<String, (Cause, String)>, Option<String>) {
        let mut session = Some("s-1".to_owned());
        let mut turn = Turn::default();
        let done = events.iter().try_for_each(|event| turn.event(event, &mut session, "said\n"));
        let result = done.and_then(|()| turn.finish("said\n"));
        (result.map(|answered| answered.text).map_err(|failure| (failure.cause, failure.text)), session)
    }

    // A2, A5
    #[test]
    fn streams() {
        let started = |id: &str| json!({"type": "runStarted", "sessionId": id});
        let chunk = |id: &str, text: &str| {
            json!({"type": "sessionUpdate", "sessionId": id, "update":
            {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}})
        };
        let finished = |rest: Value| {
            let mut event =
                json!({"type": "runFinished", "sessionId": "s-1", "status": "success", "stopReason": "end_turn"});
            event.as_object_mut().unwrap().extend(rest.as_object().cloned().unwrap());
            event
        };
        let failed = |cause, text: &str| Err((cause, text.to_owned()));
        for (events, expect) in [
            (
                vec![chunk("s-1", "a"), chunk("other", "x"), json!({"type": "new"}), chunk("s-1", "b")],
                Ok("ab".to_owned()),
            ),
            (vec![finished(json!({"finalText": "all"}))], Ok("all".into())),
            (vec![chunk("s-1", "a"), finished(json!({"finalText": "all"}))], Ok("a".into())),
            (
                vec![finished(json!({"finalText": "al", "finalTextTruncated": true}))],
                Ok("al\n… (cut: the answer was too long)".into()),
            ),
            (vec![finished(json!({"status": "cancelled"}))], failed(Cause::Unknown, "Kiro gave the turn up.")),
            (vec![finished(json!({"status": "failed"}))], failed(Cause::Unknown, "said\nKiro's run failed.")),
            (vec![finished(json!({"stopReason": "refusal"}))], failed(Cause::Unknown, "Kiro refused to answer.")),
            (vec![json!({"type": "runError", "stage": "auth", "message": "no"})], failed(Cause::SignedOut, "no")),
            (
                vec![json!({"type": "runError", "stage": "prompt", "message": "Rate exceeded"})],
                failed(Cause::Quota, "Rate exceeded"),
            ),
            (vec![json!({"type": "runError"})], failed(Cause::Unknown, "Kiro's run failed.")),
        ] {
            let begun = [&[started("s-1")], &events[..]].concat();
            assert_eq!(run(&begun), (expect, Some("s-1".into())), "{events:?}");
        }
        // Kiro took another session than it was told to.
        assert_eq!(run(&[started("s-2"), chunk("s-2", "a"), chunk("s-1", "x")]), (Ok("a".into()), Some("s-2".into())));
    }
}
