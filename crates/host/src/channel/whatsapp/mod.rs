//! WhatsApp: one task that owns the link to it, from its first QR code to its last message.
//!
//! The task takes [`ToChannel`] and gives [`FromChannel`]; what comes in goes to [`Intake`] before WhatsApp is told that
//! it arrived (M12). It keeps no message of its own, retries no send, and logs neither codes nor numbers nor texts; the
//! library does so at INFO, which is why `logging` shows others' warnings only. The orchestrator starts it.
//!
//! A `session` is one client of the library, from its building to its end. The library's clients end for good when
//! WhatsApp refuses them (W5), so linking, logging out and trying again are each a new session.

mod auth;
#[cfg(feature = "fake-peers")]
mod fake;
mod inbound;
mod link;
mod outbound;
mod session;
mod transport;
mod voice;

use std::{path::PathBuf, sync::Arc, time::Duration};

use nanoclaw_core::{chat::Jid, link::Link};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};
use tracing::{error, warn};

#[cfg(feature = "fake-peers")]
pub use fake::FakeServer;

use crate::{
    moment::moment,
    ports::{FromChannel, Intake, ToChannel},
    supervise::{Pauses, holds},
};
use session::{End, Session};
use voice::Voice;

/// The name on the phone's list of linked devices.
const DEVICE_NAME: &str = "NanoClaw";

/// How long until another try when no session could be opened or one ended for no reason that WhatsApp gave.
const REOPEN: Duration = Duration::from_secs(30);

/// Where the channel keeps its sign-in and whom it talks to.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of the sign-in, `<Home>/store/auth`. Its siblings `auth.bak.<unix seconds>` are what was moved aside.
    pub auth: PathBuf,
    /// A local server in WhatsApp's place.
    #[cfg(feature = "fake-peers")]
    pub fake: Option<FakeServer>,
}

impl Config {
    pub fn new(auth: PathBuf) -> Self {
        Config {
            auth,
            #[cfg(feature = "fake-peers")]
            fake: FakeServer::from_env(),
        }
    }

    /// The server that stands in for WhatsApp; never one without the feature `fake-peers`.
    pub fn server(&self) -> Option<&str> {
        #[cfg(feature = "fake-peers")]
        return self.fake.as_ref().map(|fake| fake.url.as_str());
        #[cfg(not(feature = "fake-peers"))]
        return None;
    }

    /// How long to wait where WhatsApp's own server wants `wait`.
    fn pause(&self, wait: Duration) -> Duration {
        #[cfg(feature = "fake-peers")]
        if let Some(fake) = &self.fake {
            return fake.pause(wait);
        }
        wait
    }
}

/// Starts the channel: with a sign-in it connects (W3), without one it asks for a QR code at once.
///
/// The task ends after [`ToChannel::Shutdown`], within 5 seconds, and when the returned sender is dropped.
pub fn start(
    config: Config,
    intake: Arc<dyn Intake>,
    events: mpsc::UnboundedSender<FromChannel>,
) -> (mpsc::UnboundedSender<ToChannel>, JoinHandle<()>) {
    let (sender, commands) = mpsc::unbounded_channel();
    let channel = Channel { config, intake, voice: Voice::new(events), session: None, reopen_at: None, names_at: None };
    (sender, tokio::spawn(channel.keep(commands)))
}

struct Channel {
    config: Config,
    intake: Arc<dyn Intake>,
    voice: Voice,
    session: Option<Session>,
    /// When to try again by ourselves.
    reopen_at: Option<Instant>,
    /// When the groups' names were last asked for on connect (M11).
    names_at: Option<Instant>,
}

impl Channel {
    async fn keep(mut self, mut commands: mpsc::UnboundedReceiver<ToChannel>) {
        let mut pauses = Pauses::new();
        while !holds(self.run(&mut commands)).await {
            self.voice.say(FromChannel::Broke);
            sleep(pauses.next(std::time::Instant::now())).await;
        }
    }

    async fn run(&mut self, commands: &mut mpsc::UnboundedReceiver<ToChannel>) {
        self.voice.link(Link::Starting);
        // One that a failure left: WhatsApp would throw out the one beside the other.
        self.close().await;
        self.open(None).await;
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    None | Some(ToChannel::Shutdown) => break,
                    Some(command) => self.obey(command).await,
                },
                end = live(&mut self.session, &mut self.voice, &mut self.names_at) => self.ended(end).await,
                () = until(self.reopen_at) => self.open(None).await,
            }
        }
        self.close().await;
    }

    async fn obey(&mut self, command: ToChannel) {
        match command {
            ToChannel::Send { id, chat, text } => self.send(id, chat, text),
            ToChannel::Composing { chat, on } => {
                if let Some(session) = &self.session {
                    session.composing(&chat, on);
                }
            }
            ToChannel::SyncGroups => {
                if let Some(session) = &self.session {
                    session.sync_groups(&self.voice);
                }
            }
            ToChannel::Pair { phone } => {
                self.close().await;
                self.voice.link(Link::Starting);
                if self.sign_out().await {
                    self.open(phone).await;
                }
            }
            ToChannel::CancelPairing => {
                if self.session.as_ref().is_some_and(Session::is_pairing) {
                    self.close().await;
                    self.voice.link(Link::Pairing { qr: None, code: None });
                }
            }
            ToChannel::Logout => {
                if let Some(session) = &mut self.session {
                    session.unlink().await;
                }
                self.close().await;
                if self.sign_out().await {
                    self.voice.link(Link::LoggedOut);
                }
            }
            ToChannel::Reconnect => {
                if !self.session.as_ref().is_some_and(Session::is_pairing) {
                    self.close().await;
                    self.open(None).await;
                }
            }
            ToChannel::Shutdown => {}
        }
    }

    fn send(&mut self, id: String, chat: Jid, text: String) {
        moment("sending");
        match &mut self.session {
            Some(session) => session.send(id, chat, text, &self.voice),
            None => self.voice.not_sent(id, "WhatsApp is not connected"),
        }
    }

    /// Opens a session; `phone` asks for a pairing code beside the QR codes.
    async fn open(&mut self, phone: Option<String>) {
        self.reopen_at = None;
        match Session::open(&self.config, &self.intake, phone).await {
            Ok(session) => self.session = Some(session),
            Err(err) => {
                error!("WhatsApp can't be started: {err:#}");
                self.reopen();
            }
        }
    }

    fn reopen(&mut self) {
        let wait = self.config.pause(REOPEN);
        self.reopen_at = Some(Instant::now() + wait);
        self.voice.link(Link::Offline { retry_at: link::after(wait) });
    }

    async fn close(&mut self) {
        self.reopen_at = None;
        if let Some(session) = self.session.take() {
            session.close(&self.voice).await;
        }
    }

    async fn ended(&mut self, end: End) {
        self.close().await;
        if matches!(end, End::Unexplained) {
            warn!("the link to WhatsApp ended without a reason; it is opened again");
            self.reopen();
        }
    }

    /// Moves a sign-in aside (W4). False when that failed, which is shown as an offline link that tries again.
    async fn sign_out(&mut self) -> bool {
        let moved = auth::move_aside(&self.config.auth).await;
        if let Err(err) = &moved {
            error!("the WhatsApp sign-in can't be moved aside: {err:#}");
            self.reopen();
        }
        moved.is_ok()
    }
}

/// The end of the session, if there is one and when it comes.
async fn live(session: &mut Option<Session>, voice: &mut Voice, names_at: &mut Option<Instant>) -> End {
    match session {
        Some(session) => session.live(voice, names_at).await,
        None => std::future::pending().await,
    }
}

/// Returns at `deadline`, never without one.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
