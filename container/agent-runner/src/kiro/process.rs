//! A running kiro-cli: its pipes, what it said, its end.
//!
//! Owns: the child and its graceful stop, passing its stderr on to ours, the tail of what it said as the ground of a failure.
//! Must not: know the protocol on the pipes.

use std::process::ExitStatus;
use std::time::Duration;

use nanoclaw_protocol::Cause;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::time::{Instant, sleep_until};

use super::Failure;
use super::launch::{BAD_ARGUMENTS, Launch};
use super::lines::Lines;
use crate::{cause, text};

/// Longer than any answer; a tool's output in one update may be large.
const STDOUT_LINE_BYTES: usize = 16 * 1024 * 1024;
const STDERR_LINE_BYTES: usize = 16 * 1024;
const SAID_BYTES: usize = 8 * 1024;

/// After stdin's end kiro-cli may take this long before it is asked by SIGTERM.
const END_LIMIT: Duration = Duration::from_secs(4);
/// After SIGTERM it may take this long before it is killed: killed early it can lose its data (facts of kiro-cli).
const TERM_LIMIT: Duration = Duration::from_secs(8);
/// A child of Kiro's may hold the pipes open; what Kiro itself wrote is there long before.
const DRAIN_LIMIT: Duration = Duration::from_millis(300);

pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<ChildStdout>,
    stderr: Lines<ChildStderr>,
    exit: Option<ExitStatus>,
    /// Once it has ended: when to stop listening.
    drained: Instant,
    secrets: Vec<String>,
    said: String,
    sign_in: Option<Cause>,
}

pub enum Heard {
    /// A line on stdout.
    Line(Vec<u8>),
    /// A line on stdout that is longer than any that makes sense; its rest is to come.
    Endless,
    /// Something on stderr; it is kept and passed on.
    Said,
    /// The process is gone, and all that it wrote was heard.
    Ended,
}

impl Process {
    pub fn start(launch: &Launch, arguments: &[String]) -> Result<Self, Failure> {
        let mut child = launch.spawn(arguments)?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Failure::new(Cause::Unknown, "kiro-cli has no pipes."));
        };
        Ok(Self {
            child,
            stdin: Some(stdin),
            stdout: Lines::split(stdout, STDOUT_LINE_BYTES),
            stderr: Lines::cut(stderr, STDERR_LINE_BYTES),
            exit: None,
            drained: Instant::now(),
            secrets: launch.secrets.values().filter(|s| !s.is_empty()).cloned().collect(),
            said: String::new(),
            sign_in: None,
        })
    }

    /// Writes to its stdin. An error means that it is gone or going: the next [`Heard`] tells more.
    pub async fn write(&mut self, bytes: &[u8]) {
        if let Some(stdin) = &mut self.stdin
            && stdin.write_all(bytes).await.is_err()
        {
            self.stdin = None;
        }
    }

    /// Writes all there is to its stdin and closes that, while it is listened to: it may say much before it reads.
    pub fn feed(&mut self, bytes: Vec<u8>) {
        if let Some(mut stdin) = self.stdin.take() {
            // An error means that it is gone, which is heard anyway.
            tokio::spawn(async move { drop(stdin.write_all(&bytes).await) });
        }
    }

    /// What comes next. May be dropped while it waits.
    pub async fn next(&mut self) -> Heard {
        loop {
            if self.stdout.ended() && self.stderr.ended() && self.exit.is_some() {
                return Heard::Ended;
            }
            tokio::select! {
                biased;
                line = self.stdout.next(), if !self.stdout.ended() => match line {
                    Some(line) if line.len() < STDOUT_LINE_BYTES => return Heard::Line(line),
                    Some(_) => return Heard::Endless,
                    None => {}
                },
                line = self.stderr.next(), if !self.stderr.ended() => if let Some(line) = line {
                    self.note(&line);
                    return Heard::Said;
                },
                exit = self.child.wait(), if self.exit.is_none() => {
                    self.exit = Some(exit.unwrap_or_default());
                    self.drained = Instant::now() + DRAIN_LIMIT;
                }
                _ = sleep_until(self.drained), if self.exit.is_some() => return Heard::Ended,
            }
        }
    }

    /// Keeps a line that explains, and passes it on to our stderr, plain and without secrets.
    pub fn note(&mut self, line: &[u8]) {
        let line = &line[..line.len().min(STDERR_LINE_BYTES)];
        let mut line = text::plain(&String::from_utf8_lossy(line));
        for secret in &self.secrets {
            line = line.replace(secret, "…");
        }
        if line.is_empty() {
            return;
        }
        crate::note(&line);
        self.sign_in = self.sign_in.or_else(|| cause::of_sign_in(&line));
        self.said.push_str(&line);
        self.said.push('\n');
        let mut excess = self.said.len().saturating_sub(SAID_BYTES);
        while !self.said.is_char_boundary(excess) {
            excess += 1;
        }
        self.said.drain(..excess);
    }

    /// What it said since [`forget`](Self::forget), its last part.
    pub fn said(&self) -> &str {
        &self.said
    }

    /// A sign-in failure that it spoke of since [`forget`](Self::forget) (A5).
    pub fn sign_in_failure(&self) -> Option<Failure> {
        self.sign_in.map(|cause| Failure::new(cause, text::error(&self.said)))
    }

    pub fn forget(&mut self) {
        self.said.clear();
        self.sign_in = None;
    }

    pub fn gone(&self) -> bool {
        self.exit.is_some()
    }

    pub fn exit_code(&self) -> Option<i32> {
        self.exit.and_then(|exit| exit.code())
    }

    /// Why it ended, once it did.
    pub fn failure(&self) -> Failure {
        let exit = self.exit.map_or("it closed its output".into(), |exit| exit.to_string());
        let text = format!("{}kiro-cli ended: {exit}", self.said);
        let mut failure = Failure::told(&text, "");
        if failure.cause == Cause::Unknown {
            failure.cause = match self.exit_code() {
                Some(BAD_ARGUMENTS) => Cause::Old,
                Some(3) => Cause::Mcp,
                Some(4) => Cause::Agent,
                _ => Cause::Unknown,
            };
        }
        failure
    }

    /// Ends it: by stdin's end, or by SIGTERM if `at_once` or as soon as it must be in a `hurry`; killed only if that
    /// fails. May be dropped while it waits.
    pub async fn end(&mut self, at_once: bool, hurry: impl Future) {
        let mut hurry = std::pin::pin!(hurry);
        let mut asked = at_once;
        let mut deadline = Instant::now() + END_LIMIT;
        if at_once {
            self.terminate();
            deadline = Instant::now() + TERM_LIMIT;
        } else {
            self.stdin = None;
        }
        while self.exit.is_none() {
            let late = tokio::select! {
                exit = self.child.wait() => {
                    self.exit = Some(exit.unwrap_or_default());
                    return;
                }
                line = self.stdout.next(), if !self.stdout.ended() => { drop(line); continue },
                line = self.stderr.next(), if !self.stderr.ended() => {
                    self.note(&line.unwrap_or_default());
                    continue;
                },
                _ = &mut hurry, if !asked => false,
                _ = sleep_until(deadline) => asked,
            };
            if late {
                crate::note("kiro-cli did not end in time; it was killed.");
                if let Some(pid) = self.pid() {
                    let _ = kill_process_group(pid, Signal::KILL);
                }
                self.exit = Some(self.child.wait().await.unwrap_or_default());
                return;
            }
            asked = true;
            self.terminate();
            deadline = Instant::now() + TERM_LIMIT;
        }
    }

    fn terminate(&self) {
        if let Some(pid) = self.pid() {
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// None once it has been waited for.
    fn pid(&self) -> Option<Pid> {
        let id = i32::try_from(self.child.id()?).ok()?;
        Pid::from_raw(id)
    }
}
