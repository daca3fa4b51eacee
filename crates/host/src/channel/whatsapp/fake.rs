//! A local server in WhatsApp's place. Nothing of this is in a build without the feature `fake-peers`.

use std::time::Duration;

use whatsapp_rust::{
    Runtime, TokioRuntime,
    wacore::runtime::{AbortHandle, BoxFuture},
};

/// Names the server of every session, e.g. `ws://127.0.0.1:8095/ws/chat`.
const URL: &str = "NANOCLAW_WHATSAPP_URL";

#[derive(Clone, Debug)]
pub struct FakeServer {
    pub url: String,
    /// Divides every wait that is sat out: codes expire and reconnects happen that much sooner.
    pub hurry: u32,
    /// Divides every limit after which silence is a failure. Apart from the other, as a busy machine is no silent server.
    pub impatience: u32,
    /// How long a day is, after which the groups' names are asked for again (M11).
    pub day: Duration,
}

impl FakeServer {
    pub fn new(url: impl Into<String>) -> Self {
        FakeServer { url: url.into(), hurry: 1, impatience: 1, day: super::DAY }
    }

    pub(super) fn from_env() -> Option<Self> {
        std::env::var(URL).ok().filter(|url| !url.is_empty()).map(FakeServer::new)
    }

    pub(super) fn pause(&self, wait: Duration) -> Duration {
        wait / self.hurry.max(1)
    }

    pub(super) fn limit(&self, limit: Duration) -> Duration {
        limit / self.impatience.max(1)
    }

    /// What the library sits out are the lives of its codes; once it is linked it has limits alone.
    pub(super) fn clock(&self, is_linked: bool) -> Clock {
        Clock(if is_linked { self.impatience } else { self.hurry }.max(1))
    }
}

/// The library's runtime, its sleeps divided.
pub(super) struct Clock(u32);

impl Runtime for Clock {
    fn spawn(&self, future: BoxFuture<'static, ()>) -> AbortHandle {
        TokioRuntime.spawn(future)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        TokioRuntime.sleep(duration / self.0)
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) -> BoxFuture<'static, ()> {
        TokioRuntime.spawn_blocking(work)
    }

    fn yield_now(&self) -> Option<BoxFuture<'static, ()>> {
        TokioRuntime.yield_now()
    }
}
