//! Agents without a container (AGENT_RUNTIME=host): the agent runner as a process of this computer, with all that its user may.
//!
//! The same queues, the same lines in and frames out as for a container. Only where a person chose it: nothing shields this
//! computer from the agent. Must not: be a fallback for an engine that is absent. Started by the orchestrator.
//!
//! When NanoClaw is killed, its ends of the pipes close; the runner sees that nobody reads it any more, and ends with its
//! kiro-cli. So there is nothing to look for at the next start (Q6).

use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use futures_util::FutureExt;
use jiff::Timestamp;
use nanoclaw_core::{
    mounts::Places,
    settings::Settings,
    status::{EngineState, EngineStatus, ImageState, ImageStatus},
};
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    sync::mpsc,
    task::JoinSet,
    time::{Instant as Moment, sleep_until},
};
use tracing::Instrument;

use super::{Order, Runs, serve, transcript::Transcript};
use crate::{
    kiro::{self, Group},
    ports::{FromEngine, RunEnd, RunSpec, ToEngine},
};

/// The agent runner's program.
const RUNNER: &str = "nanoclaw-agent";
const NAMED: &str = "NANOCLAW_AGENT_PATH";
/// What is still in the pipes when the runner has ended is there at once; a program that it left behind may hold them open.
const DRAIN: Duration = Duration::from_secs(1);
/// Where the runner finds what a container has mounted.
const FOLDERS: [(&str, &str); 4] = [
    ("NANOCLAW_GROUP_DIR", "/workspace/group"),
    ("NANOCLAW_IPC_DIR", "/workspace/ipc"),
    ("NANOCLAW_GLOBAL_DIR", "/workspace/global"),
    ("NANOCLAW_EXTRA_DIR", "/workspace/extra"),
];

#[derive(Clone, Debug)]
pub struct Config {
    /// See [`find_runner`]; without it nothing can run.
    pub runner: Option<PathBuf>,
    /// By which this computer's kiro-cli is found, for each run anew: it may be installed at any time.
    pub settings: Settings,
    pub places: Places,
}

/// The agent runner: the one that NANOCLAW_AGENT_PATH names and no other, else the one beside our own program.
pub fn find_runner() -> Option<PathBuf> {
    let named = std::env::var_os(NAMED).filter(|path| !path.is_empty()).map(PathBuf::from);
    let beside = || Some(std::env::current_exe().ok()?.parent()?.join(RUNNER));
    named.or_else(beside).filter(|path| path.is_file())
}

/// Starts the edge. It ends by [`ToEngine::Shutdown`] or when the sender is dropped, and with it every run.
pub fn start(config: Config, events: mpsc::UnboundedSender<FromEngine>) -> mpsc::UnboundedSender<ToEngine> {
    let (commands, inbox) = mpsc::unbounded_channel();
    // Nobody listens any more while everything ends.
    let _ = events.send(FromEngine::Status(status(config.runner.as_deref())));
    let (config, told) = (Arc::new(config), events.clone());
    let begin = move |spec: RunSpec, orders| {
        let transcript = Transcript::new(spec.max_output, told.clone());
        Agent { spec, config: config.clone(), orders, transcript, events: told.clone() }.finish().boxed()
    };
    tokio::spawn(serve(Arc::<Runs>::default(), events, inbox, JoinSet::new(), begin));
    commands
}

/// The runner stands where an image would.
fn status(runner: Option<&Path>) -> EngineStatus {
    let state = if runner.is_some() { ImageState::Ready } else { ImageState::Missing };
    EngineStatus {
        state: EngineState::Ready,
        name: Some("This computer".to_owned()),
        version: None,
        socket: None,
        image: ImageStatus { state, id: runner.map(|path| path.display().to_string()), ..ImageStatus::default() },
    }
}

/// One run, from its process's start to its end.
struct Agent {
    spec: RunSpec,
    config: Arc<Config>,
    orders: mpsc::UnboundedReceiver<Order>,
    transcript: Transcript,
    events: mpsc::UnboundedSender<FromEngine>,
}

impl Agent {
    async fn finish(mut self) -> RunEnd {
        let span = tracing::info_span!("run", id = self.spec.run, group = self.spec.folder.as_str());
        async move {
            let (began, clock) = (Timestamp::now(), Instant::now());
            let found = kiro::find(&self.config.settings, &self.config.places).await;
            let end = match self.spawn(found.as_deref()) {
                Ok(child) => self.attend(child).await,
                Err(reason) => RunEnd::NotStarted { reason },
            };
            self.transcript.log(self.spec, began, clock.elapsed(), end).await
        }
        .instrument(span)
        .await
    }

    fn spawn(&self, found: Option<&Path>) -> Result<Child, String> {
        let group = self.spec.folder.as_str();
        tracing::info!(runtime = "host", group, container = self.spec.container.as_str(), "Spawning agent process");
        let runner = self.config.runner.as_ref().ok_or_else(|| format!("{RUNNER} was not found."))?;
        let folder = |container: &str| {
            self.spec.mounts.iter().find(|mount| mount.container == container).map(|mount| mount.host.as_path())
        };
        let mut command = Command::new(runner);
        // Whether an agent has a key is the mode's to say, and the request brings it (K4).
        command.env_remove(kiro::KEY);
        command.envs(self.spec.env.iter().map(|(name, value)| (name, value)));
        command.envs(FOLDERS.into_iter().filter_map(|(name, container)| Some((name, folder(container)?))));
        command.envs(found.map(|kiro| ("NANOCLAW_KIRO_CLI_PATH", kiro)));
        if let Some(folder) = folder("/workspace/group") {
            command.current_dir(folder);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{} can't be started: {error}.", runner.display()))
    }

    /// Carries what goes in and out until the process has ended.
    async fn attend(&mut self, mut child: Child) -> RunEnd {
        let mut group = Group::of(&child);
        let (run, container) = (self.spec.run.clone(), self.spec.container.clone());
        let _ = self.events.send(FromEngine::Started { run, container });
        let (Some(mut stdin), Some(mut stdout), Some(mut stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return RunEnd::NotStarted { reason: "The agent has no pipes.".to_owned() };
        };
        let mut pending = BytesMut::from(self.spec.request.to_line().as_bytes());
        let (mut out, mut err) = (BytesMut::with_capacity(64 << 10), BytesMut::with_capacity(4 << 10));
        let (mut writable, mut out_open, mut err_open) = (true, true, true);
        let mut kill_at = None;
        // Once it has ended: its end, and when its pipes are not waited for any longer.
        let mut ended: Option<(std::io::Result<ExitStatus>, Moment)> = None;
        loop {
            if ended.is_some() && !out_open && !err_open {
                break;
            }
            let deadline = ended.as_ref().map(|(_, until)| *until).or(kill_at);
            tokio::select! {
                read = stdout.read_buf(&mut out), if out_open => {
                    out_open = matches!(read, Ok(1..));
                    self.transcript.stdout(&self.spec.run, &out.split());
                }
                read = stderr.read_buf(&mut err), if err_open => {
                    err_open = matches!(read, Ok(1..));
                    self.transcript.stderr(&err.split());
                }
                written = stdin.write_buf(&mut pending), if writable && !pending.is_empty() => {
                    writable = matches!(written, Ok(1..));
                }
                Some(order) = self.orders.recv() => match order {
                    Order::Say(follow_up) => pending.extend_from_slice(follow_up.to_line().as_bytes()),
                    Order::Stop(grace) => {
                        group.signal(Signal::TERM);
                        kill_at = Some(Moment::now() + grace);
                    }
                    // Nothing keeps count of what a process of this computer takes.
                    Order::Measure => {}
                },
                exit = child.wait(), if ended.is_none() => {
                    group.forget();
                    ended = Some((exit, Moment::now() + DRAIN));
                }
                () = sleep_until(deadline.unwrap_or_else(Moment::now)), if deadline.is_some() => {
                    if ended.is_some() {
                        break;
                    }
                    group.signal(Signal::KILL);
                    kill_at = None;
                }
            }
        }
        let code = ended.and_then(|(exit, _)| exit.ok()).map_or(-1, code);
        self.transcript.exited(&self.spec, code)
    }
}

/// As a shell counts: a signal is 128 and its number.
fn code(exit: ExitStatus) -> i64 {
    exit.code().or_else(|| exit.signal().map(|signal| 128 + signal)).map_or(-1, i64::from)
}
