//! What crosses between the loop and the tasks at the edges: the channel (WhatsApp) and the containers.
//!
//! Each edge is a task that takes one enum and gives another, so that a fake is a task at the other end of the same
//! two queues. Nothing is decided here.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use async_trait::async_trait;
use jiff::Timestamp;
use nanoclaw_core::{
    chat::{Inbound, Jid},
    group::Folder,
    link::{Link, PairingFailure},
    mounts::Mount,
    problem::Trouble,
    status::{EngineStatus, RunKind},
};
use nanoclaw_protocol::{FollowUp, Output, Request};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::container::starter::Starter;

/// Keeps inbound messages before WhatsApp is told that they arrived (M12).
#[async_trait]
pub trait Intake: Send + Sync {
    /// # Errors
    /// When the batch could not be kept; then WhatsApp must not be told, and delivers it again.
    async fn accept(&self, batch: Vec<Inbound>) -> Result<()>;
}

#[derive(Debug)]
pub enum ToChannel {
    /// Sends a text under a message id that was fixed beforehand (M13). Answered by `Acked` or `NotSent`.
    Send {
        id: String,
        chat: Jid,
        text: String,
    },
    /// Shows or hides "typing…" in a chat; never answered (M10).
    Composing {
        chat: Jid,
        on: bool,
    },
    /// Starts pairing anew, by QR code, or also by a code for a phone number in E.164 digits. A present sign-in is moved
    /// aside first (W4).
    Pair {
        phone: Option<String>,
    },
    CancelPairing,
    /// Unlinks at the phone's side, then moves the sign-in aside; ends in `Link::SignedOut`.
    Logout,
    /// Connects now, by hand: also after `Replaced` or `Refused` (W5).
    Reconnect,
    /// The computer has slept, or its network is another: what connection there is may be dead (W6).
    Wake,
    /// Asks for the names of all groups (M11). Answered by `Groups`.
    SyncGroups,
    /// Asks for the LIDs of people known by their numbers (M9), for each once a connection. Answered by `Lids` where it asks for
    /// any; one that could not be had is not among them.
    AskLids {
        numbers: Vec<Jid>,
    },
    /// Ends in order; the task ends after it.
    Shutdown,
}

#[derive(Debug)]
pub enum FromChannel {
    Link(Link),
    /// WhatsApp's server has the text.
    Acked {
        id: String,
    },
    /// The text did not go out.
    NotSent {
        id: String,
        reason: String,
        obstacle: Obstacle,
    },
    /// When another pairing code may be asked for, where that is not now (W2).
    NextCode {
        at: Option<Timestamp>,
    },
    /// A try to link came to nothing; the next may not (W2).
    PairingFailed(PairingFailure),
    /// Names of groups, as far as they are known (M11).
    Groups(Vec<(Jid, String)>),
    /// Numbers, each with its LID, as far as they are known (M9).
    Lids(Vec<(Jid, Jid)>),
    /// It failed, and is started again.
    Broke,
}

/// What stood against a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Obstacle {
    /// WhatsApp was not reached: nobody has refused it.
    OutOfReach,
    /// Trying again may help.
    Passing,
    /// Trying again can't help.
    Lasting,
}

/// All that the engine needs to start a run.
#[derive(Debug)]
pub struct RunSpec {
    /// The run's id, a label of its container.
    pub run: String,
    /// The wanted name of the container; another is taken where it is in use.
    pub container: String,
    pub folder: Folder,
    pub kind: RunKind,
    /// The folders that exist are mounted, the others have been left out and reported before.
    pub mounts: Vec<Mount>,
    pub request: Request,
    pub image: String,
    /// Beyond what the image sets: names and values, no secrets.
    pub env: Vec<(String, String)>,
    /// Bytes.
    pub memory: u64,
    /// 0 for all of the host's.
    pub cpus: u64,
    pub pids: u64,
    /// Bytes of stdout and of stderr that are read into memory or logs; what is beyond is drained and dropped (R6).
    pub max_output: usize,
    /// Where the run's log file goes (R7).
    pub log: PathBuf,
    /// Bytes that the logs of this chat's runs may have together (R7).
    pub max_logs: u64,
}

#[derive(Debug)]
pub enum ToEngine {
    Start(Box<RunSpec>),
    /// For a run's stdin. For a run that is gone it is dropped: its turn goes back when the run's end is seen.
    Write {
        run: String,
        follow_up: FollowUp,
    },
    /// SIGTERM, and a kill after `grace`.
    Stop {
        run: String,
        grace: Duration,
    },
    /// Starts the engine itself; answered by its status, or by `NotStarted`.
    StartEngine(Starter),
    /// Somebody looks: each container answers with `Measured`.
    Measure,
    /// Whether a window is open: then an engine that is away is looked for each second.
    Watched(bool),
    /// Ends the task; containers are left as they are.
    Shutdown,
}

#[derive(Debug)]
pub enum FromEngine {
    /// The engine or the image changed. Before it is `Ready` for the first time, containers of this install that an
    /// earlier process left behind have been stopped.
    Status(EngineStatus),
    /// The engine that was found: the trouble with its version, where there is one.
    Version(Option<Trouble>),
    /// `container` is the name that was given in the end.
    Started {
        run: String,
        container: String,
    },
    /// `part` counts the run's results from its start; a result that is read again, after the engine was away, has the
    /// same one (C1).
    Output {
        run: String,
        part: u64,
        output: Output,
    },
    Measured {
        run: String,
        load: Load,
    },
    /// A run's container was ordered to stop and goes on; it is ordered again until it ends.
    NotStopped {
        run: String,
    },
    /// What was to start the engine could not.
    NotStarted {
        reason: String,
    },
    Ended {
        run: String,
        end: RunEnd,
    },
    /// What keeps the connection failed, and is started again. Runs go on.
    Broke,
}

/// What a container takes of this computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Without what the system would give back by itself.
    pub memory_bytes: u64,
    /// The processors' time since its start.
    pub cpu: Duration,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// The container ran: its exit code and the last 200 characters of stderr (R4).
    Exited { code: i64, stderr: String },
    /// No container could be started: the image is missing, the engine refused.
    NotStarted { reason: String },
    /// The engine went away during the run or before it: no failure of the run's (Q7).
    EngineLost,
}

/// What only the desktop can tell: nothing of it is known headless.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desktop {
    /// Whether the system starts us at login (T5).
    pub autostart: Option<bool>,
    pub troubles: Vec<Trouble>,
    /// Whether a window is open.
    pub watched: bool,
}

/// A person's command and where its answer goes.
#[derive(Debug)]
pub struct Ask {
    pub command: nanoclaw_core::command::Command,
    pub reply: oneshot::Sender<nanoclaw_core::command::Answer>,
}

impl Ask {
    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// The command's own trouble, or [`nanoclaw_core::problem::Trouble::NotRunning`] when nobody answers any more.
    pub async fn send(
        commands: &mpsc::Sender<Ask>,
        command: nanoclaw_core::command::Command,
    ) -> std::result::Result<Value, nanoclaw_core::problem::Trouble> {
        use nanoclaw_core::problem::Trouble::NotRunning;
        let (reply, answer) = oneshot::channel();
        commands.send(Ask { command, reply }).await.map_err(|_| NotRunning)?;
        answer.await.map_err(|_| NotRunning)?
    }
}
