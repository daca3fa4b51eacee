//! Keeps the connection to the engine: whether it is there, whether the image is, and who may use it.
//!
//! While the engine is there its own events tell what changes, and nothing is asked on a clock. While it is away it is looked
//! for every [`RETRY`], or [`RETRY_WATCHED`]. Must not: run containers. Called by nobody; it tells the runs by a watched value
//! and the loop by [`FromEngine::Status`].

use std::{
    convert::Infallible,
    pin::pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use bollard::{Docker, errors::Error, query_parameters::EventsOptionsBuilder};
use futures_util::StreamExt;
use nanoclaw_core::status::{EngineState, EngineStatus, ImageStatus};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    Edge,
    discovery::{self, Engine, Found, Said},
    image,
    reconcile::reap_all_but,
};
use crate::{moment::moment, ports::FromEngine};

/// How often an absent engine is looked for.
const RETRY: Duration = Duration::from_secs(5);
/// The same while a window is open (T1).
const RETRY_WATCHED: Duration = Duration::from_secs(1);
/// How long runs are held for an engine that went away: a restart that keeps containers takes a few seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// Events of this past are asked for too: the engine's clock may lag behind, and nothing may fall between two looks.
const OVERLAP: Duration = Duration::from_secs(60);

/// The engine as runs see it.
#[derive(Clone)]
pub(super) enum Reach {
    Here(Docker),
    /// Gone a moment ago; runs wait for it.
    Away,
    /// Gone for good, or never seen: runs end.
    GivenUp,
}

pub(super) struct Connection {
    edge: Edge,
    reach: watch::Sender<Reach>,
    told: Option<EngineStatus>,
    image: ImageStatus,
}

impl Connection {
    pub(super) fn new(edge: Edge, reach: watch::Sender<Reach>) -> Self {
        let image = ImageStatus::default();
        Connection { edge, reach, told: None, image }
    }

    /// Never ends by itself.
    pub(super) async fn keep(mut self) {
        let mut away_since = Instant::now();
        loop {
            match discovery::find(self.edge.config.socket.as_deref()).await {
                Found::Ready(engine) => {
                    let since = Instant::now();
                    let Err(lost) = self.watch(&engine).await;
                    tracing::warn!(reason = %format_args!("{lost:#}"), "Lost the engine");
                    away_since = Instant::now();
                    // Before the runs know: they end at once then, and nothing must be started in their place.
                    self.tell(EngineState::Starting, None, None, Some(engine.address));
                    if matches!(*self.reach.borrow(), Reach::Here(_)) {
                        self.reach.send_replace(Reach::Away);
                    }
                    // One that was there for long may be back at once; one that fails again and again is not chased.
                    if since.elapsed() > RETRY {
                        continue;
                    }
                    self.tell(EngineState::Absent, None, None, None);
                }
                Found::Starting(address) => self.tell(EngineState::Starting, None, None, Some(address)),
                Found::Forbidden => self.tell(EngineState::Forbidden, None, None, None),
                Found::Nothing => self.tell(EngineState::Absent, None, None, None),
            }
            if away_since.elapsed() >= PATIENCE {
                self.reach.send_replace(Reach::GivenUp);
            }
            self.pause().await;
        }
    }

    /// Until the next look at an absent engine; at once where a window opens on an old one.
    async fn pause(&self) {
        let mut watched = self.edge.runs.watched.subscribe();
        let began = Instant::now();
        loop {
            let pause = if *watched.borrow_and_update() { RETRY_WATCHED } else { RETRY };
            tokio::select! {
                () = sleep_until(began + pause) => return,
                _ = watched.changed() => {}
            }
        }
    }

    /// Makes the engine usable and watches it, until it is lost.
    async fn watch(&mut self, engine: &Engine) -> Result<Infallible> {
        let Engine { docker, address } = engine;
        let Said { name, version, trouble } =
            discovery::version(engine).await.context("asking for the engine's version")?;
        let tell = |this: &mut Self, state| {
            this.tell(state, Some(name.clone()), version.clone(), Some(address.clone()));
        };
        tell(self, EngineState::Starting);
        self.edge.tell(FromEngine::Version(trouble));
        reap_all_but(docker, &self.edge.config.install, &self.edge.runs.ids()).await.context("listing containers")?;

        let since = SystemTime::now().checked_sub(OVERLAP).unwrap_or(UNIX_EPOCH);
        let since = since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let filters = [("type", vec!["image"])].into();
        let events = EventsOptionsBuilder::new().since(&since.to_string()).filters(&filters).build();
        let mut events = pin!(docker.events(Some(events)));
        self.look_for_image(docker).await?;
        moment("engine");
        self.reach.send_replace(Reach::Here(docker.clone()));
        loop {
            tell(self, EngineState::Ready);
            tokio::select! {
                event = events.next() => match event {
                    // An event that this client can't read is an event.
                    Some(Ok(_) | Err(Error::JsonDataError { .. })) => {}
                    Some(Err(error)) => return Err(error).context("watching the engine"),
                    None => bail!("the engine closed the connection"),
                },
                () = self.edge.image_missing.notified() => {}
            }
            self.look_for_image(docker).await?;
        }
    }

    async fn look_for_image(&mut self, docker: &Docker) -> Result<()> {
        self.image = image::look(docker, &self.edge.config.image).await.context("looking for the image")?;
        Ok(())
    }

    fn tell(&mut self, state: EngineState, name: Option<String>, version: Option<String>, socket: Option<String>) {
        let status = EngineStatus { state, name, version, socket, image: self.image.clone() };
        if self.told.as_ref() != Some(&status) {
            self.told = Some(status.clone());
            self.edge.tell(FromEngine::Status(status));
        }
    }
}
