//! Linking a device by QR (facts/whatsapp.md, "The fake server"): the offer of refs, the scan, the device's signature.
//! Owns what is known of devices that are not linked yet. The code way (`link_code`) ends in the same `introduce`.
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::sync::{oneshot, watch};
use wacore_binary::{Jid, Node};

use super::adv;
use super::link_code::LinkCode;
use super::passkey::Gate;
use crate::directory::{Address, Companion};
use crate::queue::{Key, Mailbox, Stanza};
use crate::server::{World, end_stream};
use crate::stanza::{USER_DOMAIN, attr, content, lock, node, stanza_id, unix_seconds};
use crate::transport::{Connection, Link};

const REFS: usize = 6;
const FIRST_REF: Duration = Duration::from_secs(60);
const NEXT_REF: Duration = Duration::from_secs(20);
/// How long the device has to sign after the phone has agreed.
const SIGN_TIME: Duration = Duration::from_secs(15);
/// The form in which newer clients wrap the QR's text.
const QR_PREFIX: &str = "https://wa.me/settings/linked_devices#";

/// A device that has connected and waits to be linked.
pub(crate) struct Offer {
    pub(crate) link: Link,
    refs: Vec<String>,
    since: Instant,
    pub(crate) link_code: Option<LinkCode>,
    /// A passkey is asked for.
    pub(crate) gate: Option<Gate>,
    introduced: Option<Introduced>,
    /// Who waits for the outcome.
    pub(crate) outcome: Option<oneshot::Sender<Result<u16>>>,
}

/// The account's word was sent; the device's signature is awaited.
struct Introduced {
    iq: String,
    address: Address,
    identity: [u8; 32],
    details: Vec<u8>,
}

/// By the device's Noise key, which the QR names.
pub(crate) type Offers = HashMap<[u8; 32], Offer>;

impl World {
    /// Sends the refs that the device makes its QR codes of.
    pub(crate) fn offer_pairing(&self, client_key: [u8; 32], link: &Link) {
        let refs: Vec<String> =
            (0..REFS).map(|_| format!("2@{}", BASE64_STANDARD.encode(rand::random::<[u8; 32]>()))).collect();
        let nodes = refs.iter().map(|reference| node("ref").bytes(reference.as_bytes()).build());
        let iq = node("iq")
            .attr("from", USER_DOMAIN)
            .attr("type", "set")
            .attr("id", stanza_id())
            .attr("xmlns", "md")
            .children([node("pair-device").children(nodes).build()])
            .build();
        let offer = Offer {
            link: link.clone(),
            refs,
            since: Instant::now(),
            link_code: None,
            gate: None,
            introduced: None,
            outcome: None,
        };
        lock(&self.offers).insert(client_key, offer);
        link.send(&iq);
    }

    /// The account's phone scans a QR code. Returns the linked device's number. Errors: not a QR code of a device that
    /// waits here, or the device's signature is wrong or does not come.
    pub(crate) async fn scan(&self, pn: &str, qr: &str) -> Result<u16> {
        let qr = qr.trim();
        let parts: Vec<&str> = qr.strip_prefix(QR_PREFIX).unwrap_or(qr).split(',').collect();
        let [reference, noise_key, identity, secret, ..] = parts.as_slice() else {
            return Err(anyhow!("a QR code's text has at least four parts, this has {}", parts.len()));
        };
        let (noise_key, identity) = (key(noise_key)?, key(identity)?);
        let secret = BASE64_STANDARD.decode(secret).context("the secret is not base64")?;
        let outcome = self.await_outcome(&noise_key, |offer| {
            let place =
                offer.refs.iter().position(|known| known == reference).context("this QR code is not valid here")?;
            ensure!(offer.since.elapsed() < lifetime(place), "this QR code has expired");
            Ok(())
        })?;
        self.introduce(pn, noise_key, &identity, &secret)?;
        outcome.finish().await
    }

    /// Registers interest in how the pairing of the device with this Noise key ends.
    pub(crate) fn await_outcome(
        &self,
        noise_key: &[u8; 32],
        check: impl FnOnce(&mut Offer) -> Result<()>,
    ) -> Result<Outcome> {
        let mut offers = lock(&self.offers);
        let offer = offers.get_mut(noise_key).context("the device is not connected, or it is linked already")?;
        check(offer)?;
        let (sender, receiver) = oneshot::channel();
        offer.outcome = Some(sender);
        Ok(Outcome(receiver))
    }

    /// Tells the device whose it is, at once or when it has shown a passkey of the account.
    pub(crate) fn introduce(&self, pn: &str, noise_key: [u8; 32], identity: &[u8; 32], secret: &[u8]) -> Result<()> {
        if !lock(&self.directory).account(pn)?.wants_passkey {
            return self.send_introduction(pn, noise_key, identity, secret);
        }
        let mut offers = lock(&self.offers);
        self.ask_for_passkey(pn, offers.get_mut(&noise_key).context("the device has gone")?);
        Ok(())
    }

    /// Tells the device whose it is; it answers with its signature.
    pub(super) fn send_introduction(
        &self,
        pn: &str,
        noise_key: [u8; 32],
        identity: &[u8; 32],
        secret: &[u8],
    ) -> Result<()> {
        let (phone, lid, device) = {
            let mut directory = lock(&self.directory);
            let device = directory.reserve_device(pn)?;
            let account = directory.account(pn)?;
            (account.phone.clone(), account.lid.clone(), device)
        };
        let introduction = adv::introduce(&phone, u32::from(device), identity, secret)?;
        let address = Address { pn: pn.to_owned(), device };
        let iq = stanza_id();
        let success = node("pair-success").children([
            node("device-identity").bytes(introduction.envelope).build(),
            node("device").attr("jid", address.jid()).attr("lid", Jid::lid_device(lid, device)).build(),
            node("platform").attr("name", "android").build(),
        ]);
        let stanza = node("iq")
            .attr("from", USER_DOMAIN)
            .attr("type", "set")
            .attr("id", iq.clone())
            .attr("t", unix_seconds())
            .children([success.build()])
            .build();
        let mut offers = lock(&self.offers);
        let offer = offers.get_mut(&noise_key).context("the device has gone")?;
        offer.introduced = Some(Introduced { iq, address, identity: *identity, details: introduction.details });
        offer.link.send(&stanza);
        Ok(())
    }

    /// The device's answer to `pair-success`: links it and asks it to log in, or turns it away.
    pub(crate) fn on_pairing_answer(&self, connection: &Connection, answer: &Node) -> Result<()> {
        let (introduced, outcome) = {
            let mut offers = lock(&self.offers);
            let Some(offer) = offers.get_mut(&connection.client_key) else { return Ok(()) };
            let id = attr(answer, "id");
            let Some(introduced) = offer.introduced.take_if(|introduced| introduced.iq == id) else { return Ok(()) };
            (introduced, offer.outcome.take())
        };
        let result = match attr(answer, "type").as_str() {
            "result" => self.link_device(connection.client_key, introduced, answer),
            _ => Err(anyhow!("the device refused")),
        };
        if let Err(error) = &result
            && attr(answer, "type") == "result"
        {
            self.violated(None, error);
        }
        end_stream(&connection.link, Some(if result.is_ok() { 515 } else { 401 }), None);
        if let Some(outcome) = outcome {
            let _ = outcome.send(result);
        }
        Ok(())
    }

    fn link_device(&self, noise_key: [u8; 32], introduced: Introduced, answer: &Node) -> Result<u16> {
        let Introduced { address, identity, details, .. } = introduced;
        let signed = answer
            .get_optional_child("pair-device-sign")
            .and_then(|sign| sign.get_optional_child("device-identity"))
            .context("the device has not signed")?;
        let phone = lock(&self.directory).account(&address.pn)?.phone.clone();
        let device_identity = adv::accept(&phone, &identity, &details, &content(Some(signed)))?;
        let device = address.device;
        let companion = Companion {
            key_index: u32::from(device),
            address,
            identity,
            device_identity,
            keys: Mutex::new(None),
            uploaded: watch::Sender::new(false),
            mailbox: Arc::new(Mailbox::new()),
        };
        let pn = companion.address.pn.clone();
        lock(&self.directory).link(Arc::new(companion), noise_key)?;
        self.tell_devices(&pn, device);
        Ok(device)
    }

    /// Tells the account's devices, but for the one that has come or gone, which devices there are now.
    pub(crate) fn tell_devices(&self, pn: &str, except: u16) {
        let directory = lock(&self.directory);
        let Ok(account) = directory.account(pn) else { return };
        let phone = node("device").attr("jid", account.phone.address.jid()).build();
        let linked = account.companions.values().map(|companion| {
            node("device").attr("jid", companion.address.jid()).attr("key-index", companion.key_index).build()
        });
        let devices =
            node("devices").attr("dhash", "2:abcdefgh").children(std::iter::once(phone).chain(linked)).build();
        for companion in account.companions.values().filter(|companion| companion.address.device != except) {
            let id = stanza_id();
            let notification = node("notification")
                .attr("from", account.phone.address.jid())
                .attr("type", "account_sync")
                .attr("id", id.as_str())
                .attr("t", unix_seconds())
                .children([devices.clone()])
                .build();
            let key = Key { class: "notification", sender: account.phone.address.jid().to_string(), id };
            companion.mailbox.put(Stanza::new(key, notification));
        }
    }

    /// Forgets the offer of a connection that has ended.
    pub(crate) fn end_pairing(&self, connection: &Connection) {
        let mut offers = lock(&self.offers);
        if offers.get(&connection.client_key).is_some_and(|offer| offer.link.is(&connection.link)) {
            offers.remove(&connection.client_key);
        }
    }
}

/// The end of a pairing that is under way.
pub(crate) struct Outcome(oneshot::Receiver<Result<u16>>);

impl Outcome {
    pub(crate) async fn finish(self) -> Result<u16> {
        match tokio::time::timeout(SIGN_TIME, self.0).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(anyhow!("the device has hung up")),
            Err(_) => Err(anyhow!("the device did not answer in {} s", SIGN_TIME.as_secs())),
        }
    }
}

/// How long after the offer a device may show its ref in this place: the first for a minute, each other for 20 s.
fn lifetime(place: usize) -> Duration {
    FIRST_REF + NEXT_REF * u32::try_from(place).unwrap_or(u32::MAX)
}

fn key(base64: &str) -> Result<[u8; 32]> {
    let bytes = BASE64_STANDARD.decode(base64).context("a key is not base64")?;
    bytes.try_into().map_err(|bytes: Vec<u8>| anyhow!("a key is {} bytes long, not 32", bytes.len()))
}
