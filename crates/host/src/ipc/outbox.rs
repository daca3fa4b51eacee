//! Files written into a folder that an agent can write to, too: whole or not at all, and never through a link of its.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nanoclaw_core::group::Folder;
use nanoclaw_protocol::ipc::RESULTS;
use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags, openat, renameat, statat, unlinkat},
    io::Errno,
};

use crate::container::enter;

/// Where a file is before it is whole. Only one thread writes.
const NEW: &str = ".new-from-host";
/// The most names in `results/` that one answer looks at for old ones.
const LOOKED_AT: usize = 1000;

/// Writes `ipc/<group>/<below>/<name>`, replacing what has that name.
///
/// # Errors
/// When a folder on the way is none (also when it is a link), or the disk does not take it.
pub fn write(root: &Path, group: &Folder, below: &str, name: &str, content: &[u8]) -> io::Result<()> {
    write_in(&make(root, group, below)?, name, content)
}

/// Writes an answer, and removes those that are older than `life` (I8).
///
/// # Errors
/// As [`write`].
pub fn answer(root: &Path, group: &Folder, id: &str, content: &[u8], life: Duration) -> io::Result<()> {
    let folder = make(root, group, RESULTS)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    for entry in Dir::read_from(&folder)?.take(LOOKED_AT) {
        let entry = entry?;
        let old = statat(&folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| u64::try_from(stat.st_mtime).unwrap_or_default() + life.as_secs() < now);
        if old && !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            // A folder in there is the agent's own litter.
            let _ = unlinkat(&folder, entry.file_name(), AtFlags::empty());
        }
    }
    write_in(&folder, &format!("{id}.json"), content)
}

/// Opens `ipc/<group>/<below>`, made where it is missing.
///
/// # Errors
/// As [`write`].
pub fn make(root: &Path, group: &Folder, below: &str) -> io::Result<OwnedFd> {
    enter(root, &Path::new(group.as_str()).join(below), true)
}

fn write_in(folder: &OwnedFd, name: &str, content: &[u8]) -> io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || openat(folder, NEW, flags, Mode::RUSR | Mode::WUSR);
    let new = match open() {
        Err(Errno::EXIST) => {
            // Ours of a process that was killed, or something of the agent's.
            unlinkat(folder.as_fd(), NEW, AtFlags::empty())?;
            open()
        }
        other => other,
    }?;
    let written = File::from(new).write_all(content).and_then(|()| Ok(renameat(folder, NEW, folder, name)?));
    if written.is_err() {
        // What matters is why it could not be written.
        let _ = unlinkat(folder.as_fd(), NEW, AtFlags::empty());
    }
    written
}
