//! Where this computer's kiro-cli is. An app started from the Finder or a desktop has a short PATH, so known places follow it,
//! and at last what the user's own shell says.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nanoclaw_core::{mounts::Places, settings::Settings};
use tokio::sync::Mutex;

use super::program::Program;

/// Where its installers put it.
const KNOWN_PLACES: [&str; 4] = [
    "/usr/local/bin/kiro-cli",
    "/opt/homebrew/bin/kiro-cli",
    "/Applications/Kiro CLI.app/Contents/MacOS/kiro-cli",
    "/usr/bin/kiro-cli",
];
/// A login shell reads whatever its user has written for it.
const SHELL_PATIENCE: Duration = Duration::from_secs(5);
/// It is asked again where it has found none.
const SHELL_AGAIN: Duration = Duration::from_secs(15 * 60);

/// The kiro-cli of this computer: the one that the settings name and no other, else by the PATH, else in a known place, else
/// as the user's login shell finds it, which is asked again only after a while.
pub async fn find(settings: &Settings, places: &Places) -> Option<PathBuf> {
    /// When it was asked, and what it said.
    static OF_THE_SHELL: Mutex<Option<(Instant, Option<PathBuf>)>> = Mutex::const_new(None);
    let named = settings.kiro_cli_path.as_deref();
    let found = find_in(named, std::env::var_os("PATH").as_deref(), &places.user);
    if found.is_some() || named.is_some() {
        return found;
    }
    let mut of_the_shell = OF_THE_SHELL.lock().await;
    if let Some((at, said)) = &*of_the_shell {
        let said = said.as_ref().filter(|path| is_program(path));
        if said.is_some() || at.elapsed() < SHELL_AGAIN {
            return said.cloned();
        }
    }
    let said = by_shell(std::env::var_os("SHELL"), SHELL_PATIENCE).await;
    *of_the_shell = Some((Instant::now(), said.clone()));
    said
}

fn find_in(named: Option<&str>, path: Option<&OsStr>, user: &Path) -> Option<PathBuf> {
    if let Some(named) = named {
        let named = named.strip_prefix("~/").map_or_else(|| PathBuf::from(named), |rest| user.join(rest));
        return is_program(&named).then_some(named);
    }
    let by_path = path.into_iter().flat_map(std::env::split_paths).filter(|folder| folder.is_absolute());
    by_path
        .map(|folder| folder.join("kiro-cli"))
        .chain([user.join(".local/bin/kiro-cli")])
        .chain(KNOWN_PLACES.map(PathBuf::from))
        .chain([user.join("Applications/Kiro CLI.app/Contents/MacOS/kiro-cli")])
        .find(|candidate| is_program(candidate))
}

/// What a login shell says. Around the path it may print anything; an alias or a function is no program.
async fn by_shell(shell: Option<OsString>, patience: Duration) -> Option<PathBuf> {
    let shell = shell.map(PathBuf::from).filter(|shell| shell.is_absolute() && is_program(shell))?;
    let asked = Program { path: &shell, environment: &[], patience };
    let said = asked.ask(&["-lc", "command -v kiro-cli"]).await.ok()?;
    let lines = said.stdout.lines().map(|line| PathBuf::from(line.trim()));
    lines
        .filter(|path| path.is_absolute() && path.file_name() == Some(OsStr::new("kiro-cli")))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{super::program::script, *};

    #[test]
    fn the_named_one_then_the_path_then_known_places() {
        let place = tempfile::tempdir().unwrap();
        let user = place.path().join("alice");
        let [on_path, in_home, named] = ["bin", "alice/.local/bin", "named"].map(|name| {
            let folder = place.path().join(name);
            fs::create_dir_all(&folder).unwrap();
            script(&folder, "")
        });
        let path = std::env::join_paths([place.path().join("empty"), place.path().join("bin")]).unwrap();
        let named = named.to_str().unwrap();
        for (name, path, expect) in [
            (Some(named), Some(path.as_os_str()), Some(Path::new(named))),
            (Some("~/.local/bin/kiro-cli"), None, Some(in_home.as_path())),
            (Some("/nowhere/kiro-cli"), Some(path.as_os_str()), None),
            (None, Some(path.as_os_str()), Some(on_path.as_path())),
            (None, None, Some(in_home.as_path())),
        ] {
            assert_eq!(find_in(name, path, &user).as_deref(), expect);
        }
    }

    #[tokio::test]
    async fn at_last_the_login_shell() {
        let place = tempfile::tempdir().unwrap();
        let (program, shell) = (place.path().join("bin"), place.path().join("shell"));
        fs::create_dir(&program).unwrap();
        fs::create_dir(&shell).unwrap();
        let program = script(&program, "");
        for (says, expect) in [
            (format!("[ \"$1 $2\" = '-lc command -v kiro-cli' ] && echo {}", program.display()), true),
            (format!("echo 'Welcome back!'; echo; echo ' {} '; echo bye; exit 3", program.display()), true),
            ("echo kiro-cli; echo 'alias kiro-cli=x'; echo /nowhere/kiro-cli; echo /bin/sh".to_owned(), false),
            ("head -c 3000000 /dev/urandom".to_owned(), false),
            ("exit 1".to_owned(), false),
        ] {
            let found = by_shell(Some(script(&shell, &says).into()), SHELL_PATIENCE).await;
            assert_eq!(found, expect.then(|| program.clone()), "{says}");
        }
        let begun = Instant::now();
        let hangs = script(&shell, "sleep 600");
        assert_eq!(by_shell(Some(hangs.into()), Duration::from_millis(300)).await, None);
        assert!(begun.elapsed() < Duration::from_secs(10), "it is not waited for");
        assert_eq!(by_shell(Some("sh".into()), SHELL_PATIENCE).await, None);
        assert_eq!(by_shell(None, SHELL_PATIENCE).await, None);
    }
}
