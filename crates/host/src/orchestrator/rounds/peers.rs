//! WhatsApp and the agents, as tasks at the other end of the loop's queues. What a server or a phone would keep outlives the
//! tasks; what a container would keep does not, as the next start stops what an earlier one left.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use nanoclaw_core::{
    chat::{Inbound, Jid},
    kiro::{SignIn, Whoami},
    link::Link,
    status::{EngineState, EngineStatus, ImageState, ImageStatus},
};
use nanoclaw_protocol::{Cause, FollowUp, Output, Status};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    sync::{Notify, mpsc},
    task::yield_now,
};

use crate::{
    kiro::{FromKiro, ToKiro},
    moment::moment,
    orchestrator::intake::StoreIntake,
    ports::{FromChannel, FromEngine, Intake, Obstacle, RunEnd, ToChannel, ToEngine},
};

/// What the server has for NanoClaw, and what the phones show of it.
#[derive(Default)]
pub struct Phones {
    kept: Mutex<Kept>,
    said: Notify,
    pub heard: Notify,
}

#[derive(Default)]
struct Kept {
    /// Not acknowledged yet.
    waiting: VecDeque<Inbound>,
    shown: HashMap<Jid, Vec<String>>,
    /// A phone shows a text once.
    ids: HashSet<String>,
}

impl Phones {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    pub fn say(&self, inbound: Inbound) {
        self.kept().waiting.push_back(inbound);
        self.said.notify_one();
    }

    pub fn shown(&self, chat: &Jid) -> Vec<String> {
        self.kept().shown.get(chat).cloned().unwrap_or_default()
    }

    fn show(&self, id: String, chat: Jid, text: String) {
        let mut kept = self.kept();
        if kept.ids.insert(id) {
            kept.shown.entry(chat).or_default().push(text);
        }
        self.heard.notify_one();
    }

    /// Delivers what waits, in its order, until something of it is not kept (M12).
    async fn deliver(&self, intake: &StoreIntake, mut random: StdRng) {
        loop {
            let batch: Vec<Inbound> = self.kept().waiting.iter().take(random.random_range(1..=3)).cloned().collect();
            if batch.is_empty() {
                self.said.notified().await;
            } else if intake.accept(batch.clone()).await.is_ok() {
                self.kept().waiting.drain(..batch.len());
            } else {
                return;
            }
        }
    }
}

/// How many things still go wrong by chance.
pub struct Luck {
    pub random: StdRng,
    pub bad: u32,
}

impl Luck {
    /// Whether it goes wrong here, in one of a hundred cases times `percent`.
    fn fails(&mut self, percent: u32) -> bool {
        let fails = self.bad > 0 && self.random.random_range(0..100) < percent;
        self.bad -= u32::from(fails);
        fails
    }

    pub async fn passes(&mut self, most: u32) {
        for _ in 0..self.random.random_range(0..=most) {
            yield_now().await;
        }
    }
}

/// The link: connection after connection.
pub async fn whatsapp(
    phones: Arc<Phones>,
    intake: StoreIntake,
    tell: mpsc::UnboundedSender<FromChannel>,
    mut orders: mpsc::UnboundedReceiver<ToChannel>,
    mut luck: Luck,
) {
    let link = |link| drop(tell.send(FromChannel::Link(link)));
    loop {
        luck.passes(3).await;
        link(Link::Connected { jid: String::new(), push_name: String::new() });
        let random = StdRng::seed_from_u64(luck.random.random());
        tokio::select! {
            () = phones.deliver(&intake, random) => {}
            () = sending(&phones, &tell, &mut orders, &mut luck) => {}
        }
        link(Link::Offline { retry_at: None });
    }
}

/// Takes texts until the link is cut.
async fn sending(
    phones: &Phones,
    tell: &mpsc::UnboundedSender<FromChannel>,
    orders: &mut mpsc::UnboundedReceiver<ToChannel>,
    luck: &mut Luck,
) {
    while let Some(order) = orders.recv().await {
        let ToChannel::Send { id, chat, text } = order else { continue };
        moment("sending");
        luck.passes(3).await;
        if luck.fails(3) {
            return;
        }
        if luck.fails(3) {
            let obstacle = Obstacle::Passing;
            let _ = tell.send(FromChannel::NotSent { id, reason: "no".to_owned(), obstacle });
            continue;
        }
        phones.show(id.clone(), chat, text);
        moment("sent");
        luck.passes(3).await;
        if luck.fails(3) {
            return;
        }
        let _ = tell.send(FromChannel::Acked { id });
    }
    std::future::pending().await
}

/// Kiro, asked who is signed in: now and then nobody is, until a person signs in at a terminal.
pub async fn kiro(tell: mpsc::UnboundedSender<FromKiro>, mut orders: mpsc::UnboundedReceiver<ToKiro>, mut luck: Luck) {
    while let Some(order) = orders.recv().await {
        let ToKiro::Check(_) = order else { continue };
        luck.passes(3).await;
        let out = luck.fails(10);
        let state = if out { SignIn::SignedOut } else { SignIn::SignedIn };
        let container = Some(Whoami { state, ..Whoami::missing() });
        let _ = tell.send(FromKiro::Checked { host: Whoami::missing(), container, old: None });
        if out {
            luck.passes(5).await;
            let _ = tell.send(FromKiro::Changed);
        }
    }
    std::future::pending().await
}

/// An agent in its container: what it was given and has not answered, and how many results it gave.
#[derive(Default)]
struct Agent {
    given: VecDeque<(u64, String)>,
    part: u64,
    closing: bool,
}

struct Agents {
    tell: mpsc::UnboundedSender<FromEngine>,
    runs: BTreeMap<String, Agent>,
    luck: Luck,
}

/// Agents that say what they heard.
pub async fn agents(
    tell: mpsc::UnboundedSender<FromEngine>,
    mut orders: mpsc::UnboundedReceiver<ToEngine>,
    mut luck: Luck,
) {
    luck.passes(5).await;
    let mut agents = Agents { tell, runs: BTreeMap::new(), luck };
    agents.tell(FromEngine::Status(engine(EngineState::Ready)));
    loop {
        if agents.at_work().is_empty() {
            let Some(order) = orders.recv().await else { return };
            agents.obey(order);
        }
        agents.luck.passes(4).await;
        match orders.try_recv() {
            Ok(order) => agents.obey(order),
            Err(_) => agents.work(),
        }
    }
}

impl Agents {
    fn tell(&self, event: FromEngine) {
        let _ = self.tell.send(event);
    }

    /// The runs that have something to do.
    fn at_work(&self) -> Vec<String> {
        let busy = |(_, agent): &(&String, &Agent)| agent.closing || !agent.given.is_empty();
        self.runs.iter().filter(busy).map(|(run, _)| run.clone()).collect()
    }

    fn obey(&mut self, order: ToEngine) {
        match order {
            ToEngine::Start(spec) if self.luck.fails(3) => {
                self.end(&spec.run, RunEnd::NotStarted { reason: "no".to_owned() });
            }
            ToEngine::Start(spec) => {
                self.tell(FromEngine::Started { run: spec.run.clone(), container: spec.container });
                let given = VecDeque::from([(spec.request.turn, spec.request.prompt)]);
                self.runs.insert(spec.run, Agent { given, ..Agent::default() });
            }
            ToEngine::Write { run, follow_up } => {
                let Some(agent) = self.runs.get_mut(&run) else { return };
                match follow_up {
                    FollowUp::Message { turn, text } => agent.given.push_back((turn, text)),
                    FollowUp::Close => agent.closing = true,
                }
            }
            ToEngine::Stop { run, .. } => self.end(&run, RunEnd::Exited { code: 143, stderr: String::new() }),
            ToEngine::StartEngine(_) | ToEngine::Measure | ToEngine::Watched(_) | ToEngine::Shutdown => {}
        }
    }

    /// One of them goes on.
    fn work(&mut self) {
        let at_work = self.at_work();
        if at_work.is_empty() {
            return;
        }
        let run = at_work[self.luck.random.random_range(0..at_work.len())].clone();
        if self.luck.fails(2) {
            self.tell(FromEngine::Status(engine(EngineState::Absent)));
            for run in self.runs.keys().cloned().collect::<Vec<_>>() {
                self.end(&run, RunEnd::EngineLost);
            }
            return self.tell(FromEngine::Status(engine(EngineState::Ready)));
        }
        if self.luck.fails(3) {
            return self.end(&run, RunEnd::Exited { code: 1, stderr: String::new() });
        }
        let all_at_once = self.luck.random.random_bool(0.5);
        let agent = self.runs.get_mut(&run).unwrap();
        let count = if all_at_once { agent.given.len() } else { agent.given.len().min(1) };
        let given: Vec<(u64, String)> = agent.given.drain(..count).collect();
        let Some((turn, _)) = given.last() else {
            return self.end(&run, RunEnd::Exited { code: 0, stderr: String::new() });
        };
        agent.part += 1;
        let (part, turn) = (agent.part, Some(*turn));
        let heard: Vec<String> = given.iter().flat_map(|(_, text)| numbers(text)).map(|n| format!("m{n}")).collect();
        let cause = self.luck.fails(2).then_some(Cause::SignedOut);
        let failed = cause.is_some() || self.luck.fails(3);
        let output = Output {
            status: if failed { Status::Error } else { Status::Success },
            turn,
            result: (!failed).then(|| format!("heard {}", heard.join(" "))),
            new_session_id: None,
            error: None,
            cause,
            usage: None,
        };
        // Read again after the engine was away.
        let times = if self.luck.random.random_bool(0.05) { 2 } else { 1 };
        for _ in 0..times {
            self.tell(FromEngine::Output { run: run.clone(), part, output: output.clone() });
        }
        if self.luck.fails(3) {
            self.end(&run, RunEnd::Exited { code: 137, stderr: String::new() });
        }
    }

    fn end(&mut self, run: &str, end: RunEnd) {
        self.runs.remove(run);
        self.tell(FromEngine::Ended { run: run.to_owned(), end });
    }
}

fn engine(state: EngineState) -> EngineStatus {
    let image = ImageStatus { state: ImageState::Ready, id: Some("1".to_owned()), ..ImageStatus::default() };
    EngineStatus { state, name: None, version: None, socket: None, image }
}

/// The numbers that a text names: `m17`.
pub fn numbers(text: &str) -> Vec<u32> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|word| word.strip_prefix('m')?.parse().ok()).collect()
}
