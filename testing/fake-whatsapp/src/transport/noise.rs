//! The answering half of the Noise handshake: XX for a device that comes for the first time, IK for one that knows the
//! server's key, XXfallback for one that knows an old key. Owns the server's keys and certificates; knows no stanzas.
use anyhow::{Context, Result, anyhow, ensure};
use buffa::{Message as _, MessageField};
use wacore_binary::consts::{NOISE_PATTERN_IK, NOISE_PATTERN_XX, NOISE_PATTERN_XXFALLBACK, WA_CONN_HEADER};
use wacore_libsignal::protocol::KeyPair;
use wacore_noise::{NoiseCipher, NoiseHandshake};
use waproto::whatsapp as wa;
use waproto::whatsapp::cert_chain::{NoiseCertificate, noise_certificate::Details};
use waproto::whatsapp::handshake_message::{ClientHello, ServerHello};

use crate::stanza::{rng, unix_seconds};

const DAY: u64 = 86_400;

/// The server's keys: root signs intermediate, intermediate signs the leaf, the leaf holds the Noise key.
pub(crate) struct ServerIdentity {
    root: KeyPair,
    noise: KeyPair,
    certificates: Vec<u8>,
}

impl ServerIdentity {
    pub(crate) fn generate() -> Result<Self> {
        let (root, intermediate, noise) =
            (KeyPair::generate(&mut rng()), KeyPair::generate(&mut rng()), KeyPair::generate(&mut rng()));
        let certificates = wa::CertChain {
            leaf: MessageField::some(certificate(2, 1, &noise, &intermediate)?),
            intermediate: MessageField::some(certificate(1, 0, &intermediate, &root)?),
            ..Default::default()
        }
        .encode_to_vec();
        Ok(Self { root, noise, certificates })
    }

    /// The public root key, which a client that checks certificates would have to trust.
    pub(crate) fn root_key(&self) -> &[u8] {
        self.root.public_key.public_key_bytes()
    }
}

fn certificate(serial: u32, issuer: u32, key: &KeyPair, signer: &KeyPair) -> Result<NoiseCertificate> {
    let now = unix_seconds();
    let details = Details {
        serial: Some(serial),
        issuer_serial: Some(issuer),
        key: Some(key.public_key.public_key_bytes().to_vec()),
        not_before: Some(now.saturating_sub(DAY)),
        not_after: Some(now + 365 * DAY),
        ..Default::default()
    }
    .encode_to_vec();
    let signature = signer.calculate_signature(&details, &mut rng()).map_err(|error| anyhow!("{error}"))?;
    Ok(NoiseCertificate { details: Some(details), signature: Some(signature.to_vec()), ..Default::default() })
}

/// What a finished handshake yields.
pub(crate) struct Established {
    pub(crate) read: NoiseCipher,
    pub(crate) write: NoiseCipher,
    pub(crate) client_key: [u8; 32],
    pub(crate) payload: wa::ClientPayload,
}

/// What to do after a client's hello: send `hello`, then go on.
pub(crate) enum Step {
    AwaitFinish { hello: Vec<u8>, responder: Box<Responder> },
    Done { hello: Vec<u8>, established: Box<Established> },
}

/// Takes the routing preamble and the `WA` header off the first bytes. `false` until enough of them came.
pub(crate) fn strip_intro(bytes: &mut Vec<u8>) -> Result<bool> {
    let routing = match bytes.as_slice() {
        [b'E', b'D', _, _, high, middle, low, ..] => {
            7 + ((usize::from(*high) << 16) | (usize::from(*middle) << 8) | usize::from(*low))
        }
        [b'E', b'D', ..] | [b'E'] => return Ok(false),
        _ => 0,
    };
    let Some(header) = bytes.get(routing..routing + WA_CONN_HEADER.len()) else { return Ok(false) };
    ensure!(header == WA_CONN_HEADER, "the connection starts with {header:02x?}, not with WhatsApp's header");
    bytes.drain(..routing + WA_CONN_HEADER.len());
    Ok(true)
}

/// Answers the client's first handshake message. Errors: not a hello, or keys of the wrong size.
pub(crate) fn on_client_hello(identity: &ServerIdentity, frame: &[u8]) -> Result<Step> {
    let hello =
        wa::HandshakeMessage::decode_from_slice(frame)?.client_hello.into_option().context("no client hello")?;
    let ephemeral = hello.ephemeral.clone().context("a hello without an ephemeral key")?;
    if hello.r#static.is_none() {
        return start_xx(identity, NOISE_PATTERN_XX, &ephemeral);
    }
    match finish_ik(identity, &hello, &ephemeral) {
        Ok((hello, established)) => Ok(Step::Done { hello, established: Box::new(established) }),
        // The client knows another server key, say of an earlier start: it is shown the new one.
        Err(_) => start_xx(identity, NOISE_PATTERN_XXFALLBACK, &ephemeral),
    }
}

/// IK: `-> e, es, s, ss` then `<- e, ee, se`.
fn finish_ik(identity: &ServerIdentity, hello: &ClientHello, theirs: &[u8]) -> Result<(Vec<u8>, Established)> {
    let mine = KeyPair::generate(&mut rng());
    let mut noise = NoiseHandshake::new(NOISE_PATTERN_IK, &WA_CONN_HEADER)?;
    noise.authenticate(identity.noise.public_key.public_key_bytes());
    noise.authenticate(theirs);
    noise.mix_shared_secret(identity.noise.private_key.serialize(), theirs)?;
    let client_key = noise.decrypt(hello.r#static.as_deref().context("no static key")?)?;
    noise.mix_shared_secret(identity.noise.private_key.serialize(), &client_key)?;
    let payload = noise.decrypt(hello.payload.as_deref().context("no payload")?)?;
    noise.authenticate(mine.public_key.public_key_bytes());
    noise.mix_shared_secret(mine.private_key.serialize(), theirs)?;
    noise.mix_shared_secret(mine.private_key.serialize(), &client_key)?;
    let certificates = noise.encrypt(&identity.certificates)?;
    let answer = server_hello(&mine, None, certificates);
    Ok((answer, established(noise, client_key, &payload)?))
}

fn start_xx(identity: &ServerIdentity, pattern: &str, theirs: &[u8]) -> Result<Step> {
    let ephemeral = KeyPair::generate(&mut rng());
    let mut noise = NoiseHandshake::new(pattern, &WA_CONN_HEADER)?;
    noise.authenticate(theirs);
    noise.authenticate(ephemeral.public_key.public_key_bytes());
    noise.mix_shared_secret(ephemeral.private_key.serialize(), theirs)?;
    let key = noise.encrypt(identity.noise.public_key.public_key_bytes())?;
    noise.mix_shared_secret(identity.noise.private_key.serialize(), theirs)?;
    let certificates = noise.encrypt(&identity.certificates)?;
    let hello = server_hello(&ephemeral, Some(key), certificates);
    Ok(Step::AwaitFinish { hello, responder: Box::new(Responder { noise, ephemeral }) })
}

/// An XX handshake that waits for the client's last message.
pub(crate) struct Responder {
    noise: NoiseHandshake,
    ephemeral: KeyPair,
}

impl Responder {
    pub(crate) fn on_client_finish(mut self, frame: &[u8]) -> Result<Established> {
        let message = wa::HandshakeMessage::decode_from_slice(frame)?;
        let finish = message.client_finish.into_option().context("no client finish")?;
        let client_key = self.noise.decrypt(finish.r#static.as_deref().context("no static key")?)?;
        self.noise.mix_shared_secret(self.ephemeral.private_key.serialize(), &client_key)?;
        let payload = self.noise.decrypt(finish.payload.as_deref().context("no payload")?)?;
        established(self.noise, client_key, &payload)
    }
}

fn established(noise: NoiseHandshake, client_key: Vec<u8>, payload: &[u8]) -> Result<Established> {
    // The handshake names its ciphers as the initiator sees them, so ours are the other way round.
    let (read, write) = noise.finish()?;
    Ok(Established {
        read,
        write,
        client_key: client_key.try_into().map_err(|_| anyhow!("a client key that is not 32 bytes long"))?,
        payload: wa::ClientPayload::decode_from_slice(payload)?,
    })
}

fn server_hello(ephemeral: &KeyPair, key: Option<Vec<u8>>, payload: Vec<u8>) -> Vec<u8> {
    wa::HandshakeMessage {
        server_hello: MessageField::some(ServerHello {
            ephemeral: Some(ephemeral.public_key.public_key_bytes().to_vec()),
            r#static: key,
            payload: Some(payload),
            ..Default::default()
        }),
        ..Default::default()
    }
    .encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::public_key;

    #[test]
    fn each_certificate_is_signed_by_the_one_above() {
        let identity = ServerIdentity::generate().unwrap();
        let chain = wa::CertChain::decode_from_slice(&identity.certificates).unwrap();
        let (leaf, intermediate) = (chain.leaf.into_option().unwrap(), chain.intermediate.into_option().unwrap());
        let key = |certificate: &NoiseCertificate| {
            Details::decode_from_slice(certificate.details.as_deref().unwrap()).unwrap().key.unwrap()
        };
        for (certificate, signer) in [(&intermediate, identity.root_key().to_vec()), (&leaf, key(&intermediate))] {
            let signed = certificate.details.as_deref().unwrap();
            let signature = certificate.signature.as_deref().unwrap();
            assert!(public_key(&signer).unwrap().verify_signature(signed, signature));
        }
        assert_eq!(key(&leaf), identity.noise.public_key.public_key_bytes());
    }

    #[test]
    fn the_intro_is_taken_off_however_it_is_cut() {
        let routed: Vec<u8> = [b"ED\x00\x01\x00\x00\x02xy", &WA_CONN_HEADER[..], b"rest"].concat();
        for intro in [routed, [&WA_CONN_HEADER[..], b"rest"].concat()] {
            let whole = intro.len() - 4;
            for end in 0..whole {
                assert!(!strip_intro(&mut intro[..end].to_vec()).unwrap(), "{end} bytes of {whole}");
            }
            let mut bytes = intro;
            assert!(strip_intro(&mut bytes).unwrap());
            assert_eq!(bytes, b"rest");
        }
        assert!(strip_intro(&mut b"GET / HTTP/1.1".to_vec()).is_err());
    }
}
