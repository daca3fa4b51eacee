//! Reads logs for whoever asks: the newest lines that fit, the runs that have a log of their own, and a copy of one.
//!
//! The one log may be large, and is read from its end in parts: what is kept in memory is a part and the answer. A run's log
//! lies where its agents can write (R7): what lies there may be a link to anything, so only plain files are read. Which lines
//! fit core says. Called by the loop, on threads beside it.

use std::{
    ffi::{CString, OsStr},
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
    sync::Mutex,
};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use nanoclaw_core::{group::Folder, logs::Filter};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
use serde::Serialize;

use crate::{container::enter, paths::Home};

/// Lines of an answer, and their bytes.
const MOST_LINES: usize = 2000;
const MOST_BYTES: usize = 1 << 20;
/// Bytes that are read at once.
const PART: u64 = 256 << 10;
/// Bytes of a line; what an agent's program prints may have no ends.
const LONGEST: usize = 32 << 10;
/// Bytes of a run's log that are copied; its parts are bounded where it is written (R6).
const MOST: u64 = 64 << 20;
/// Runs that are listed, and names that are read for it in each folder.
const MOST_RUNS: usize = 50;
const NAMES: usize = 10_000;

/// What `logs.find` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// The oldest first.
    pub lines: Vec<String>,
    /// Others fit too, and are older.
    pub more: bool,
    /// How far was read.
    pub mark: String,
    /// These lines follow those of the answer with the mark that was given.
    pub goes_on: bool,
}

/// Looks through the one log: what has come since a mark, or all that is kept.
///
/// # Errors
/// When the log can't be read.
pub fn find(home: &Home, filter: &Filter, since: Option<&str>) -> io::Result<Found> {
    let path = home.log();
    let log = File::open(&path)?;
    // Its last line may be half written.
    let end = ends(&log)?;
    let mut before = path.into_os_string();
    before.push(".1");
    search(&log, end, File::open(before).ok().as_ref(), filter, since)
}

/// Looks through the log of a run that has ended.
///
/// # Errors
/// When there is none, or something else is in its place.
pub fn find_in_run(
    home: &Home,
    folder: &Folder,
    began: Timestamp,
    text: &Filter,
    since: Option<&str>,
) -> io::Result<Found> {
    let log = own(home, folder, began)?;
    search(&log, log.metadata()?.len(), None, text, since)
}

/// Copies a run's log to where nothing but NanoClaw writes. Of those copied before, none is kept.
///
/// # Errors
/// When there is none, or something else is in its place, or the copy can't be made.
pub fn copy(home: &Home, folder: &Folder, began: Timestamp, to: &Path) -> io::Result<()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    let place = to.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let log = own(home, folder, began)?;
    let _ = fs::remove_dir_all(place);
    fs::create_dir_all(place)?;
    io::copy(&mut log.take(MOST), &mut File::create(to)?)?;
    Ok(())
}

/// When the runs of these chats began that have a log, the latest first.
pub fn runs(home: &Home, folders: &[Folder]) -> Vec<(Folder, Timestamp)> {
    let mut all: Vec<(Timestamp, Folder)> = Vec::new();
    for folder in folders {
        // Without such a folder the chat has had no run.
        all.extend(began(&home.group(folder)).unwrap_or_default().into_iter().map(|at| (at, folder.clone())));
        all.sort_by(|one, other| other.cmp(one));
        all.truncate(MOST_RUNS);
    }
    all.into_iter().map(|(at, folder)| (folder, at)).collect()
}

fn began(group: &Path) -> io::Result<Vec<Timestamp>> {
    let folder = enter(group, Path::new("logs"), false)?;
    let mut found: Vec<(Timestamp, CString)> = Dir::read_from(&folder)?
        .take(NAMES)
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().to_owned();
            let time = name.to_str().ok()?.strip_prefix("agent-")?.strip_suffix("Z.log")?;
            let at = DateTime::strptime("%Y-%m-%dT%H-%M-%S-%3f", time).ok()?.to_zoned(TimeZone::UTC).ok()?;
            Some((at.timestamp(), name))
        })
        .collect();
    found.sort_unstable_by(|one, other| other.cmp(one));
    let is_plain = |(_, name): &(Timestamp, CString)| {
        statat(&folder, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    };
    Ok(found.into_iter().filter(is_plain).take(MOST_RUNS).map(|(at, _)| at).collect())
}

/// A run's own log, if a plain file is there.
fn own(home: &Home, folder: &Folder, began: Timestamp) -> io::Result<File> {
    let path = home.run_log(folder, began);
    let name: &OsStr = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(enter(&home.group(folder), Path::new("logs"), false)?, name, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// `before`: the file that `log` has taken the place of.
fn search(log: &File, end: u64, before: Option<&File>, filter: &Filter, since: Option<&str>) -> io::Result<Found> {
    let id = log.metadata()?.ino();
    let before = match before {
        Some(file) => Some((file, file.metadata()?)).filter(|(_, found)| found.ino() != id),
        None => None,
    };
    let mark = |(id, at): (&str, &str)| Some((id.parse::<u64>().ok()?, at.parse::<u64>().ok()?));
    let since = since.and_then(|said| said.split_once('-')).and_then(mark);
    let mut newest = Newest { filter, lines: Vec::new(), bytes: 0, more: false };
    let goes_on = match (since, before) {
        (Some((of, at)), _) if of == id && at <= end => {
            newest.look(log, at, end)?;
            true
        }
        (Some((of, at)), Some((before, found))) if of == found.ino() && at <= found.len() => {
            newest.look(log, 0, end)?;
            newest.look(before, at, found.len())?;
            true
        }
        (_, before) => {
            newest.look(log, 0, end)?;
            if let Some((before, found)) = before {
                newest.look(before, 0, found.len())?;
            }
            false
        }
    };
    let Newest { mut lines, more, .. } = newest;
    lines.reverse();
    Ok(Found { lines, more, mark: format!("{id}-{end}"), goes_on: goes_on && !more })
}

/// The lines that fit, as they are found: the newest first.
struct Newest<'a> {
    filter: &'a Filter,
    lines: Vec<String>,
    bytes: usize,
    more: bool,
}

impl Newest<'_> {
    /// Looks through whole lines from `end` back to `from`.
    fn look(&mut self, file: &File, from: u64, end: u64) -> io::Result<()> {
        let mut at = end;
        // The end of a line whose beginning lies before `at`.
        let mut rest: Vec<u8> = Vec::new();
        while at > from && !self.more {
            let size = PART.min(at - from);
            at -= size;
            let mut part = vec![0; usize::try_from(size).map_err(io::Error::other)?];
            file.read_exact_at(&mut part, at)?;
            part.append(&mut rest);
            let mut lines = part.rsplit(|byte| *byte == b'\n').peekable();
            while let Some(line) = lines.next() {
                if lines.peek().is_none() && at > from {
                    rest = line.get(..LONGEST).unwrap_or(line).to_vec();
                } else if !line.is_empty() && !self.more {
                    self.take(&String::from_utf8_lossy(line.get(..LONGEST).unwrap_or(line)));
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, line: &str) {
        if !self.filter.fits(line) {
            return;
        }
        self.more = self.lines.len() == MOST_LINES || self.bytes + line.len() > MOST_BYTES;
        if !self.more {
            self.bytes += line.len();
            self.lines.push(line.to_owned());
        }
    }
}

/// Where the last whole line ends.
fn ends(file: &File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let size = PART.min(length);
    let mut part = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    file.read_exact_at(&mut part, length - size)?;
    let after = part.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1);
    Ok(length - size + after)
}

#[cfg(test)]
#[path = "logs/tests.rs"]
mod tests;
