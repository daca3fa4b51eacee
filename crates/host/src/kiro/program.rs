//! A program of this computer, asked once: kiro-cli above all. It is bounded in time and in what is read of it, and ended
//! gently: a kill at once can leave kiro-cli's data recreated empty (facts/kiro-cli, Files).

use std::{io, path::Path, pin::pin, process::Stdio, time::Duration};

use futures_util::future::{Either, select};
use nanoclaw_core::{
    kiro::{Secret, SignIn, Whoami},
    problem::Trouble,
};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    time::timeout,
};

/// `whoami` refreshes an expired token and asks the network for the e-mail (facts/kiro-cli, Commands).
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Between being asked to end and a kill.
const GRACE: Duration = Duration::from_secs(2);
/// What is still in its pipes when it has ended; a program that it left behind may hold them open.
const DRAIN: Duration = Duration::from_millis(200);
/// Bytes of each output that are read; what is beyond is drained.
const LONGEST_OUTPUT: u64 = 64 << 10;
/// The first version with `acp` and `login`'s device flow (facts/kiro-cli).
const OLDEST: (u64, u64) = (1, 25);

pub const WHOAMI: [&str; 3] = ["whoami", "-f", "json"];
pub const PLAIN: [(&str, &str); 3] = [("NO_COLOR", "1"), ("CLICOLOR", "0"), ("KIRO_LOG_NO_COLOR", "1")];
/// What holds the key (K4).
pub const KEY: &str = "KIRO_API_KEY";

/// What it said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub exit: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Why it said nothing.
#[derive(Debug)]
pub enum Mute {
    Missing,
    /// A sentence.
    Other(String),
}

pub struct Program<'a> {
    pub path: &'a Path,
    pub environment: &'a [(&'a str, &'a str)],
    pub patience: Duration,
}

impl Program<'_> {
    /// # Errors
    /// When it can't be started, or does not end in time: then it was ended, with all that it had started.
    pub async fn ask(&self, arguments: &[&str]) -> Result<Said, Mute> {
        let mut command = Command::new(self.path);
        command
            .args(arguments)
            // One of NanoClaw's own is for agents: what is asked for is the sign-in that is kept.
            .env_remove(KEY)
            .envs(self.environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Mute::Missing),
            Err(error) => return Err(Mute::Other(format!("kiro-cli does not start ({error})."))),
        };
        let mut group = Group::of(&child);
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let (from, errors) = (child.stdout.take(), child.stderr.take());
        let read = async { tokio::join!(read(from, &mut stdout), read(errors, &mut stderr)) };
        let answer = async {
            match select(pin!(child.wait()), pin!(read)).await {
                Either::Left((status, read)) => {
                    let _ = timeout(DRAIN, read).await;
                    status
                }
                Either::Right((_, ended)) => ended.await,
            }
        };
        let answer = timeout(self.patience, answer).await;
        match answer {
            Ok(status) => {
                group.forget();
                let [stdout, stderr] = [stdout, stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
                Ok(Said { exit: status.ok().and_then(|status| status.code()), stdout, stderr })
            }
            Err(_) => {
                group.end(child.wait()).await;
                Err(Mute::Other(silent(self.patience)))
            }
        }
    }
}

/// What is told of a kiro-cli that was waited for long enough.
pub fn silent(patience: Duration) -> String {
    format!("kiro-cli gave no answer within {} seconds.", patience.as_secs())
}

/// Asks kiro-cli who is signed in. Takes up to 22 s and never fails: what can't be told is "can't tell" (K1).
pub async fn whoami(path: &Path, key: Option<&Secret>) -> Whoami {
    whoami_within(path, key, PATIENCE).await
}

async fn whoami_within(path: &Path, key: Option<&Secret>, patience: Duration) -> Whoami {
    let key = key.map(|key| (KEY, key.0.as_str()));
    let environment: Vec<_> = PLAIN.into_iter().chain(key).collect();
    whoami_of(Program { path, environment: &environment, patience }.ask(&WHOAMI).await)
}

/// What an answer to `whoami` tells.
pub fn whoami_of(answer: Result<Said, Mute>) -> Whoami {
    match answer {
        Ok(said) => Whoami::read(said.exit, &said.stdout, &said.stderr),
        Err(Mute::Missing) => Whoami::missing(),
        Err(Mute::Other(reason)) => Whoami::unknown(format!("Can't tell: {reason}")),
    }
}

/// What is wrong with this kiro-cli's version. One that doesn't tell it is left alone.
pub async fn too_old(path: &Path, whoami: &Whoami) -> Option<Trouble> {
    if whoami.state != SignIn::Unknown {
        return None;
    }
    old(&version(path).await?)
}

/// What it says of its version, where it does so within five seconds.
pub async fn version(path: &Path) -> Option<String> {
    let program = Program { path, environment: &PLAIN, patience: Duration::from_secs(5) };
    version_of(&program.ask(&["--version"]).await.ok()?.stdout)
}

fn version_of(said: &str) -> Option<String> {
    let version = said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    Some(version.chars().take(20).collect())
}

/// What is wrong with a version.
pub fn old(version: &str) -> Option<Trouble> {
    let mut numbers = version.split('.').map(|number| number.parse::<u64>().ok());
    let found = (numbers.next()??, numbers.next()??);
    let version = version.to_owned();
    (found < OLDEST).then(|| Trouble::KiroOld { version, needed: format!("{}.{}", OLDEST.0, OLDEST.1) })
}

async fn read(output: Option<impl AsyncRead + Unpin>, said: &mut Vec<u8>) {
    let Some(mut output) = output else { return };
    // A pipe that breaks has told what it could.
    let _ = (&mut output).take(LONGEST_OUTPUT).read_to_end(said).await;
    let _ = tokio::io::copy(&mut output, &mut tokio::io::sink()).await;
}

/// A program starts programs of its own, so its whole process group is signalled, also when nobody waits any more.
pub(crate) struct Group(Option<Pid>);

impl Group {
    /// `child` was started with a process group of its own.
    pub(crate) fn of(child: &Child) -> Self {
        Group::led_by(child.id())
    }

    pub(crate) fn led_by(id: Option<u32>) -> Self {
        Group(id.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
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

    /// Asks it to end, and kills it if it doesn't. `ended`: its leader has.
    pub(crate) async fn end(&mut self, ended: impl Future) {
        let mut ended = std::pin::pin!(ended);
        self.signal(Signal::TERM);
        let gone = timeout(GRACE, &mut ended).await.is_ok();
        self.signal(Signal::KILL);
        self.forget();
        if !gone {
            ended.await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
    }
}

#[cfg(test)]
pub(super) fn script(folder: &Path, text: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("kiro-cli");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Instant};

    use super::*;

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
            let told = whoami(&script(place.path(), text), None).await;
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
        let told = whoami_within(&script(place.path(), &text), None, Duration::from_secs(5)).await;
        assert_eq!(told.state, SignIn::Unknown);
        assert!(told.text.contains("no answer"), "{}", told.text);
        assert!(begun.elapsed() < Duration::from_secs(20));
        for pid in fs::read_to_string(&pids).unwrap().split_whitespace() {
            let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
            // The orphan is reaped by the system in its own time.
            while rustix::process::test_kill_process(pid).is_ok() && !is_zombie(pid) {
                assert!(begun.elapsed() < Duration::from_secs(40), "{pid:?} lives on");
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn what_it_leaves_behind_does_not_hold_up_its_answer() {
        // K1
        for (text, state) in [
            (r#"sleep 60 & echo $! > "$0.pid"; echo '{"accountType":"BuilderId"}'"#, SignIn::SignedIn),
            (r#"sleep 60 & echo $! > "$0.pid"; echo 'error: Not logged in' >&2; exit 1"#, SignIn::SignedOut),
        ] {
            let place = tempfile::tempdir().unwrap();
            let program = script(place.path(), text);
            let told = whoami(&program, None).await;
            assert_eq!(told.state, state, "{text}: {}", told.text);
            let left = fs::read_to_string(program.with_extension("pid")).unwrap();
            let left = Pid::from_raw(left.trim().parse().unwrap()).unwrap();
            rustix::process::kill_process(left, Signal::KILL).expect("it is no part of the question, and lives");
        }
    }

    fn is_zombie(pid: Pid) -> bool {
        fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).is_ok_and(|stat| stat.contains(") Z "))
    }

    #[tokio::test]
    async fn one_that_is_not_there_is_missing() {
        assert_eq!(whoami(Path::new("/nowhere/kiro-cli"), None).await.state, SignIn::Missing);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("kiro-cli");
        fs::write(&path, "not a program").unwrap();
        assert_eq!(whoami(&path, None).await.state, SignIn::Unknown);
    }

    #[test]
    fn one_that_is_too_old_is_told() {
        for (said, is_old) in [
            ("kiro-cli 2.29.0", false),
            ("kiro-cli 1.25.1\n", false),
            ("q 1.19.7", true),
            ("kiro-cli 0.9", true),
            ("kiro-cli 10.0.0-beta", false),
            ("hello", false),
            ("", false),
        ] {
            assert_eq!(version_of(said).as_deref().and_then(old).is_some(), is_old, "{said}");
        }
    }
}
