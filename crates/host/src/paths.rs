//! Where everything lies: the Home with its folders, and the user's own folders that mounts are made from.
//!
//! Nothing else joins these paths. Apart from [`Home::create`] and the control socket's folder nothing is made here.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use nanoclaw_core::{group::Folder, mounts::Places, problem::Trouble};
use sha2::{Digest, Sha256};

/// Unix socket addresses end at 104 (macOS) or 108 bytes; beyond this the socket lies elsewhere (design, Control socket).
const LONGEST_SOCKET_PATH: usize = 100;

/// NanoClaw's data folder. Cheap to clone; the path is absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
    user: PathBuf,
    kiro_data: PathBuf,
    /// Where short socket paths can be made: `$XDG_RUNTIME_DIR`, else the temp folder.
    runtime: PathBuf,
}

impl Home {
    /// The Home of this process: `NANOCLAW_HOME`, else the platform's application-data folder.
    ///
    /// # Errors
    /// When the user has no home folder.
    pub fn find() -> Result<Home, Trouble> {
        Home::from_environment(|name| std::env::var_os(name), std::env::home_dir(), std::env::temp_dir())
    }

    /// A Home at a given place, whatever `NANOCLAW_HOME` says.
    ///
    /// # Errors
    /// When the user has no home folder.
    pub fn at(root: impl Into<PathBuf>) -> Result<Home, Trouble> {
        let root = root.into().into_os_string();
        let environment =
            |name: &str| if name == "NANOCLAW_HOME" { Some(root.clone()) } else { std::env::var_os(name) };
        Home::from_environment(environment, std::env::home_dir(), std::env::temp_dir())
    }

    /// Whether this is the Home that a start without `NANOCLAW_HOME` uses.
    pub fn is_default(&self) -> bool {
        let default = |name: &str| if name == "NANOCLAW_HOME" { None } else { std::env::var_os(name) };
        let user = Some(self.user.clone());
        Home::from_environment(default, user, std::env::temp_dir()).is_ok_and(|home| home.root == self.root)
    }

    fn from_environment(
        environment: impl Fn(&str) -> Option<OsString>,
        user: Option<PathBuf>,
        temp: PathBuf,
    ) -> Result<Home, Trouble> {
        let user = user
            .filter(|user| user.is_absolute())
            .ok_or_else(|| Trouble::Internal { reason: "the user has no home folder (HOME is not set).".to_owned() })?;
        // The XDG specification: a relative path counts as unset.
        let folder = |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let data = if cfg!(target_os = "macos") {
            user.join("Library/Application Support")
        } else {
            folder("XDG_DATA_HOME").unwrap_or_else(|| user.join(".local/share"))
        };
        let root = match environment("NANOCLAW_HOME").filter(|root| !root.is_empty()) {
            Some(root) => std::path::absolute(root)
                .map_err(|error| Trouble::Internal { reason: format!("NANOCLAW_HOME can't be used: {error}.") })?,
            None => data.join("com.nanoclaw"),
        };
        Ok(Home { root, user, kiro_data: data.join("kiro-cli"), runtime: folder("XDG_RUNTIME_DIR").unwrap_or(temp) })
    }

    /// Makes the Home and its folders, for the user alone. What is there is kept.
    ///
    /// # Errors
    /// [`Trouble::HomeUnusable`] when a folder can't be made.
    pub fn create(&self) -> Result<(), Trouble> {
        let parts = [self.store(), self.groups(), self.ipc(), self.kiro(), self.logs()];
        let made = [self.root.clone()].iter().chain(&parts).try_for_each(|folder| private_folder(folder));
        made.map_err(|error| Trouble::HomeUnusable { reason: error.to_string() })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    pub fn database(&self) -> PathBuf {
        self.store().join("messages.db")
    }

    /// WhatsApp's sign-in (W3). Made by the channel.
    pub fn auth(&self) -> PathBuf {
        self.store().join("auth")
    }

    pub fn groups(&self) -> PathBuf {
        self.root.join("groups")
    }

    pub fn group(&self, folder: &Folder) -> PathBuf {
        self.groups().join(folder.as_str())
    }

    /// The log of the run that was started then (R7). It lies where the agent can write: links in it are not followed.
    pub fn run_log(&self, folder: &Folder, started_at: jiff::Timestamp) -> PathBuf {
        self.group(folder).join("logs").join(format!("agent-{}.log", started_at.strftime("%Y-%m-%dT%H-%M-%S-%3fZ")))
    }

    pub fn ipc(&self) -> PathBuf {
        self.root.join("ipc")
    }

    pub fn ipc_of(&self, folder: &Folder) -> PathBuf {
        self.ipc().join(folder.as_str())
    }

    pub fn kiro(&self) -> PathBuf {
        self.root.join("kiro")
    }

    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The one log (T7).
    pub fn log(&self) -> PathBuf {
        self.logs().join("nanoclaw.log")
    }

    /// All that the last build of the agent's image said.
    pub fn image_log(&self) -> PathBuf {
        self.logs().join("image-build.log")
    }

    /// What the user adds to the image: `kiro-cli/`, `prebuilt/`.
    pub fn image(&self) -> PathBuf {
        self.root.join("image")
    }

    /// Where the window was and how large, when it was last closed.
    pub fn window(&self) -> PathBuf {
        self.root.join("window.json")
    }

    /// There while a restart is to show the window again.
    pub fn reopen(&self) -> PathBuf {
        self.root.join("reopen")
    }

    /// The tray's picture, in a file for the panels that want one.
    pub fn tray(&self) -> PathBuf {
        self.root.join("tray")
    }

    pub fn settings(&self) -> PathBuf {
        self.root.join("settings.json")
    }

    /// Who holds the lock on it owns the Home.
    pub fn lock(&self) -> PathBuf {
        self.root.join("control.lock")
    }

    /// Holds the control socket's path where that is not inside the Home.
    pub fn socket_path_file(&self) -> PathBuf {
        self.root.join("control.path")
    }

    /// The control socket where the owner of the Home puts it.
    pub fn control_socket(&self) -> PathBuf {
        let near = self.near_socket();
        if near.as_os_str().len() <= LONGEST_SOCKET_PATH {
            return near;
        }
        let hash = hex::encode(Sha256::digest(self.root.as_os_str().as_encoded_bytes()));
        self.runtime.join(format!("nanoclaw-{}", hash.get(..16).unwrap_or(&hash))).join("control.sock")
    }

    fn near_socket(&self) -> PathBuf {
        self.root.join("control.sock")
    }

    /// The control socket as another process finds it: its environment may name another runtime folder than the owner's.
    pub fn find_socket(&self) -> PathBuf {
        let written = fs::read_to_string(self.socket_path_file()).map(|path| PathBuf::from(path.trim_end()));
        let expected = self.control_socket();
        if expected == self.near_socket() { expected } else { written.unwrap_or(expected) }
    }

    pub fn places(&self) -> Places {
        Places { home: self.root.clone(), user: self.user.clone(), kiro_data: self.kiro_data.clone() }
    }
}

/// Makes a folder and what lies above it, and shuts it for everybody but the user.
///
/// # Errors
/// When it can't be made, or is no folder of the user's.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    let told = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(told)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(told)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(environment: &[(&str, &str)]) -> Home {
        let lookup =
            |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        Home::from_environment(lookup, Some("/u/alice".into()), "/tmp".into()).unwrap()
    }

    #[test]
    fn the_home_is_named_or_the_platforms() {
        let data =
            if cfg!(target_os = "macos") { "/u/alice/Library/Application Support" } else { "/u/alice/.local/share" };
        for (environment, root) in [
            (&[("NANOCLAW_HOME", "/srv/claw")][..], "/srv/claw".to_owned()),
            (&[("NANOCLAW_HOME", "")], format!("{data}/com.nanoclaw")),
            (&[("XDG_DATA_HOME", "relative")], format!("{data}/com.nanoclaw")),
            (&[], format!("{data}/com.nanoclaw")),
        ] {
            assert_eq!(home(environment).root(), Path::new(&root));
        }
        assert_eq!(home(&[]).places().kiro_data, Path::new(data).join("kiro-cli"));
        assert!(home(&[("NANOCLAW_HOME", "here")]).root().is_absolute());
        assert!(Home::from_environment(|_| None, None, "/tmp".into()).is_err());
    }

    #[test]
    fn a_named_home_is_another_than_the_default() {
        assert!(!Home::at("/srv/claw").unwrap().is_default());
        let default = Home::from_environment(
            |name| std::env::var_os(name).filter(|_| name != "NANOCLAW_HOME"),
            std::env::home_dir(),
            "/tmp".into(),
        );
        assert!(default.unwrap().is_default());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn xdg_moves_both_data_folders() {
        let moved = home(&[("XDG_DATA_HOME", "/data")]);
        assert_eq!(moved.root(), Path::new("/data/com.nanoclaw"));
        assert_eq!(moved.places().kiro_data, Path::new("/data/kiro-cli"));
    }

    #[test]
    fn a_long_path_moves_the_socket() {
        let near = home(&[("NANOCLAW_HOME", "/srv/claw")]);
        assert_eq!(near.control_socket(), Path::new("/srv/claw/control.sock"));
        let root = format!("/srv/{}", "x".repeat(100));
        for (environment, runtime) in [
            (vec![("NANOCLAW_HOME", root.as_str()), ("XDG_RUNTIME_DIR", "/run/user/1")], "/run/user/1"),
            (vec![("NANOCLAW_HOME", root.as_str())], "/tmp"),
        ] {
            let socket = home(&environment).control_socket();
            let folder = socket.parent().unwrap();
            assert_eq!(folder.parent().unwrap(), Path::new(runtime));
            assert!(folder.file_name().unwrap().to_str().unwrap().starts_with("nanoclaw-"));
            assert!(socket.as_os_str().len() <= LONGEST_SOCKET_PATH);
        }
    }

    #[test]
    #[cfg(unix)]
    fn the_folders_are_the_users_alone() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("store")).unwrap();
        let home = Home::at(place.path()).unwrap();
        home.create().unwrap();
        home.create().unwrap();
        for folder in [home.root().to_owned(), home.store(), home.groups(), home.ipc(), home.kiro(), home.logs()] {
            assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700, "{}", folder.display());
        }
    }
}
