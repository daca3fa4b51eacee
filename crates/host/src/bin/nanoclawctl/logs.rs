//! `logs`: the log file of NanoClaw or of one run, whole or as it grows.

use std::{
    fs,
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use nanoclaw_core::command::Command;
use nanoclaw_host::paths::Home;
use rustix::fs::{Mode, OFlags};

use crate::{
    ask::answered,
    out::{Failure, Out, at, internal, plain},
};

/// How often a growing log is looked at. Only while somebody reads along.
const GLANCE: Duration = Duration::from_millis(250);

/// Bytes of the log's end that a follower sees at first.
const TAIL: u64 = 4 << 10;

pub async fn logs(home: &Home, run: Option<String>, follow: bool, out: &mut Out) -> Result<(), Failure> {
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
