//! NanoClaw as a process: `nanoclawctl run` in the scene's Home, and the same command line for everything else.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::{PATIENCE, built};

/// How a scene's programs are started: the folder and the environment.
#[derive(Clone)]
pub struct Setting {
    /// Holds `home`, `user` and the programs' outputs.
    pub folder: PathBuf,
    /// All of the environment that they get.
    pub environment: Vec<(String, String)>,
}

impl Setting {
    /// The command line.
    pub fn nanoclawctl(&self) -> Result<Command> {
        self.program("nanoclawctl")
    }

    /// A program of this build, in the scene's environment and no other.
    pub fn program(&self, name: &str) -> Result<Command> {
        let mut command = Command::new(built(name)?);
        command.env_clear().envs(self.environment.iter().cloned()).current_dir(&self.folder);
        command.stdin(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }

    /// Where the program's output goes on being collected, over restarts.
    pub(crate) fn append(&self, name: &str) -> Result<File> {
        Ok(OpenOptions::new().create(true).append(true).open(self.folder.join(name))?)
    }
}

/// A running orchestrator. Dropped, it is killed.
pub struct App {
    setting: Setting,
    process: Child,
    /// Every status since the start, oldest first; the newest is the last.
    seen: watch::Receiver<Vec<Value>>,
}

impl App {
    /// Starts it and waits for its first status. `program`: `nanoclawctl run`, or the desktop.
    pub async fn start(setting: Setting, mut program: Command) -> Result<Self> {
        let mut process =
            program.stdout(setting.append("run.stdout")?).stderr(setting.append("run.stderr")?).spawn()?;
        let (first, lines, watcher) = first_status(&setting, &mut process).await?;
        let (sender, seen) = watch::channel(vec![first]);
        let record = setting.append("statuses.jsonl")?;
        tokio::spawn(collect(lines, watcher, sender, record));
        Ok(Self { setting, process, seen })
    }

    /// The newest status.
    pub fn status(&self) -> Value {
        self.seen.borrow().last().cloned().unwrap_or_default()
    }

    /// Waits for the first status, from the newest on, of which this holds; none in between is missed.
    pub async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut seen = self.seen.clone();
        let from = seen.borrow().len().saturating_sub(1);
        let found = |all: &Vec<Value>| all.iter().skip(from).find(|status| holds(status)).cloned();
        match timeout(PATIENCE, seen.wait_for(|all| found(all).is_some())).await {
            Ok(Ok(all)) => found(&all).context("a status went away"),
            Ok(Err(_)) => bail!("NanoClaw ended before this: {what}\n{}", self.last_words()),
            Err(_) => bail!("not in {PATIENCE:?}: {what}; the newest status: {:#}", self.status()),
        }
    }

    /// While it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// The end of what it wrote to stderr.
    fn last_words(&self) -> String {
        let text = fs::read_to_string(self.setting.folder.join("run.stderr")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// SIGKILL: no warning, nothing can be put in order.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }

    /// SIGTERM, as a logout or `systemctl stop` would; waits for its end, which must be a good one.
    pub async fn quit(self) -> Result<()> {
        let pid = self.process.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        kill_process(pid.context("it ended before it was told to")?, Signal::TERM)?;
        self.ended().await
    }

    /// Waits for its end, which must be a good one.
    pub async fn ended(mut self) -> Result<()> {
        let status = timeout(PATIENCE, self.process.wait()).await.context("it does not quit")??;
        if !status.success() {
            bail!("it quit with {status}\n{}", self.last_words());
        }
        Ok(())
    }
}

/// A watcher is refused until the control socket is there. A new process has no other way to say so that every build of
/// it keeps, so this one wait asks again and again.
async fn first_status(setting: &Setting, process: &mut Child) -> Result<(Value, Lines<BufReader<ChildStdout>>, Child)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut watcher = setting
            .nanoclawctl()?
            .args(["status", "--watch", "--json"])
            .stdout(Stdio::piped())
            .stderr(setting.append("watch.stderr")?)
            .spawn()?;
        let mut lines = BufReader::new(watcher.stdout.take().context("no stdout")?).lines();
        if let Some(line) = timeout(PATIENCE, lines.next_line()).await.context("the watcher is silent")?? {
            return Ok((serde_json::from_str(&line).with_context(|| format!("no status: {line}"))?, lines, watcher));
        }
        if let Some(status) = process.try_wait()? {
            let words = fs::read_to_string(setting.folder.join("run.stderr")).unwrap_or_default();
            bail!("NanoClaw ended while starting ({status}):\n{words}");
        }
        if Instant::now() > deadline {
            bail!("NanoClaw opens no control socket in {PATIENCE:?}");
        }
        sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn collect(
    mut lines: Lines<BufReader<ChildStdout>>,
    _watcher: Child,
    sender: watch::Sender<Vec<Value>>,
    mut record: File,
) {
    while let Ok(Some(line)) = lines.next_line().await {
        let _ = std::io::Write::write_all(&mut record, format!("{line}\n").as_bytes());
        if let Ok(status) = serde_json::from_str(&line) {
            sender.send_modify(|all| all.push(status));
        }
    }
}
