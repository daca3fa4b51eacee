//! The start: what an earlier process left is put in order (C3), the edges are opened, and the loop begins.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use anyhow::{Result, anyhow};
use jiff::Timestamp;
use nanoclaw_core::{
    group::{Folder, Group},
    image::Build,
    link::Link,
    problem::Trouble,
    queue::{Event, Queue},
    settings::{Runtime, Settings},
    status::{EngineState, EngineStatus, ImageStatus, KiroStatus, Wanted},
};
use tokio::sync::{mpsc, watch};

use super::{End, Inputs, Orchestrator, State, intake::StoreIntake, kiro::SignInWatch, now};
use crate::{
    bootstrap::bootstrap,
    channel::{surroundings, whatsapp},
    container::{self, process, starter},
    control::{self, HomeLock},
    ipc::{FromIpc, Ipc},
    kiro::{self, FromKiro, ToKiro},
    paths::Home,
    ports::{Ask, Desktop, FromChannel, FromEngine, ToChannel, ToEngine},
    scheduler::Scheduler,
    store::{self, Flag, Store, messages::Assistant},
};

impl Orchestrator {
    /// Takes the Home and starts everything. An absent engine, a missing kiro-cli and bad settings don't hold it up: they
    /// are problems in the status.
    ///
    /// # Errors
    /// The trouble that makes a start impossible: the Home is in use, or the database can't be used. Nothing was changed.
    pub async fn start(home: Home) -> Result<Orchestrator, Trouble> {
        home.create()?;
        let lock = HomeLock::take_over(&home).await?;
        let (settings, mut troubles) = crate::settings::load(&home);
        for trouble in &troubles {
            tracing::warn!(code = trouble.code(), "{}", trouble.problem().text);
        }
        if running_as_root() {
            troubles.push(Trouble::RunningAsRoot);
        }
        let internal = |error: anyhow::Error| Trouble::Internal { reason: format!("{error:#}") };
        let store = Store::open(&home.database())?;
        let left = Left::take(&store).await.map_err(internal)?;
        let listener = control::listen(&home, &lock).map_err(internal)?;
        bootstrap(&home.places(), &settings);

        let (doors, inputs) = doors(&settings, &store);
        let folders = left.groups.iter().map(|group| group.folder.clone()).collect();
        let ipc = Ipc::start(home.ipc(), folders, doors.ipc).map_err(|error| internal(error.into()))?;
        let accepting = doors.intake.accepting.clone();
        let (to_channel, channel_task) =
            whatsapp::start(whatsapp::Config::new(home.auth()), Arc::new(doors.intake), doors.channel);
        tokio::spawn(surroundings::watch(Timestamp::now, surroundings::address, to_channel.clone()));
        let to_engine = match settings.runtime {
            Runtime::Docker => {
                let (socket, image) = (settings.engine_socket.clone(), settings.agent_image.clone());
                container::start(container::Config { install: left.install.clone(), socket, image }, doors.engine)
            }
            Runtime::Host => {
                let (runner, settings, places) = (process::find_runner(), settings.clone(), home.places());
                process::start(process::Config { runner, settings, places }, doors.engine)
            }
        };
        let to_kiro = kiro::start(settings.clone(), home.clone(), doors.kiro);
        let edges = Edges { to_channel, to_engine, to_kiro, ipc, accepting };
        let mut state = State::on(edges, home, settings, store, left).await;
        state.recorded.extend(troubles);
        state.check_kiro_files();
        state.begin_sign_in();

        let (publish, status) = watch::channel(Arc::new(state.facts().status(now())));
        let server = tokio::spawn(control::serve(listener, doors.commands.clone(), status.clone()));
        let task = tokio::spawn(async move {
            let lived = state.live(inputs, &publish).await;
            let _ = tokio::time::timeout(Duration::from_secs(6), channel_task).await;
            // Ends by itself, as nobody takes commands any more; its socket must be gone before the lock is.
            let _ = server.await;
            drop(lock);
            lived
        });
        Ok(Orchestrator { status, commands: doors.commands, desktop: doors.desktop, task })
    }

    /// Waits until it has ended, after `Command::Quit` or `Command::Restart`.
    ///
    /// # Errors
    /// It could not go on. The next start puts in order what it left (C3).
    pub async fn ended(self) -> Result<End> {
        let ended = self.task.await.unwrap_or_else(|failed| Err(anyhow!("the loop failed: {failed}")));
        ended.inspect_err(|error| tracing::error!("NanoClaw ends because of a failure: {error:#}"))
    }
}

/// What an earlier process left.
pub(super) struct Left {
    /// The install's id.
    install: String,
    groups: Vec<Group>,
    /// Groups whose work was left undone.
    cut_off: BTreeSet<Folder>,
    paused: bool,
    answered: bool,
}

impl Left {
    /// Puts it in order: what was not answered goes back before the cursor, what was claimed is due again (C3).
    ///
    /// # Errors
    /// When the store can't be read or written.
    pub(super) async fn take(store: &Store) -> Result<Left> {
        store
            .write(|db| {
                let groups = store::groups::list(db)?;
                let (asked, claimed) = (store::cursors::open_chats(db)?, store::tasks::claimed_groups(db)?);
                let is_cut_off = |group: &&Group| asked.contains(&group.jid) || claimed.contains(group.folder.as_str());
                let cut_off = groups.iter().filter(is_cut_off).map(|group| group.folder.clone()).collect();
                store::trace::cut_off(db, now(), "NanoClaw was started anew.")?;
                store::cursors::settle_all(db)?;
                store::tasks::release_all(db)?;
                Ok(Left {
                    install: store::install_id(db)?,
                    groups,
                    cut_off,
                    paused: Flag::Paused.is_set(db)?,
                    answered: Flag::Answered.is_set(db)?,
                })
            })
            .await
    }
}

/// Where things come in.
pub(super) struct Doors {
    pub intake: StoreIntake,
    pub channel: mpsc::UnboundedSender<FromChannel>,
    pub engine: mpsc::UnboundedSender<FromEngine>,
    pub ipc: mpsc::UnboundedSender<FromIpc>,
    pub commands: mpsc::Sender<Ask>,
    pub kiro: mpsc::UnboundedSender<FromKiro>,
    pub desktop: watch::Sender<Desktop>,
}

/// The doors, and what is behind them.
pub(super) fn doors(settings: &Settings, store: &Store) -> (Doors, Inputs) {
    let (arrivals, arrived) = mpsc::unbounded_channel();
    let (channel, channel_events) = mpsc::unbounded_channel();
    let (engine, engine_events) = mpsc::unbounded_channel();
    let (ipc, ipc_events) = mpsc::unbounded_channel();
    let (commands, asked) = mpsc::channel(64);
    let (kiro, kiro_events) = mpsc::unbounded_channel();
    let (desktop, desktop_told) = watch::channel(Desktop::default());
    let intake = StoreIntake {
        store: store.clone(),
        assistant: Assistant { name: settings.assistant_name.clone(), own_number: settings.own_number },
        arrivals,
        accepting: Arc::new(AtomicBool::new(true)),
    };
    let inputs = Inputs { arrived, channel_events, engine_events, ipc_events, asked, kiro_events, desktop_told };
    (Doors { intake, channel, engine, ipc, commands, kiro, desktop }, inputs)
}

/// Where orders go out.
pub(super) struct Edges {
    pub to_channel: mpsc::UnboundedSender<ToChannel>,
    pub to_engine: mpsc::UnboundedSender<ToEngine>,
    pub to_kiro: mpsc::UnboundedSender<ToKiro>,
    pub ipc: Ipc,
    /// Whether the intake takes anything.
    pub accepting: Arc<AtomicBool>,
}

impl State {
    /// All that the loop knows at its start.
    pub(super) async fn on(edges: Edges, home: Home, settings: Settings, store: Store, left: Left) -> State {
        let Edges { to_channel, to_engine, to_kiro, ipc, accepting } = edges;
        let mut state = State {
            queue: Queue::new(settings.max_containers),
            groups: BTreeMap::new(),
            runs: BTreeMap::new(),
            extra: BTreeMap::new(),
            looking: None,
            wanted: Wanted::Running,
            end: End::default(),
            link: Link::Starting,
            next_code_at: None,
            engine: unknown_engine(),
            starter: starter::find(settings.engine_socket.as_deref()).filter(|_| settings.runtime == Runtime::Docker),
            building: None,
            build: Build::None,
            kiro: KiroStatus::new(settings.kiro_mode),
            signed_out_by: None,
            sign_in: SignInWatch::new(to_kiro, left.install),
            desktop: Desktop::default(),
            recorded: BTreeSet::new(),
            broken: BTreeMap::new(),
            queued: BTreeMap::new(),
            in_flight: HashMap::new(),
            held: HashMap::new(),
            paces: HashMap::new(),
            resend_at: None,
            answer_at: None,
            waiting_out: (0, 0),
            answered: left.answered,
            used: crate::settings::get(&home, None)
                .into_iter()
                .flatten()
                .map(|shown| (shown.name, shown.value))
                .collect(),
            accepting,
            home,
            settings,
            store,
            to_channel,
            to_engine,
            ipc,
            snapshots_old: false,
            cut_off: left.cut_off,
            groups_synced_at: None,
            forget_at: now(),
            scheduler: Scheduler::start(),
        };
        if left.paused {
            state.wanted = Wanted::Paused;
            state.tell_queue(Event::Paused(true)).await;
        }
        state.take_groups(left.groups).await;
        state
    }
}

fn unknown_engine() -> EngineStatus {
    EngineStatus {
        state: EngineState::Starting,
        name: None,
        version: None,
        socket: None,
        image: ImageStatus::default(),
    }
}

fn running_as_root() -> bool {
    cfg!(unix) && rustix::process::geteuid().is_root()
}
