//! kiro-cli on the host: where it is, and whose sign-in it has (K1).
//!
//! How its answers read is core's (`nanoclaw_core::kiro`). It never signs in or out. `files`: the user's files of Kiro's.

pub mod files;

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use nanoclaw_core::{
    kiro::{SignIn, Whoami},
    mounts::Places,
    settings::{KiroMode, Runtime, Settings},
};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};

/// It refreshes an expired token and asks the network for the e-mail (facts/kiro-cli, Commands).
const PATIENCE: Duration = Duration::from_secs(20);

/// A kill at once can leave kiro-cli's data recreated empty (facts/kiro-cli, Files): it is asked to end first.
const GRACE: Duration = Duration::from_secs(2);

/// How long an answer is good: a sign-in rarely ends by itself, while one that is missing may be made at any moment.
const SIGNED_IN_FOR: Duration = Duration::from_secs(600);
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// Bytes of each output that are read; what is beyond is drained.
const LONGEST_OUTPUT: u64 = 64 << 10;

/// Where its installers put it, besides the PATH. An app started from the Finder or a desktop has a short PATH.
const KNOWN_PLACES: [&str; 4] = [
    "/usr/local/bin/kiro-cli",
    "/opt/homebrew/bin/kiro-cli",
    "/Applications/Kiro CLI.app/Contents/MacOS/kiro-cli",
    "/usr/bin/kiro-cli",
];

/// The kiro-cli of this computer: the one that the settings name and no other, else by the PATH, else in a known place.
pub fn find(settings: &Settings, places: &Places) -> Option<PathBuf> {
    find_in(settings.kiro_cli_path.as_deref(), std::env::var_os("PATH").as_deref(), &places.user)
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

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The file that names Kiro's agent, in `agents/`.
pub const AGENT_FILE: &str = "agent_config.json";

/// What agents have as `~/.kiro` (K4).
pub fn folder(places: &Places, settings: &Settings) -> PathBuf {
    match (settings.runtime, settings.kiro_mode) {
        // Without a container it is what the user has.
        (Runtime::Host, _) | (_, KiroMode::Shared) => places.user.join(".kiro"),
        (_, KiroMode::Own | KiroMode::ApiKey) => places.home.join("kiro/kiro"),
    }
}

/// The agent in use: the one that is set, else the one that Kiro's folder names; `None` where neither does.
pub fn agent_name(kiro: &Path, settings: &Settings) -> Option<String> {
    let named = || {
        let config: serde_json::Value =
            serde_json::from_str(&files::read(kiro, Path::new("agents"), AGENT_FILE).ok()?).ok()?;
        Some(config.get("name")?.as_str()?.trim().to_owned()).filter(|name| !name.is_empty())
    };
    settings.kiro_agent.clone().or_else(named)
}

/// Tells who is signed in, now and whenever that is asked anew, until nobody listens.
pub async fn watch(settings: Settings, places: Places, tell: mpsc::Sender<Whoami>) {
    loop {
        let told = match find(&settings, &places) {
            Some(program) => whoami(&program).await,
            None => Whoami::missing(),
        };
        let good_for = if told.state == SignIn::SignedIn { SIGNED_IN_FOR } else { ASK_AGAIN };
        if tell.send(told).await.is_err() || timeout(good_for, tell.closed()).await.is_ok() {
            return;
        }
    }
}

/// Asks kiro-cli who is signed in. Takes up to 22 s and never fails: what can't be told is "can't tell".
pub async fn whoami(program: &Path) -> Whoami {
    whoami_within(program, PATIENCE).await
}

async fn whoami_within(program: &Path, patience: Duration) -> Whoami {
    let mut command = Command::new(program);
    command
        .args(["whoami", "-f", "json"])
        .envs([("NO_COLOR", "1"), ("CLICOLOR", "0"), ("KIRO_LOG_NO_COLOR", "1")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Whoami::missing(),
        Err(error) => return Whoami::unknown(format!("Can't tell: kiro-cli does not start ({error}).")),
    };
    let mut group = Group::of(&child);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let answer = async { tokio::join!(child.wait(), read(stdout), read(stderr)) };
    match timeout(patience, answer).await {
        Ok((status, stdout, stderr)) => {
            group.forget();
            Whoami::read(status.ok().and_then(|status| status.code()), &stdout, &stderr)
        }
        Err(_) => {
            group.signal(Signal::TERM);
            let _ = timeout(GRACE, child.wait()).await;
            group.signal(Signal::KILL);
            group.forget();
            let _ = child.wait().await;
            Whoami::unknown(format!("Can't tell: kiro-cli gave no answer within {} seconds.", patience.as_secs()))
        }
    }
}

async fn read(output: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut output) = output else { return String::new() };
    let mut bytes = Vec::new();
    // A pipe that breaks has told what it could.
    let _ = (&mut output).take(LONGEST_OUTPUT).read_to_end(&mut bytes).await;
    let _ = tokio::io::copy(&mut output, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A program starts programs of its own, so its whole process group is signalled, also when nobody waits any more.
pub(crate) struct Group(Option<Pid>);

impl Group {
    /// `child` was started with a process group of its own.
    pub(crate) fn of(child: &Child) -> Self {
        Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// Nobody is left in it that would have to be ended.
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // An error says that nobody is left in it.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, time::Instant};

    use jiff::tz::TimeZone;

    use super::*;

    fn script(folder: &Path, text: &str) -> PathBuf {
        let path = folder.join("kiro-cli");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[tokio::test]
    async fn signed_in_signed_out_or_cant_tell() {
        // K1
        for (text, state, account) in [
            (
                r#"[ "$*" = "whoami -f json" ] && printf '{"accountType":"BuilderId","email":"a@b.c"}\nProfile:\nx\narn:aws:x\n'"#,
                SignIn::SignedIn,
                Some("Builder ID, a@b.c"),
            ),
            (r#"echo '{"account":null}'; exit 1"#, SignIn::SignedOut, None),
            ("echo 'error: Not logged in. Run kiro-cli login' >&2; exit 1", SignIn::SignedOut, None),
            ("echo 'error: dispatch failure' >&2; exit 1", SignIn::Unknown, None),
            ("kill -9 $$", SignIn::Unknown, None),
            ("if read line; then exit 1; fi; echo '{\"accountType\":\"ApiKey\"}'", SignIn::SignedIn, Some("API key")),
            ("head -c 3000000 /dev/zero; exit 1", SignIn::Unknown, None),
        ] {
            let place = tempfile::tempdir().unwrap();
            let told = whoami(&script(place.path(), text)).await;
            assert_eq!((told.state, told.account.as_deref()), (state, account), "{text}: {}", told.text);
            assert!(told.text.len() < 1000);
        }
    }

    #[tokio::test]
    async fn one_that_hangs_is_ended_with_all_it_started() {
        // K1
        let place = tempfile::tempdir().unwrap();
        let pids = place.path().join("pids");
        let text = format!("trap '' TERM; sleep 600 & echo $! $$ > {}; wait; sleep 600", pids.display());
        let begun = Instant::now();
        let told = whoami_within(&script(place.path(), &text), Duration::from_secs(1)).await;
        assert_eq!(told.state, SignIn::Unknown);
        assert!(told.text.contains("no answer"), "{}", told.text);
        assert!(begun.elapsed() < Duration::from_secs(10));
        for pid in fs::read_to_string(&pids).unwrap().split_whitespace() {
            let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
            // The orphan is reaped by the system in its own time.
            while rustix::process::test_kill_process(pid).is_ok() && !is_zombie(pid) {
                assert!(begun.elapsed() < Duration::from_secs(20), "{pid:?} lives on");
                tokio::task::yield_now().await;
            }
        }
    }

    fn is_zombie(pid: Pid) -> bool {
        fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).is_ok_and(|stat| stat.contains(") Z "))
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_signed_in_is_asked_again() {
        // K1
        let place = tempfile::tempdir().unwrap();
        let places = Places { home: place.path().into(), user: place.path().into(), kiro_data: place.path().into() };
        let named = place.path().join("kiro-cli");
        let environment = |name: &str| (name == "KIRO_CLI_PATH").then(|| named.display().to_string());
        let settings = Settings::resolve(&Default::default(), environment, TimeZone::UTC).0;
        let (tell, mut told) = mpsc::channel(1);
        let begun = tokio::time::Instant::now();
        let watching = tokio::spawn(watch(settings, places, tell));
        assert_eq!(told.recv().await.unwrap().state, SignIn::Missing);
        script(place.path(), r#"echo '{"accountType":"ApiKey"}'"#);
        tokio::time::advance(ASK_AGAIN).await;
        tokio::time::resume();
        assert_eq!(told.recv().await.unwrap().state, SignIn::SignedIn);
        assert!(begun.elapsed() < SIGNED_IN_FOR);
        drop(told);
        timeout(GRACE, watching).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn one_that_is_not_there_is_missing() {
        assert_eq!(whoami(Path::new("/nowhere/kiro-cli")).await.state, SignIn::Missing);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("kiro-cli");
        fs::write(&path, "not a program").unwrap();
        assert_eq!(whoami(&path).await.state, SignIn::Unknown);
    }

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
}
