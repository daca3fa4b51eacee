//! The last good copies of the agents' own sign-in (mode `own`, K4): an unclean kill can leave kiro-cli's store empty
//! (facts/kiro-cli, Files), and a person would have to sign in anew.
//!
//! Agents write where the sign-in lies: it is entered without following links. The copies lie where none of them sees.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rustix::fs::{Mode, OFlags, openat};
use sha2::{Digest, Sha256};

use super::watch::FILE;
use crate::{
    container::{create, enter},
    paths::{Home, private_folder},
};

/// How many copies are kept.
const COPIES: usize = 3;
/// Bytes. kiro-cli keeps conversations in the same file; what is larger is not copied.
const LONGEST: u64 = 64 << 20;
/// A store with a sign-in names its token; one that was signed out still has the word in its free pages.
const TOKENS: [&[u8]; 3] = [b"kirocli:odic:token", b"kirocli:social:token", b"kirocli:external-idp:token"];

fn data(home: &Home) -> PathBuf {
    home.kiro().join("data")
}

fn copies(home: &Home) -> PathBuf {
    home.kiro().join("backup")
}

/// Copies the store that was just seen to work, unless it is being written or the newest copy is the same.
///
/// # Errors
/// When it can't be read or written.
pub fn keep(home: &Home, now: Timestamp) -> io::Result<()> {
    let Some(store) = settled(&data(home))? else { return Ok(()) };
    if !has_token(&store) {
        return Ok(());
    }
    let folder = copies(home);
    private_folder(&folder)?;
    let mut kept = list(&folder)?;
    let same = |path: &PathBuf| fs::read(path).is_ok_and(|copy| Sha256::digest(copy) == Sha256::digest(&store));
    if kept.last().is_some_and(same) {
        return Ok(());
    }
    let path = folder.join(format!("{FILE}.{}", now.as_second()));
    let new = folder.join("new");
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&store)?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    kept.push(path);
    kept.sort();
    kept.dedup();
    let old = kept.len().saturating_sub(COPIES);
    kept.drain(..old).try_for_each(fs::remove_file)
}

/// Puts the newest copy in the place of a store that has lost its sign-in; false where there is none, or nothing was lost. The
/// copy that is used is a copy no more: should it not serve, the one before it is next.
///
/// # Errors
/// When it can't be read or written.
pub fn restore(home: &Home) -> io::Result<bool> {
    let folder = copies(home);
    let Some(newest) = list(&folder)?.pop() else { return Ok(false) };
    if settled(&data(home))?.is_none_or(|store| has_token(&store)) {
        return Ok(false);
    }
    let store = fs::read(&newest)?;
    let into = enter(&home.kiro(), Path::new("data"), true)?;
    create(&into, "restored", &store)?.sync_all()?;
    rustix::fs::renameat(&into, "restored", &into, FILE)?;
    fs::remove_file(newest)?;
    Ok(true)
}

/// A sign-in that a person has ended must not come back.
///
/// # Errors
/// When a copy can't be removed.
pub fn forget(home: &Home) -> io::Result<()> {
    list(&copies(home))?.into_iter().try_for_each(fs::remove_file)
}

/// The oldest first.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let ours = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(FILE));
    let mut copies: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(ours).collect();
    copies.sort();
    Ok(copies)
}

/// The store's bytes; none while it is being written, empty where it is not there.
fn settled(data: &Path) -> io::Result<Option<Vec<u8>>> {
    let Ok(folder) = enter(data, Path::new(""), false) else { return Ok(Some(Vec::new())) };
    let open = |name: &str| {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        openat(&folder, name, flags, Mode::empty()).map(File::from)
    };
    // A rollback journal stands beside it while it is written.
    if open(&format!("{FILE}-journal")).is_ok() {
        return Ok(None);
    }
    let mut file = match open(FILE) {
        Err(rustix::io::Errno::NOENT) => return Ok(Some(Vec::new())),
        file => file?,
    };
    let before = file.metadata()?;
    if !before.is_file() || before.len() > LONGEST {
        return Ok(None);
    }
    let mut store = Vec::new();
    (&mut file).take(LONGEST).read_to_end(&mut store)?;
    let after = file.metadata()?;
    let same = before.len() == after.len() && before.modified()? == after.modified()?;
    Ok((same && open(&format!("{FILE}-journal")).is_err()).then_some(store))
}

fn has_token(store: &[u8]) -> bool {
    TOKENS.iter().any(|token| store.windows(token.len()).any(|piece| piece == *token))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let place = tempfile::tempdir().unwrap();
        let home = Home::at(place.path()).unwrap();
        fs::create_dir_all(data(&home)).unwrap();
        (place, home)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_last_good_copies_come_back() {
        // K4
        let (_place, home) = home();
        let store = data(&home).join(FILE);
        assert!(!restore(&home).unwrap());
        for n in 0..5 {
            fs::write(&store, format!("SQLite kirocli:odic:token {n}")).unwrap();
            keep(&home, at(100 + n)).unwrap();
            keep(&home, at(200 + n)).unwrap();
        }
        let kept = list(&copies(&home)).unwrap();
        assert_eq!(kept.len(), COPIES);
        assert_eq!(fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!restore(&home).unwrap(), "nothing is lost");

        for expect in ["SQLite kirocli:odic:token 4", "SQLite kirocli:odic:token 3", "SQLite kirocli:odic:token 2"] {
            fs::write(&store, "SQLite").unwrap();
            keep(&home, at(300)).unwrap();
            assert!(restore(&home).unwrap());
            assert_eq!(fs::read_to_string(&store).unwrap(), expect);
        }
        fs::remove_file(&store).unwrap();
        assert!(!restore(&home).unwrap(), "each is used once");
    }

    #[test]
    fn one_that_was_signed_out_stays_so() {
        // K4
        let (_place, home) = home();
        let store = data(&home).join(FILE);
        fs::write(&store, "kirocli:social:token").unwrap();
        keep(&home, at(1)).unwrap();
        forget(&home).unwrap();
        fs::remove_file(&store).unwrap();
        assert!(!restore(&home).unwrap());
    }

    #[test]
    fn neither_half_a_store_nor_a_link() {
        // K4
        let (place, home) = home();
        let store = data(&home).join(FILE);
        fs::write(&store, "kirocli:odic:token").unwrap();
        fs::write(data(&home).join("data.sqlite3-journal"), "").unwrap();
        keep(&home, at(1)).unwrap();
        fs::remove_file(data(&home).join("data.sqlite3-journal")).unwrap();
        fs::remove_file(&store).unwrap();
        let elsewhere = place.path().join("elsewhere");
        fs::write(&elsewhere, "kirocli:odic:token of another").unwrap();
        symlink(&elsewhere, &store).unwrap();
        assert!(keep(&home, at(2)).is_err());
        assert!(list(&copies(&home)).unwrap().is_empty());
    }
}
