//! Rounds of deaths, in process: the loop and its store on a real file, dropped at named moments while people write in some
//! chats and things go wrong at the edges. In the end each message is answered exactly once and in its chat's order, nothing
//! waits, and what had to wait for a sign-in was said once (C1–C4, K3, M12, M13).
//!
//! A round's story comes from its seed alone; what the store's thread does meanwhile stays chance. `NANOCLAW_ROUNDS=N` and
//! `NANOCLAW_SEED=S` play others, and a single one shows its log. What needs a process, a container or a socket is `cargo xtask chaos`.

mod peers;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use jiff::tz::TimeZone;
use nanoclaw_core::{
    chat::{Inbound, Jid},
    group::{Folder, Group},
    settings::{KiroMode, Settings},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Map;
use tokio::{
    sync::{mpsc, watch},
    task::{JoinSet, yield_now},
    time::{sleep, timeout},
};

use super::{
    State,
    start::{Edges, Left, doors},
};
use crate::{
    ipc::Ipc,
    moment::{MET, meet},
    paths::Home,
    store::{self, Store, cursors, groups, messages, outbox},
};
use peers::{Luck, Phones, agents, kiro, numbers, whatsapp};

/// Of each half.
const ROUNDS: u64 = 5_000;
/// In the order in which a message comes by them.
const MOMENTS: [&str; 10] =
    ["keeping", "stored", "queued", "handed-over", "started", "result", "outbox", "sending", "sent", "acked"];
const FAMILY: &str = "120363000000000001@g.us";
/// One of them is main; the family wants its trigger.
const CHATS: [(&str, &str); 4] = [
    ("4915110000002@s.whatsapp.net", "main"),
    ("4915110000003@s.whatsapp.net", "bob"),
    ("4915110000004@s.whatsapp.net", "carol"),
    (FAMILY, "family"),
];
/// What a chat is told that has to wait (K3).
const WAITS: &str = "I can't answer now: Kiro is signed out.";
/// How long a life may take; its clock runs a thousand times faster, so its retries are over within a second.
const PATIENCE: Duration = Duration::from_secs(20);

/// Moments are met in one process by one round at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn whatever_is_dropped_when_each_message_is_answered_once() {
    // C1–C4, M12, M13
    play(1);
}

/// The other half, for another processor.
#[test]
fn whatever_is_dropped_when_each_message_is_answered_once_more() {
    play(1 + ROUNDS);
}

fn play(seed: u64) {
    let _alone = ALONE.lock();
    let number = |name: &str, default| std::env::var(name).map_or(default, |value| value.parse().unwrap());
    let (rounds, seed) = (number("NANOCLAW_ROUNDS", ROUNDS), number("NANOCLAW_SEED", seed));
    if rounds == 1 {
        tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_test_writer().init();
    }
    // A power cut is not tried, so what makes its files safe from one need not be waited for.
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let began = Instant::now();
    let mut met = BTreeMap::new();
    runtime.block_on(async {
        let empty = place.path().join("empty.db");
        register(&empty).await;
        for seed in seed..seed + rounds {
            let round = Round::begin(seed, place.path().join(seed.to_string()), &empty);
            let home = round.home.clone();
            if let Err(fault) = round.play(&mut met).await {
                panic!("seed {seed}: {fault}");
            }
            // A thread of its last life may still write there; the rest goes with the whole.
            let _ = fs::remove_dir_all(home.root());
        }
    });
    let told = format!("{rounds} rounds in {:?}, ended by {met:?}\n", began.elapsed());
    std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes()).unwrap();
    if rounds == ROUNDS {
        assert!(
            MOMENTS.iter().chain(&["parked"]).all(|moment| met.get(moment) > Some(&100)),
            "some moment is not met any more: {met:?}"
        );
    }
}

/// Makes a database with the chats registered.
async fn register(path: &Path) {
    let store = Store::on(store::connect(path).unwrap()).unwrap();
    let now = super::now();
    store
        .write(move |db| {
            for (jid, folder) in CHATS {
                let group = Group::new(Jid::new(jid), folder, Folder::new(folder).unwrap_or_else(|_| Folder::main()));
                groups::add(db, &Group { requires_trigger: jid == FAMILY, ..group }, now)?;
            }
            store::install_id(db)
        })
        .await
        .unwrap();
    // It is copied as it lies there.
    store.read(|db| Ok(db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?)).await.unwrap();
}

struct Round {
    random: StdRng,
    home: Home,
    settings: Settings,
    phones: Arc<Phones>,
    /// By chat, the numbers that were written there.
    asked: BTreeMap<&'static str, Vec<u32>>,
    written: u32,
    /// The family's last message had no trigger.
    family_waits: bool,
}

impl Round {
    fn begin(seed: u64, root: PathBuf, empty: &Path) -> Round {
        let home = Home::at(root).unwrap();
        home.create().unwrap();
        fs::copy(empty, home.database()).unwrap();
        // Fewer than there are chats, so that runs have to give way (Q2).
        let (settings, _) = Settings::resolve(&Map::new(), |_| None, TimeZone::UTC);
        let settings = Settings { kiro_mode: KiroMode::Own, max_containers: 2, ..settings };
        let random = StdRng::seed_from_u64(seed);
        let phones = Arc::default();
        Round { random, home, settings, phones, asked: BTreeMap::new(), written: 0, family_waits: false }
    }

    async fn play(mut self, met: &mut BTreeMap<&'static str, u32>) -> Result<(), String> {
        for _ in 0..1 + u8::from(self.random.random_bool(0.3)) {
            let moment = MOMENTS[self.random.random_range(0..MOMENTS.len())];
            meet(Some((moment, self.random.random_range(1..=2))));
            tracing::info!(moment, "A life that is to end");
            let how = if self.life(false).await? { moment } else { "none" };
            *met.entry(how).or_default() += 1;
        }
        self.life(true).await?;
        let waited =
            |(chat, _): &(&str, &str)| self.phones.shown(&Jid::new(*chat)).iter().any(|text| text.contains(WAITS));
        *met.entry("parked").or_default() += u32::from(CHATS.iter().any(waited));
        self.judge()
    }

    /// One life: true where it met its moment. One that is `left_alone` ends when nothing waits any more.
    async fn life(&mut self, left_alone: bool) -> Result<bool, String> {
        let store = Store::on(store::connect(&self.home.database()).unwrap()).unwrap();
        let left = Left::take(&store).await.unwrap();
        let (doors, inputs) = doors(&self.settings, &store);
        let (to_channel, channel_orders) = mpsc::unbounded_channel();
        let (to_engine, engine_orders) = mpsc::unbounded_channel();
        let ipc = Ipc::start(self.home.ipc(), Default::default(), doors.ipc).unwrap();
        let accepting = doors.intake.accepting.clone();
        let (to_kiro, kiro_orders) = mpsc::unbounded_channel();
        let edges = Edges { to_channel, to_engine, to_kiro, ipc, accepting };
        let mut state = State::on(edges, self.home.clone(), self.settings.clone(), store.clone(), left).await;
        let (link, engine, sign_in) = (self.luck(), self.luck(), self.luck());
        let mut tasks = JoinSet::new();
        tasks.spawn(whatsapp(self.phones.clone(), doors.intake, doors.channel, channel_orders, link));
        tasks.spawn(agents(doors.engine, engine_orders, engine));
        tasks.spawn(kiro(doors.kiro, kiro_orders, sign_in));
        tasks.spawn(async move {
            let (publish, _status) = watch::channel(Arc::new(state.facts().status(super::now())));
            // It ends where the link to WhatsApp met its moment.
            drop(state.live(inputs, &publish).await);
        });
        let (mut died, mut ended) = (false, Ok(Ok(())));
        tokio::select! {
            biased;
            () = MET.notified() => died = true,
            Some(failed) = tasks.join_next() => ended = Ok(Err(format!("a part ended: {failed:?}"))),
            told = timeout(PATIENCE, self.talk(&store, left_alone)) => ended = told.map(|()| Ok(())),
        }
        tasks.shutdown().await;
        meet(None);
        // What it had begun in the store comes to its end; nothing of it comes after that.
        for _ in 0..2 {
            yield_now().await;
            store.read(|_| Ok(())).await.unwrap();
        }
        MET.notified().now_or_never();
        match ended {
            Ok(Ok(())) => Ok(died),
            Ok(Err(fault)) => Err(fault),
            Err(_) => Err(format!("not all is answered and settled\n{}", self.account())),
        }
    }

    fn luck(&mut self) -> Luck {
        Luck { random: StdRng::seed_from_u64(self.random.random()), bad: self.random.random_range(0..=2) }
    }

    /// People write; then all is awaited.
    async fn talk(&mut self, store: &Store, to_the_end: bool) {
        for _ in 0..self.random.random_range(1..=5) {
            for _ in 0..self.random.random_range(0..60) {
                yield_now().await;
            }
            let (chat, _) = CHATS[self.random.random_range(0..CHATS.len())];
            let triggers = self.random.random_bool(0.7);
            self.says(chat, triggers);
        }
        if to_the_end && self.family_waits {
            // M4: what was said without a trigger is heard with it.
            self.says(FAMILY, true);
        }
        while !self.all_answered() {
            self.phones.heard.notified().await;
        }
        while to_the_end && !is_at_rest(store).await {
            sleep(Duration::from_millis(1)).await;
        }
    }

    fn says(&mut self, chat: &'static str, triggers: bool) {
        self.written += 1;
        let number = self.written;
        self.asked.entry(chat).or_default().push(number);
        let wants_trigger = chat == FAMILY;
        if wants_trigger {
            self.family_waits = !triggers;
        }
        let trigger = if wants_trigger && triggers { "@Andy " } else { "" };
        let said = Inbound {
            id: format!("A{number}"),
            chat: Jid::new(chat),
            chat_lid: None,
            chat_name: None,
            sender: CHATS[0].0.to_owned(),
            sender_lid: None,
            sender_name: "Alice".to_owned(),
            text: Some(format!("{trigger}m{number}")),
            sent_at: super::now(),
            from_me: false,
        };
        if self.random.random_bool(0.05) {
            // Delivered twice, whatever was acknowledged.
            self.phones.say(said.clone());
        }
        self.phones.say(said);
    }

    fn heard(&self, chat: &str) -> Vec<u32> {
        self.phones.shown(&Jid::new(chat)).iter().flat_map(|text| numbers(text)).collect()
    }

    fn all_answered(&self) -> bool {
        let answered = |(chat, asked): (&&'static str, &Vec<u32>)| {
            let heard = self.heard(chat);
            let waits = *chat == FAMILY && self.family_waits;
            asked.iter().all(|number| waits || heard.contains(number))
        };
        self.asked.iter().all(answered)
    }

    fn judge(&self) -> Result<(), String> {
        let right = |(chat, asked): (&&'static str, &Vec<u32>)| {
            let texts = self.phones.shown(&Jid::new(*chat));
            self.heard(chat) == *asked && waits_are_told(&texts)
        };
        if self.asked.iter().all(right) { Ok(()) } else { Err(self.account()) }
    }

    /// What was asked and heard, for people.
    fn account(&self) -> String {
        let chats = self.asked.iter().map(|(chat, asked)| {
            format!("{chat}\n  asked {asked:?}\n  heard {:?}", self.phones.shown(&Jid::new(*chat)))
        });
        chats.collect::<Vec<_>>().join("\n")
    }
}

/// K3: that a chat's work waits is said once, and once that it goes on, before the next answer. Else there are answers alone.
fn waits_are_told(texts: &[String]) -> bool {
    let mut waits = false;
    let in_order = texts.iter().all(|text| match text.as_str() {
        text if text.starts_with("Andy: ") && text.contains(WAITS) => !std::mem::replace(&mut waits, true),
        "Andy: Kiro is signed in again, and I go on." => std::mem::replace(&mut waits, false),
        text => !waits && text.starts_with("Andy: heard "),
    });
    in_order && !waits
}

/// Nothing waits: every text is acknowledged, every turn closed, every cursor at the end.
async fn is_at_rest(store: &Store) -> bool {
    store
        .read(|db| {
            let seen = |(jid, _): &(&str, &str)| {
                let chat = Jid::new(*jid);
                Ok::<_, anyhow::Error>(cursors::get(db, &chat)? == messages::last(db, &chat)?)
            };
            let all_seen = CHATS.iter().map(seen).collect::<Result<Vec<_>, _>>()?.into_iter().all(|seen| seen);
            Ok(all_seen && outbox::counts(db)? == (0, 0) && cursors::open_chats(db)?.is_empty())
        })
        .await
        .unwrap()
}
