//! What is kept of a run (R7): one file when it has ended, and what of its output goes in there.
//!
//! What was said in a chat gets in at debug level alone, what is secret never. The file lies in a folder that the agent can
//! write to, so no link is followed on the way. Called by `run`.

use std::{borrow::Cow, collections::BTreeMap, fs::File, io, path::Path, time::Duration};

use jiff::Timestamp;
use nanoclaw_protocol::{Request, Usage};
use rustix::fs::{Mode, OFlags, openat};

use super::{folders::enter, old_logs::keep_within};
use crate::ports::{RunEnd, RunSpec};

/// Output as far as it is kept (R6).
pub(super) struct Captured {
    text: String,
    limit: usize,
    truncated: bool,
}

impl Captured {
    pub(super) fn new(limit: usize) -> Self {
        Captured { text: String::new(), limit, truncated: false }
    }

    pub(super) fn push(&mut self, text: &str) {
        if self.truncated {
            return;
        }
        let room = self.limit - self.text.len();
        let kept = text.floor_char_boundary(room);
        self.truncated = kept < text.len();
        self.text.push_str(&text[..kept]);
    }
}

/// The end of stderr, for [`RunEnd::Exited`] (R4).
#[derive(Default)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    const CHARS: usize = 200;
    /// More than the characters need: a secret must be found whole to be taken out.
    const BYTES: usize = 4096;

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        self.0.drain(..self.0.len().saturating_sub(Self::BYTES));
    }

    pub(super) fn text(&self, secrets: &BTreeMap<String, String>) -> String {
        let text = String::from_utf8_lossy(&self.0);
        let text = without(&text, secrets);
        let text = text.trim_end();
        let skipped = text.chars().count().saturating_sub(Self::CHARS);
        text.chars().skip(skipped).collect()
    }
}

/// An agent can print what it was given.
fn without<'a>(text: &'a str, secrets: &BTreeMap<String, String>) -> Cow<'a, str> {
    let present = secrets.values().filter(|secret| !secret.is_empty() && text.contains(secret.as_str()));
    present.fold(text.into(), |text, secret| text.replace(secret, "[secret]").into())
}

/// What the file says of a run that has ended.
pub(super) struct Report<'a> {
    pub spec: &'a RunSpec,
    pub began: Timestamp,
    pub duration: Duration,
    pub end: &'a RunEnd,
    /// The run, or one of its results, failed.
    pub failed: bool,
    /// At debug level: what was said may be written down.
    pub debug: bool,
    /// What Kiro said that it took.
    pub usage: Usage,
    /// Outside debug level without the results.
    pub stdout: &'a Captured,
    pub stderr: &'a Captured,
}

impl Report<'_> {
    /// Writes the file anew; its folder is made where it is missing.
    ///
    /// # Errors
    /// When the folder above that is missing, or something else is in the file's place.
    pub(super) fn write(&self) -> io::Result<()> {
        let place = || {
            let folder = self.spec.log.parent()?;
            Some((folder.parent()?, folder.file_name()?, self.spec.log.file_name()?))
        };
        let (root, folder, name) = place().ok_or(io::ErrorKind::InvalidInput)?;
        let folder = enter(root, Path::new(folder), true)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&folder, name, flags, Mode::RUSR | Mode::WUSR)?);
        self.write_to(&mut file)?;
        keep_within(&folder, &file, name, self.spec.max_logs)
    }

    /// In parts: an output may be long, and is in memory already.
    fn write_to(&self, file: &mut impl io::Write) -> io::Result<()> {
        let secrets = &self.spec.request.secrets;
        file.write_all(without(&self.head(), secrets).as_bytes())?;
        if !self.failed && !self.debug {
            return Ok(());
        }
        let request = self.request(&self.spec.request);
        for (name, content, truncated) in [
            ("request", &request, false),
            ("stderr", &self.stderr.text, self.stderr.truncated),
            ("stdout", &self.stdout.text, self.stdout.truncated),
        ] {
            write!(file, "\n--- {name} ---\n")?;
            file.write_all(without(content.trim_end(), secrets).as_bytes())?;
            file.write_all(if truncated { b"\n[output truncated]\n" } else { b"\n" })?;
        }
        Ok(())
    }

    fn head(&self) -> String {
        let RunSpec { run, container, folder, .. } = self.spec;
        let end = match self.end {
            RunEnd::Exited { code, .. } => format!("exit code: {code}"),
            RunEnd::NotStarted { reason } => format!("not started: {reason}"),
            RunEnd::EngineLost => "the engine went away".to_owned(),
        };
        let truncated: Vec<&str> = [("stdout", self.stdout), ("stderr", self.stderr)]
            .into_iter()
            .filter(|(_, captured)| captured.truncated)
            .map(|(name, _)| name)
            .collect();
        let truncated = if truncated.is_empty() { "no".to_owned() } else { truncated.join(", ") };
        let mut text = format!(
            "time: {}\ngroup: {folder}\nmain: {}\nrun: {run}\ncontainer: {container}\nduration: {} ms\n{end}\ntruncated: {truncated}\n",
            self.began,
            folder.is_main(),
            self.duration.as_millis(),
        );
        let Usage { credits, context_percent } = self.usage;
        let said = [("credits", credits), ("context %", context_percent)].into_iter();
        let said: Vec<_> = said.filter_map(|(name, value)| Some(format!("{name}: {:.2}", value?))).collect();
        if !said.is_empty() {
            text.push_str(&said.join(", "));
            text.push('\n');
        }
        text
    }

    fn request(&self, request: &Request) -> String {
        let mut shown = Request { secrets: BTreeMap::new(), ..request.clone() };
        if !self.debug {
            shown.prompt = format!("[{} characters, shown at debug level]", request.prompt.chars().count());
        }
        shown.to_line()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use nanoclaw_core::{group::Folder, status::RunKind};

    use super::*;

    fn spec(log: &Path) -> RunSpec {
        RunSpec {
            run: "run-1".into(),
            container: "nanoclaw-family-1".into(),
            folder: Folder::new("family").unwrap(),
            kind: RunKind::Messages,
            mounts: vec![],
            request: Request {
                turn: 1,
                prompt: "what was said".into(),
                session_id: Some("s-1".into()),
                group_folder: "family".into(),
                chat_jid: "1@g.us".into(),
                is_main: false,
                tools: None,
                is_scheduled_task: false,
                idle_timeout: 1,
                secrets: [("KIRO_API_KEY".to_owned(), "ksk-hidden".to_owned())].into(),
            },
            image: "image".into(),
            env: vec![],
            memory: 0,
            cpus: 0,
            pids: 0,
            max_output: 40,
            max_logs: 1 << 20,
            log: log.to_owned(),
        }
    }

    fn text(end: RunEnd, debug: bool) -> String {
        let (mut stdout, mut stderr) = (Captured::new(40), Captured::new(40));
        stdout.push("kiro-cli starts\n");
        stderr.push("the key is ksk-hidden\n");
        stderr.push(&"é".repeat(40));
        let spec = spec(Path::new("/log"));
        let failed = end != RunEnd::Exited { code: 0, stderr: String::new() };
        let began = Timestamp::UNIX_EPOCH;
        let duration = Duration::from_millis(1500);
        let usage = Usage { credits: Some(0.054_13), context_percent: Some(12.5) };
        let report =
            Report { spec: &spec, began, duration, end: &end, failed, debug, usage, stdout: &stdout, stderr: &stderr };
        let mut text = Vec::new();
        report.write_to(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    // R7
    #[test]
    fn a_good_run_says_little() {
        assert_eq!(
            text(RunEnd::Exited { code: 0, stderr: String::new() }, false),
            "time: 1970-01-01T00:00:00Z\ngroup: family\nmain: false\nrun: run-1\ncontainer: nanoclaw-family-1\n\
             duration: 1500 ms\nexit code: 0\ntruncated: stderr\ncredits: 0.05, context %: 12.50\n"
        );
    }

    // R6, R7: what was said is in the log at debug level alone, what is secret never.
    #[test]
    fn a_failed_run_says_more() {
        for (end, debug) in [
            (RunEnd::Exited { code: 3, stderr: String::new() }, false),
            (RunEnd::EngineLost, false),
            (RunEnd::NotStarted { reason: "no image".into() }, false),
            (RunEnd::Exited { code: 0, stderr: String::new() }, true),
        ] {
            let text = text(end, debug);
            for present in ["--- request ---", "s-1", "kiro-cli starts", "the key is [secret]", "[output truncated]"] {
                assert!(text.contains(present), "{present} not in {text}");
            }
            assert_eq!(text.contains("what was said"), debug, "{text}");
            assert!(!text.contains("ksk-hidden"), "{text}");
        }
    }

    // R7: an agent can't turn the log against the user's files.
    #[test]
    fn no_link_is_followed() {
        fn write(group: &Path) -> io::Result<()> {
            let spec = spec(&group.join("logs/agent-1.log"));
            let (none, end) = (Captured::new(0), RunEnd::EngineLost);
            let (began, duration) = (Timestamp::UNIX_EPOCH, Duration::ZERO);
            let (failed, debug) = (false, false);
            let usage = Usage::default();
            Report { spec: &spec, began, duration, end: &end, failed, debug, usage, stdout: &none, stderr: &none }
                .write()
        }
        let group = tempfile::tempdir().unwrap();
        write(group.path()).unwrap();
        let kept = fs::read_to_string(group.path().join("logs/agent-1.log")).unwrap();
        assert!(kept.contains("run-1") && !kept.contains("credits"), "{kept}");

        let elsewhere = tempfile::tempdir().unwrap();
        let group = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), group.path().join("logs")).unwrap();
        assert!(write(group.path()).is_err());

        let group = tempfile::tempdir().unwrap();
        fs::create_dir(group.path().join("logs")).unwrap();
        symlink(elsewhere.path().join("new"), group.path().join("logs/agent-1.log")).unwrap();
        assert!(write(group.path()).is_err());
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }

    // R4, R6
    #[test]
    fn bounds() {
        let mut captured = Captured::new(5);
        for _ in 0..100 {
            captured.push("éé");
        }
        assert_eq!((captured.text.as_str(), captured.truncated), ("éé", true));

        let mut tail = Tail::default();
        for n in 0..10_000 {
            tail.push(format!("line {n} é\n").as_bytes());
        }
        let text = tail.text(&BTreeMap::new());
        assert_eq!(text.chars().count(), 200);
        assert!(text.ends_with("line 9999 é"), "{text}");
        tail.push(b"key ksk-hidden");
        let secrets = [("K".to_owned(), "ksk-hidden".to_owned()), ("EMPTY".to_owned(), String::new())].into();
        assert!(tail.text(&secrets).ends_with("key [secret]"));
    }
}
