//! `logs`: the log file of NanoClaw or of one run, whole or as it grows, or what is found in it.

use std::{
    fs,
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum};
use nanoclaw_core::{
    command::Command,
    logs::{Level, Query},
};
use nanoclaw_host::{control::Client, paths::Home};
use rustix::fs::{Mode, OFlags};
use serde_json::Value;

use crate::{
    ask::answered,
    out::{Failure, Out, at, internal, list, local, plain},
};

/// How often a growing log is looked at. Only while somebody reads along.
const GLANCE: Duration = Duration::from_millis(250);

/// Bytes of the log's end that a follower sees at first.
const TAIL: u64 = 4 << 10;

#[derive(Debug, Args)]
pub struct LogsWords {
    /// The log of one run
    #[arg(long, value_name = "ID", conflicts_with_all = ["level", "chat"])]
    run: Option<String>,
    /// Only lines that matter as much, or more
    #[arg(long, value_enum)]
    level: Option<LevelWord>,
    /// Only what it tells of a registered chat
    #[arg(long, value_name = "JID-OR-FOLDER")]
    chat: Option<String>,
    /// Only lines that hold this, in letters of either case
    #[arg(long)]
    text: Option<String>,
    /// Go on as the log grows
    #[arg(short, long)]
    pub follow: bool,
    /// List the runs that have a log, the latest first
    #[arg(long, conflicts_with_all = ["run", "level", "text", "follow"])]
    runs: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LevelWord {
    Error,
    Warn,
    Info,
    /// All
    Debug,
}

impl From<LevelWord> for Level {
    fn from(word: LevelWord) -> Self {
        match word {
            LevelWord::Error => Level::Error,
            LevelWord::Warn => Level::Warn,
            LevelWord::Info => Level::Info,
            LevelWord::Debug => Level::Debug,
        }
    }
}

pub async fn logs(home: &Home, words: LogsWords, out: &mut Out) -> Result<(), Failure> {
    match words {
        LogsWords { runs: true, chat, .. } => runs(home, chat, out).await,
        LogsWords { run, level: None, chat: None, text: None, follow, .. } => {
            match (file(home, run.clone(), follow, out).await, run) {
                // One at work has no file yet: what it does is in the one log.
                (Err(Failure::Said(error)), Some(run)) if error.code == "unknown-run" => {
                    let query = Query { run: Some(run), ..Query::default() };
                    find(home, query, follow, out).await
                }
                (done, _) => done,
            }
        }
        LogsWords { run, level, chat, text, follow, .. } => {
            let query = Query { run, chat, level: level.map(Level::from), text, since: None };
            find(home, query, follow, out).await
        }
    }
}

async fn runs(home: &Home, chat: Option<String>, out: &mut Out) -> Result<(), Failure> {
    let answer = answered(home, Command::LogsRuns { chat }, out).await?;
    if out.json {
        return out.value(&answer);
    }
    let rows = list(&answer, "").iter().map(|run| {
        let state = if run["atWork"] == true { "at work" } else { "" };
        [at(run, "/run"), at(run, "/group"), &local(at(run, "/startedAt")), state].map(str::to_owned)
    });
    out.table(["RUN", "GROUP", "STARTED", ""], rows.collect(), "No run has a log.")
}

async fn find(home: &Home, mut query: Query, follow: bool, out: &mut Out) -> Result<(), Failure> {
    let mut client = Client::connect(home).await?;
    loop {
        let found = client.ask(&Command::LogsFind(query.clone())).await?;
        if out.json {
            return out.value(&found);
        }
        if found["more"] == true {
            out.remark("Older lines fit, too; only the newest are shown.");
        }
        for line in list(&found, "/lines").iter().filter_map(Value::as_str) {
            show(&format!("{line}\n"), out)?;
        }
        if !follow {
            return Ok(());
        }
        query.since = Some(at(&found, "/mark").to_owned());
        tokio::time::sleep(GLANCE).await;
    }
}

async fn file(home: &Home, run: Option<String>, follow: bool, out: &mut Out) -> Result<(), Failure> {
    let answer = answered(home, Command::Logs { run }, out).await?;
    if out.json {
        return out.value(&answer);
    }
    let mut log = Log::open(PathBuf::from(at(&answer, "/path")))?;
    if follow {
        show(&log.tail()?, out)?;
    }
    loop {
        // Asked first: once there is a new file the old one grows no more.
        let next = log.next()?;
        while let Some(text) = log.read()? {
            show(&text, out)?;
        }
        match next {
            Some(next) => log = next,
            None if follow => tokio::time::sleep(GLANCE).await,
            None => return Ok(()),
        }
    }
}

/// A run's log holds what its container wrote, which must not steer the terminal.
fn show(text: &str, out: &mut Out) -> Result<(), Failure> {
    if !out.is_terminal() {
        return out.text(text);
    }
    out.text(&text.split('\n').map(plain).collect::<Vec<_>>().join("\n"))
}

/// A log file, read on from where the last read ended.
struct Log {
    path: PathBuf,
    file: fs::File,
    /// The end of the last read, which may be in the middle of a letter.
    rest: Vec<u8>,
}

impl Log {
    fn open(path: PathBuf) -> Result<Log, Failure> {
        // A run's log lies where its agent can write: a link could name any file, and a pipe would never end.
        let file = rustix::fs::open(&path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK, Mode::empty())
            .map(fs::File::from)
            .map_err(|error| unreadable(&path, error.into()))?;
        if !file.metadata().is_ok_and(|found| found.is_file()) {
            return Err(unreadable(&path, ErrorKind::InvalidInput.into()));
        }
        Ok(Log { path, file, rest: Vec::new() })
    }

    /// The last lines.
    fn tail(&mut self) -> Result<String, Failure> {
        let told = |error| unreadable(&self.path, error);
        let length = self.file.metadata().map_err(told)?.len();
        let start = length.saturating_sub(TAIL);
        self.file.seek(SeekFrom::Start(start)).map_err(told)?;
        let text = self.read()?.unwrap_or_default();
        match text.split_once('\n') {
            Some((_cut, whole)) if start > 0 => Ok(whole.to_owned()),
            _ => Ok(text),
        }
    }

    /// The next part, in whole letters; `None` at the present end.
    fn read(&mut self) -> Result<Option<String>, Failure> {
        let mut bytes = std::mem::take(&mut self.rest);
        let told = |error| unreadable(&self.path, error);
        (&mut self.file).take(64 << 10).read_to_end(&mut bytes).map_err(told)?;
        if let Err(error) = std::str::from_utf8(&bytes)
            && error.error_len().is_none()
        {
            self.rest = bytes.split_off(error.valid_up_to());
        }
        Ok((!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The file that has taken this one's place: a full log is put aside and a new one begun.
    fn next(&self) -> Result<Option<Log>, Failure> {
        match (fs::metadata(&self.path), self.file.metadata()) {
            (Ok(there), Ok(ours)) if (there.dev(), there.ino()) != (ours.dev(), ours.ino()) => {
                Log::open(self.path.clone()).map(Some)
            }
            _ => Ok(None),
        }
    }
}

fn unreadable(path: &Path, error: io::Error) -> Failure {
    internal(format!("the log {} can't be read: {error}.", path.display()))
}
