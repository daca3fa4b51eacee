//! An owner of a Home whose commands the test answers: the control socket without an orchestrator.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use nanoclaw_core::{
    kiro::Whoami,
    link::Link,
    settings::{KiroMode, Runtime},
    status::{
        AppStatus, EngineState, EngineStatus, Facts, ImageStatus, KiroStatus, SchedulerState, SchedulerStatus,
        SignInStatus, Wanted,
    },
};
use nanoclaw_host::{
    control::{self, HomeLock},
    paths::Home,
    ports::Ask,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

pub const SOON: Duration = Duration::from_secs(10);

pub fn facts() -> Facts {
    Facts {
        version: "0.1.0".into(),
        assistant: "Andy".into(),
        zone: None,
        wanted: Wanted::Running,
        runtime: Runtime::Docker,
        link: Link::Starting,
        queued_out: 0,
        failed_out: 0,
        answered: false,
        kiro: KiroStatus {
            host: SignInStatus::new(Whoami::missing(), Timestamp::UNIX_EPOCH),
            ..KiroStatus::new(KiroMode::Shared)
        },
        engine: EngineStatus {
            state: EngineState::Absent,
            name: None,
            version: None,
            socket: None,
            image: ImageStatus::default(),
        },
        can_start_engine: false,
        image: "nanoclaw-agent:latest".into(),
        build: Default::default(),
        runs: Vec::new(),
        queue: Vec::new(),
        groups: Vec::new(),
        scheduler: SchedulerStatus { state: SchedulerState::Running, next: None },
        autostart: None,
        troubles: Vec::new(),
    }
}

/// A status that differs from others by its count of unsent texts.
pub fn status(queued_out: u64) -> Arc<AppStatus> {
    Arc::new(Facts { queued_out, ..facts() }.status(Timestamp::UNIX_EPOCH))
}

/// An owner of a Home whose commands the test answers.
pub struct Owner {
    pub home: Home,
    pub commands: mpsc::Receiver<Ask>,
    pub status: watch::Sender<Arc<AppStatus>>,
    pub serving: JoinHandle<()>,
    _lock: HomeLock,
    _place: Option<tempfile::TempDir>,
}

impl Owner {
    pub fn start() -> Owner {
        let place = tempfile::tempdir().unwrap();
        let owner = Owner::of(Home::at(place.path()).unwrap());
        Owner { _place: Some(place), ..owner }
    }

    pub fn of(home: Home) -> Owner {
        home.create().unwrap();
        let lock = HomeLock::take(&home).unwrap();
        let listener = control::listen(&home, &lock).unwrap();
        let (sender, commands) = mpsc::channel(16);
        let (status, seen) = watch::channel(status(0));
        let serving = tokio::spawn(control::serve(listener, sender, seen));
        Owner { home, commands, status, serving, _lock: lock, _place: None }
    }

    pub async fn next(&mut self) -> Ask {
        timeout(SOON, self.commands.recv()).await.unwrap().unwrap()
    }
}
