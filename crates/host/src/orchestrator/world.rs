//! A loop for its parts' tests, with nobody at its edges: what it would be told is told by hand.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use nanoclaw_core::{
    chat::{Inbound, Jid},
    group::{Folder, Group},
    queue::Event,
    settings::Settings,
    status::{EngineState, EngineStatus, ImageState, ImageStatus},
};
use nanoclaw_protocol::Cause;
use serde_json::Map;
use tokio::sync::mpsc;

use super::{
    Inputs, State,
    clock::STILL,
    intake::StoreIntake,
    now,
    start::{Edges, Left, doors},
};
use crate::{
    ipc::Ipc,
    kiro::ToKiro,
    paths::Home,
    ports::{FromEngine, Intake, RunEnd},
    store::{self, Store, outbox},
};

/// A loop whose time passes by the test's hand alone.
pub struct World {
    pub state: State,
    intake: StoreIntake,
    inputs: Inputs,
    pub orders: mpsc::UnboundedReceiver<ToKiro>,
    _place: tempfile::TempDir,
}

impl World {
    pub async fn new() -> World {
        STILL.set(Some(Timestamp::from_second(1_800_000_000).unwrap()));
        let place = tempfile::tempdir().unwrap();
        let home = Home::at(place.path().to_owned()).unwrap();
        home.create().unwrap();
        let (settings, _) = Settings::resolve(&Map::new(), |_| None, TimeZone::UTC);
        let store = Store::on(store::connect(&home.database()).unwrap()).unwrap();
        let left = Left::take(&store).await.unwrap();
        let (doors, inputs) = doors(&settings, &store);
        let (to_channel, to_engine) = (mpsc::unbounded_channel().0, mpsc::unbounded_channel().0);
        let (to_kiro, orders) = mpsc::unbounded_channel();
        let ipc = Ipc::start(home.ipc(), Default::default(), doors.ipc).unwrap();
        let edges = Edges { to_channel, to_engine, to_kiro, ipc, accepting: doors.intake.accepting.clone() };
        let state = State::on(edges, home, settings, store, left).await;
        World { state, intake: doors.intake, inputs, orders, _place: place }
    }

    /// With an engine, and chats that are called as their folders are.
    pub async fn with_chats(folders: &[&str]) -> World {
        let mut world = World::new().await;
        let group =
            |folder: &&str| Group::new(jid(folder), folder, Folder::new(folder).unwrap_or_else(|_| Folder::main()));
        let groups: Vec<Group> = folders.iter().map(group).collect();
        let kept = groups.clone();
        let keep =
            move |db: &store::Transaction<'_>| kept.iter().try_for_each(|group| store::groups::add(db, group, now()));
        world.state.store.write(keep).await.unwrap();
        world.state.take_groups(groups).await;
        let image = ImageStatus { state: ImageState::Ready, id: Some("1".to_owned()), ..ImageStatus::default() };
        world.state.engine = EngineStatus { state: EngineState::Ready, name: None, version: None, socket: None, image };
        world.state.tell_ready().await;
        world
    }

    pub fn passes(&self, seconds: i64) {
        STILL.set(Some(now() + SignedDuration::from_secs(seconds)));
    }

    pub async fn wants(&mut self, folder: &str) {
        self.state.tell_queue(Event::KeepWarm(Folder::new(folder).unwrap_or_else(|_| Folder::main()))).await;
    }

    pub fn run(&self, folder: &str) -> Option<String> {
        self.state.runs.iter().find(|(_, run)| run.folder.as_str() == folder).map(|(id, _)| id.clone())
    }

    pub async fn is_up(&mut self, folder: &str) {
        let run = self.run(folder).unwrap();
        self.state.engine(FromEngine::Started { run, container: String::new() }).await.unwrap();
    }

    pub async fn hears(&mut self, folder: &str) {
        self.hears_all(folder, &["@Andy hello"]).await;
    }

    /// All at once, as after an absence.
    pub async fn hears_all(&mut self, folder: &str, texts: &[&str]) {
        let said = texts.iter().enumerate().map(|(n, text)| Inbound {
            id: format!("{folder}-{}-{n}", now().as_millisecond()),
            chat: jid(folder),
            chat_lid: None,
            sender_lid: None,
            chat_name: None,
            sender: jid(folder).as_str().to_owned(),
            sender_name: folder.to_owned(),
            text: Some((*text).to_owned()),
            sent_at: now(),
            from_me: false,
        });
        self.intake.accept(said.collect()).await.unwrap();
        let messages = self.inputs.arrived.recv().await.unwrap().unwrap();
        self.state.arrived(messages).await.unwrap();
    }

    /// Its run ends because Kiro refused it.
    pub async fn is_refused(&mut self, folder: &str) {
        let run = self.run(folder).unwrap();
        let refusal = self.state.failure(Cause::SignedOut);
        self.state.runs.get_mut(&run).unwrap().failure = Some(refusal);
        let end = RunEnd::Exited { code: 1, stderr: String::new() };
        self.state.run_ended(run, end).await.unwrap();
        self.state.count_parked().await.unwrap();
    }

    pub async fn says(&self) -> Vec<String> {
        self.state.store.read(outbox::heads).await.unwrap().into_iter().map(|text| text.text).collect()
    }
}

pub fn jid(folder: &str) -> Jid {
    Jid::new(format!("{folder}@s.whatsapp.net"))
}
