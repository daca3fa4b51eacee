//! Starts an engine of this computer that doesn't run, where something here can ("Start Docker").
//!
//! Only at a person's word: to start an engine is no small thing, and on Linux the system may ask for a password. Must not wait
//! until the engine answers: the connection sees that by itself. Found by the orchestrator, started by the engine edge.

use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// What starts an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starter {
    program: &'static str,
    arguments: Vec<String>,
}

/// Apps that are an engine, as macOS knows them.
const APPS: [&str; 3] = ["Docker", "OrbStack", "Rancher Desktop"];
/// Units of systemd that are an engine; the user's own first, which need no password.
const UNITS: [(&str, &str); 4] = [
    ("user", "docker-desktop.service"),
    ("user", "docker.service"),
    ("user", "podman.socket"),
    ("system", "docker.service"),
];

/// What can be started here. `None` also where a person has named the engine to use: that one is theirs to start.
pub fn find(setting: Option<&str>) -> Option<Starter> {
    if setting.is_some() || env::var_os("DOCKER_HOST").is_some_and(|named| !named.is_empty()) {
        return None;
    }
    let user = env::home_dir()?;
    if cfg!(target_os = "macos") { app(&user, Path::new("/")) } else { unit(&user, Path::new("/")) }
}

fn app(user: &Path, root: &Path) -> Option<Starter> {
    let folders = [root.join("Applications"), user.join("Applications")];
    let found = APPS.iter().find(|app| folders.iter().any(|folder| folder.join(format!("{app}.app")).exists()))?;
    Some(Starter { program: "/usr/bin/open", arguments: ["-g", "-a", found].map(str::to_owned).into() })
}

fn unit(user: &Path, root: &Path) -> Option<Starter> {
    if !root.join("run/systemd/system").is_dir() {
        return None;
    }
    let places = |kind: &str| -> Vec<PathBuf> {
        let below = ["etc/systemd", "usr/lib/systemd", "lib/systemd"].map(|folder| root.join(folder).join(kind));
        let own = (kind == "user").then(|| user.join(".config/systemd/user"));
        own.into_iter().chain(below).collect()
    };
    let (kind, name) = UNITS.iter().find(|(kind, name)| places(kind).iter().any(|place| place.join(name).exists()))?;
    let arguments = [&format!("--{kind}"), "start", name].map(|word| word.to_string()).into();
    Some(Starter { program: "systemctl", arguments })
}

impl Starter {
    /// Returns when it was started, which on some systems is before it answers.
    ///
    /// # Errors
    /// Why not, in the starting program's words.
    pub async fn start(&self) -> Result<()> {
        let mut command = Command::new(self.program);
        let output = command.args(&self.arguments).stdin(Stdio::null()).kill_on_drop(true).output();
        let output = output.await.with_context(|| format!("{} can't be run", self.program))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it failed without a word");
            bail!("{}", said.chars().take(200).collect::<String>());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn words(starter: Option<Starter>) -> String {
        starter.map(|found| format!("{} {}", found.program, found.arguments.join(" "))).unwrap_or_default()
    }

    #[test]
    fn the_users_own_units_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let (root, user) = (folder.path(), folder.path().join("home/alice"));
        let put = |path: &str| {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        };
        put("usr/lib/systemd/system/docker.service");
        assert_eq!(words(unit(&user, root)), "", "systemd is not what runs here");
        fs::create_dir_all(root.join("run/systemd/system")).unwrap();
        assert_eq!(words(unit(&user, root)), "systemctl --system start docker.service");
        put("home/alice/.config/systemd/user/docker.service");
        assert_eq!(words(unit(&user, root)), "systemctl --user start docker.service");
        put("usr/lib/systemd/user/docker-desktop.service");
        assert_eq!(words(unit(&user, root)), "systemctl --user start docker-desktop.service");
    }

    #[test]
    fn apps_of_a_mac() {
        let folder = tempfile::tempdir().unwrap();
        let (root, user) = (folder.path(), folder.path().join("Users/alice"));
        assert_eq!(words(app(&user, root)), "");
        fs::create_dir_all(user.join("Applications/OrbStack.app")).unwrap();
        assert_eq!(words(app(&user, root)), "/usr/bin/open -g -a OrbStack");
        fs::create_dir_all(root.join("Applications/Docker.app")).unwrap();
        assert_eq!(words(app(&user, root)), "/usr/bin/open -g -a Docker");
    }

    #[tokio::test]
    async fn what_can_not_be_started_says_why() {
        let starter =
            |program, words: &[&str]| Starter { program, arguments: words.iter().map(|&w| w.to_owned()).collect() };
        starter("true", &[]).start().await.unwrap();
        let failed = starter("sh", &["-c", "echo 'Access denied' >&2; exit 4"]).start().await.unwrap_err();
        assert_eq!(failed.to_string(), "Access denied");
        assert!(starter("/no/such/program", &[]).start().await.unwrap_err().to_string().contains("can't be run"));
    }
}
