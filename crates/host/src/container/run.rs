//! One run: its container from creation to end.
//!
//! Carries what goes in (R3) and out (`transcript`). It outlives a short absence of the engine (Q7). Must not: decide when to
//! write or to stop. Called by the edge, one task a run.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    time::{Duration, Instant},
};

use anyhow::Result;
use bollard::{
    Docker,
    container::{AttachContainerResults, LogOutput},
    errors::Error,
    query_parameters::{
        AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, StatsOptionsBuilder, WaitContainerOptionsBuilder,
    },
};
use bytes::BytesMut;
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, MaybeDone, maybe_done},
};
use jiff::Timestamp;
use nanoclaw_protocol::FollowUp;
use tokio::{
    io::AsyncWriteExt,
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tracing::Instrument;

use super::{
    Edge, Order,
    connection::Reach,
    discovery::answers,
    reconcile::{reap_run, stop},
    spec::{self, next_name},
    transcript::Transcript,
};
use crate::ports::{FromEngine, Load, RunEnd, RunSpec};

/// How many names are tried: as many as containers may be created at once, and more.
const NAMES: usize = 100;
/// What is still in the pipes when a container has ended is there at once; a stuck engine must not hold the end up.
const DRAIN: Duration = Duration::from_secs(10);
/// Between two looks for an engine that doesn't answer although nobody says that it is gone.
const RECHECK: Duration = Duration::from_secs(1);
/// What the engine keeps of a container's output, in its own writing (`spec`: two files of 10 MB).
const KEPT: usize = 20_000_000;
/// Between two orders to stop a container whose end is not seen.
const STOP_AGAIN: Duration = Duration::from_secs(5);
/// Exits by SIGKILL and SIGTERM, as an engine that goes down ends its containers.
const BY_SIGNAL: [i64; 2] = [137, 143];
/// An exit that the engine has forgotten.
const UNKNOWN_EXIT: i64 = -1;

pub(super) type Exit = BoxFuture<'static, Result<i64, Error>>;

/// The streams of a container, and its end.
pub(super) struct Attached {
    pub streams: AttachContainerResults,
    pub exit: Pin<Box<MaybeDone<Exit>>>,
}

/// Why a container is attached to no longer.
enum Parted {
    Refused(Error),
    Exited(i64),
    /// The engine doesn't answer as it should.
    Lost,
}

pub(super) struct Run {
    spec: RunSpec,
    edge: Edge,
    reach: watch::Receiver<Reach>,
    orders: mpsc::UnboundedReceiver<Order>,
    /// What stdin has not taken yet.
    pending: BytesMut,
    /// What it was told since its last answer: with a connection that breaks it may be lost on its way.
    unanswered: Vec<FollowUp>,
    transcript: Transcript,
    /// The most that the container's output can take up in the engine's log.
    logged: usize,
    /// It is to be stopped: what is between SIGTERM and a kill.
    stopping: Option<Duration>,
    /// The engine was away at some time during the run.
    was_away: bool,
}

impl Run {
    pub(super) fn new(
        spec: RunSpec,
        edge: Edge,
        reach: watch::Receiver<Reach>,
        orders: mpsc::UnboundedReceiver<Order>,
    ) -> Self {
        Run {
            pending: BytesMut::from(spec.request.to_line().as_bytes()),
            unanswered: Vec::new(),
            transcript: Transcript::new(spec.max_output, edge.events.clone()),
            logged: 0,
            stopping: None,
            was_away: false,
            spec,
            edge,
            reach,
            orders,
        }
    }

    /// The run as a whole. When this is done its output has been told, its log written, and nothing of it is left on an
    /// engine that can be reached.
    pub(super) async fn finish(mut self) -> RunEnd {
        let span = tracing::info_span!("run", id = self.spec.run, group = self.spec.folder.as_str());
        async move {
            let (began, clock) = (Timestamp::now(), Instant::now());
            let end = self.drive().await;
            self.clean_up(&end).await;
            self.transcript.log(self.spec, began, clock.elapsed(), end).await
        }
        .instrument(span)
        .await
    }

    async fn drive(&mut self) -> RunEnd {
        let Some(mut docker) = here(&self.reach) else { return RunEnd::EngineLost };
        let (id, mut attached) = match self.create(&docker).await {
            Ok(created) => created,
            Err(error) => return self.refused(error).await,
        };
        let mut fresh = true;
        loop {
            match self.attend(&docker, &id, attached, fresh).await {
                Parted::Refused(error) => return self.refused(error).await,
                // An engine that is going down takes its containers along: no failure of theirs (facts: docker).
                Parted::Exited(code) if self.may_be_the_engines(code) && !answers(&docker).await => {
                    return RunEnd::EngineLost;
                }
                Parted::Exited(code) => return self.transcript.exited(&self.spec, code),
                Parted::Lost => {}
            }
            fresh = false;
            loop {
                let Some(engine) = self.engine_back().await else { return RunEnd::EngineLost };
                docker = engine;
                match self.attach_again(&docker, &id).await {
                    Ok(Some(again)) => {
                        attached = again;
                        break;
                    }
                    Ok(None) if self.was_away => return RunEnd::EngineLost,
                    Ok(None) => return self.transcript.exited(&self.spec, UNKNOWN_EXIT),
                    Err(error) => {
                        tracing::debug!(%error, "The engine was lost again");
                        sleep(RECHECK).await;
                    }
                }
            }
        }
    }

    /// Creates the container and attaches to it, so that nothing it does can be missed once it is started.
    async fn create(&mut self, docker: &Docker) -> Result<(String, Attached), Error> {
        let body = spec::body(&self.spec, &self.edge.config.install);
        let mut tries = 0;
        let created = loop {
            tries += 1;
            let options = CreateContainerOptionsBuilder::new().name(&self.spec.container).build();
            match docker.create_container(Some(options), body.clone()).await {
                Err(Error::DockerResponseServerError { status_code: 409, .. }) if tries < NAMES => {
                    self.spec.container = next_name(&self.spec.container);
                }
                created => break created?,
            }
        };
        let attached = attach(docker, &created.id, false).await?;
        Ok((created.id, attached))
    }

    /// Carries what goes in and out, until the container has ended or is out of reach. `fresh`: it is to be started first.
    async fn attend(&mut self, docker: &Docker, id: &str, attached: Attached, fresh: bool) -> Parted {
        let Attached { streams: AttachContainerResults { mut output, mut input }, mut exit } = attached;
        let mut start = fresh.then(|| {
            let group = self.spec.folder.as_str();
            tracing::info!(
                runtime = "docker",
                group,
                container = self.spec.container.as_str(),
                "Spawning agent process"
            );
            docker.start_container(id, None).boxed()
        });
        let (mut readable, mut writable) = (true, true);
        let (edge, run) = (self.edge.clone(), self.spec.run.clone());
        let ordered = |grace| stop_until_ended(docker, id, grace, edge.clone(), run.clone()).boxed();
        let mut stopping: Option<BoxFuture<'_, Infallible>> = self.stopping.map(ordered);
        let mut measuring: Option<BoxFuture<'_, Option<Load>>> = None;
        loop {
            tokio::select! {
                started = async { start.as_mut()?.await.into() }, if start.is_some() => {
                    start = None;
                    if let Some(Err(error)) = started {
                        return Parted::Refused(error);
                    }
                    let (run, container) = (self.spec.run.clone(), self.spec.container.clone());
                    self.edge.tell(FromEngine::Started { run, container });
                }
                chunk = output.next(), if readable && start.is_none() => match chunk {
                    Some(Ok(chunk)) => self.take(&chunk),
                    // Closed by the container, or cut: then the wait for its exit is cut as well.
                    Some(Err(_)) | None => readable = false,
                },
                // Already before the container is started: the request waits for its reader, not the other way round.
                written = input.write_buf(&mut self.pending), if writable && !self.pending.is_empty() => {
                    writable = matches!(written, Ok(1..));
                }
                // Not before the container runs: a stop would find nothing to stop.
                order = self.orders.recv(), if start.is_none() => match order {
                    Some(Order::Say(follow_up)) => self.say(follow_up),
                    Some(Order::Stop(grace)) => {
                        self.stopping = Some(grace);
                        stopping = Some(ordered(grace));
                    }
                    Some(Order::Measure) => measuring = Some(load(docker, id).boxed()),
                    None => return Parted::Lost,
                },
                measured = async { measuring.as_mut()?.await.into() }, if measuring.is_some() => {
                    measuring = None;
                    if let Some(Some(load)) = measured {
                        self.edge.tell(FromEngine::Measured { run: self.spec.run.clone(), load });
                    }
                }
                Some(never) = async { Some(stopping.as_mut()?.await) }, if stopping.is_some() => match never {},
                () = exit.as_mut(), if start.is_none() => {
                    let Some(Ok(code)) = exit.as_mut().take_output() else { return Parted::Lost };
                    if readable {
                        let rest = async { while let Some(Ok(chunk)) = output.next().await { self.take(&chunk); } };
                        if timeout(DRAIN, rest).await.is_err() {
                            tracing::warn!("The output of a container that has ended does not end");
                        }
                    }
                    return Parted::Exited(code);
                }
            }
        }
    }

    /// Whether a container may have ended with its engine, and not by itself.
    fn may_be_the_engines(&self, code: i64) -> bool {
        self.stopping.is_none() && (BY_SIGNAL.contains(&code) || here(&self.reach).is_none())
    }

    fn say(&mut self, follow_up: FollowUp) {
        self.pending.extend_from_slice(follow_up.to_line().as_bytes());
        self.unanswered.push(follow_up);
    }

    /// Says again, on a new connection, what has no answer; the runner takes each turn once.
    fn say_again(&mut self) {
        let unanswered: String = self.unanswered.iter().map(FollowUp::to_line).collect();
        // Else a part of the request waits too, and with it all that came after.
        if self.pending.len() <= unanswered.len() {
            // What may have arrived of a line ends here.
            self.pending = BytesMut::from(format!("\n{unanswered}").as_bytes());
        }
    }

    fn take(&mut self, chunk: &LogOutput) {
        // Each line is written as JSON: around it at most 100 bytes, for each of its bytes at most six.
        let lines = 1 + chunk.as_ref().iter().filter(|&&byte| byte == b'\n').count();
        self.logged = self.logged.saturating_add(6 * chunk.as_ref().len() + 100 * lines);
        match chunk {
            LogOutput::StdOut { message } => {
                self.transcript.stdout(&self.spec.run, message);
                let answered = self.transcript.answered();
                self.unanswered
                    .retain(|said| !matches!(said, FollowUp::Message { turn, .. } if Some(*turn) <= answered));
            }
            LogOutput::StdErr { message } => self.transcript.stderr(message),
            LogOutput::StdIn { .. } | LogOutput::Console { .. } => {}
        }
    }

    /// Waits for an engine that answers, as long as runs are held for one. A stop ends the wait: there is nothing to stop.
    async fn engine_back(&mut self) -> Option<Docker> {
        loop {
            let reach = self.reach.borrow_and_update().clone();
            let moment = match reach {
                Reach::GivenUp => return None,
                Reach::Here(docker) if answers(&docker).await => return Some(docker),
                Reach::Here(_) => RECHECK,
                Reach::Away => Duration::MAX,
            };
            self.was_away = true;
            tokio::select! {
                changed = self.reach.changed() => changed.ok()?,
                () = sleep(moment) => {}
                order = self.orders.recv() => match order? {
                    Order::Say(follow_up) => self.say(follow_up),
                    Order::Stop(_) => return None,
                    Order::Measure => {}
                },
            }
        }
    }

    /// Attaches to a container that may have gone on alone; `None` when it has ended, or can't be followed.
    ///
    /// What it wrote meanwhile is in the engine's log, so all is read anew from its beginning: a frame that is read twice is
    /// one message (C1). Where the log may not hold it all any more, the frames can't be counted, and the run is given up.
    async fn attach_again(&mut self, docker: &Docker, id: &str) -> Result<Option<Attached>, Error> {
        let gone = |error: &Error| matches!(error, Error::DockerResponseServerError { .. });
        let state = match docker.inspect_container(id, None).await {
            Ok(container) => container.state,
            Err(error) if gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        if self.logged > KEPT || !state.and_then(|state| state.running).unwrap_or(false) {
            return Ok(None);
        }
        let attached = match attach(docker, id, true).await {
            Err(error) if gone(&error) => return Ok(None),
            attached => attached?,
        };
        tracing::info!(container = self.spec.container, "The container went on while the engine was away");
        self.logged = 0;
        self.transcript.begin_anew(self.spec.max_output);
        self.say_again();
        Ok(Some(attached))
    }

    /// The engine said no, or nothing at all.
    async fn refused(&mut self, error: Error) -> RunEnd {
        let Error::DockerResponseServerError { status_code, message } = error else {
            tracing::warn!(%error, "The engine was lost while a container was started");
            self.engine_back().await;
            return RunEnd::EngineLost;
        };
        if status_code == 404 {
            self.edge.image_missing.notify_one();
        }
        RunEnd::NotStarted { reason: message }
    }

    /// A container whose end was not seen may be there still: created but not started, or left alone by a lost engine.
    async fn clean_up(&self, end: &RunEnd) {
        if matches!(end, RunEnd::Exited { .. }) {
            return;
        }
        let Some(docker) = here(&self.reach) else { return };
        if let Err(error) = reap_run(&docker, &self.edge.config.install, &self.spec.run).await {
            tracing::warn!(%error, "What is left of a run can't be removed");
        }
    }
}

fn here(reach: &watch::Receiver<Reach>) -> Option<Docker> {
    match &*reach.borrow() {
        Reach::Here(docker) => Some(docker.clone()),
        Reach::Away | Reach::GivenUp => None,
    }
}

/// Orders a container to be stopped until its end is seen, which ends this.
async fn stop_until_ended(docker: &Docker, id: &str, grace: Duration, edge: Edge, run: String) -> Infallible {
    loop {
        if let Err(error) = stop(docker, id, grace).await {
            tracing::warn!(%error, "A container can't be stopped");
        }
        sleep(STOP_AGAIN).await;
        edge.tell(FromEngine::NotStopped { run: run.clone() });
    }
}

/// What a container takes, by one look of the engine's. `None` when it can't be told: it is ending.
async fn load(docker: &Docker, id: &str) -> Option<Load> {
    let once = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
    let stats = docker.stats(id, Some(once)).next().await?.ok()?;
    let memory = stats.memory_stats?;
    let given_back = memory.stats.unwrap_or_default();
    let files = ["inactive_file", "total_inactive_file"].into_iter().find_map(|name| given_back.get(name).copied());
    Some(Load {
        memory_bytes: memory.usage?.saturating_sub(files.unwrap_or_default()),
        cpu: Duration::from_nanos(stats.cpu_stats?.cpu_usage?.total_usage?),
    })
}

/// Attaches to a container and registers for its exit. `again`: it runs already, and what it has written so far is wanted.
pub(super) async fn attach(docker: &Docker, id: &str, again: bool) -> Result<Attached, Error> {
    // Of a container that is not started yet, `not-running` is true already.
    let condition = if again { "not-running" } else { "next-exit" };
    let options = WaitContainerOptionsBuilder::new().condition(condition).build();
    let mut waiting = docker.wait_container(id, Some(options)).boxed();
    let exit = async move {
        match waiting.next().await {
            Some(Ok(exit)) => Ok(exit.status_code),
            Some(Err(Error::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(error)) => Err(error),
            None => Err(Error::RequestTimeoutError),
        }
    };
    let mut exit = Box::pin(maybe_done(exit.boxed()));
    let options = AttachContainerOptionsBuilder::new().stdin(true).stdout(true).stderr(true).stream(true).logs(again);
    let mut streams = Box::pin(docker.attach_container(id, Some(options.build())));
    // Both requests are on their way before anything is started: a wait that is registered after the end of a container that
    // removes itself finds nothing (facts: docker).
    let streams = poll_fn(|context| {
        let _ = exit.as_mut().poll(context);
        streams.as_mut().poll(context)
    });
    Ok(Attached { streams: streams.await?, exit })
}
