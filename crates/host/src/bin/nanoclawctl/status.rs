//! `status`: AppStatus for a person, once or as it changes.

use nanoclaw_core::problem::Trouble;
use nanoclaw_host::{control::Client, paths::Home};
use serde_json::Value;

use crate::out::{Failure, Out, at, clock, list, local, plain};

pub fn tell(status: &Value, out: &mut Out) -> Result<(), Failure> {
    out.line(plain(at(status, "/headline/text")))?;
    out.line("")?;
    for (name, text) in rows(status) {
        out.line(format_args!("{name:<12}{}", plain(&text)))?;
    }
    // The link's own stands in its row.
    let is_links = |problem: &&Value| at(problem, "/code").starts_with("whatsapp-");
    for problem in list(status, "/problems").iter().filter(|problem| !is_links(problem)) {
        out.line("")?;
        out.line(plain(at(problem, "/text")))?;
        out.line(plain(at(problem, "/cure")))?;
    }
    Ok(())
}

fn rows(status: &Value) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("WhatsApp", whatsapp(status)),
        ("Kiro", kiro(status).to_owned()),
        ("Docker", engine(status)),
        ("Scheduler", scheduler(status)),
        ("Groups", list(status, "/groups").len().to_string()),
        ("Containers", list(status, "/runs").len().to_string()),
    ];
    for (name, pointer) in [("Unsent", "/whatsapp/queuedOut"), ("Not sent", "/whatsapp/failedOut")] {
        match status.pointer(pointer).and_then(Value::as_u64) {
            Some(count) if count > 0 => rows.push((name, count.to_string())),
            _ => {}
        }
    }
    for waiting in list(status, "/queue") {
        let retry = at(waiting, "/retryAt");
        let again = if retry.is_empty() { String::new() } else { format!(", tries again at {}", clock(retry)) };
        let text =
            format!("{}: {} messages, {} tasks{again}", at(waiting, "/group"), waiting["messages"], waiting["tasks"]);
        rows.push(("Waiting", text));
    }
    rows
}

/// What is known of the sign-in that agents use: in containers what they see.
fn kiro(status: &Value) -> &str {
    let seen = |place: &str| at(&status["kiro"][place], "/text");
    let is_known = matches!(at(status, "/kiro/container/state"), "signed-in" | "signed-out");
    match at(status, "/kiro/mode") {
        "api-key" if status["kiro"]["hasKey"] == false => "There is no API key.",
        _ if status["runtime"] == "host" => seen("host"),
        "shared" if !is_known => seen("host"),
        _ if status["kiro"]["container"].is_null() => "Not asked yet.",
        _ => seen("container"),
    }
}

fn whatsapp(status: &Value) -> String {
    let text = at(status, "/whatsapp/text");
    match at(status, "/whatsapp/jid").split_once('@') {
        Some((number, _)) => format!("{text} {} (+{number})", at(status, "/whatsapp/pushName")),
        None => text.to_owned(),
    }
}

fn engine(status: &Value) -> String {
    if status["runtime"] == "host" {
        return "not used: agents run unprotected on this computer".to_owned();
    }
    let engine = format!("{} {}", at(status, "/engine/name"), at(status, "/engine/version"));
    match at(status, "/engine/state") {
        "ready" => format!("{} ready, image {}", engine.trim(), at(status, "/engine/image/state")).trim().to_owned(),
        state => state.to_owned(),
    }
}

fn scheduler(status: &Value) -> String {
    let state = at(status, "/scheduler/state");
    match at(status, "/scheduler/next/at") {
        "" => state.to_owned(),
        next => format!("{state}, next for {} at {}", at(status, "/scheduler/next/group"), local(next)),
    }
}

/// Follows AppStatus until NanoClaw ends: as JSON one status a line, else a line for each new headline.
pub async fn watch(home: &Home, out: &mut Out) -> Result<(), Failure> {
    // A line of the stream must be an AppStatus, so a failure is said aside.
    let mut watch = Client::connect(home).await.map_err(Failure::Aside)?.watch().await.map_err(Failure::Aside)?;
    let mut headlines = Headlines::default();
    while let Some(status) = watch.next().await.map_err(Failure::Aside)? {
        if out.json {
            out.value(&status)?;
        } else {
            headlines.tell(&status, out)?;
        }
    }
    Err(Failure::Aside((&Trouble::NotRunning).into()))
}

/// Tells each headline once.
#[derive(Debug, Default)]
pub struct Headlines {
    told: String,
}

impl Headlines {
    pub fn tell(&mut self, status: &Value, out: &mut Out) -> Result<(), Failure> {
        let headline = at(status, "/headline/text");
        if headline != self.told {
            headline.clone_into(&mut self.told);
            out.line(format_args!("{}  {}", clock(at(status, "/at")), plain(headline)))?;
        }
        Ok(())
    }
}
