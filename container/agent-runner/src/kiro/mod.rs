//! Kiro, as the runner sees it: start it, open a session, ask, stop. Everything that is assumed about kiro-cli stands in
//! this folder, driven by what the program at hand knows.
//!
//! There are three ways to drive it, the best first: `acp` (one process a run), and `chat` (one a turn) with its answers as
//! stream-json or as plain text. A start assumes the first; the others are looked for when that fails, with one question
//! for kiro-cli's help. `launch` has its options, `process` the child and its pipes, `answer` what it said, `tools` what it
//! may use, `agent` how `chat` is given our tools.
//! Must not: read stdin, write stdout, know what a turn is.

mod acp;
mod agent;
mod answer;
mod chat;
mod launch;
mod lines;
mod process;
mod tools;

use nanoclaw_protocol::{Cause, Request};
use tokio::signal::unix::Signal as Listener;

use acp::Acp;
use answer::Answered;
use chat::Chat;
use launch::Launch;
use tools::Tools;

pub struct Kiro {
    way: Way,
    tools: Tools,
}

enum Way {
    Acp(Acp),
    Chat(Chat),
}

/// Why Kiro could not answer. `text` is plain and short (A4), for the log and for people.
#[derive(Debug)]
pub struct Failure {
    pub cause: Cause,
    pub text: String,
}

impl Kiro {
    /// Starts kiro-cli; [`open`](Self::open) comes next.
    pub fn start(request: &Request) -> Result<Self, Failure> {
        let launch = Launch::new(request);
        let tools = launch.tools.clone();
        Ok(Self { way: Way::Acp(Acp::start(launch, crate::mcp::entry(request))?), tools })
    }

    /// Goes on with `session` where Kiro can, else with a new one; our stderr then says why.
    pub async fn open(&mut self, session: Option<&str>) -> Result<(), Failure> {
        if let Way::Acp(acp) = &mut self.way {
            if acp.begin().await? {
                return acp.open(session).await;
            }
            self.way = Way::Chat(acp.give_way().await?);
        }
        if let Way::Chat(chat) = &mut self.way {
            chat.open(session);
        }
        Ok(())
    }

    /// What Kiro is to know of its tools, where not all are allowed.
    pub fn tools_sentence(&self) -> Option<String> {
        self.tools.sentence()
    }

    /// Kiro's answer to `text`.
    pub async fn ask(&mut self, text: &str) -> Result<Answered, Failure> {
        match &mut self.way {
            Way::Acp(acp) => acp.ask(text).await,
            Way::Chat(chat) => chat.ask(text).await,
        }
    }

    /// None where Kiro doesn't say it.
    pub fn session_id(&self) -> Option<&str> {
        match &self.way {
            Way::Acp(acp) => acp.session_id(),
            Way::Chat(chat) => chat.session_id(),
        }
    }

    /// Waits until Kiro ends, between turns; meanwhile it is listened to. By `chat` nothing runs then.
    pub async fn ended(&mut self) -> Failure {
        match &mut self.way {
            Way::Acp(acp) => acp.ended().await,
            Way::Chat(_) => std::future::pending().await,
        }
    }

    /// Ends it; see [`process::Process::end`].
    pub async fn stop(self, at_once: bool, terminate: &mut Listener) {
        let process = match self.way {
            Way::Acp(acp) => Some(acp.into_process()),
            Way::Chat(chat) => chat.into_process(),
        };
        if let Some(mut process) = process {
            process.end(at_once, terminate.recv()).await;
        }
    }
}

impl Failure {
    /// `text` as Kiro gave it; the cause is told from it, else from `context`, what Kiro said around it.
    fn told(text: &str, context: &str) -> Self {
        Self {
            cause: crate::cause::of(text).or_else(|| crate::cause::of(context)).unwrap_or(Cause::Unknown),
            text: crate::text::error(text),
        }
    }

    /// Kiro wrote what no protocol has.
    fn endless() -> Self {
        Self::new(Cause::Unknown, "Kiro wrote a line without end.")
    }

    fn new(cause: Cause, text: impl Into<String>) -> Self {
        Self { cause, text: text.into() }
    }
}
