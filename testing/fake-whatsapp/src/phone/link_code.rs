//! Linking a device by an eight-letter code: the device and the phone agree on a secret under the code, which then takes
//! the place of the QR's. Owns the crypto of that exchange; the rest is `pairing`.
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use hkdf::Hkdf;
use sha2::Sha256;
use wacore::pair_code::PairCodeUtils;
use wacore_binary::{Jid, Node};
use wacore_libsignal::protocol::KeyPair;

use super::Phone;
use crate::device::public_key;
use crate::server::World;
use crate::stanza::{USER_DOMAIN, attr, content, lock, node, rng, stanza_id, unix_seconds};
use crate::transport::Connection;

/// How long a code can be typed in.
const CODE_TIME: Duration = Duration::from_secs(180);

/// What the device has asked for, and what the phone has answered.
pub(crate) struct LinkCode {
    pn: String,
    reference: Vec<u8>,
    /// The device's ephemeral key, encrypted under the code.
    wrapped: Vec<u8>,
    since: Instant,
    agreed: Option<Agreed>,
}

/// Both ephemeral keys, once the code was typed in.
struct Agreed {
    phone: KeyPair,
    device: [u8; 32],
}

impl World {
    /// The code is typed into the account's phone. Returns the linked device's number. Errors: no device asked for this
    /// number, or the code is wrong or too old.
    pub(crate) async fn enter_code(&self, pn: &str, code: &str) -> Result<u16> {
        let code: String = code.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
        let phone = lock(&self.directory).account(pn)?.phone.clone();
        let (noise_key, wrapped) = {
            let offers = lock(&self.offers);
            let asked = |code: &LinkCode| code.pn == pn;
            let waiting = offers.iter().find(|(_, offer)| offer.link_code.as_ref().is_some_and(asked));
            let (key, offer) = waiting.with_context(|| format!("no device has asked for a code for {pn}"))?;
            let link_code = offer.link_code.as_ref().context("the device has asked for another code")?;
            ensure!(link_code.since.elapsed() < CODE_TIME, "the code has expired");
            (*key, link_code.wrapped.clone())
        };
        // Deriving the key from the code is slow on purpose, so no lock is held over it.
        let (agreed, answer) = tokio::task::spawn_blocking(move || agree(&wrapped, &code)).await??;
        let outcome = self.await_outcome(&noise_key, |offer| {
            let link_code = offer.link_code.as_mut().context("the device has asked for another code")?;
            link_code.agreed = Some(agreed);
            offer.link.send(&primary_hello(&phone, &link_code.reference, answer));
            Ok(())
        })?;
        outcome.finish().await
    }

    /// The code that a device shows for this number is over: the phone has turned it down (`by_hand`), or it is too old.
    /// Errors: no device shows one.
    pub(crate) fn end_code(&self, pn: &str, by_hand: bool) -> Result<()> {
        let mut offers = lock(&self.offers);
        let shown = offers.values_mut().find(|offer| offer.link_code.as_ref().is_some_and(|code| code.pn == pn));
        let offer = shown.with_context(|| format!("no device has asked for a code for {pn}"))?;
        if let Some(code) = offer.link_code.take() {
            let step = node("link_code_companion_reg")
                .attr("stage", "refresh_code")
                .attr("force_manual_refresh", if by_hand { "true" } else { "false" })
                .children([node("link_code_pairing_ref").bytes(code.reference).build()]);
            offer.link.send(&notification(step.build()));
        }
        Ok(())
    }

    /// The device's two steps.
    pub(crate) fn on_link_code(&self, connection: &Connection, iq: &Node, request: &Node) -> Result<()> {
        match attr(request, "stage").as_str() {
            "companion_hello" => self.on_companion_hello(connection, iq, request),
            "companion_finish" => {
                // The server only relays; a mistyped code is known to the phone alone, and it tells its owner.
                self.answer(connection, iq, []);
                let Err(error) = self.on_companion_finish(connection, request) else { return Ok(()) };
                let mut offers = lock(&self.offers);
                let outcome = offers.get_mut(&connection.client_key).and_then(|offer| offer.outcome.take());
                if let Some(outcome) = outcome {
                    let _ = outcome.send(Err(anyhow!("the code is wrong ({error:#})")));
                }
                Ok(())
            }
            other => bail!("an unknown stage {other:?} of pairing by code"),
        }
    }

    fn on_companion_hello(&self, connection: &Connection, iq: &Node, request: &Node) -> Result<()> {
        let phone: Jid = attr(request, "jid").parse()?;
        if let Some(code) = self.faults.next_code_refusal(&phone.user) {
            self.refuse(connection, iq, code, refusal(code));
            return Ok(());
        }
        let reference = rand::random::<[u8; 16]>().to_vec();
        let wrapped = content(request.get_optional_child("link_code_pairing_wrapped_companion_ephemeral_pub"));
        {
            let mut offers = lock(&self.offers);
            let offer = offers.get_mut(&connection.client_key).context("the device does not pair")?;
            let pn = phone.user.to_string();
            let since = Instant::now();
            offer.link_code = Some(LinkCode { pn, reference: reference.clone(), wrapped, since, agreed: None });
        }
        let child = node("link_code_companion_reg")
            .attr("stage", "companion_hello")
            .children([node("link_code_pairing_ref").bytes(reference).build()])
            .build();
        self.answer(connection, iq, [child]);
        Ok(())
    }

    fn on_companion_finish(&self, connection: &Connection, request: &Node) -> Result<()> {
        let bundle = content(request.get_optional_child("link_code_pairing_wrapped_key_bundle"));
        let identity: [u8; 32] = content(request.get_optional_child("companion_identity_public"))
            .try_into()
            .map_err(|_| anyhow!("an identity that is not 32 bytes long"))?;
        let (pn, agreed) = {
            let mut offers = lock(&self.offers);
            let offer = offers.get_mut(&connection.client_key).context("the device does not pair")?;
            let code = offer.link_code.as_mut().context("no code was asked for")?;
            (code.pn.clone(), code.agreed.take().context("the code was not typed in yet")?)
        };
        let phone = lock(&self.directory).account(&pn)?.phone.clone();
        let secret = adv_secret(&phone, &agreed, &bundle, &identity)?;
        self.introduce(&pn, connection.client_key, &identity, &secret)
    }
}

fn agree(wrapped: &[u8], code: &str) -> Result<(Agreed, Vec<u8>)> {
    let device = PairCodeUtils::decrypt_primary_ephemeral_pub(wrapped, code).map_err(|error| anyhow!("{error}"))?;
    let phone = KeyPair::generate(&mut rng());
    let public = phone.public_key.public_key_bytes().try_into().context("a curve key is 32 bytes long")?;
    let answer = PairCodeUtils::encrypt_ephemeral_pub(&public, code).to_vec();
    Ok((Agreed { phone, device }, answer))
}

fn primary_hello(phone: &Phone, reference: &[u8], wrapped: Vec<u8>) -> Node {
    let identity = phone.identity.public_key.public_key_bytes().to_vec();
    let step = node("link_code_companion_reg").attr("stage", "primary_hello").children([
        node("link_code_pairing_wrapped_primary_ephemeral_pub").bytes(wrapped).build(),
        node("primary_identity_pub").bytes(identity).build(),
        node("link_code_pairing_ref").bytes(reference).build(),
    ]);
    notification(step.build())
}

fn notification(step: Node) -> Node {
    node("notification")
        .attr("from", USER_DOMAIN)
        .attr("type", "link_code_companion_reg")
        .attr("id", stanza_id())
        .attr("t", unix_seconds())
        .children([step])
        .build()
}

/// The words that clients take together with these codes.
fn refusal(code: u16) -> &'static str {
    match code {
        400 => "bad-request",
        403 => "forbidden",
        429 => "rate-overlimit",
        452 => "feature-not-available",
        _ => "internal-server-error",
    }
}

/// Opens the device's key bundle (salt, nonce, sealed keys) and derives the ADV secret that both sides now share.
fn adv_secret(phone: &Phone, agreed: &Agreed, bundle: &[u8], identity: &[u8; 32]) -> Result<[u8; 32]> {
    let ephemeral =
        agreed.phone.calculate_agreement(&public_key(&agreed.device)?).map_err(|error| anyhow!("{error}"))?;
    let (salt, rest) = bundle.split_at_checked(32).context("the key bundle is too short")?;
    let (nonce, sealed) = rest.split_at_checked(12).context("the key bundle is too short")?;
    let mut key = [0; 32];
    expand(Some(salt), &ephemeral, b"link_code_pairing_key_bundle_encryption_key", &mut key)?;
    let mut keys = Vec::new();
    wacore_libsignal::crypto::aes_256_gcm_decrypt(&key, nonce.try_into()?, b"", sealed, &mut keys)
        .map_err(|error| anyhow!("the key bundle can't be opened: {error}"))?;
    let [theirs, _, random] = keys.as_chunks::<32>().0 else { bail!("the key bundle has the wrong size") };
    ensure!(theirs == identity, "the key bundle is of another device");
    let shared = phone.identity.calculate_agreement(&public_key(identity)?).map_err(|error| anyhow!("{error}"))?;
    let mut secret = [0; 32];
    expand(None, &[&ephemeral[..], &shared, random].concat(), b"adv_secret", &mut secret)?;
    Ok(secret)
}

fn expand(salt: Option<&[u8]>, input: &[u8], info: &[u8], output: &mut [u8; 32]) -> Result<()> {
    Hkdf::<Sha256>::new(salt, input).expand(info, output).map_err(|error| anyhow!("{error}"))
}
