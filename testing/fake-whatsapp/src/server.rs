//! The server as its drivers see it, and the state that all parts share. `Server` owns the listener and mirrors the
//! admin calls; `World` is what connections, phones and admin calls work on. The work itself is in the other modules.
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::serve::ListenerExt as _;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use wacore_binary::{Jid, Node};
use waproto::whatsapp as wa;

use crate::admin;
use crate::content::Media;
use crate::directory::{Addressing, Companion, Directory};
use crate::faults::{Fault, Faults, LoginFailure};
use crate::groups::GroupChange;
use crate::journal::{Journal, Received};
use crate::phone::pairing::Offers;
use crate::stanza::{lock, node, unix_seconds};
use crate::transport::noise::ServerIdentity;
use crate::transport::{Connection, Link};

/// Everything that one running server knows.
pub(crate) struct World {
    pub(crate) identity: ServerIdentity,
    pub(crate) directory: Mutex<Directory>,
    pub(crate) offers: Mutex<Offers>,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    pub(crate) violations: Mutex<Vec<String>>,
    pub(crate) logins: AtomicU64,
}

/// One linked device, and whether it is logged in and takes messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompanionState {
    pub pn: String,
    pub device: u16,
    pub online: bool,
}

/// `GET /admin/state`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub companions: Vec<CompanionState>,
    /// Stanzas that no linked device of the account has acknowledged yet; accounts without any are left out.
    pub queued: BTreeMap<String, usize>,
    /// Texts that a contact's phone got again under an id that it had.
    pub duplicates: u64,
    /// Texts that a contact's phone could not open, and asked for again.
    pub undecryptable: u64,
    /// What devices did against the protocol, `account: what`; none of a client that keeps to it.
    #[serde(default)]
    pub violations: Vec<String>,
    /// How often linked devices have logged in, or tried to.
    #[serde(default)]
    pub logins: u64,
}

/// The conflict of a session that another one has taken the place of.
const REPLACED: &str = "replaced";

/// A running server. It ends, with all its connections, when it is dropped.
pub struct Server {
    world: Arc<World>,
    port: u16,
    listener: JoinHandle<()>,
}

impl Server {
    /// Listens on 127.0.0.1; port 0 takes a free one. Errors: the port is taken.
    pub async fn start(port: u16) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener =
            TcpListener::bind(address).with_context(|| format!("port {port} of this machine can't be opened"))?;
        Self::on(listener)
    }

    /// Serves a port that is open, and is so for longer if the caller has a clone of it. Runs in a Tokio runtime.
    pub fn on(listener: TcpListener) -> Result<Self> {
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let world = Arc::new(World {
            identity: ServerIdentity::generate()?,
            directory: Mutex::default(),
            offers: Mutex::default(),
            faults: Faults::default(),
            journal: Journal::new(),
            violations: Mutex::default(),
            logins: AtomicU64::default(),
        });
        let routes = admin::routes(world.clone());
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let listener = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!("the server has stopped: {error}");
            }
        });
        Ok(Self { world, port, listener })
    }

    /// Where a WhatsApp client connects.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/ws/chat", self.port)
    }

    pub fn admin_url(&self) -> String {
        format!("http://127.0.0.1:{}/admin", self.port)
    }

    /// The public root key of the certificate chain.
    pub fn root_key_hex(&self) -> String {
        hex::encode(self.world.identity.root_key())
    }

    /// Adds an account with its phone. `pn` and `lid` are digits.
    pub fn add_account(&self, pn: &str, lid: &str, push_name: &str) -> Result<()> {
        lock(&self.world.directory).add_account(pn, lid, push_name)
    }

    /// How the account's direct texts name it from now on: by number with the LID beside it, or the other way round.
    pub fn set_addressing(&self, pn: &str, addressing: Addressing) -> Result<()> {
        lock(&self.world.directory).account_mut(pn)?.addressing = addressing;
        Ok(())
    }

    /// Adds a group, or changes it. `jid` is `…@g.us`; the first member is its owner. Of a
    /// new group linked devices are told, of one in the place of another its new subject alone.
    pub fn add_group(&self, jid: &str, subject: &str, members: &[&str], addressing: Addressing) -> Result<()> {
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        self.world.put_group(jid, subject, members, addressing)
    }

    /// A member (its owner if `None`) changes a group; the devices of those who were, are or become members are told.
    pub async fn change_group(&self, jid: &str, by: Option<&str>, change: &GroupChange) -> Result<()> {
        self.world.change_group(jid, by, change).await
    }

    /// The account's phone scans a QR code's text. Returns the number of the linked device.
    pub async fn scan(&self, pn: &str, qr: &str) -> Result<u16> {
        self.world.scan(pn, qr).await
    }

    /// The code that a device shows is typed into the account's phone. Returns the number of the linked device.
    pub async fn enter_code(&self, pn: &str, code: &str) -> Result<u16> {
        self.world.enter_code(pn, code).await
    }

    /// The code that a device shows for this number is over: the phone has turned it down (`by_hand`, and the device should
    /// wait for a person before it asks for another), or it is too old.
    pub fn end_code(&self, pn: &str, by_hand: bool) -> Result<()> {
        self.world.end_code(pn, by_hand)
    }

    /// From now on devices are linked to this account with a passkey only, or again without.
    pub fn want_passkey(&self, pn: &str, wanted: bool) -> Result<()> {
        lock(&self.world.directory).account_mut(pn)?.wants_passkey = wanted;
        Ok(())
    }

    /// The code that the phone shows while a device is linked with a passkey; the device shows the same.
    pub fn passkey_code(&self, pn: &str) -> Option<String> {
        self.world.passkey_code(pn)
    }

    /// A contact writes to a number, a group's JID, or a LID's JID. Returns the message's id.
    pub async fn send(&self, from: &str, to: &str, text: &str, id: Option<&str>) -> Result<String> {
        self.world.send_message(from, to, None, text, id).await
    }

    /// A contact sends media with a caption, or without one where that is empty. Returns the message's id.
    pub async fn send_media(&self, from: &str, to: &str, media: Media, caption: &str) -> Result<String> {
        self.world.send_message(from, to, Some(media), caption, None).await
    }

    /// The owner of linked devices writes on the phone, to a number (its own for a note to self) or a group's JID.
    pub async fn own_phone(&self, owner: &str, chat: &str, text: &str, id: Option<&str>) -> Result<String> {
        self.world.send_message(owner, chat, None, text, id).await
    }

    /// What the contacts got after `since` (0 for all), waiting up to `wait` for the first item.
    pub async fn received(&self, since: u64, wait: Duration) -> Received {
        self.world.journal.received(since, wait).await
    }

    /// Orders a misfortune for the linked devices of an account.
    pub fn fault(&self, pn: &str, fault: &Fault) -> Result<()> {
        self.world.fault(pn, fault)
    }

    /// The phone unlinks all its devices.
    pub fn revoke(&self, pn: &str) -> Result<()> {
        self.world.revoke(pn)
    }

    /// Breaks the connections of the account's linked devices.
    pub fn drop_connections(&self, pn: &str) -> Result<()> {
        self.world.fault(pn, &Fault::Drop {})
    }

    pub fn state(&self) -> State {
        self.world.state()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listener.abort();
        let directory = lock(&self.world.directory);
        directory.companions().filter_map(|companion| companion.mailbox.link()).for_each(|link| link.cut());
        lock(&self.world.offers).values().for_each(|offer| offer.link.cut());
    }
}

impl World {
    /// A device has finished its handshake: it pairs, or logs in, or is refused.
    pub(crate) fn on_connect(
        &self,
        payload: &wa::ClientPayload,
        client_key: [u8; 32],
        link: &Link,
    ) -> Option<Arc<Companion>> {
        if payload.username.is_none() {
            self.offer_pairing(client_key, link);
            return None;
        }
        Journal::count(&self.logins);
        let companion = lock(&self.directory).by_noise_key(&client_key).filter(|companion| {
            let address = &companion.address;
            payload.username.is_some_and(|user| user.to_string() == address.pn)
                && payload.device.unwrap_or_default() == u32::from(address.device)
        });
        let refused = match &companion {
            Some(companion) => self.faults.next_login(&companion.address.pn),
            None => Some(LoginFailure { code: 401, expire_seconds: None }),
        };
        if let Some(failure) = refused {
            link.send(&login_failure(failure));
            link.close();
            return None;
        }
        let companion = companion?;
        if let Some(before) = companion.mailbox.attach(link.clone()) {
            end_stream(&before, None, Some(REPLACED));
        }
        link.send(&self.success(&companion)?);
        Some(companion)
    }

    fn success(&self, companion: &Companion) -> Option<Node> {
        let directory = lock(&self.directory);
        let account = directory.account(&companion.address.pn).ok()?;
        let success = node("success")
            .attr("t", unix_seconds())
            .attr("props", "27")
            .attr("companion_enc_static", "")
            .attr("lid", Jid::lid_device(account.lid.as_str(), companion.address.device))
            .attr("location", "frc")
            .attr("abprops", "1")
            .attr("display_name", account.push_name.as_str());
        Some(success.build())
    }

    pub(crate) fn on_disconnect(&self, connection: &Connection) {
        match &connection.companion {
            Some(companion) => companion.mailbox.detach(&connection.link),
            None => self.end_pairing(connection),
        }
    }

    pub(crate) fn fault(&self, pn: &str, fault: &Fault) -> Result<()> {
        let companions = {
            let directory = lock(&self.directory);
            directory.account(pn)?;
            directory.companions_of(pn)
        };
        let now = self.faults.order(pn, fault)?;
        for link in companions.iter().filter(|_| now).filter_map(|companion| companion.mailbox.link()) {
            match fault {
                Fault::EndStream { code: None, conflict: None } => link.close(),
                Fault::EndStream { code, conflict } => end_stream(&link, *code, conflict.as_deref()),
                Fault::Replace {} => end_stream(&link, None, Some(REPLACED)),
                Fault::Silence { ms } => link.silence(ms.map(Duration::from_millis)),
                _ => link.cut(),
            }
        }
        Ok(())
    }

    pub(crate) fn revoke(&self, pn: &str) -> Result<()> {
        let addresses: Vec<_> = {
            let directory = lock(&self.directory);
            directory.account(pn)?.companions.values().map(|companion| companion.address.clone()).collect()
        };
        for address in addresses {
            let unlinked = lock(&self.directory).unlink(&address);
            if let Some(link) = unlinked.and_then(|companion| companion.mailbox.link()) {
                end_stream(&link, Some(401), Some("device_removed"));
            }
        }
        Ok(())
    }

    pub(crate) fn state(&self) -> State {
        let directory = lock(&self.directory);
        let mut companions = Vec::new();
        let mut queued = BTreeMap::new();
        for companion in directory.companions() {
            let Companion { address, mailbox, .. } = companion.as_ref();
            companions.push(CompanionState {
                pn: address.pn.clone(),
                device: address.device,
                online: mailbox.is_online(),
            });
            if mailbox.len() > 0 {
                *queued.entry(address.pn.clone()).or_default() += mailbox.len();
            }
        }
        companions.sort_by(|a, b| (&a.pn, a.device).cmp(&(&b.pn, b.device)));
        State {
            companions,
            queued,
            duplicates: self.journal.duplicates.load(Ordering::Relaxed),
            undecryptable: self.journal.undecryptable.load(Ordering::Relaxed),
            violations: lock(&self.violations).clone(),
            logins: self.logins.load(Ordering::Relaxed),
        }
    }
}

/// Says why the stream ends (facts/whatsapp.md), and ends it.
pub(crate) fn end_stream(link: &Link, code: Option<u16>, conflict: Option<&str>) {
    let error = code.into_iter().fold(node("stream:error"), |error, code| error.attr("code", u32::from(code)));
    let conflict = conflict.map(|kind| node("conflict").attr("type", kind).build());
    link.send(&error.children(conflict).build());
    link.close();
}

fn login_failure(failure: LoginFailure) -> Node {
    let node = node("failure").attr("reason", u32::from(failure.code)).attr("location", "frc");
    match failure.expire_seconds {
        Some(seconds) => node.attr("code", "101").attr("expire", seconds).build(),
        None => node.build(),
    }
}
