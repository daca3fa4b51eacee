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
    /// Divides every wait, the library's and ours: codes expire and reconnects happen that much sooner.
    pub hurry: u32,
    /// How long a day is, after which the groups' names are asked for again (M11).
    pub day: Duration,
}

impl FakeServer {
    pub fn new(url: impl Into<String>) -> Self {
        FakeServer { url: url.into(), hurry: 1, day: super::DAY }
    }

    pub(super) fn from_env() -> Option<Self> {
        std::env::var(URL).ok().filter(|url| !url.is_empty()).map(FakeServer::new)
    }

    pub(super) fn pause(&self, wait: Duration) -> Duration {
        wait / self.hurry.max(1)
    }
}

/// The library's runtime, its sleeps made shorter.
impl Runtime for FakeServer {
    fn spawn(&self, future: BoxFuture<'static, ()>) -> AbortHandle {
        TokioRuntime.spawn(future)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        TokioRuntime.sleep(self.pause(duration))
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) -> BoxFuture<'static, ()> {
        TokioRuntime.spawn_blocking(work)
    }

    fn yield_now(&self) -> Option<BoxFuture<'static, ()>> {
        TokioRuntime.yield_now()
    }
}
