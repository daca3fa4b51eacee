//! Tells when kiro-cli's data changes: somebody signed in or out elsewhere (K1).
//!
//! Also asking who is signed in may write there, and every turn of an agent does: so a change counts where the file is another
//! than after the last look, and the loop decides what it is worth.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
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

#[derive(Clone)]
pub struct Watch {
    folder: PathBuf,
    seen: Arc<Mutex<Option<Stamp>>>,
    /// Ends with the last one that holds it.
    _watcher: Option<Arc<Mutex<RecommendedWatcher>>>,
}

impl Watch {
    /// Watches `folder`, or waits above it for it to be made. `tell` is called from another thread, once a change.
    pub fn on(folder: &Path, tell: impl Fn() + Send + 'static) -> Watch {
        let seen = Arc::new(Mutex::new(Stamp::of(folder)));
        let (events, arrived) = mpsc::channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| event.kind.is_access()) {
                // Nobody listens any more while it ends.
                let _ = events.send(());
            }
        });
        let mut at = None;
        let watcher = watcher.and_then(|mut watcher| {
            follow(&mut watcher, folder, &mut at)?;
            Ok(Arc::new(Mutex::new(watcher)))
        });
        let watcher = watcher.inspect_err(|error| tracing::debug!(%error, "Kiro's data can't be watched")).ok();
        let held = watcher.as_ref().map(Arc::downgrade).unwrap_or_default();
        let (known, folder) = (seen.clone(), folder.to_owned());
        let watched = folder.clone();
        // Not the watcher's own thread, which would wait for itself. It ends with the watcher, which sends to it.
        let work = move || {
            for () in arrived {
                let Some(watcher) = held.upgrade() else { return };
                let moved = follow(&mut watcher.lock().unwrap_or_else(PoisonError::into_inner), &folder, &mut at);
                if let Err(error) = moved {
                    tracing::debug!(%error, "Kiro's data can't be watched");
                }
                let now = Stamp::of(&folder);
                let before = std::mem::replace(&mut *known.lock().unwrap_or_else(PoisonError::into_inner), now);
                if before != now {
                    tell();
                }
            }
        };
        if let Err(error) = thread::Builder::new().name("kiro's data".to_owned()).spawn(work) {
            tracing::warn!(%error, "Kiro's data can't be watched");
        }
        Watch { folder: watched, seen, _watcher: watcher }
    }

    /// A look was taken. Whether there was a change that is not told yet, which then is not told: maybe the look's own.
    pub fn looked(&self) -> bool {
        let now = Stamp::of(&self.folder);
        std::mem::replace(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner), now) != now
    }
}

/// Watches `folder`, or the nearest one above it that is there; `at` is the one that is watched.
fn follow(watcher: &mut RecommendedWatcher, folder: &Path, at: &mut Option<PathBuf>) -> notify::Result<()> {
    // Again after each step: what is made before it is watched is not told.
    while let Some(nearest) =
        folder.ancestors().find(|folder| folder.is_dir()).filter(|near| Some(*near) != at.as_deref())
    {
        watcher.watch(nearest, RecursiveMode::NonRecursive)?;
        if let Some(left) = at.replace(nearest.to_owned()) {
            // One that was removed is watched no more.
            let _ = watcher.unwatch(&left);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// In one step, so that it is one change.
    fn sign_in(folder: &Path, text: &str) {
        let made = tempfile::tempdir().unwrap();
        fs::write(made.path().join(FILE), text).unwrap();
        fs::rename(made.path().join(FILE), folder.join(FILE)).unwrap();
    }

    #[test]
    fn a_change_of_the_file_is_told_and_a_look_is_none() {
        // K1
        let place = tempfile::tempdir().unwrap();
        let (tell, told) = mpsc::channel();
        let watch = Watch::on(place.path(), move || {
            let _ = tell.send(());
        });
        let soon = || told.recv_timeout(Duration::from_secs(10)).is_ok();
        sign_in(place.path(), "signed in");
        assert!(soon());
        fs::read(place.path().join(FILE)).unwrap();
        fs::write(place.path().join("data.sqlite3-journal"), "").unwrap();
        assert!(told.recv_timeout(Duration::from_millis(200)).is_err(), "neither a reader nor another file");
        assert!(!watch.looked());
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

    #[test]
    fn a_file_in_folders_that_are_made_later_is_told() {
        // K1
        let place = tempfile::tempdir().unwrap();
        let (tell, told) = mpsc::channel();
        let folder = place.path().join("share/kiro-cli");
        let _watch = Watch::on(&folder, move || {
            let _ = tell.send(());
        });
        fs::create_dir_all(&folder).unwrap();
        assert!(told.recv_timeout(Duration::from_millis(300)).is_err(), "a folder alone is no sign-in");
        for text in ["signed in", "signed in again"] {
            sign_in(&folder, text);
            assert!(told.recv_timeout(Duration::from_secs(10)).is_ok());
        }
    }
}
