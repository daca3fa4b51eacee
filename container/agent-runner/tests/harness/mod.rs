//! The real runner against the fake kiro-cli, each test in a home of its own.
//!
//! The fake is `$KIRO_CLI_UNDER_TEST`, else it is built from the repository's `testing/fake-kiro`.

#![allow(dead_code)] // each test file uses its part
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may stop at the first surprise

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nanoclaw_protocol::{FollowUp, FrameParser, Output, Piece, Request};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(30);

/// A home with a script for the fake, and a group's folder.
pub struct Home(TempDir);

pub struct Runner {
    child: Child,
    stdin: Option<ChildStdin>,
    pieces: Receiver<Piece>,
    stderr: Option<JoinHandle<String>>,
}

/// The ways to drive Kiro, each by a kiro-cli that has no better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Acp,
    StreamJson,
    Text,
}

/// The same test for each way, as `acp::NAME`, `stream_json::NAME` and `text::NAME`.
#[macro_export]
macro_rules! in_each_way {
    ($($name:ident)*) => {
        mod acp { $(#[test] fn $name() { super::$name($crate::harness::Way::Acp) })* }
        mod stream_json { $(#[test] fn $name() { super::$name($crate::harness::Way::StreamJson) })* }
        mod text { $(#[test] fn $name() { super::$name($crate::harness::Way::Text) })* }
    };
}

/// How a run ended.
pub struct Ended {
    pub code: Option<i32>,
    /// Frames that nobody had asked for before the end.
    pub outputs: Vec<Output>,
    pub stderr: String,
}

impl Way {
    pub fn home(self, script: Value) -> Home {
        Home::new(self.script(script))
    }

    pub fn script(self, mut script: Value) -> Value {
        script["capabilities"] = match self {
            Way::Acp => json!({}),
            Way::StreamJson => json!({"acp": false}),
            Way::Text => json!({"acp": false, "streamJson": false}),
        };
        script
    }

    pub fn echo(self) -> Home {
        self.home(json!({}))
    }
}

impl Home {
    pub fn new(script: Value) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir(home.path().join(".kiro")).unwrap();
        fs::create_dir(home.path().join("group")).unwrap();
        home.play(script);
        home
    }

    pub fn echo() -> Self {
        Self::new(json!({}))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn play(&self, script: Value) {
        fs::write(self.path().join(".kiro/fake-kiro.json"), script.to_string()).unwrap();
    }

    /// The fake's log entries of one kind.
    pub fn logged(&self, event: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path().join(".kiro/fake-kiro.log")).unwrap_or_default();
        let entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        entries.filter(|entry| entry["event"] == event).collect()
    }

    /// What the fake was asked, in order.
    pub fn prompts(&self) -> Vec<String> {
        self.logged("prompt").iter().map(|entry| entry["prompt"].as_str().unwrap().to_owned()).collect()
    }

    /// Until the fake has been asked `count` times.
    pub fn wait_for_prompts(&self, count: usize) {
        let deadline = Instant::now() + LONG;
        while self.prompts().len() < count {
            assert!(Instant::now() < deadline, "Kiro was not asked {count} times");
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn run(&self) -> Runner {
        self.run_with(&[])
    }

    pub fn run_with(&self, env: &[(&str, &str)]) -> Runner {
        let mut child = Command::new(env!("CARGO_BIN_EXE_nanoclaw-agent"))
            .env_remove("KIRO_API_KEY")
            .env("HOME", self.path())
            .env("NANOCLAW_GROUP_DIR", self.path().join("group"))
            .env("NANOCLAW_KIRO_CLI_PATH", kiro_cli())
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let mut stdout = child.stdout.take().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let (sender, pieces) = mpsc::channel();
        thread::spawn(move || {
            let mut parser = FrameParser::new(16 * 1024 * 1024);
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = stdout.read(&mut chunk) {
                parser.push(&chunk[..read]).into_iter().for_each(|piece| sender.send(piece).unwrap());
            }
            parser.finish().into_iter().for_each(|piece| sender.send(piece).unwrap());
        });
        let stderr = thread::spawn(move || {
            let mut text = Vec::new();
            stderr.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        Runner { child, stdin, pieces, stderr: Some(stderr) }
    }

    pub fn ask(&self, request: &Request) -> Runner {
        let mut runner = self.run();
        runner.write(&request.to_line());
        runner
    }
}

impl Runner {
    pub fn write(&mut self, text: &str) {
        // A runner that has refused its input and gone is what some tests want.
        let _ = self.stdin.as_mut().unwrap().write_all(text.as_bytes());
    }

    /// Until all that was written has been read.
    pub fn wait_until_read(&self) {
        let deadline = Instant::now() + LONG;
        while rustix::io::ioctl_fionread(self.stdin.as_ref().unwrap()).unwrap() > 0 {
            assert!(Instant::now() < deadline, "the runner does not read");
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn message(&mut self, turn: u64, text: &str) {
        self.write(&FollowUp::Message { turn, text: text.into() }.to_line());
    }

    pub fn close(&mut self) {
        self.write(&FollowUp::Close.to_line());
    }

    pub fn end_stdin(&mut self) {
        self.stdin = None;
    }

    /// The next frame. Nothing else may be on stdout.
    pub fn output(&mut self) -> Output {
        self.output_within(LONG)
    }

    pub fn output_within(&mut self, time: Duration) -> Output {
        match self.pieces.recv_timeout(time).expect("a frame") {
            Piece::Output(output) => output,
            other => panic!("not a frame: {other:?}"),
        }
    }

    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for its end; stdin stays open, so that it must end by itself.
    pub fn ended(mut self) -> Ended {
        let deadline = Instant::now() + LONG;
        let code = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status.code(),
                None => assert!(Instant::now() < deadline, "the runner goes on"),
            }
            thread::sleep(Duration::from_millis(5));
        };
        let outputs = self.pieces.iter().map(|piece| match piece {
            Piece::Output(output) => output,
            other => panic!("not a frame: {other:?}"),
        });
        let outputs = outputs.collect();
        Ended { code, outputs, stderr: self.stderr.take().unwrap().join().unwrap() }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn request(turn: u64, prompt: &str) -> Request {
    Request {
        turn,
        prompt: prompt.into(),
        session_id: None,
        group_folder: "family".into(),
        chat_jid: "123@g.us".into(),
        is_main: false,
        tools: None,
        is_scheduled_task: false,
        idle_timeout: 60_000,
        secrets: Default::default(),
    }
}

fn kiro_cli() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        if let Some(path) = std::env::var_os("KIRO_CLI_UNDER_TEST") {
            return path.into();
        }
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/fake-kiro/Cargo.toml");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fake-kiro");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--manifest-path"])
            .arg(manifest)
            .arg("--target-dir")
            .arg(&target)
            .status();
        assert!(built.unwrap().success(), "fake-kiro could not be built");
        target.join("debug/kiro-cli")
    })
}
