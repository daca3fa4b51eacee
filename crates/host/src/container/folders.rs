//! Folders on the host, as far as containers are concerned: what a run mounts is made ready here (R2), and a folder that an
//! agent can write to is entered without following links.
//!
//! Must not: decide what a group may see (`nanoclaw_core::mounts`), or make any folder that isn't the Home's. Called by the
//! loop before a run starts, and by the run's log.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::OwnedFd,
    path::{Component, Path, PathBuf},
};

use nanoclaw_core::mounts::{Mount, Owner};
use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, unlinkat},
    io::Errno,
};

use crate::paths::private_folder;

/// Makes the Home's folders among `mounts`, and leaves out what can't be mounted: gives the mounts that are present and the
/// folders of the host that are missing.
///
/// A mount inside another one needs a folder there to be put on. In the Home that folder is made. In the host's folders it
/// never is: without a `sessions` in the user's `~/.kiro`, a group's own one is left out and `~/.kiro/sessions` is missing.
/// Mounting it all the same would be worse: over a read-only `~/.kiro` the engine refuses to start the container (facts:
/// docker), and over a writable one it leaves a folder of root's in the user's home.
pub fn prepare(mounts: &[Mount]) -> (Vec<Mount>, Vec<PathBuf>) {
    let mut present: Vec<Mount> = Vec::new();
    let mut missing = Vec::new();
    // What lies around comes before what is put into it.
    let mut mounts: Vec<&Mount> = mounts.iter().collect();
    mounts.sort_by_key(|mount| Path::new(&mount.container).components().count());
    for mount in mounts {
        if !ready(mount) {
            missing.push(mount.host.clone());
        } else if let Some(absent) = absent_mount_point(mount, &present) {
            missing.push(absent);
        } else {
            present.push(mount.clone());
        }
    }
    (present, missing)
}

fn ready(mount: &Mount) -> bool {
    if mount.owner == Owner::Home
        && let Err(error) = private_folder(&mount.host)
    {
        tracing::error!(%error, "A folder of the Home can't be made");
        return false;
    }
    mount.host.is_dir()
}

/// The folder on the host that `mount` is to be put on and that isn't there.
fn absent_mount_point(mount: &Mount, present: &[Mount]) -> Option<PathBuf> {
    let (around, inside) = present.iter().rev().find_map(|around| {
        let inside = Path::new(&mount.container).strip_prefix(&around.container).ok()?;
        Some((around, inside))
    })?;
    let made = enter(&around.host, inside, around.owner == Owner::Home);
    made.is_err().then(|| around.host.join(inside))
}

/// Opens a folder below `root`, following no link on the way, as agents can write there. `make`: what is missing is made, for
/// the user alone.
///
/// # Errors
/// When it isn't there, or something on the way is no folder.
pub(crate) fn enter(root: &Path, below: &Path, make: bool) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let mut folder = openat(CWD, root, flags, Mode::empty())?;
    for component in below.components() {
        let Component::Normal(name) = component else { return Err(Errno::INVAL.into()) };
        if make {
            match mkdirat(&folder, name, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        folder = openat(&folder, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(folder)
}

/// Makes a file in a folder that was entered, in the place of what a process that was killed left there; for the user alone.
///
/// # Errors
/// When it can't be made or written: then it is gone again.
pub(crate) fn create(folder: &OwnedFd, name: &str, content: &[u8]) -> io::Result<File> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let mut file = File::from(openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(content).inspect_err(|_| {
        // What matters is why it could not be written.
        let _ = unlinkat(folder, name, AtFlags::empty());
    })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use nanoclaw_core::{
        chat::Jid,
        group::{Folder, Group},
        mounts::{Places, mounts},
        settings::KiroMode,
    };

    use super::*;

    fn check(folder: &str, mode: KiroMode, host: &[&str]) -> (Vec<String>, Vec<String>, tempfile::TempDir) {
        let place = tempfile::tempdir().unwrap();
        let group = Group::new(Jid::new("1@g.us"), "x", Folder::new(folder).unwrap());
        let user = place.path().join("user");
        for folder in host {
            fs::create_dir_all(user.join(folder)).unwrap();
        }
        let places = Places { home: place.path().join("home"), user, kiro_data: place.path().join("user/kiro-cli") };
        let (present, missing) = prepare(&mounts(&group, mode, &places));
        assert!(present.iter().all(|mount| mount.host.is_dir()));
        let missing =
            missing.iter().map(|path| path.strip_prefix(place.path()).unwrap().display().to_string()).collect();
        (present.iter().map(|mount| mount.container.clone()).collect(), missing, place)
    }

    // R2: folders of the Home are made, the host's never; what is missing is left out and told.
    #[test]
    fn made_or_missing() {
        let (present, missing, place) = check("main", KiroMode::Shared, &[]);
        assert_eq!(present, ["/workspace/group", "/workspace/ipc", "/workspace/global", "/workspace/extra"]);
        assert_eq!(missing, ["user/.kiro", "user/.aws", "user/kiro-cli"]);
        assert!(!place.path().join("user").exists());
        let mode = fs::metadata(place.path().join("home/groups/main")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);

        let (present, missing, _place) = check("main", KiroMode::Shared, &[".kiro", ".aws", "kiro-cli"]);
        assert_eq!((present.len(), missing.len()), (7, 0));

        // A file where a folder is wanted is no folder.
        let place = tempfile::tempdir().unwrap();
        let host = place.path().join("file");
        fs::write(&host, "").unwrap();
        for owner in [Owner::Home, Owner::Host] {
            let mount = Mount { host: host.clone(), container: "/x".to_owned(), read_only: true, owner };
            assert_eq!(prepare(&[mount]), (vec![], vec![host.clone()]));
        }
    }

    // R2: a group's sessions need a folder to be put on.
    #[test]
    fn sessions() {
        const SESSIONS: &str = "/home/node/.kiro/sessions";
        let (present, missing, _place) = check("family", KiroMode::Shared, &[".kiro/sessions", "kiro-cli"]);
        assert!(present.iter().any(|at| at == SESSIONS) && missing.is_empty(), "{missing:?}");

        let (present, missing, place) = check("family", KiroMode::Shared, &[".kiro", "kiro-cli"]);
        assert!(present.iter().any(|at| at == "/home/node/.kiro") && !present.iter().any(|at| at == SESSIONS));
        assert_eq!(missing, ["user/.kiro/sessions"]);
        assert!(!place.path().join("user/.kiro/sessions").exists());

        let (present, missing, place) = check("family", KiroMode::Own, &[]);
        assert!(present.iter().any(|at| at == SESSIONS) && missing.is_empty());
        assert!(place.path().join("home/kiro/kiro/sessions").is_dir());
    }

    #[test]
    fn no_link_is_followed() {
        let place = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), place.path().join("link")).unwrap();
        for below in ["link", "link/new", "../x"] {
            assert!(enter(place.path(), Path::new(below), true).is_err(), "{below}");
        }
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
        assert!(enter(place.path(), Path::new("a/b"), true).is_ok());
        assert!(enter(place.path(), Path::new("a/b"), false).is_ok());
        assert!(enter(place.path(), Path::new("a/c"), false).is_err());
    }
}
