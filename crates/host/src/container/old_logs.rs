//! How many logs of its runs a chat keeps (R7): the newest, as far as there is room.
//!
//! They lie where the chat's agent can write: so only plain files are counted, relative to a folder that was entered without
//! following links, and what an agent puts there costs no other chat its logs. Called by `run_log`.

use std::{
    cmp::Reverse,
    ffi::{CString, OsStr},
    fs::File,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
};

use rustix::fs::{AtFlags, Dir, FileType, statat, unlinkat};

/// Names that one look reads.
const NAMES: usize = 10_000;

/// Removes the oldest logs in `folder`, so that all together have at most `most` bytes; `newest`, which was just written, is
/// kept, and cut if it alone has more.
///
/// # Errors
/// What the system says of the folder or the newest.
pub(super) fn keep_within(folder: &OwnedFd, newest: &File, name: &OsStr, most: u64) -> io::Result<()> {
    let size = newest.metadata()?.len();
    if size > most {
        newest.set_len(most)?;
    }
    let mut room = most.saturating_sub(size);
    let mut others: Vec<(CString, u64)> = Dir::read_from(folder)?
        .take(NAMES)
        .filter_map(|entry| Some(entry.ok()?.file_name().to_owned()))
        .filter(|other| other.to_bytes().starts_with(b"agent-") && other.to_bytes().ends_with(b".log"))
        .filter(|other| other.to_bytes() != name.as_bytes())
        .filter_map(|other| {
            let stat = statat(folder, &other, AtFlags::SYMLINK_NOFOLLOW).ok()?;
            let plain = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
            plain.then(|| (other, u64::try_from(stat.st_size).unwrap_or(u64::MAX)))
        })
        .collect();
    // Their names are their times.
    others.sort_by_key(|(other, _)| Reverse(other.clone()));
    for (other, size) in others {
        room = match room.checked_sub(size) {
            Some(left) => left,
            None => {
                unlinkat(folder, &other, AtFlags::empty())?;
                0
            }
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, path::Path};

    use super::*;
    use crate::container::enter;

    fn check(files: &[(&str, usize)], most: u64, expect: &[(&str, u64)]) {
        let place = tempfile::tempdir().unwrap();
        for (name, size) in files {
            fs::write(place.path().join(name), vec![b'x'; *size]).unwrap();
        }
        symlink("/etc/passwd", place.path().join("agent-0.log")).unwrap();
        let folder = enter(place.path(), Path::new(""), false).unwrap();
        let newest = File::options().write(true).open(place.path().join("agent-5.log")).unwrap();
        keep_within(&folder, &newest, OsStr::new("agent-5.log"), most).unwrap();
        let mut left: Vec<(String, u64)> = fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().unwrap().is_file())
            .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
            .collect();
        left.sort();
        let expect: Vec<(String, u64)> = expect.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect();
        assert_eq!(left, expect);
        assert!(place.path().join("agent-0.log").is_symlink());
    }

    #[test]
    fn the_oldest_go() {
        // R7
        let five = [("agent-1.log", 10), ("agent-2.log", 10), ("agent-3.log", 10), ("agent-5.log", 10), ("notes", 99)];
        let [one, two, three, newest, notes] = five.map(|(name, size)| (name, size as u64));
        check(&five, 40, &[one, two, three, newest, notes]);
        check(&five, 39, &[two, three, newest, notes]);
        check(&five, 25, &[three, newest, notes]);
        check(&five, 4, &[("agent-5.log", 4), notes]);
        // What pretends to be newer is not kept in place of the one just written.
        check(&[("agent-5.log", 10), ("agent-9.log", 30)], 30, &[("agent-5.log", 10)]);
    }
}
