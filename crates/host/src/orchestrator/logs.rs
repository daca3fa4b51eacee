//! Which file shows a log that a person asks for.
//!
//! A run's log lies where its agents can write (R7), so what lies there may be a link to anything, or something that an agent
//! would like to be opened. What is shown is a copy of a plain file, in a folder that is NanoClaw's alone.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use nanoclaw_core::{command::Answer, group::Folder, problem::Trouble};
use rustix::fs::{Mode, OFlags, openat};
use serde_json::{Value, json};

use super::{State, live::stamp_of};
use crate::container::enter;

/// Bytes of a log that are given at once.
const MOST_AT_ONCE: u64 = 256 << 10;
/// Bytes of a run's log that are shown; its parts are bounded where it is written (R6).
const MOST: u64 = 64 << 20;

impl State {
    /// `{path}`: the one log, or a copy of an ended run's. A run at work has none yet.
    pub(super) fn log_path(&self, run: Option<String>) -> Answer {
        let Some(run) = run else { return Ok(json!({ "path": self.home.log() })) };
        let unknown = || Trouble::UnknownRun { run: run.clone() };
        let (folder, _) = run.rsplit_once('-').ok_or_else(unknown)?;
        let folder = Folder::new(folder).map_err(|_| unknown())?;
        if self.runs.contains_key(&run) {
            return Err(unknown());
        }
        let log = self.home.run_log(&folder, stamp_of(&run).ok_or_else(unknown)?);
        let shown = self.home.logs().join("runs").join(format!("{run}.log"));
        copy(&self.home.group(&folder), &log, &shown).map_err(|error| {
            tracing::debug!(run, %error, "no log");
            unknown()
        })?;
        Ok(json!({ "path": shown }))
    }

    /// `{path, from, end, text}` of the log that [`State::log_path`] names.
    pub(super) fn log_tail(&self, run: Option<String>, from: Option<u64>) -> Answer {
        let path = match run {
            None => self.home.log(),
            run => self.log_path(run)?["path"].as_str().unwrap_or_default().into(),
        };
        tail(&path, from).map_err(|error| Trouble::Internal {
            reason: format!("the log {} can't be read: {error}.", path.display()),
        })
    }
}

/// A log's whole lines from `from` on, at most `MOST_AT_ONCE`.
fn tail(path: &Path, from: Option<u64>) -> io::Result<Value> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let from = from.filter(|from| *from <= length && length - from <= MOST_AT_ONCE);
    let start = from.unwrap_or_else(|| length.saturating_sub(MOST_AT_ONCE));
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(MOST_AT_ONCE).read_to_end(&mut bytes)?;
    bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
    let end = start + bytes.len() as u64;
    let text = String::from_utf8_lossy(&bytes);
    // Where it begins in the middle of a line, that line is left out.
    let whole = if from.is_none() && start > 0 { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
    Ok(json!({"path": path, "from": start, "end": end, "text": whole}))
}

/// Copies a log that lies in `logs` below a chat's folder. Of those copied before, none is kept.
fn copy(group: &Path, log: &Path, to: &Path) -> io::Result<()> {
    let (Some(name), Some(folder)) = (log.file_name(), to.parent()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(enter(group, Path::new("logs"), false)?, name, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder)?;
    io::copy(&mut file.take(MOST), &mut File::create(to)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_log_is_read_on_in_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nanoclaw.log");
        fs::write(&path, "one\ntwo\nthr").unwrap();
        let read = |from| {
            let answer = tail(&path, from).unwrap();
            (answer["text"].as_str().unwrap().to_owned(), answer["end"].as_u64().unwrap())
        };
        assert_eq!(read(None), ("one\ntwo\n".to_owned(), 8));
        assert_eq!(read(Some(8)), (String::new(), 8));
        File::options().append(true).open(&path).unwrap().write_all(b"ee\n").unwrap();
        assert_eq!(read(Some(8)), ("three\n".to_owned(), 14));
        fs::write(&path, "new\n").unwrap();
        assert_eq!(read(Some(14)), ("new\n".to_owned(), 4), "another file has taken its place");
        fs::write(&path, format!("{}\nlast\n", "x".repeat(300 << 10))).unwrap();
        assert_eq!(read(None).0, "last\n", "a line that was begun before is left out");
    }

    #[test]
    fn only_a_plain_file_is_shown() {
        // R7: an agent owns the folder that its log lies in.
        let folder = tempfile::tempdir().unwrap();
        let (group, shown) = (folder.path().join("groups/family"), folder.path().join("logs/runs/family-1.log"));
        let log = group.join("logs/agent-1.log");
        fs::create_dir_all(group.join("logs")).unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, "secret").unwrap();

        assert!(copy(&group, &log, &shown).is_err(), "there is none");
        symlink(&secret, &log).unwrap();
        assert!(copy(&group, &log, &shown).is_err(), "a link");
        fs::remove_file(&log).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &log, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert!(copy(&group, &log, &shown).is_err(), "a pipe");
        fs::remove_file(&log).unwrap();
        assert!(!shown.exists());

        fs::write(&log, "exit code: 0").unwrap();
        copy(&group, &log, &shown).unwrap();
        assert_eq!(fs::read_to_string(&shown).unwrap(), "exit code: 0");
        fs::write(&log, "another").unwrap();
        copy(&group, &log, &shown.with_file_name("family-2.log")).unwrap();
        assert!(!shown.exists(), "the one before is gone");

        fs::rename(group.join("logs"), group.join("moved")).unwrap();
        symlink(folder.path(), group.join("logs")).unwrap();
        assert!(copy(&group, &folder.path().join("groups/family/logs/secret"), &shown).is_err(), "a link on the way");
    }
}
