//! `allowlist`: which folders of this computer chats may be given (X1), through the NanoClaw that runs, or without one by the
//! same code.

use clap::{Subcommand, ValueEnum};
use nanoclaw_core::{
    allowlist::{Written, WrittenRoot},
    command::Command,
};
use nanoclaw_host::{container::allowlist, paths::Home};
use serde_json::Value;

use crate::{
    image::running,
    out::{Failure, Out, at, internal, list, plain},
};

#[derive(Debug, Subcommand)]
pub enum AllowlistWords {
    /// Show it
    Show,
    /// Allow a folder and all below it
    Allow {
        path: String,
        /// Agents may change what is there, where a chat is given it so
        #[arg(long)]
        write: bool,
    },
    /// Allow a folder no more
    Disallow { path: String },
    /// Never mount a path that holds this text
    Block { text: String },
    /// Take back such a text
    Unblock { text: String },
    /// Whether other chats than main may ever change anything
    Others {
        #[arg(value_enum)]
        may: May,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum May {
    Read,
    Write,
}

/// With `--json`: as `allowlist.get` answers.
pub async fn allowlist(home: &Home, words: AllowlistWords, out: &mut Out) -> Result<(), Failure> {
    let mut shown = asked(home, Command::AllowlistGet {}).await?;
    if !matches!(words, AllowlistWords::Show) {
        let now = serde_json::from_value::<Option<Written>>(shown["allowlist"].take());
        let mut new = now.map_err(|error| internal(format!("{error}.")))?.unwrap_or_default();
        change(&mut new, words);
        shown = asked(home, Command::AllowlistSet(new)).await?;
    }
    if out.json { out.value(&shown) } else { tell(&shown, out) }
}

async fn asked(home: &Home, command: Command) -> Result<Value, Failure> {
    if let Some(mut client) = running(home).await? {
        return Ok(client.ask(&command).await?);
    }
    let shown = match command {
        Command::AllowlistSet(new) => allowlist::keep(&home.places(), &new)?,
        _ => allowlist::shown(&home.places()),
    };
    serde_json::to_value(shown).map_err(|error| internal(format!("{error}.")))
}

fn change(now: &mut Written, words: AllowlistWords) {
    match words {
        AllowlistWords::Show => {}
        AllowlistWords::Allow { path, write } => match now.allowed_roots.iter_mut().find(|root| root.path == path) {
            Some(root) => root.allow_read_write = write,
            None => now.allowed_roots.push(WrittenRoot::new(path, write)),
        },
        AllowlistWords::Disallow { path } => now.allowed_roots.retain(|root| root.path != path),
        AllowlistWords::Block { text } => {
            now.blocked_patterns.retain(|pattern| *pattern != text);
            now.blocked_patterns.push(text);
        }
        AllowlistWords::Unblock { text } => now.blocked_patterns.retain(|pattern| *pattern != text),
        AllowlistWords::Others { may } => now.non_main_read_only = may == May::Read,
    }
}

fn tell(shown: &Value, out: &mut Out) -> Result<(), Failure> {
    let problem = &shown["problem"];
    if !problem.is_null() {
        out.line(plain(&format!("{} {}", at(problem, "/text"), at(problem, "/cure"))))?;
    }
    let rows = list(shown, "/allowlist/allowedRoots").iter().map(|root| {
        let may = if root["allowReadWrite"] == true { "read and write" } else { "read only" };
        [at(root, "/path"), may, at(root, "/description")].map(str::to_owned)
    });
    out.table(["FOLDER", "AGENTS MAY", ""], rows.collect(), "No folder is allowed.")?;
    let texts = |pointer: &str| list(shown, pointer).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
    let own = texts("/allowlist/blockedPatterns");
    if !own.is_empty() {
        out.line(plain(&format!("Blocked: {own}")))?;
    }
    out.line(format!("Always blocked: {}", texts("/always")))?;
    if shown["allowlist"]["nonMainReadOnly"] == true {
        out.line("Other chats than main only read.")?;
    }
    out.line(plain(&format!("It stands in {}.", at(shown, "/path"))))
}
