//! Requests in `ipc/<group>/messages` and `tasks`: found, read, and taken away when they are answered.
//!
//! The agent owns these folders and may put anything there while we look. So: everything is opened relative to a folder
//! that was entered without following links; only regular files with one name are read, and of those 64 KiB; no scan looks
//! at more names, opens more files or sends more on than its limits say (I4).

use std::{
    collections::BTreeSet,
    ffi::{CStr, CString},
    fs::File,
    io::{self, Read},
    os::fd::OwnedFd,
    path::Path,
    time::Instant,
};

use nanoclaw_core::group::Folder;
use nanoclaw_protocol::ipc::{IpcFile, MESSAGES, TASKS, is_id};
use rustix::{
    fs::{AtFlags, Dir, DirEntry, FileType, Mode, OFlags, fstat, openat, renameat, statat, unlinkat},
    io::Errno,
};

use super::{FromIpc, POLL, Ticket};
use crate::container::enter;

/// Files of a folder that are taken in a second, and that are unanswered at the same time (I4).
pub(super) const MOST: usize = 100;
/// Bytes of a file.
const LARGEST: u64 = 64 * 1024;
/// Names that one look reads of a folder.
const NAMES: usize = 10_000;
/// Files that `ipc/errors` holds; what comes then is removed.
const KEPT_ERRORS: usize = 500;

pub(super) struct Inbox {
    group: Folder,
    /// A run can fill it.
    pub live: bool,
    /// Sent on and not answered.
    open: BTreeSet<Ticket>,
    /// Answered, but their files could not be removed: they are not taken again.
    stuck: BTreeSet<Ticket>,
    /// A folder with a request's name was told of.
    told_folder: bool,
    /// When the second began that the limit counts, and what was taken in it.
    since: Instant,
    taken: usize,
    /// The limit held something back.
    more: bool,
    /// A folder has more names than a look reads.
    crowded: bool,
}

/// What a name stood for.
enum Found {
    Request(IpcFile),
    /// Not a request; the file is dealt with.
    Refused(String),
    /// Gone again, or not to be read just now.
    Nothing,
}

impl Inbox {
    pub fn new(group: Folder) -> Self {
        Inbox {
            group,
            live: false,
            open: BTreeSet::new(),
            stuck: BTreeSet::new(),
            told_folder: false,
            since: Instant::now(),
            taken: 0,
            more: false,
            crowded: false,
        }
    }

    /// Something is open, or more waits for the next second.
    pub fn is_busy(&self) -> bool {
        self.more || !self.open.is_empty()
    }

    /// Takes in what lies there, messages first, in the order of their names.
    pub fn take(&mut self, root: &Path) -> Vec<FromIpc> {
        if self.since.elapsed() >= POLL {
            self.since = Instant::now();
            self.taken = 0;
        } else if self.more || self.crowded {
            // However often it is asked to look: a flood brings an event each.
            return Vec::new();
        }
        (self.more, self.crowded) = (false, false);
        for ticket in std::mem::take(&mut self.stuck) {
            self.remove(root, ticket);
        }
        let mut events = Vec::new();
        for box_name in [MESSAGES, TASKS] {
            let folder = match enter(root, &Path::new(self.group.as_str()).join(box_name), false) {
                Ok(folder) => folder,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    tracing::debug!(group = %self.group, box_name, %error, "An IPC folder can't be entered");
                    continue;
                }
            };
            for name in self.names(&folder, &mut events) {
                let ticket = Ticket { source: self.group.clone(), box_name, file: name.as_bytes().to_vec(), id: None };
                let known = |other: &Ticket| other.box_name == box_name && other.file == ticket.file;
                if self.open.iter().chain(&self.stuck).any(known) {
                    continue;
                }
                if self.taken >= MOST || self.open.len() + self.stuck.len() >= MOST {
                    self.more = true;
                    break;
                }
                self.taken += 1;
                match found(root, &self.group, &folder, &name) {
                    Found::Request(file) => {
                        let ticket = Ticket { id: file.id.clone().filter(|id| is_id(id)), ..ticket };
                        self.open.insert(ticket.clone());
                        events.push(FromIpc::Request { source: self.group.clone(), file: Box::new(file), ticket });
                    }
                    Found::Refused(reason) => events.push(FromIpc::Refused { source: self.group.clone(), reason }),
                    Found::Nothing => {}
                }
            }
        }
        events
    }

    /// A request is answered: its file goes.
    pub fn done(&mut self, root: &Path, ticket: &Ticket) {
        self.open.remove(ticket);
        self.remove(root, ticket.clone());
    }

    fn remove(&mut self, root: &Path, ticket: Ticket) {
        let below = Path::new(ticket.source.as_str()).join(ticket.box_name);
        let removed = enter(root, &below, false)
            .and_then(|folder| Ok(unlinkat(&folder, CString::new(ticket.file.clone())?, AtFlags::empty())?));
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::debug!(group = %self.group, %error, "An answered request can't be removed");
            self.stuck.insert(ticket);
        }
    }

    /// A folder stays where it is, and is told of once: moved out of the mount it would take along who stands in it.
    fn names(&mut self, folder: &OwnedFd, events: &mut Vec<FromIpc>) -> Vec<CString> {
        let Ok(entries) = Dir::read_from(folder) else { return Vec::new() };
        let mut read = 0;
        let (folders, files): (Vec<DirEntry>, Vec<DirEntry>) = entries
            .take(NAMES)
            .inspect(|_| read += 1)
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_bytes().ends_with(b".json"))
            .partition(|entry| entry.file_type() == FileType::Directory);
        if let Some(folder) = folders.first()
            && !std::mem::replace(&mut self.told_folder, true)
        {
            let reason = format!("{}: it is a folder", shown(folder.file_name()));
            events.push(FromIpc::Refused { source: self.group.clone(), reason });
        }
        let mut names: Vec<CString> = files.iter().map(|entry| entry.file_name().to_owned()).collect();
        // Among names that are no requests nothing is waited for.
        self.crowded |= read == NAMES;
        self.more |= read == NAMES && !names.is_empty();
        names.sort();
        names
    }
}

fn found(root: &Path, group: &Folder, folder: &OwnedFd, name: &CString) -> Found {
    match read(folder, name) {
        Ok(content) => match serde_json::from_slice::<IpcFile>(&content) {
            Ok(file) => Found::Request(file),
            Err(error) => {
                move_away(root, group, folder, name);
                // The error quotes what it met.
                let error: String = error.to_string().chars().take(100).collect();
                Found::Refused(format!("{}: it can't be understood: {error}", shown(name)))
            }
        },
        Err(Unread::Gone | Unread::Folder) => Found::Nothing,
        Err(Unread::Unfit(what)) => {
            // What it links to or pretends to be is none of ours; its name goes.
            let _ = unlinkat(folder, name, AtFlags::empty());
            Found::Refused(format!("{}: {what}", shown(name)))
        }
        Err(Unread::Failed(error)) => {
            tracing::warn!(%group, file = shown(name), %error, "An agent's file can't be read");
            move_away(root, group, folder, name);
            Found::Refused(format!("{}: it can't be read", shown(name)))
        }
    }
}

enum Unread {
    Gone,
    Folder,
    Unfit(&'static str),
    Failed(io::Error),
}

impl From<Errno> for Unread {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT => Unread::Gone,
            Errno::LOOP => Unread::Unfit("it is a link"),
            error => Unread::Failed(error.into()),
        }
    }
}

fn read(folder: &OwnedFd, name: &CString) -> Result<Vec<u8>, Unread> {
    // Looked at before it is opened: opening a device may do something.
    fit(&statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(folder, name, flags, Mode::empty())?;
    // It may have become something else in between.
    fit(&fstat(&file)?)?;
    let mut content = Vec::new();
    File::from(file).take(LARGEST + 1).read_to_end(&mut content).map_err(Unread::Failed)?;
    if content.len() as u64 > LARGEST { Err(Unread::Unfit("it is larger than 64 KiB")) } else { Ok(content) }
}

fn fit(stat: &rustix::fs::Stat) -> Result<(), Unread> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile if stat.st_nlink > 1 => Err(Unread::Unfit("it has other names (hard links)")),
        FileType::RegularFile if u64::try_from(stat.st_size).unwrap_or(u64::MAX) > LARGEST => {
            Err(Unread::Unfit("it is larger than 64 KiB"))
        }
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(Unread::Folder),
        FileType::Symlink => Err(Unread::Unfit("it is a link")),
        _ => Err(Unread::Unfit("it is no file")),
    }
}

/// To `ipc/errors/<group>-<file>` (I4), while there is room.
fn move_away(root: &Path, group: &Folder, folder: &OwnedFd, name: &CString) {
    let moved = enter(root, Path::new("errors"), true).and_then(|errors| {
        if Dir::read_from(&errors)?.count() > KEPT_ERRORS {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(renameat(folder, name, &errors, format!("{group}-{}", shown(name)))?)
    });
    if moved.is_err() {
        let _ = unlinkat(folder, name, AtFlags::empty());
    }
}

/// A name that an agent chose, harmless in a log and as a file's name.
fn shown(name: &CStr) -> String {
    let harmless = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    name.to_string_lossy().chars().take(100).map(harmless).collect()
}
