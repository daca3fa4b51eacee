//! WhatsApp: one task that owns the link to it, from its first QR code to its last message.
//!
//! The task takes [`ToChannel`] and gives [`FromChannel`]; what comes in goes to [`Intake`] before WhatsApp is told that
//! it arrived (M12). It keeps no message of its own, retries no send, and logs neither codes nor numbers nor texts; the
//! library does so at INFO, which is why `logging` shows others' warnings only. The orchestrator starts it.
//!
//! A `session` is one connection. When to try another is decided here and nowhere else: at once after a sleep or a network
//! change (W6), by the back-off after a failure, at a person's wish after a refusal (W5).

mod auth;
mod backlog;
pub mod backups;
#[cfg(feature = "fake-peers")]
mod fake;
mod inbound;
mod lids;
mod link;
mod memory;
mod outbound;
mod pairing;
mod session;
mod transport;
mod voice;
#[cfg(feature = "fake-peers")]
pub mod wire;

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use nanoclaw_core::{chat::Jid, link::Link};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};
use tracing::error;

#[cfg(feature = "fake-peers")]
pub use fake::FakeServer;

use crate::{
    moment::moment,
    ports::{FromChannel, Intake, ToChannel},
    supervise::{Pauses, holds},
};
use memory::{Ban, Memory};
use pairing::used_up;
use session::{Carried, End, Session};
use voice::Voice;

/// The name on the phone's list of linked devices.
const DEVICE_NAME: &str = "NanoClaw";

/// How long until another try when the sign-in can't be opened.
const REOPEN: Duration = Duration::from_secs(30);

/// How long closing may take before the client is dropped as it is; of a connection that may be dead nothing is expected.
const CLOSING: Duration = Duration::from_secs(4);
const CLOSING_DEAD: Duration = Duration::from_millis(500);

/// How long after a ban's end it is tried whether it is over: no sooner, and not in a loop.
const AFTER_BAN: Duration = Duration::from_secs(300);

/// M11: how often the names of all groups are asked for.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The first try has nothing before it that held.
const FIRST_TRY: u32 = 1;

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

    fn day(&self) -> Duration {
        #[cfg(feature = "fake-peers")]
        if let Some(fake) = &self.fake {
            return fake.day;
        }
        DAY
    }

    /// How long to wait where WhatsApp's own server wants `wait`.
    fn pause(&self, wait: Duration) -> Duration {
        #[cfg(feature = "fake-peers")]
        if let Some(fake) = &self.fake {
            return fake.pause(wait);
        }
        wait
    }

    /// How long WhatsApp's server may take where its own may take `limit`.
    fn limit(&self, limit: Duration) -> Duration {
        #[cfg(feature = "fake-peers")]
        if let Some(fake) = &self.fake {
            return fake.limit(limit);
        }
        limit
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
    let carried = Carried::new(Memory::open(&config.auth));
    let channel = Channel {
        config,
        intake,
        voice: Voice::new(events),
        session: None,
        linked: false,
        reopen_at: None,
        failures: FIRST_TRY,
        asked_version: false,
        carried,
    };
    (sender, tokio::spawn(channel.keep(commands)))
}

struct Channel {
    config: Config,
    intake: Arc<dyn Intake>,
    voice: Voice,
    session: Option<Session>,
    /// Whether the last session was on a sign-in.
    linked: bool,
    /// When to try again by ourselves.
    reopen_at: Option<Instant>,
    /// Connections in a row that came to nothing, the present one counted.
    failures: u32,
    /// The last session ended as outdated, and this one asked the web for the version.
    asked_version: bool,
    carried: Carried,
}

impl Channel {
    async fn keep(mut self, mut commands: mpsc::UnboundedReceiver<ToChannel>) {
        let mut pauses = Pauses::new();
        while !holds(self.run(&mut commands)).await {
            self.voice.say(FromChannel::Broke);
            let pause = pauses.next(std::time::Instant::now());
            self.voice.link(Link::Offline { retry_at: link::after(pause) });
            sleep(pause).await;
        }
    }

    async fn run(&mut self, commands: &mut mpsc::UnboundedReceiver<ToChannel>) {
        self.voice.link(Link::Starting);
        // One that a failure left: WhatsApp would throw out the one beside the other.
        self.close(CLOSING).await;
        self.begin().await;
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    None | Some(ToChannel::Shutdown) => break,
                    Some(command) => self.obey(command).await,
                },
                end = live(&mut self.session, &mut self.voice, &mut self.carried) => self.ended(end).await,
                () = until(self.reopen_at) => self.open().await,
            }
        }
        self.close(CLOSING).await;
    }

    /// A restart neither ends a ban nor makes WhatsApp forget the codes.
    async fn begin(&mut self) {
        if let Some(at) = self.carried.memory.codes.next_at(Timestamp::now()) {
            self.voice.next_code(Some(at));
        }
        match self.carried.memory.ban {
            Some(Ban { until }) if !self.left(until).is_zero() && auth::is_there(&self.config.auth) => {
                self.linked = true;
                self.sit_out(until);
            }
            _ => self.open().await,
        }
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
            ToChannel::AskLids { numbers } => {
                if let Some(session) = &mut self.session {
                    session.ask_lids(&numbers, &self.voice);
                }
            }
            ToChannel::Pair { phone } => {
                self.carried.phone = phone;
                self.close(CLOSING).await;
                self.voice.link(Link::Starting);
                if self.sign_out().await {
                    self.open_anew().await;
                }
            }
            ToChannel::CancelPairing => {
                if !self.linked && (self.session.is_some() || self.reopen_at.is_some()) {
                    self.close(CLOSING).await;
                    self.carried.phone = None;
                    self.voice.link(used_up());
                }
            }
            ToChannel::Logout => {
                let told = match &self.session {
                    Some(session) => session.unlink().await,
                    None => !auth::is_there(&self.config.auth),
                };
                self.close(CLOSING).await;
                if self.sign_out().await {
                    self.voice.link(Link::SignedOut { told });
                }
            }
            ToChannel::Reconnect => {
                if !self.session.as_ref().is_some_and(Session::is_pairing) {
                    self.close(CLOSING).await;
                    self.open_anew().await;
                }
            }
            ToChannel::Wake => self.wake().await,
            ToChannel::Shutdown => {}
        }
    }

    /// W6: what connection there is may be dead without a word, and what was out of reach may be no more. A link that does
    /// not come back by itself does not do so now.
    async fn wake(&mut self) {
        match self.carried.memory.ban {
            Some(Ban { until }) => self.sit_out(until),
            None if self.session.is_some() || self.reopen_at.is_some() => {
                self.close(CLOSING_DEAD).await;
                self.open_anew().await;
            }
            None => {}
        }
    }

    fn send(&mut self, id: String, chat: Jid, text: String) {
        moment("sending");
        match &mut self.session {
            Some(session) => session.send(id, chat, text, &self.voice),
            None => self.voice.not_sent(id, "WhatsApp is not connected"),
        }
    }

    /// Opens a session at somebody's wish: failures before count no more.
    async fn open_anew(&mut self) {
        self.failures = FIRST_TRY;
        self.open().await;
    }

    async fn open(&mut self) {
        self.reopen_at = None;
        match Session::open(&self.config, &self.intake, &self.carried).await {
            Ok(session) => {
                self.carried.memory.change(|facts| facts.ban = None);
                self.linked = !session.is_pairing();
                self.voice.link(if self.linked { Link::Connecting } else { Link::Starting });
                self.session = Some(session);
            }
            Err(err) => {
                error!("WhatsApp can't be started: {err:#}");
                self.reopen(REOPEN);
            }
        }
    }

    fn reopen(&mut self, wait: Duration) {
        let wait = self.config.pause(wait);
        self.reopen_at = Some(Instant::now() + wait);
        self.voice.link(Link::Offline { retry_at: link::after(wait) });
    }

    async fn close(&mut self, within: Duration) {
        self.reopen_at = None;
        if let Some(session) = self.session.take() {
            session.close(&self.voice, within).await;
        }
    }

    async fn ended(&mut self, end: End) {
        self.close(CLOSING).await;
        let asked = std::mem::take(&mut self.asked_version);
        match end {
            // The version may have been read from the web a day ago.
            End::Final(Link::Outdated) if !asked => {
                self.asked_version = true;
                self.open().await;
            }
            End::Again => self.open().await,
            End::Lost { held } => {
                self.failures = if held { 0 } else { self.failures };
                match link::backoff(self.failures) {
                    Duration::ZERO => self.open().await,
                    wait => self.reopen(wait),
                }
                self.failures = self.failures.saturating_add(1);
            }
            End::Final(Link::Banned { until }) => self.sit_out(until),
            End::Final(link) => self.voice.link(link),
        }
    }

    /// A ban with an end is followed by one try when it is over: the answer is a link, or another ban. One without an end is
    /// for a person to try, as trying too early prolongs it.
    fn sit_out(&mut self, until: Option<Timestamp>) {
        self.carried.memory.change(|facts| facts.ban = Some(Ban { until }));
        self.reopen_at = Instant::now().checked_add(self.left(until));
        self.voice.link(Link::Banned { until });
    }

    /// How long until it may be tried whether a ban is over; for ever, where it has no end.
    fn left(&self, until: Option<Timestamp>) -> Duration {
        let Some(until) = until else { return Duration::MAX };
        let after = SignedDuration::try_from(self.config.pause(AFTER_BAN)).unwrap_or_default();
        Duration::try_from(until.duration_since(Timestamp::now()).saturating_add(after)).unwrap_or_default()
    }

    /// Moves a sign-in aside (W4). False when that failed, which is shown as an offline link that tries again.
    async fn sign_out(&mut self) -> bool {
        let moved = auth::move_aside(&self.config.auth).await;
        if let Err(err) = &moved {
            error!("the WhatsApp sign-in can't be moved aside: {err:#}");
            self.reopen(REOPEN);
        } else {
            // Of the account that was linked; the codes are of a number.
            self.carried.memory.change(|facts| (facts.ban, facts.names_at) = (None, None));
        }
        moved.is_ok()
    }
}

/// The end of the session, if there is one and when it comes.
async fn live(session: &mut Option<Session>, voice: &mut Voice, carried: &mut Carried) -> End {
    match session {
        Some(session) => session.live(voice, carried).await,
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
