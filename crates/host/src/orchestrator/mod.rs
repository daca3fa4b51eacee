//! The one loop: next event → core → effects → publish.
//!
//! It alone owns the state. The edges (channel, containers, control socket, store) are tasks that only translate; what
//! happens at them comes in as values, what the rules decide goes out as values. Callers hold an [`Orchestrator`].
//!
//! | module | owns |
//! |---|---|
//! | `mod` | the order in which events are taken |
//! | `start` | the start: what an earlier process left, and the edges |
//! | `intake` | what arrives from WhatsApp, until it is durable (M12) |
//! | `mounts` | what a run sees of this computer (R2, X1–X4), Kiro's files (R10) |
//! | `runs` | hand-overs, results and limits of runs (C1, Q5, R5) |
//! | `ends` | what follows a run's end (C1, C4) |
//! | `parking` | what waits for a sign-in to Kiro (K3) |
//! | `outgoing` | the way from the outbox to WhatsApp (M13) |
//! | `owner` | what the owner asks of NanoClaw itself in the main chat |
//! | `logs` | which file shows a log, and what is found in it |
//! | `ipc` | what agents ask for, and the snapshots they read (I1–I8, R8) |
//! | `tasks` | scheduled tasks: planned, claimed, finished (S2–S6) |
//! | `kiro` | Kiro's sign-in: asked for, made, and whose it is (K1, K2, K4) |
//! | `image` | the making of the agent's image |
//! | `commands` | what a person asks for |
//! | `quitting` | the way to the end (Q6) |
//! | `disk` | whether there is room on the disk |
//! | `facts` | what is told about all that (AppStatus) |
//! | `clock` | what time it is |
//!
//! Architecture invariant: nothing here names SQLite, Docker or WhatsApp's library.

mod clock;
mod commands;
mod disk;
mod ends;
mod facts;
mod image;
mod intake;
mod ipc;
mod kiro;
mod live;
mod logs;
mod mounts;
mod outgoing;
mod owner;
mod parking;
mod quitting;
#[cfg(test)]
mod rounds;
mod runs;
mod start;
mod tasks;
#[cfg(test)]
mod world;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use jiff::{SignedDuration, Timestamp};
use nanoclaw_core::{
    chat::{Jid, Message, Seq},
    command::Command,
    group::{Folder, Group},
    image::Build,
    link::Link,
    pace::Pace,
    problem::Trouble,
    queue::{Event, Queue, RunId},
    settings::Settings,
    status::{AppStatus, EngineState, EngineStatus, KiroStatus, Wanted},
};
use nanoclaw_protocol::Cause;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use crate::{
    container::{Extra, starter::Starter},
    ipc::{FromIpc, Ipc},
    kiro::FromKiro,
    paths::Home,
    ports::{Ask, Desktop, FromChannel, FromEngine, ToChannel, ToEngine},
    scheduler::Scheduler,
    store::{self, Store},
    supervise::WELL,
};
use clock::{now, sleep_until};
use image::{Building, FromBuild};
use live::LiveRun;
use outgoing::Held;
use quitting::Quitting;

/// How long a stopped container has between SIGTERM and a kill (Q6, R5).
const GRACE: Duration = Duration::from_secs(15);
/// How long a status may wait for a quiet moment.
const LATE: Duration = Duration::from_millis(100);

/// A running orchestrator. It ends after `Command::Quit` or `Command::Restart`.
#[derive(Debug)]
pub struct Orchestrator {
    /// The newest AppStatus; a late or slow reader needs no other.
    pub status: watch::Receiver<Arc<AppStatus>>,
    /// Where commands go in; see [`Ask::send`].
    pub commands: mpsc::Sender<Ask>,
    /// Where the desktop says what only it can tell.
    pub desktop: watch::Sender<Desktop>,
    task: JoinHandle<Result<End>>,
}

/// What is to follow its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    #[default]
    Quit,
    Restart,
}

/// Everything that can come in.
struct Inputs {
    arrived: mpsc::UnboundedReceiver<Result<Vec<Message>>>,
    channel_events: mpsc::UnboundedReceiver<FromChannel>,
    engine_events: mpsc::UnboundedReceiver<FromEngine>,
    ipc_events: mpsc::UnboundedReceiver<FromIpc>,
    asked: mpsc::Receiver<Ask>,
    kiro_events: mpsc::UnboundedReceiver<FromKiro>,
    desktop_told: watch::Receiver<Desktop>,
}

enum Input {
    Arrived(Result<Vec<Message>>),
    Channel(FromChannel),
    Engine(FromEngine),
    /// And whether no other request waits.
    Ipc(FromIpc, bool),
    Build(FromBuild),
    Asked(Ask),
    Kiro(FromKiro),
    Desktop(Desktop),
    /// A task is due.
    Schedule,
    /// A moment that something waits for has come.
    Due,
    /// An edge has ended by itself.
    Gone(&'static str),
    /// Nothing more is there at the moment.
    Quiet,
}

/// All that the loop knows.
struct State {
    home: Home,
    settings: Settings,
    store: Store,
    queue: Queue,
    groups: BTreeMap<Folder, Group>,
    runs: BTreeMap<RunId, LiveRun>,
    /// The extra mounts of each group that asks for any, as they were judged last.
    extra: BTreeMap<Folder, Extra>,
    /// A look at them that has not ended yet.
    looking: Option<mounts::Look>,
    wanted: Wanted,
    end: End,
    link: Link,
    /// When another pairing code may be asked for, where that is not now (W2).
    next_code_at: Option<Timestamp>,
    engine: EngineStatus,
    /// What can start the engine, if anything can.
    starter: Option<Starter>,
    building: Option<Building>,
    /// What is known of the build under way, or of the last one.
    build: Build,
    kiro: KiroStatus,
    /// By what runs saw last that Kiro is signed out.
    signed_out_by: Option<Cause>,
    sign_in: kiro::SignInWatch,
    desktop: Desktop,
    /// Troubles that don't follow from other facts.
    recorded: BTreeSet<Trouble>,
    /// Parts that failed and were started again, until when that is shown.
    broken: BTreeMap<&'static str, Timestamp>,
    /// When a group's messages that want an answer were queued, until they are handed over.
    queued: BTreeMap<Folder, BTreeMap<Seq, Timestamp>>,
    /// The text of each chat that was given to the channel and is not settled, and when.
    in_flight: HashMap<Jid, (String, Timestamp)>,
    /// Chats whose text could not be sent.
    held: HashMap<Jid, Held>,
    /// Chats that many texts have gone out to just now.
    paces: HashMap<Jid, Pace>,
    /// When the outbox is looked at again by itself.
    resend_at: Option<Timestamp>,
    /// When the owner is answered who could not be.
    answer_at: Option<Timestamp>,
    /// Texts that wait, and that could not be sent.
    waiting_out: (u64, u64),
    /// Main's agent has answered once.
    answered: bool,
    /// The values of all settings that are in use, as `settings::get` gave them.
    used: BTreeMap<&'static str, serde_json::Value>,
    /// Shared with the intake: off while quitting.
    accepting: Arc<AtomicBool>,
    to_channel: mpsc::UnboundedSender<ToChannel>,
    to_engine: mpsc::UnboundedSender<ToEngine>,
    ipc: Ipc,
    /// What agents at work read of tasks and chats has changed.
    snapshots_old: bool,
    /// Groups whose work a process before this one left undone, until it is begun again.
    cut_off: BTreeSet<Folder>,
    /// When WhatsApp told the groups' names last.
    groups_synced_at: Option<Timestamp>,
    /// When old texts are forgotten next (MESSAGE_RETENTION_DAYS).
    forget_at: Timestamp,
    scheduler: Scheduler,
}

impl State {
    /// # Errors
    /// An edge takes no orders any more, and what it had under way is not known.
    async fn live(&mut self, mut inputs: Inputs, publish: &watch::Sender<Arc<AppStatus>>) -> Result<End> {
        self.begin().await;
        let mut dirty = Some(Instant::now());
        let mut quitting: Option<Quitting> = None;
        let ended = loop {
            let input = self.next(&mut inputs, dirty, quitting.as_ref()).await;
            if matches!(input, Input::Quiet) {
                self.look_at_disk();
                if let Err(error) = self.refresh_snapshots().await {
                    self.note_internal(&error);
                }
                if let Err(error) = self.count_parked().await {
                    self.note_internal(&error);
                }
                self.publish(publish);
                dirty = None;
                continue;
            }
            if let Input::Gone(edge) = input {
                break Err(anyhow!("{edge} takes no orders any more"));
            }
            if let Err(error) = self.take(input).await {
                // What could not be kept was not acknowledged, and is tried again.
                self.note_internal(&error);
            }
            dirty.get_or_insert_with(Instant::now);
            self.watch_runs();
            self.look_after_kiro().await;
            if self.wanted == Wanted::Quitting {
                let quitting = quitting.get_or_insert_with(Quitting::begin);
                if self.quit(quitting) {
                    break Ok(self.end);
                }
            }
        };
        self.publish(publish);
        self.send_channel(ToChannel::Shutdown);
        self.send_engine(ToEngine::Shutdown);
        tracing::info!("Ended");
        ended
    }

    /// C3: groups with an unseen message that wants an answer are queued, the oldest first.
    async fn begin(&mut self) {
        let mut waiting = Vec::new();
        for group in self.groups.values() {
            match self.owed(group).await {
                Ok(owed) => waiting.extend(owed.first().copied().map(|oldest| (oldest, group.folder.clone(), owed))),
                Err(error) => tracing::error!("{error:#}"),
            }
        }
        waiting.sort();
        for (_, folder, owed) in waiting {
            self.queued.insert(folder.clone(), owed.into_iter().map(|seq| (seq, now())).collect());
            self.tell_queue(Event::Message(folder)).await;
        }
        if let Err(error) = self.answer_owner().await {
            tracing::error!("{error:#}");
        }
        if let Err(error) = self.reschedule().await {
            tracing::error!("{error:#}");
        }
        self.look_after_kiro().await;
    }

    /// The next input. A person goes first, and agents' requests last: however many they are, they hold up neither what a
    /// person asks for nor the clock that limits their runs. Only when nothing waits the status is published, so a burst
    /// costs one status, not one each; but not later than [`LATE`].
    async fn next(&mut self, inputs: &mut Inputs, dirty: Option<Instant>, quitting: Option<&Quitting>) -> Input {
        let due = self.due_at(quitting);
        let late = dirty.is_some_and(|since| since.elapsed() > LATE);
        tokio::select! {
            biased;
            Some(ask) = inputs.asked.recv() => Input::Asked(ask),
            Some(event) = inputs.engine_events.recv() => Input::Engine(event),
            Some(event) = inputs.channel_events.recv() => Input::Channel(event),
            Some(messages) = inputs.arrived.recv() => Input::Arrived(messages),
            () = self.scheduler.due(now), if self.wanted != Wanted::Quitting => Input::Schedule,
            () = sleep_until(due) => Input::Due,
            () = std::future::ready(()), if late => Input::Quiet,
            Some(event) = inputs.ipc_events.recv() => Input::Ipc(event, inputs.ipc_events.is_empty()),
            Some(said) = async { Some(self.building.as_mut()?.next().await) } => Input::Build(said),
            Some(event) = inputs.kiro_events.recv() => Input::Kiro(event),
            Ok(()) = inputs.desktop_told.changed() => Input::Desktop(inputs.desktop_told.borrow_and_update().clone()),
            () = self.to_channel.closed() => Input::Gone("the link to WhatsApp"),
            () = self.to_engine.closed() => Input::Gone("what runs containers"),
            () = self.sign_in.edge.closed() => Input::Gone("what asks Kiro"),
            () = std::future::ready(()), if dirty.is_some() => Input::Quiet,
        }
    }

    async fn take(&mut self, input: Input) -> Result<()> {
        match input {
            Input::Arrived(messages) => self.arrived(messages?).await?,
            Input::Channel(event) => self.channel(event).await?,
            Input::Engine(event) => self.engine(event).await?,
            Input::Ipc(event, last) => self.asked_by_agent(event, last).await,
            Input::Build(said) => self.build_said(said),
            Input::Asked(ask) if kiro::answered_later(&ask.command) => self.kiro_asked(ask).await,
            Input::Asked(ask) if logs::answered_beside(&ask.command) => self.show_log(ask),
            Input::Asked(ask) => {
                let waits = matches!(ask.command, Command::ImageBuild { wait: true, .. });
                let answer = self.obey(ask.command).await;
                self.reply(waits, ask.reply, answer);
            }
            Input::Kiro(said) => self.kiro_said(said).await,
            Input::Desktop(desktop) => {
                if desktop.watched != self.desktop.watched {
                    self.send_engine(ToEngine::Watched(desktop.watched));
                }
                self.desktop = desktop;
            }
            Input::Due => self.due().await?,
            Input::Schedule => self.tasks_due().await?,
            Input::Quiet | Input::Gone(_) => {}
        }
        Ok(())
    }

    async fn channel(&mut self, event: FromChannel) -> Result<()> {
        match event {
            FromChannel::Link(link) => {
                if !matches!(link, Link::Starting | Link::Offline { .. } | Link::Pairing { code: None, .. }) {
                    self.note_pairing_failed(None);
                }
                self.link = link;
                if self.link.is_connected() {
                    self.ask_lids().await;
                    self.flush().await?;
                } else {
                    self.link_lost();
                }
            }
            FromChannel::Acked { id } => self.acked(id).await?,
            FromChannel::NotSent { id, reason, obstacle } => self.not_sent(id, reason, obstacle).await?,
            FromChannel::NextCode { at } => self.next_code_at = at,
            FromChannel::PairingFailed(failure) => self.note_pairing_failed(Some(failure)),
            FromChannel::Broke => self.broke("the link to WhatsApp"),
            FromChannel::Groups(names) => {
                self.store
                    .write(move |db| names.iter().try_for_each(|(jid, name)| store::chats::rename(db, jid, name)))
                    .await?;
                self.groups_synced_at = Some(now());
                self.snapshots_old = true;
            }
            FromChannel::Lids(lids) => {
                self.store
                    .write(move |db| {
                        lids.iter()
                            .try_for_each(|(number, lid)| store::chats::known_as(db, number, Some(lid)).map(drop))
                    })
                    .await?;
                self.snapshots_old = true;
            }
        }
        Ok(())
    }

    async fn engine(&mut self, event: FromEngine) -> Result<()> {
        match event {
            FromEngine::Status(status) => {
                let before = std::mem::replace(&mut self.engine, status);
                if self.engine.state != EngineState::Absent {
                    self.note_engine_not_started(None);
                }
                self.image_seen(&before.image);
                self.kiro_image_seen(before.image.id.as_deref());
                self.tell_ready().await;
            }
            FromEngine::Version(trouble) => {
                self.recorded.retain(|trouble| !matches!(trouble, Trouble::EngineOld { .. }));
                self.recorded.extend(trouble);
            }
            FromEngine::Started { run, container } => self.started(run, container).await,
            FromEngine::Output { run, part, output } => self.output(run, part, output).await?,
            FromEngine::NotStopped { run } => self.not_stopped(&run),
            FromEngine::Measured { run, load } => self.measured(&run, load),
            FromEngine::Ended { run, end } => self.run_ended(run, end).await?,
            FromEngine::NotStarted { reason } => self.note_engine_not_started(Some(reason)),
            FromEngine::Broke => self.broke("the link to Docker"),
        }
        Ok(())
    }

    /// The next moment that something waits for.
    fn due_at(&self, quitting: Option<&Quitting>) -> Option<Timestamp> {
        let runs = self.runs.values().map(|run| run.due().0);
        let well_again = self.broken.values().min().copied();
        let (wake, quit) = (self.queue.wake_at(), quitting.map(Quitting::next));
        let forget = (self.settings.retention_days > 0).then_some(self.forget_at);
        let rest = [wake, self.resend_at, self.answer_at, well_again, self.kiro_due_at(), forget, quit];
        runs.chain(rest.into_iter().flatten()).min()
    }

    async fn due(&mut self) -> Result<()> {
        self.broken.retain(|_, until| *until > now());
        self.limit_runs();
        if self.resend_at.is_some_and(|at| at <= now()) {
            self.flush().await?;
        }
        self.tell_queue(Event::Tick).await;
        self.forget_old().await?;
        if self.answer_at.is_some_and(|at| at <= now()) { self.answer_owner().await } else { Ok(()) }
    }

    /// Something was kept again.
    fn all_kept(&mut self) {
        self.recorded.retain(|trouble| !matches!(trouble, Trouble::Internal { .. }));
    }

    /// The database can't be read or written; it stands in the status until it can.
    fn note_internal(&mut self, error: &anyhow::Error) {
        tracing::error!("{error:#}");
        if error.is::<store::Broke>() {
            self.broke("the database");
        }
        self.recorded.insert(Trouble::Internal { reason: format!("{error:#}") });
    }

    /// A part failed and goes on; that is shown until it has been well for a while.
    fn broke(&mut self, part: &'static str) {
        tracing::error!(part, "A part of NanoClaw failed and was started again");
        self.broken.insert(part, now() + WELL);
    }

    /// Each day.
    async fn forget_old(&mut self) -> Result<()> {
        if let Some(before) = store::retention::before(self.settings.retention_days, now())?
            && self.forget_at <= now()
        {
            self.forget_at = now() + SignedDuration::from_hours(24);
            if self.store.write(move |db| store::retention::forget(db, before)).await? {
                self.forget_at = now() + SignedDuration::from_secs(1);
            }
        }
        Ok(())
    }

    async fn take_groups(&mut self, groups: Vec<Group>) {
        self.groups = groups.into_iter().map(|group| (group.folder.clone(), group)).collect();
        self.look_at_extra_mounts().await;
        self.watch_kiro();
        self.ask_lids().await;
    }

    /// M9: whom a chat was registered for by number is to be known also by the LID alone, before the first message.
    async fn ask_lids(&self) {
        if !self.link.is_connected() {
            return;
        }
        let numbers = self.kept(self.store.read(store::lids::missing).await);
        if let Ok(numbers) = numbers
            && !numbers.is_empty()
        {
            self.send_channel(ToChannel::AskLids { numbers });
        }
    }

    fn group_of(&self, chat: &Jid) -> Option<&Group> {
        self.groups.values().find(|group| group.jid == *chat)
    }

    fn send_channel(&self, message: ToChannel) {
        // The channel ends last, after us.
        let _ = self.to_channel.send(message);
    }

    fn send_engine(&self, message: ToEngine) {
        // The engine edge ends last, after us.
        let _ = self.to_engine.send(message);
    }
}
