//! The command line as a person or a script uses it: the built program, with files or a small owner behind it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod asking;
mod files;
mod linking;
#[path = "../owner/mod.rs"]
mod owner;
mod usage;

use std::{path::Path, process::Stdio};

use nanoclaw_core::{
    chat::Jid,
    command::{Answer, Command},
    group::Registration,
};
use nanoclaw_protocol::ipc::AdditionalMount;
use serde_json::Value;
use tokio::{process::Command as Process, time::timeout};

use owner::{Owner, SOON};

#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub fn registration(name: &str, folder: &str) -> Registration {
    let (jid, name, folder) = (Jid::new("1@g.us"), name.to_owned(), folder.to_owned());
    let (trigger, no_trigger, mounts, timeout, tools) = (None, false, vec![], None, None);
    Registration { jid, name, folder, trigger, no_trigger, mounts, timeout, tools }
}

pub fn mount(host: &str, container: Option<&str>, readonly: bool) -> AdditionalMount {
    AdditionalMount {
        host_path: host.to_owned(),
        container_path: container.map(str::to_owned),
        readonly: Some(readonly),
    }
}

pub fn process(home: &Path, words: &[&str]) -> Process {
    let mut process = Process::new(env!("CARGO_BIN_EXE_nanoclawctl"));
    process.args(words).env_clear().env("NANOCLAW_HOME", home).env("HOME", home).env("PATH", "/usr/bin:/bin");
    process.env("TZ", "UTC").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    process
}

pub async fn ctl(home: &Path, words: &[&str]) -> Ended {
    ended(process(home, words)).await
}

pub async fn ended(mut process: Process) -> Ended {
    let output = timeout(SOON * 2, process.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs a command that asks the owner once, who hears `expect` and says `answer`.
pub async fn asked(owner: &mut Owner, words: &[&str], expect: Command, answer: Answer) -> Ended {
    let running = tokio::spawn(ended(process(owner.home.root(), words)));
    let ask = owner.next().await;
    assert_eq!(ask.command, expect, "{words:?}");
    ask.reply.send(answer).unwrap();
    running.await.unwrap()
}
