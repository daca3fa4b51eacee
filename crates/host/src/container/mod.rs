//! The engine edge: containers are started, talked to, ended and, when nobody runs them any more, removed. In their place,
//! where a person chose so, processes of this computer (`process`).
//!
//! It takes [`ToEngine`] and gives [`FromEngine`], and decides nothing: when a run starts and what its end means is the
//! loop's. Each run is a task of its own, so that no container holds up another; one more keeps the connection.
//!
//! | module | owns |
//! |---|---|
//! | `discovery` | which engine |
//! | `starter` | what can start one |
//! | `connection` | whether it is there, and the image |
//! | `image`, `image_log` | the making of the image |
//! | `reconcile` | what an earlier process left behind (Q6) |
//! | `extra` | what is mounted beside that (X1–X4) |
//! | `folders` | what is mounted, as far as it exists (R2) |
//! | `spec` | what a container may do (R1) |
//! | `aside` | containers beside the runs: sign-in checks and sign-ins (K1, K2) |
//! | `run` | one container, from its creation to its end (R3, R4, R6) |
//! | `process` | one agent without a container |
//! | `transcript` | what a run says: results (R4), and what is kept of the rest (R6) |
//! | `run_log` | the file that is left of a run (R7) |
//! | `old_logs` | how many of these are kept |
//!
//! When the engine goes away (Q7), the runs are held: an engine that comes back soon may still have their containers, and a
//! run that goes on has lost nothing. [`connection::PATIENCE`] later, or when the container turns out to be gone, the run
//! has ended with [`RunEnd::EngineLost`](crate::ports::RunEnd::EngineLost).

pub mod allowlist;
mod aside;
pub mod clear;
mod connection;
pub mod discovery;
pub(crate) mod extra;
mod folders;
pub mod image;
mod image_log;
mod old_logs;
pub mod process;
mod reconcile;
mod run;
mod run_log;
mod spec;
pub mod starter;
mod transcript;

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use nanoclaw_protocol::FollowUp;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::sleep,
};

pub use aside::Aside;
pub use extra::{Extra, extra};
pub use folders::prepare;
pub(crate) use folders::{create, enter};
pub use spec::{LABEL_GROUP, LABEL_INSTALL, LABEL_KIND, LABEL_RUN};

use crate::{
    ports::{FromEngine, RunEnd, RunSpec, ToEngine},
    supervise::{Pauses, holds},
};
use connection::{Connection, Reach};
use run::Run;

#[derive(Clone, Debug)]
pub struct Config {
    /// This install's id, the value of the label `com.nanoclaw.install` (Q6).
    pub install: String,
    /// ENGINE_SOCKET: an address or a path; found by itself without it.
    pub socket: Option<String>,
    /// AGENT_IMAGE.
    pub image: String,
}

/// What the tasks of the edge share.
#[derive(Clone)]
struct Edge {
    config: Arc<Config>,
    events: mpsc::UnboundedSender<FromEngine>,
    runs: Arc<Runs>,
    /// Told when a run found the image missing.
    image_missing: Arc<Notify>,
}

impl Edge {
    fn tell(&self, event: FromEngine) {
        // Nobody listens any more while everything ends.
        let _ = self.events.send(event);
    }
}

/// The runs of this process, and where each takes its orders.
#[derive(Default)]
struct Runs {
    orders: Mutex<HashMap<String, mpsc::UnboundedSender<Order>>>,
    /// Whether a person looks on.
    watched: watch::Sender<bool>,
}

impl Runs {
    fn all(&self) -> MutexGuard<'_, HashMap<String, mpsc::UnboundedSender<Order>>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ids(&self) -> HashSet<String> {
        self.all().keys().cloned().collect()
    }

    fn order(&self, run: &str, order: Order) {
        if let Some(orders) = self.all().get(run) {
            let _ = orders.send(order);
        }
    }
}

enum Order {
    /// On stdin.
    Say(FollowUp),
    /// SIGTERM, and a kill after this.
    Stop(Duration),
    /// To be told what the container takes.
    Measure,
}

/// Starts the edge. It ends, leaving containers as they are, by [`ToEngine::Shutdown`] or when the sender is dropped.
pub fn start(config: Config, events: mpsc::UnboundedSender<FromEngine>) -> mpsc::UnboundedSender<ToEngine> {
    let (commands, inbox) = mpsc::unbounded_channel();
    let (reach, reached) = watch::channel(Reach::GivenUp);
    let edge = Edge { config: Arc::new(config), events, runs: Arc::default(), image_missing: Arc::default() };
    let mut tasks = JoinSet::new();
    tasks.spawn(keep_connected(edge.clone(), reach));
    let (runs, events) = (edge.runs.clone(), edge.events.clone());
    let begin = move |spec, orders| Run::new(spec, edge.clone(), reached.clone(), orders).finish().boxed();
    tokio::spawn(serve(runs, events, inbox, tasks, begin));
    commands
}

async fn keep_connected(edge: Edge, reach: watch::Sender<Reach>) {
    let mut pauses = Pauses::new();
    while !holds(Connection::new(edge.clone(), reach.clone()).keep()).await {
        edge.tell(FromEngine::Broke);
        sleep(pauses.next(Instant::now())).await;
    }
}

/// Hands each command to its run. `tasks`, and with them all runs, are dropped when this ends.
async fn serve(
    runs: Arc<Runs>,
    events: mpsc::UnboundedSender<FromEngine>,
    mut inbox: mpsc::UnboundedReceiver<ToEngine>,
    mut tasks: JoinSet<()>,
    begin: impl Fn(RunSpec, mpsc::UnboundedReceiver<Order>) -> BoxFuture<'static, RunEnd>,
) {
    loop {
        tokio::select! {
            command = inbox.recv() => match command {
                Some(ToEngine::Start(spec)) => {
                    let (orders, taken) = mpsc::unbounded_channel();
                    let id = spec.run.clone();
                    runs.all().insert(id.clone(), orders);
                    tasks.spawn(oversee(id, begin(*spec, taken), runs.clone(), events.clone()));
                }
                Some(ToEngine::Write { run, follow_up }) => runs.order(&run, Order::Say(follow_up)),
                Some(ToEngine::Stop { run, grace }) => runs.order(&run, Order::Stop(grace)),
                Some(ToEngine::StartEngine(starter)) => {
                    let events = events.clone();
                    tasks.spawn(async move {
                        if let Err(error) = starter.start().await {
                            let _ = events.send(FromEngine::NotStarted { reason: format!("{error:#}") });
                        }
                    });
                }
                Some(ToEngine::Measure) => runs.ids().iter().for_each(|run| runs.order(run, Order::Measure)),
                Some(ToEngine::Watched(watched)) => drop(runs.watched.send_replace(watched)),
                Some(ToEngine::Shutdown) | None => return,
            },
            Some(_) = tasks.join_next() => {}
        }
    }
}

/// A run is reported as ended whatever happens in it: a chat must not wait for ever.
async fn oversee(
    id: String,
    run: BoxFuture<'static, RunEnd>,
    runs: Arc<Runs>,
    events: mpsc::UnboundedSender<FromEngine>,
) {
    let end = AssertUnwindSafe(run).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!(run = id, "A run broke");
        RunEnd::NotStarted { reason: "NanoClaw made a mistake; its log says more".to_owned() }
    });
    runs.all().remove(&id);
    // Nobody listens any more while everything ends.
    let _ = events.send(FromEngine::Ended { run: id, end });
}
