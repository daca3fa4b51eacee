//! One connection to WhatsApp, from its first attempt to its end: the library's events and silences become link states (W5).
//!
//! The library's own way to connect again is switched off: it tries too often for hours (W6), holds on to a connection that a
//! sleep has killed, and takes a backlog that stopped half way for whole. So each connection is a client of its own. Only
//! `whatsapp::Channel` opens and closes sessions; one that has ended is never used again.

use std::{
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use nanoclaw_core::{chat, link::Link};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tracing::{debug, info, warn};
use whatsapp_rust::{
    Client, Jid,
    bot::{Bot, BotHandle},
    http::UreqHttpClient,
    types::events::{Event, EventHandler, EventInterest, EventKind, MessageBatch},
    wacore::{
        iq::devices::RemoveCompanionDeviceSpec, stanza::groups::GroupNotificationAction, store::DevicePropsOverride,
    },
    wacore_binary::JidExt as _,
    waproto::whatsapp::device_props::PlatformType,
};

use super::{
    Config, DEVICE_NAME, auth,
    backlog::{self, Backlog, Unfinished},
    inbound::{self, Hook},
    lids::Lids,
    link,
    memory::Memory,
    outbound::{self, Outbound},
    pairing::Pairing,
    transport::{Dial, Web},
    until,
    voice::Voice,
};
use crate::ports::{FromChannel, Intake};

/// How long an attempt to connect may take; the library's own limits add up to 40 s.
const CONNECTING: Duration = Duration::from_secs(45);

/// How long WhatsApp may be silent while it hands the backlog out.
const QUIET: Duration = Duration::from_secs(30);

/// How long after the backlog the account's state may take; after pairing the library waits for it (facts, pitfall 5).
const SETTLING: Duration = Duration::from_secs(200);

/// A connection that lasted this long was a good one, and is sought again at once.
const HELD: Duration = Duration::from_secs(30);

/// How long unlinking at the phone's side may take.
const UNLINKING: Duration = Duration::from_secs(5);

/// Between connects that only serve to have messages delivered again (M12).
const REDELIVERY: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(300)];

/// M11: how long after a failure the names of the groups are asked for again.
const NAMES_AGAIN: Duration = Duration::from_secs(60);

const INTEREST: [EventKind; 23] = [
    EventKind::Connected,
    EventKind::OfflineSyncPreview,
    EventKind::OfflineSyncCompleted,
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
    EventKind::Messages,
    EventKind::UndecryptableMessage,
    EventKind::ServerAck,
    EventKind::GroupUpdate,
    EventKind::SelfPushNameUpdated,
];

/// What a session hears, in order.
pub(super) enum Happening {
    Library(Arc<Event>),
    /// The intake did not keep a batch.
    NotKept,
    /// The names of the groups came, or did not.
    Names {
        came: bool,
    },
}

/// How a session ended by itself.
#[derive(Debug)]
pub(super) enum End {
    /// It does not come back by itself; the state says why.
    Final(Link),
    /// The connection never came, or was lost after it had held for a while or not.
    Lost { held: bool },
    /// Another connection is wanted at once.
    Again,
}

/// What one session leaves to the next.
pub(super) struct Carried {
    /// For whom a pairing code is wanted, E.164 digits.
    pub phone: Option<String>,
    pub memory: Memory,
    unfinished: Unfinished,
    redelivery: Duration,
    not_kept_at: Option<Instant>,
}

impl Carried {
    pub fn new(memory: Memory) -> Self {
        let [redelivery, _] = REDELIVERY;
        Carried { phone: None, memory, unfinished: Unfinished::default(), redelivery, not_kept_at: None }
    }
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
    tell: mpsc::UnboundedSender<Happening>,
    intake: Arc<dyn Intake>,
    outbound: Outbound,
    lids: Lids,
    doubtful_version: Arc<AtomicBool>,
    /// Until a phone has linked this device.
    pairing: Option<Pairing>,
    /// A phone had linked this device before this session.
    was_linked: bool,
    backlog: Backlog,
    ready: bool,
    /// When the link was shown as connected.
    connected_at: Option<Instant>,
    /// When WhatsApp has been silent for too long.
    stalls_at: Option<Instant>,
    redeliver: Option<Instant>,
    names_due: Option<Instant>,
}

impl Session {
    /// Builds a client on the sign-in and lets it connect.
    ///
    /// # Errors
    /// When the sign-in can't be opened.
    pub async fn open(config: &Config, intake: &Arc<dyn Intake>, carried: &Carried) -> Result<Self> {
        let stored = auth::open(&config.auth).await?;
        let (tell, happenings) = mpsc::unbounded_channel();
        let doubtful_version = Arc::new(AtomicBool::new(false));

        let web = Web {
            client: config.server().is_none().then(UreqHttpClient::new),
            known: stored.version,
            guessed: Arc::clone(&doubtful_version),
        };
        let mut bot = Bot::builder()
            .with_backend(stored.store)
            .with_transport_factory(Dial::new(config.server())?)
            .with_http_client(web)
            .with_inbound_durability_hook(Hook::new(Arc::clone(intake), tell.clone()))
            // A phone accepts a pairing code only from a browser that it knows.
            .with_device_props(DevicePropsOverride::new().with_os(DEVICE_NAME).with_platform_type(PlatformType::CHROME))
            .skip_history_sync();
        if config.server().is_some() {
            bot = bot.with_version(stored.version);
        }
        #[cfg(feature = "fake-peers")]
        if let Some(fake) = &config.fake {
            bot = bot.with_runtime(fake.clock(stored.is_linked));
        }
        let bot = bot.build().await.context("build the WhatsApp client")?;
        let client = bot.client();
        client.enable_auto_reconnect.store(false, Ordering::SeqCst);
        client.subscribe_handler(Arc::new(Events(tell.clone()))).detach();

        let opened_at = Instant::now();
        let wait = if carried.unfinished.is_enough() { CONNECTING + backlog::LONGEST } else { CONNECTING };
        Ok(Session {
            config: config.clone(),
            client,
            handle: bot.spawn(),
            happenings,
            tell,
            intake: Arc::clone(intake),
            outbound: Outbound::default(),
            lids: Lids::default(),
            doubtful_version,
            pairing: (!stored.is_linked).then(Pairing::default),
            was_linked: stored.is_linked,
            backlog: Backlog::new(opened_at),
            ready: false,
            connected_at: None,
            stalls_at: Some(opened_at + config.limit(wait)),
            redeliver: None,
            names_due: None,
        })
    }

    pub fn is_pairing(&self) -> bool {
        self.pairing.is_some()
    }

    /// Runs until the session ends. Nothing is lost when this is dropped.
    pub async fn live(&mut self, voice: &mut Voice, carried: &mut Carried) -> End {
        let patience = self.config.limit(outbound::PATIENCE);
        loop {
            let code_ends = self.pairing.as_ref().and_then(Pairing::code_ends);
            let timers = [self.stalls_at, self.backlog.read_by(), self.redeliver, self.names_due, code_ends];
            let timer = timers.into_iter().flatten().min();
            let end = tokio::select! {
                biased;
                Some(happening) = self.happenings.recv() => self.hear(happening, voice, carried),
                answer = self.outbound.next(&self.client, patience) => {
                    voice.say(answer);
                    None
                }
                () = until(timer) => self.time(Instant::now(), voice, carried),
                () = &mut self.handle => Some(self.lost()),
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    fn lost(&self) -> End {
        // Right after linking WhatsApp ends the connection, and wants another. That may be heard of before the success.
        if !self.was_linked && self.client.pn().is_some() {
            return End::Again;
        }
        End::Lost { held: self.connected_at.is_some_and(|at| at.elapsed() >= self.config.pause(HELD)) }
    }

    fn hear(&mut self, happening: Happening, voice: &mut Voice, carried: &mut Carried) -> Option<End> {
        match happening {
            Happening::Library(event) => {
                self.heard(&event, carried);
                return self.event(&event, voice, carried);
            }
            Happening::NotKept => self.not_kept(carried),
            Happening::Names { came } => {
                if came {
                    carried.memory.change(|facts| facts.names_at = Some(Timestamp::now()));
                }
                let wait = if came { self.config.day() } else { self.config.pause(NAMES_AGAIN) };
                self.names_due = Some(Instant::now() + wait);
            }
        }
        None
    }

    /// WhatsApp is not silent: how long it may be from here on.
    fn heard(&mut self, event: &Event, carried: &Carried) {
        self.backlog.heard(event, &self.config);
        let wait = match () {
            () if self.connected_at.is_some() || self.redeliver.is_some() => None,
            () if self.pairing.is_some() => matches!(event, Event::PairSuccess(_)).then_some(CONNECTING),
            () if self.backlog.is_handed_out() => Some(SETTLING),
            () if carried.unfinished.is_enough() => Some(backlog::LONGEST + QUIET),
            () => Some(QUIET),
        };
        self.stalls_at = wait.map(|wait| Instant::now() + self.config.limit(wait));
    }

    fn event(&mut self, event: &Event, voice: &mut Voice, carried: &mut Carried) -> Option<End> {
        match event {
            Event::OfflineSyncPreview(preview) => self.backlog.announced(preview.total, preview.messages),
            Event::OfflineSyncCompleted(completed) => {
                if self.backlog.is_whole(completed, &self.config) {
                    carried.unfinished = Unfinished::default();
                } else {
                    warn!("WhatsApp did not hand out all that came meanwhile");
                    carried.unfinished.count(&self.backlog);
                    if !carried.unfinished.is_enough() {
                        return Some(End::Again);
                    }
                }
                self.backlog.hand_out(&self.config);
                self.settled(voice, carried);
            }
            Event::Connected(_) => {
                self.ready = true;
                self.settled(voice, carried);
            }
            Event::SelfPushNameUpdated(_) if self.connected_at.is_some() => self.connected(voice),
            Event::ServerAck(ack) => self.outbound.acked(ack),
            Event::GroupUpdate(update) => match &update.action {
                GroupNotificationAction::Subject { subject, .. } => {
                    voice.groups(vec![(name_of(&update.group_jid), subject.clone())]);
                }
                action if is_new(action, &[self.client.pn(), self.client.lid()]) => {
                    self.names_due = Some(Instant::now());
                }
                _ => {}
            },
            Event::Messages(batch) => {
                if !batch.hook_committed {
                    self.keep(batch);
                }
                self.settled(voice, carried);
            }
            Event::UndecryptableMessage(message) => {
                debug!(id = %message.info.id, "a message can't be decrypted yet");
                self.settled(voice, carried);
            }
            Event::PairSuccess(_) => {
                (self.pairing, carried.phone) = (None, None);
                carried.memory.change(|facts| facts.names_at = None);
                voice.link(Link::Connecting);
            }
            _ => {
                if matches!(event, Event::ClientOutdated(_)) {
                    self.doubtful_version.store(true, Ordering::Relaxed);
                }
                let pairing = self.pairing.as_mut();
                return link::last_state(event, Timestamp::now())
                    .map(End::Final)
                    .or_else(|| pairing?.event(event, &self.client, &self.config, voice, carried).map(End::Final));
            }
        }
        None
    }

    /// Connected is what has its whole backlog (W6), and only then: one that was not kept is still to come.
    fn settled(&mut self, voice: &mut Voice, carried: &mut Carried) {
        let is_whole = self.ready && self.backlog.is_read() && self.redeliver.is_none();
        if !is_whole || self.connected_at.is_some() {
            return;
        }
        info!("Connected to WhatsApp");
        (self.connected_at, self.stalls_at) = (Some(Instant::now()), None);
        self.backlog.settled();
        self.connected(voice);
        let due = Instant::now() + self.names_due_in(carried);
        self.names_due = Some(self.names_due.map_or(due, |before| before.min(due)));
    }

    fn connected(&self, voice: &mut Voice) {
        let jid = self.client.pn().map(|jid| jid.to_non_ad_string()).unwrap_or_default();
        voice.link(Link::Connected { jid, push_name: self.client.push_name() });
        let client = Arc::clone(&self.client);
        // M10
        tokio::spawn(async move { client.presence().set_available().await.inspect_err(|err| debug!("{err}")) });
    }

    /// M11: by the clock on the wall, as a day is one also for a computer that sleeps.
    fn names_due_in(&self, carried: &Carried) -> Duration {
        let since = carried.memory.names_at.map(|at| Timestamp::now().duration_since(at));
        let since = since.and_then(|since| Duration::try_from(since).ok());
        since.map(|since| self.config.day().saturating_sub(since)).unwrap_or_default()
    }

    /// WhatsApp delivers again after the next connect, so there must be one. Not at once: a full disk stays full.
    fn not_kept(&mut self, carried: &mut Carried) {
        let [first, longest] = REDELIVERY.map(|wait| self.config.pause(wait));
        let again = carried.not_kept_at.replace(Instant::now()).is_some_and(|at| at.elapsed() < longest * 2);
        if self.redeliver.is_none() {
            carried.redelivery = if again { (carried.redelivery * 2).min(longest) } else { first };
            self.redeliver = Some(Instant::now() + carried.redelivery);
        }
        // Nothing but the next connect is waited for.
        self.stalls_at = None;
    }

    fn time(&mut self, now: Instant, voice: &mut Voice, carried: &mut Carried) -> Option<End> {
        if self.stalls_at.take_if(|at| *at <= now).is_some() {
            warn!("WhatsApp does not answer");
            // What was never reached says nothing about backlogs.
            if self.client.is_logged_in() {
                carried.unfinished.count(&self.backlog);
            }
            return Some(End::Lost { held: false });
        }
        if self.backlog.time(now) {
            self.settled(voice, carried);
        }
        if self.redeliver.take_if(|at| *at <= now).is_some() {
            return Some(End::Again);
        }
        if self.names_due.take_if(|at| *at <= now).is_some() {
            self.sync_groups(voice);
        }
        self.pairing.as_mut()?.time(now, voice).map(End::Final)
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
            self.outbound.push(&self.client, self.config.limit(outbound::PATIENCE), id, chat, text);
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
        let (client, events, tell) = (Arc::clone(&self.client), voice.events(), self.tell.clone());
        tokio::spawn(async move {
            let names = client.groups().get_participating().await;
            let _ = tell.send(Happening::Names { came: names.is_ok() });
            match names {
                Ok(groups) => {
                    let names = groups.into_iter().map(|(jid, group)| (name_of(&jid), group.subject)).collect();
                    let _ = events.send(FromChannel::Groups(names));
                }
                Err(err) => warn!("the names of the groups can't be had: {err}"),
            }
        });
    }

    pub fn ask_lids(&mut self, numbers: &[chat::Jid], voice: &Voice) {
        if self.connected_at.is_some() {
            self.lids.ask(&self.client, numbers, voice.events());
        }
    }

    /// Takes this device off the phone's list: whether WhatsApp has confirmed it, which the library's own way does not say.
    pub async fn unlink(&self) -> bool {
        let Some(device) = self.client.pn() else { return true };
        let answer = timeout(UNLINKING, self.client.execute(RemoveCompanionDeviceSpec::new(&device))).await;
        let told = matches!(answer, Ok(Ok(())));
        if !told {
            warn!("WhatsApp did not confirm that this device is unlinked");
        }
        told
    }

    /// Ends in order, as far as that takes no longer than `within`.
    pub async fn close(mut self, voice: &Voice, within: Duration) {
        self.outbound.give_up(voice);
        let end = async {
            if self.doubtful_version.load(Ordering::Relaxed) {
                // Or the library would keep the answer for a day.
                self.client.persistence_manager().modify_device(|device| device.app_version_last_fetched_ms = 0).await;
            }
            self.handle.shutdown().await;
        };
        // Dropping what is left of the client after the deadline aborts it.
        if timeout(within, end).await.is_err() {
            debug!("the WhatsApp client did not end in time");
        }
    }
}

/// Whether a group is one that this account was not in before; `own`: the account's addresses.
fn is_new(action: &GroupNotificationAction, own: &[Option<Jid>]) -> bool {
    match action {
        GroupNotificationAction::Create { .. } => true,
        GroupNotificationAction::Add { participants, .. } => participants.iter().any(|added| {
            let added = [Some(&added.jid), added.phone_number.as_ref(), added.lid.as_ref()];
            own.iter().flatten().any(|own| added.into_iter().flatten().any(|added| added.is_same_user_as(own)))
        }),
        _ => false,
    }
}

fn name_of(jid: &Jid) -> chat::Jid {
    chat::Jid::new(jid.to_non_ad_string())
}

#[cfg(test)]
mod tests {
    use whatsapp_rust::wacore::stanza::groups::GroupParticipantInfo;

    use super::*;

    #[test]
    fn a_group_is_new_to_those_who_came() {
        // M11
        let jid = |jid: &str| jid.parse::<Jid>().unwrap();
        let own = [Some(jid("15550001111:7@s.whatsapp.net")), Some(jid("100000000000001:7@lid"))];
        let add = |added: &str| {
            let participants = vec![GroupParticipantInfo {
                jid: jid(added),
                phone_number: None,
                display_name: None,
                r#type: None,
                lid: None,
                username: None,
                join_time: None,
                group_history_sent_state: None,
            }];
            GroupNotificationAction::Add { participants, reason: None }
        };
        for (action, expect) in [
            (add("15550001111@s.whatsapp.net"), true),
            (add("100000000000001@lid"), true),
            (add("15550002222@s.whatsapp.net"), false),
            (GroupNotificationAction::Unlocked, false),
        ] {
            assert_eq!(is_new(&action, &own), expect, "{action:?}");
        }
    }
}
