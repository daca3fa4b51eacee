//! Tells when kiro-cli's data changes: somebody signed in or out elsewhere (K1).
//!
//! Also asking who is signed in may write there, and every turn of an agent does: so a change counts where the file is another
//! than after the last look, and the loop decides what it is worth.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

/// kiro-cli's file in its data folder.
pub const FILE: &str = "data.sqlite3";

/// What tells one state of the file from another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(folder: &Path) -> Option<Stamp> {
        let found = fs::metadata(folder.join(FILE)).ok()?;
        Some(Stamp { inode: found.ino(), bytes: found.size(), changed: (found.mtime(), found.mtime_nsec()) })
    }
}

pub struct Watch {
    folder: PathBuf,
    seen: Arc<Mutex<Option<Stamp>>>,
    /// Ends with this value.
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches `folder`, or waits beside it for it to be made. `tell` is called from another thread, once a change.
    pub fn on(folder: &Path, tell: impl Fn() + Send + 'static) -> Watch {
        let seen = Arc::new(Mutex::new(Stamp::of(folder)));
        let (known, at) = (seen.clone(), folder.to_owned());
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            let now = Stamp::of(&at);
            let mut seen = known.lock().unwrap_or_else(PoisonError::into_inner);
            if std::mem::replace(&mut *seen, now) != now {
                tell();
            }
        });
        let there = [Some(folder), folder.parent()].into_iter().flatten().find(|folder| folder.is_dir());
        let watcher = watcher.and_then(|mut watcher| {
            there.map_or(Ok(()), |there| watcher.watch(there, RecursiveMode::NonRecursive))?;
            Ok(watcher)
        });
        let watcher = watcher.inspect_err(|error| tracing::debug!(%error, "Kiro's data can't be watched")).ok();
        Watch { folder: folder.to_owned(), seen, _watcher: watcher }
    }

    /// A look was taken: what was changed by it is no change.
    pub fn looked(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Stamp::of(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[test]
    fn a_change_of_the_file_is_told_and_a_look_is_none() {
        // K1
        let place = tempfile::tempdir().unwrap();
        let (tell, told) = mpsc::channel();
        let watch = Watch::on(place.path(), move || {
            let _ = tell.send(());
        });
        let soon = || told.recv_timeout(Duration::from_secs(10)).is_ok();
        fs::write(place.path().join(FILE), "signed in").unwrap();
        assert!(soon());
        while told.recv_timeout(Duration::from_millis(100)).is_ok() {}
        fs::read(place.path().join(FILE)).unwrap();
        fs::write(place.path().join("data.sqlite3-journal"), "").unwrap();
        assert!(told.recv_timeout(Duration::from_millis(200)).is_err(), "neither a reader nor another file");
        watch.looked();
        fs::remove_file(place.path().join(FILE)).unwrap();
        assert!(soon());
    }

    #[test]
    fn a_folder_that_is_made_later_is_told() {
        // K1
        let place = tempfile::tempdir().unwrap();
        let (tell, told) = mpsc::channel();
        let folder = place.path().join("kiro-cli");
        let _watch = Watch::on(&folder, move || {
            let _ = tell.send(());
        });
        let made = place.path().join("new");
        fs::create_dir(&made).unwrap();
        fs::write(made.join(FILE), "signed in").unwrap();
        fs::rename(made, folder).unwrap();
        assert!(told.recv_timeout(Duration::from_secs(10)).is_ok());
    }
}
