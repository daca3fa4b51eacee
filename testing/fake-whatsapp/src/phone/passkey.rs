//! Linking that a passkey guards: before the account's word for a device goes out, the device must show that a passkey of
//! the account was used, and agree on a secret with the phone under a code that both show. Owns that exchange, from the
//! server's request to the secret; the rest is `pairing`. Must not: judge the passkey's signature, whose key it has not.
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use buffa::Message as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wacore::shortcake::ShortcakeUtils;
use wacore_binary::Node;
use wacore_libsignal::protocol::KeyPair;
use waproto::whatsapp as wa;
use waproto::whatsapp::device_props::PlatformType;

use super::pairing::Offer;
use crate::server::World;
use crate::stanza::{USER_DOMAIN, content, lock, node, rng, stanza_id, unix_seconds};
use crate::transport::Connection;

/// Whose passkeys count.
const RELYING_PARTY: &str = "web.whatsapp.com";
/// In the authenticator's data: somebody was there, and is who the passkey belongs to.
const PRESENT_AND_VERIFIED: u8 = 0b101;

/// How long the phone takes for each of its answers. A device keeps what a step gave it (the exchange, then the new secret)
/// when the server's word for that step has come, and must have done so before the phone's word comes: real phones are
/// never so quick that the two words come together.
const PHONE_TIME: Duration = Duration::from_secs(1);

/// How far a device has come that must show a passkey.
pub(crate) struct Gate {
    pn: String,
    challenge: [u8; 32],
    credential: [u8; 16],
    reference: String,
    keys: KeyPair,
    nonce: [u8; 32],
    device: Option<Device>,
    /// What both sides show.
    code: Option<String>,
}

/// What the device has said of itself, and how it has bound itself to a nonce that it shows later.
struct Device {
    key: [u8; 32],
    r#type: PlatformType,
    identity: Vec<u8>,
    commitment: Vec<u8>,
}

impl Gate {
    fn new(pn: &str) -> Self {
        Self {
            pn: pn.to_owned(),
            challenge: rand::random(),
            credential: rand::random(),
            reference: stanza_id(),
            keys: KeyPair::generate(&mut rng()),
            nonce: rand::random(),
            device: None,
            code: None,
        }
    }

    fn options(&self) -> String {
        json!({
            "challenge": BASE64_URL_SAFE_NO_PAD.encode(self.challenge),
            "rpId": RELYING_PARTY,
            "userVerification": "required",
            "timeout": 60_000,
            "allowCredentials": [{"type": "public-key", "id": BASE64_URL_SAFE_NO_PAD.encode(self.credential)}],
        })
        .to_string()
    }

    /// Takes the use of the passkey, and the device's word for its nonce. Errors: another challenge, passkey or reference.
    fn open(&mut self, prologue: &Node) -> Result<()> {
        let part = |tag: &str| content(prologue.get_optional_child(tag));
        ensure!(part("credential_id") == self.credential, "another passkey was used");
        self.check_assertion(&serde_json::from_slice(&part("webauthn_assertion"))?)?;
        let payload = wa::ProloguePayload::decode_from_slice(&part("prologue_payload"))?;
        let identity = payload.companion_ephemeral_identity.context("no ephemeral identity")?;
        let commitment = payload.commitment.into_option().and_then(|commitment| commitment.hash);
        let said = wa::CompanionEphemeralIdentity::decode_from_slice(&identity)?;
        ensure!(said.r#ref.as_deref() == Some(&self.reference), "the device answers to another reference");
        self.device = Some(Device {
            key: said.public_key.unwrap_or_default().try_into().map_err(|_| anyhow!("a key is 32 bytes long"))?,
            r#type: said.device_type.unwrap_or(PlatformType::UNKNOWN),
            identity,
            commitment: commitment.context("no commitment")?,
        });
        Ok(())
    }

    fn check_assertion(&self, assertion: &Value) -> Result<()> {
        let bytes = |value: &Value| BASE64_URL_SAFE_NO_PAD.decode(value.as_str().unwrap_or_default());
        ensure!(bytes(&assertion["rawId"])? == self.credential, "the assertion is another passkey's");
        let response = &assertion["response"];
        let client: Value = serde_json::from_slice(&bytes(&response["clientDataJSON"])?)?;
        ensure!(client["type"] == "webauthn.get", "the assertion is of another kind");
        ensure!(bytes(&client["challenge"])? == self.challenge, "the assertion answers another challenge");
        let authenticator = bytes(&response["authenticatorData"])?;
        let (party, rest) = authenticator.split_at_checked(32).context("the authenticator's data is too short")?;
        ensure!(party == Sha256::digest(RELYING_PARTY).as_slice(), "the passkey was used for somebody else");
        let flags = rest.first().copied().unwrap_or_default();
        ensure!(flags & PRESENT_AND_VERIFIED == PRESENT_AND_VERIFIED, "nobody has verified the use of the passkey");
        Ok(())
    }

    /// Takes the nonce that the device had bound itself to. Errors: another one.
    fn reveal(&mut self, nonce: &[u8]) -> Result<()> {
        let nonce: [u8; 32] = nonce.try_into().context("a nonce is 32 bytes long")?;
        let device = self.device.as_ref().context("a nonce before the passkey")?;
        let commitment = ShortcakeUtils::commitment_hash(&device.identity, &nonce);
        ensure!(device.commitment == commitment, "the nonce is not the one that the device has bound itself to");
        let code = ShortcakeUtils::derive_verification_code(&nonce, &self.public_key()?, &self.nonce);
        self.code = Some(code);
        Ok(())
    }

    /// Opens the device's request: (its Noise key, its identity, the secret).
    fn unseal(&self, sealed: &[u8]) -> Result<([u8; 32], [u8; 32], Vec<u8>)> {
        ensure!(self.code.is_some(), "a request before the nonce");
        let device = self.device.as_ref().context("a request before the passkey")?;
        let sealed = wa::EncryptedPairingRequest::decode_from_slice(sealed)?;
        let key = ShortcakeUtils::derive_encryption_key(&self.keys, &device.key, device.r#type, &self.reference)?;
        let iv = sealed.iv.unwrap_or_default().try_into().map_err(|_| anyhow!("an IV is 12 bytes long"))?;
        let payload = sealed.encrypted_payload.unwrap_or_default();
        let mut plain = Vec::new();
        wacore_libsignal::crypto::aes_256_gcm_decrypt(&key, &iv, b"", &payload, &mut plain)
            .map_err(|error| anyhow!("the request can't be opened: {error}"))?;
        let request = wa::PairingRequest::decode_from_slice(&plain)?;
        let key = |key: Option<Vec<u8>>| -> Result<[u8; 32]> {
            key.unwrap_or_default().try_into().map_err(|_| anyhow!("a key is 32 bytes long"))
        };
        let secret = request.adv_secret.context("no secret")?;
        Ok((key(request.companion_public_key)?, key(request.companion_identity_key)?, secret))
    }

    fn public_key(&self) -> Result<[u8; 32]> {
        self.keys.public_key.public_key_bytes().try_into().context("a curve key is 32 bytes long")
    }
}

impl World {
    /// Asks the device for a passkey of the account.
    pub(super) fn ask_for_passkey(&self, pn: &str, offer: &mut Offer) {
        let gate = Gate::new(pn);
        let options = node("passkey_request_options").bytes(gate.options()).build();
        offer.link.send(&notification("passkey_prologue_request", options));
        offer.gate = Some(gate);
    }

    /// The code that the phone shows for the device that is being linked to it.
    pub(crate) fn passkey_code(&self, pn: &str) -> Option<String> {
        let offers = lock(&self.offers);
        let mut gates = offers.values().filter_map(|offer| offer.gate.as_ref());
        gates.find(|gate| gate.pn == pn)?.code.clone()
    }

    /// A step of a device that must show a passkey.
    pub(crate) fn on_passkey_step(self: &Arc<Self>, connection: &Connection, iq: &Node, step: &Node) -> Result<()> {
        let mut offers = lock(&self.offers);
        let offer = offers.get_mut(&connection.client_key).context("the device does not pair")?;
        let gate = offer.gate.as_mut().context("no passkey was asked for")?;
        match step.tag.as_ref() {
            "ref" => self.answer(connection, iq, [node("ref").bytes(gate.reference.as_bytes()).build()]),
            "passkey_request_options" => {
                self.answer(connection, iq, [node("passkey_request_options").bytes(gate.options()).build()]);
            }
            "passkey_prologue" => {
                gate.open(step)?;
                self.answer(connection, iq, []);
                let identity = wa::PrimaryEphemeralIdentity {
                    public_key: Some(gate.public_key()?.to_vec()),
                    nonce: Some(gate.nonce.to_vec()),
                    ..Default::default()
                };
                let identity = node("primary_ephemeral_identity").bytes(identity.encode_to_vec()).build();
                let link = connection.link.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(PHONE_TIME).await;
                    link.send(&notification("crsc_continuation", identity));
                });
            }
            "companion_nonce" => {
                gate.reveal(&content(Some(step)))?;
                self.answer(connection, iq, []);
            }
            "encrypted_pairing_request" => {
                let (noise_key, identity, secret) = gate.unseal(&content(Some(step)))?;
                ensure!(noise_key == connection.client_key, "the request is of another device");
                let pn = gate.pn.clone();
                self.answer(connection, iq, []);
                let world = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(PHONE_TIME).await;
                    if let Err(error) = world.send_introduction(&pn, noise_key, &identity, &secret) {
                        tracing::warn!("a device with a passkey was not linked: {error:#}");
                    }
                });
            }
            other => bail!("an unknown step {other:?} with a passkey"),
        }
        Ok(())
    }
}

fn notification(kind: &'static str, child: Node) -> Node {
    node("notification")
        .attr("from", USER_DOMAIN)
        .attr("type", kind)
        .attr("id", stanza_id())
        .attr("t", unix_seconds())
        .children([child])
        .build()
}
