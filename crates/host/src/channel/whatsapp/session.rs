//! One client of the library, from its building to its end: its events and its silences become link states (W5).
//!
//! Only `whatsapp::Channel` opens and closes sessions; a session that has ended is never used again.

use std::{
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use nanoclaw_core::{
    chat,
    link::{Link, PairingCode, QrCode},
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tracing::{debug, info, warn};
use whatsapp_rust::{
    Client, Jid,
    bot::{Bot, BotHandle},
    http::UreqHttpClient,
    pair_code::{CompanionOs, PairCodeOptions},
    types::events::{Event, EventHandler, EventInterest, EventKind, MessageBatch},
    wacore::{stanza::groups::GroupNotificationAction, store::DevicePropsOverride},
    waproto::whatsapp::device_props::PlatformType,
};

use super::{
    Config, DEVICE_NAME, auth,
    inbound::{self, Hook},
    link,
    outbound::{self, Outbound},
    transport::{Dial, Web},
    until,
    voice::Voice,
};
use crate::ports::Intake;

/// How long a lost connection may take to come back before the link counts as offline: after pairing, WhatsApp drops it
/// on purpose, and the next attempt follows at once.
const GRACE: Duration = Duration::from_millis(500);

/// The library's own measure: after a connection that held this long, its back-off starts anew.
const STABLE: Duration = Duration::from_secs(30);

/// How long closing may take before the client is dropped as it is.
const CLOSING: Duration = Duration::from_secs(4);

/// How long unlinking at the phone's side may take.
const UNLINKING: Duration = Duration::from_secs(5);

/// Between connects that only serve to have messages delivered again (M12).
const REDELIVERY: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(300)];

/// M11: how often the names of all groups are asked for on connect.
const NAMES: Duration = Duration::from_secs(24 * 60 * 60);

const INTEREST: [EventKind; 22] = [
    EventKind::Connected,
    EventKind::PairSuccess,
    EventKind::PairError,
    EventKind::PairingQrCode,
    EventKind::PairingQrCodesExhausted,
    EventKind::PairingCode,
    EventKind::PairingCodeRefresh,
    EventKind::PairingCodeError,
    EventKind::PairPasskeyRequest,
    EventKind::PairPasskeyConfirmation,
    EventKind::PairPasskeyError,
    EventKind::LoggedOut,
    EventKind::StreamReplaced,
    EventKind::TemporaryBan,
    EventKind::ClientOutdated,
    EventKind::ConnectFailure,
    EventKind::Disconnected,
    EventKind::Messages,
    EventKind::UndecryptableMessage,
    EventKind::ServerAck,
    EventKind::GroupUpdate,
    EventKind::SelfPushNameUpdated,
];

/// What a session hears, in order.
pub(super) enum Happening {
    Library(Arc<Event>),
    /// The library tries to connect.
    Attempt,
    /// A connection, or an attempt at one, has ended.
    Down,
    /// The intake did not keep a batch.
    NotKept,
}

/// How a session ended by itself.
pub(super) enum End {
    /// The link's state says why, and stays.
    Said,
    Unexplained,
}

/// The library's events, put in line with all else that happens.
struct Events(mpsc::UnboundedSender<Happening>);

impl EventHandler for Events {
    fn handle_event(&self, event: Arc<Event>) {
        let _ = self.0.send(Happening::Library(event));
    }

    fn interest(&self) -> EventInterest {
        EventInterest::of(&INTEREST)
    }
}

pub(super) struct Session {
    config: Config,
    client: Arc<Client>,
    handle: BotHandle,
    happenings: mpsc::UnboundedReceiver<Happening>,
    intake: Arc<dyn Intake>,
    outbound: Outbound,
    guessed_version: Arc<AtomicBool>,
    /// Until a phone has linked this device.
    pairing: Option<Pairing>,
    connected_at: Option<Instant>,
    failures: u32,
    /// When the link counts as offline, and when the library tries again.
    offline: Option<(Instant, Option<Timestamp>)>,
    redeliver: Option<Instant>,
    redelivery: Duration,
    not_kept_at: Option<Instant>,
}

#[derive(Default)]
struct Pairing {
    /// For whom a pairing code is wanted, E.164 digits.
    phone: Option<String>,
    /// The code has been asked for on this connection: it lives no longer than that.
    asked: bool,
    qr: Option<QrCode>,
    code: Option<PairingCode>,
    code_ends: Option<Instant>,
}

impl Session {
    /// Builds a client on the sign-in and lets it run.
    ///
    /// # Errors
    /// When the sign-in can't be opened.
    pub async fn open(config: &Config, intake: &Arc<dyn Intake>, phone: Option<String>) -> Result<Self> {
        let stored = auth::open(&config.auth).await?;
        let (tell, happenings) = mpsc::unbounded_channel();
        let guessed_version = Arc::new(AtomicBool::new(false));
        let behind = Arc::new(AtomicBool::new(false));

        let web = Web {
            client: config.server().is_none().then(UreqHttpClient::new),
            known: stored.version,
            guessed: Arc::clone(&guessed_version),
        };
        let mut bot = Bot::builder()
            .with_backend(stored.store)
            .with_transport_factory(Dial::new(config.server(), tell.clone(), Arc::clone(&behind))?)
            .with_http_client(web)
            .with_inbound_durability_hook(Hook { intake: Arc::clone(intake), tell: tell.clone(), behind })
            // A phone accepts a pairing code only from a browser that it knows.
            .with_device_props(DevicePropsOverride::new().with_os(DEVICE_NAME).with_platform_type(PlatformType::CHROME))
            .skip_history_sync();
        if config.server().is_some() {
            bot = bot.with_version(stored.version);
        }
        #[cfg(feature = "fake-peers")]
        if let Some(fake) = &config.fake {
            bot = bot.with_runtime(fake.clone());
        }
        let bot = bot.build().await.context("build the WhatsApp client")?;
        let client = bot.client();
        client.subscribe_handler(Arc::new(Events(tell))).detach();

        Ok(Session {
            config: config.clone(),
            client,
            handle: bot.spawn(),
            happenings,
            intake: Arc::clone(intake),
            outbound: Outbound::default(),
            guessed_version,
            pairing: (!stored.is_linked).then(|| Pairing { phone, ..Pairing::default() }),
            connected_at: None,
            failures: 0,
            offline: None,
            redeliver: None,
            redelivery: REDELIVERY[0],
            not_kept_at: None,
        })
    }

    pub fn is_pairing(&self) -> bool {
        self.pairing.is_some()
    }

    /// Runs until the session ends. Nothing is lost when this is dropped.
    pub async fn live(&mut self, voice: &mut Voice, names_at: &mut Option<Instant>) -> End {
        let patience = self.config.pause(outbound::PATIENCE);
        loop {
            let code_ends = self.pairing.as_ref().and_then(|pairing| pairing.code_ends);
            let timer = [self.offline.map(|(at, _)| at), self.redeliver, code_ends].into_iter().flatten().min();
            let end = tokio::select! {
                biased;
                Some(happening) = self.happenings.recv() => self.hear(happening, voice, names_at),
                answer = self.outbound.next(&self.client, patience) => {
                    voice.say(answer);
                    None
                }
                () = until(timer) => self.time(Instant::now(), voice),
                () = &mut self.handle => Some(End::Unexplained),
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    fn hear(&mut self, happening: Happening, voice: &mut Voice, names_at: &mut Option<Instant>) -> Option<End> {
        match happening {
            Happening::Library(event) => return self.event(&event, voice, names_at),
            Happening::Attempt => {
                self.offline = None;
                // Its own word for it: after pairing the attempt may be heard of before the success.
                voice.link(if self.client.pn().is_none() { Link::Starting } else { Link::Connecting });
            }
            Happening::Down => self.down(voice),
            Happening::NotKept => self.not_kept(),
        }
        None
    }

    fn event(&mut self, event: &Event, voice: &mut Voice, names_at: &mut Option<Instant>) -> Option<End> {
        match event {
            Event::Connected(_) => {
                info!("Connected to WhatsApp");
                self.connected_at = Some(Instant::now());
                self.offline = None;
                self.connected(voice);
                if names_at.is_none_or(|at| at.elapsed() >= NAMES) {
                    *names_at = Some(Instant::now());
                    self.sync_groups(voice);
                }
            }
            Event::SelfPushNameUpdated(_) if self.connected_at.is_some() => self.connected(voice),
            Event::ServerAck(ack) => self.outbound.acked(ack),
            Event::GroupUpdate(update) => {
                if let GroupNotificationAction::Subject { subject, .. } = &update.action {
                    voice.groups(vec![(name_of(&update.group_jid), subject.clone())]);
                }
            }
            Event::Messages(batch) if !batch.hook_committed => self.keep(batch),
            Event::UndecryptableMessage(message) => debug!(id = %message.info.id, "a message can't be decrypted yet"),
            Event::Disconnected(disconnected) => debug!("disconnected from WhatsApp: {}", disconnected.reason),
            _ => {
                if let Some(link) = link::last_state(event, Timestamp::now()) {
                    voice.link(link);
                    return Some(End::Said);
                }
                return self.pairing_event(event, voice);
            }
        }
        None
    }

    fn pairing_event(&mut self, event: &Event, voice: &mut Voice) -> Option<End> {
        let pairing = self.pairing.as_mut()?;
        match event {
            Event::PairSuccess(_) => {
                self.pairing = None;
                voice.link(Link::Connecting);
                return None;
            }
            Event::PairError(error) => warn!("linking failed: {}", error.error),
            Event::PairingQrCode(qr) => {
                pairing.qr = link::qr_code(&qr.code, qr.timeout).inspect_err(|err| warn!("{err:#}")).ok();
                if let (Some(phone), false) = (&pairing.phone, pairing.asked) {
                    pairing.asked = true;
                    ask_for_code(Arc::clone(&self.client), phone.clone());
                }
            }
            Event::PairingQrCodesExhausted(exhausted) => {
                pairing.qr = None;
                if exhausted.disconnected {
                    pairing.code = None;
                    self.show_codes(voice);
                    return Some(End::Said);
                }
            }
            Event::PairingCode(code) => {
                pairing.code = link::after(code.timeout).zip(pairing.phone.as_ref()).map(|(expires_at, phone)| {
                    PairingCode { code: code.code.clone(), phone: format!("+{phone}"), expires_at }
                });
                pairing.code_ends = Some(Instant::now() + self.config.pause(code.timeout));
            }
            Event::PairingCodeRefresh(_) => {
                pairing.code = None;
                if let Some(phone) = &pairing.phone {
                    ask_for_code(Arc::clone(&self.client), phone.clone());
                }
            }
            Event::PairingCodeError(error) => {
                pairing.code = None;
                warn!(rejection = ?error.rejection, "WhatsApp gave no pairing code");
            }
            _ => return None,
        }
        self.show_codes(voice);
        None
    }

    fn show_codes(&self, voice: &mut Voice) {
        if let Some(Pairing { qr, code, .. }) = &self.pairing {
            voice.link(Link::Pairing { qr: qr.clone(), code: code.clone() });
        }
    }

    fn connected(&self, voice: &mut Voice) {
        let jid = self.client.pn().map(|jid| jid.to_non_ad_string()).unwrap_or_default();
        voice.link(Link::Connected { jid, push_name: self.client.push_name() });
        let client = Arc::clone(&self.client);
        // M10
        tokio::spawn(async move { client.presence().set_available().await.inspect_err(|err| debug!("{err}")) });
    }

    fn down(&mut self, voice: &Voice) {
        self.outbound.give_up(voice);
        if self.connected_at.take().is_some_and(|at| at.elapsed() >= self.config.pause(STABLE)) {
            self.failures = 0;
        }
        let now = Instant::now();
        let wait = self.config.pause(link::backoff(self.failures));
        self.offline = Some((now + self.config.pause(GRACE), link::after(wait)));
        self.failures = self.failures.saturating_add(1);
        if let Some(pairing) = &mut self.pairing {
            // The codes were this connection's: whoever used one now would wait for nothing (W1).
            *pairing = Pairing { phone: pairing.phone.take(), ..Pairing::default() };
        }
        if self.guessed_version.swap(false, Ordering::Relaxed) {
            let client = Arc::clone(&self.client);
            tokio::spawn(async move {
                client.persistence_manager().modify_device(|device| device.app_version_last_fetched_ms = 0).await;
            });
        }
    }

    /// WhatsApp delivers again after the next connect, so there must be one. Not at once: a full disk stays full.
    fn not_kept(&mut self) {
        let [first, longest] = REDELIVERY.map(|wait| self.config.pause(wait));
        let again = self.not_kept_at.replace(Instant::now()).is_some_and(|at| at.elapsed() < longest * 2);
        if self.redeliver.is_none() {
            self.redelivery = if again { (self.redelivery * 2).min(longest) } else { first };
            self.redeliver = Some(Instant::now() + self.redelivery);
        }
    }

    fn time(&mut self, now: Instant, voice: &mut Voice) -> Option<End> {
        if let Some((_, retry_at)) = self.offline.take_if(|(at, _)| *at <= now) {
            voice.link(Link::Offline { retry_at });
        }
        if self.redeliver.take_if(|at| *at <= now).is_some() && self.connected_at.is_some() {
            let client = Arc::clone(&self.client);
            tokio::spawn(async move { client.reconnect_immediately().await });
        }
        let pairing = self.pairing.as_mut()?;
        if pairing.code_ends.take_if(|at| *at <= now).is_some() {
            pairing.code = None;
            let over = pairing.qr.is_none();
            self.show_codes(voice);
            return over.then_some(End::Said);
        }
        None
    }

    /// Messages that the hook never sees: those that our own phone had to send again. There is no acknowledgement to
    /// hold back, so a failure is all that can be told.
    fn keep(&self, batch: &MessageBatch) {
        let (client, intake) = (Arc::clone(&self.client), Arc::clone(&self.intake));
        let messages = Arc::clone(&batch.messages);
        tokio::spawn(async move {
            if let Err(err) = inbound::keep(&client, intake.as_ref(), &messages).await {
                warn!("messages could not be kept: {err:#}");
            }
        });
    }

    pub fn send(&mut self, id: String, chat: chat::Jid, text: String, voice: &Voice) {
        if self.connected_at.is_some() {
            self.outbound.push(&self.client, self.config.pause(outbound::PATIENCE), id, chat, text);
        } else {
            voice.not_sent(id, "WhatsApp is not connected");
        }
    }

    /// M10: whether it arrives never matters.
    pub fn composing(&self, chat: &chat::Jid, on: bool) {
        let Ok(to) = chat.as_str().parse::<Jid>() else { return };
        if self.connected_at.is_none() {
            return;
        }
        let client = Arc::clone(&self.client);
        tokio::spawn(async move {
            let state = client.chatstate();
            let sent = if on { state.send_composing(&to).await } else { state.send_paused(&to).await };
            sent.inspect_err(|err| debug!("{err}"))
        });
    }

    pub fn sync_groups(&self, voice: &Voice) {
        let (client, events) = (Arc::clone(&self.client), voice.events());
        tokio::spawn(async move {
            match client.groups().get_participating().await {
                Ok(groups) => {
                    let names = groups.into_iter().map(|(jid, group)| (name_of(&jid), group.subject)).collect();
                    let _ = events.send(crate::ports::FromChannel::Groups(names));
                }
                Err(err) => warn!("the names of the groups can't be had: {err}"),
            }
        });
    }

    /// Tells the phone that this device goes, as far as it can be reached.
    pub async fn unlink(&mut self) {
        if timeout(UNLINKING, self.client.logout()).await.is_err() {
            warn!("WhatsApp did not confirm that this device is unlinked");
        }
    }

    /// Ends in order, within [`CLOSING`].
    pub async fn close(mut self, voice: &Voice) {
        self.outbound.give_up(voice);
        // Dropping what is left of the client after the deadline aborts it.
        if timeout(CLOSING, self.handle.shutdown()).await.is_err() {
            warn!("the WhatsApp client did not end in time");
        }
    }
}

fn name_of(jid: &Jid) -> chat::Jid {
    chat::Jid::new(jid.to_non_ad_string())
}

/// The answer comes as an event. A code that was given before would be refused beside the new one.
fn ask_for_code(client: Arc<Client>, phone: String) {
    let os = match std::env::consts::OS {
        "macos" => CompanionOs::MacOs,
        "windows" => CompanionOs::Windows,
        _ => CompanionOs::Linux,
    };
    let options = PairCodeOptions {
        phone_number: phone,
        // The device's name is no system that WhatsApp knows, and it accepts no other here.
        display_os: Some(os.wire_str().to_owned()),
        ..PairCodeOptions::default()
    };
    tokio::spawn(async move {
        client.cancel_pair_code().await;
        client.pair_with_code(options).await.map(drop).inspect_err(|_| debug!("no pairing code"))
    });
}
