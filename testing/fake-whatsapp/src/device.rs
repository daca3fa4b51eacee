//! A simulated contact's phone as Signal sees it: identity, prekeys, sessions, sender keys. It encrypts and decrypts;
//! it knows neither stanzas nor connections. Called by the router and the phone, always under the phone's own lock.
use std::collections::{HashMap, VecDeque};

use anyhow::{Result, anyhow, bail};
use async_trait::async_trait;
use wacore_libsignal::protocol::{
    CiphertextMessage, DeviceId, Direction, GenericSignedPreKey as _, IdentityChange, IdentityKey, IdentityKeyPair,
    IdentityKeyStore, KeyPair, PreKeyBundle, PreKeyId, PreKeyRecord, PreKeySignalMessage, PreKeyStore, ProtocolAddress,
    PublicKey, SenderKeyDistributionMessage, SenderKeyName, SenderKeyRecord, SenderKeyStore, SessionRecord,
    SessionStore, SignalMessage, SignalProtocolError, SignedPreKeyId, SignedPreKeyRecord, SignedPreKeyStore, Timestamp,
    UsePQRatchet, create_sender_key_distribution_message, group_decrypt, group_encrypt, message_decrypt,
    message_encrypt, process_prekey_bundle, process_sender_key_distribution_message,
};

use crate::directory::Address;
use crate::stanza::rng;

const SIGNED_PREKEY: u32 = 1;

type SignalResult<T> = Result<T, SignalProtocolError>;

/// The public keys of a device, as the server hands them out.
#[derive(Clone)]
pub(crate) struct KeyBundle {
    pub(crate) registration: u32,
    pub(crate) identity: Vec<u8>,
    pub(crate) signed: SignedKey,
    /// Each is given away once; without one a session starts on the signed key alone.
    pub(crate) one_time: VecDeque<(u32, Vec<u8>)>,
}

#[derive(Clone)]
pub(crate) struct SignedKey {
    pub(crate) id: u32,
    pub(crate) value: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl KeyBundle {
    /// The keys for one new session: the one-time key in them is given away.
    pub(crate) fn take_for_session(&mut self) -> Self {
        let one_time = self.one_time.pop_front().into_iter().collect();
        Self { identity: self.identity.clone(), signed: self.signed.clone(), one_time, ..*self }
    }
}

impl SignedKey {
    /// Whether `identity` made the signature.
    pub(crate) fn is_signed_by(&self, identity: &[u8]) -> bool {
        match (public_key(identity), public_key(&self.value)) {
            (Ok(identity), Ok(value)) => identity.verify_signature(&value.serialize(), &self.signature),
            _ => false,
        }
    }
}

struct Identity {
    keys: IdentityKeyPair,
    registration: u32,
    known: HashMap<String, IdentityKey>,
}

#[derive(Default)]
struct Sessions(HashMap<String, SessionRecord>);
#[derive(Default)]
struct PreKeys(HashMap<u32, PreKeyRecord>);
struct SignedPreKeys(SignedPreKeyRecord);
#[derive(Default)]
struct SenderKeys(HashMap<String, SenderKeyRecord>);

/// One phone's keys and sessions, in memory.
pub(crate) struct SignalDevice {
    identity: Identity,
    sessions: Sessions,
    prekeys: PreKeys,
    signed: SignedPreKeys,
    signed_public: SignedKey,
    sender_keys: SenderKeys,
    next_prekey: u32,
}

impl SignalDevice {
    /// A fresh phone whose identity is `account`, the key that also signs its linked devices.
    pub(crate) fn new(account: &KeyPair) -> Result<Self> {
        let keys = IdentityKeyPair::new(IdentityKey::new(account.public_key), account.private_key.clone());
        let pair = KeyPair::generate(&mut rng());
        let signature =
            keys.private_key().calculate_signature(&pair.public_key.serialize(), &mut rng()).map_err(signal)?;
        let record = SignedPreKeyRecord::new(SIGNED_PREKEY.into(), Timestamp::from_epoch_millis(0), &pair, &signature);
        Ok(Self {
            identity: Identity { keys, registration: rand::random::<u32>() & 0x3fff, known: HashMap::new() },
            sessions: Sessions::default(),
            prekeys: PreKeys::default(),
            signed: SignedPreKeys(record),
            signed_public: SignedKey {
                id: SIGNED_PREKEY,
                value: pair.public_key.public_key_bytes().to_vec(),
                signature: signature.to_vec(),
            },
            sender_keys: SenderKeys::default(),
            next_prekey: 1,
        })
    }

    /// The phone's public keys with one fresh one-time key.
    pub(crate) fn bundle(&mut self) -> KeyBundle {
        let id = self.next_prekey;
        self.next_prekey += 1;
        let pair = KeyPair::generate(&mut rng());
        self.prekeys.0.insert(id, PreKeyRecord::new(id.into(), &pair));
        KeyBundle {
            registration: self.identity.registration,
            identity: self.identity.keys.public_key().public_key_bytes().to_vec(),
            signed: self.signed_public.clone(),
            one_time: VecDeque::from([(id, pair.public_key.public_key_bytes().to_vec())]),
        }
    }

    pub(crate) fn has_session(&self, with: &Address) -> bool {
        self.sessions.0.contains_key(signal_address(with).as_str())
    }

    /// Starts a session afresh, on the first of the bundle's one-time keys.
    pub(crate) async fn start_session(&mut self, with: &Address, bundle: &KeyBundle) -> Result<()> {
        let address = signal_address(with);
        let one_time = match bundle.one_time.front() {
            Some((id, value)) => Some((PreKeyId::from(*id), public_key(value)?)),
            None => None,
        };
        let keys = PreKeyBundle::new(
            bundle.registration,
            address.device_id(),
            one_time,
            bundle.signed.id.into(),
            public_key(&bundle.signed.value)?,
            bundle.signed.signature.clone(),
            IdentityKey::new(public_key(&bundle.identity)?),
        )
        .map_err(signal)?;
        process_prekey_bundle(&address, &mut self.sessions, &mut self.identity, &keys, &mut rng(), UsePQRatchet::No)
            .await
            .map_err(signal)?;
        Ok(())
    }

    /// Encrypts for one device. Returns the `enc` type and the ciphertext. Needs a session.
    pub(crate) async fn encrypt(&mut self, to: &Address, plain: &[u8]) -> Result<(&'static str, Vec<u8>)> {
        let sealed = message_encrypt(plain, &signal_address(to), &mut self.sessions, &mut self.identity)
            .await
            .map_err(signal)?;
        let kind = match sealed {
            CiphertextMessage::PreKeySignalMessage(_) => "pkmsg",
            _ => "msg",
        };
        Ok((kind, sealed.serialize().to_vec()))
    }

    /// Opens a `pkmsg` or `msg`. Errors: no session, a bad MAC, a message key used before.
    pub(crate) async fn decrypt(&mut self, from: &Address, kind: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let sealed = match kind {
            "pkmsg" => CiphertextMessage::PreKeySignalMessage(PreKeySignalMessage::try_from(sealed).map_err(signal)?),
            "msg" => CiphertextMessage::SignalMessage(SignalMessage::try_from(sealed).map_err(signal)?),
            other => bail!("an enc of type {other:?}"),
        };
        let opened = message_decrypt(
            &sealed,
            &signal_address(from),
            &mut self.sessions,
            &mut self.identity,
            &mut self.prekeys,
            &self.signed,
            &mut rng(),
            UsePQRatchet::No,
        )
        .await
        .map_err(signal)?;
        Ok(opened.plaintext.to_vec())
    }

    /// The message that lets a member of `group` read what `me` sends there.
    pub(crate) async fn distribution(&mut self, group: &str, me: &Address) -> Result<Vec<u8>> {
        let name = sender_key_name(group, me);
        let message =
            create_sender_key_distribution_message(&name, &mut self.sender_keys, &mut rng()).await.map_err(signal)?;
        Ok(message.serialized().to_vec())
    }

    /// Writes to the group with a new key from the next `distribution` on, for those who are members then.
    pub(crate) fn forget_sender_key(&mut self, group: &str, me: &Address) {
        self.sender_keys.0.remove(sender_key_name(group, me).cache_key());
    }

    pub(crate) async fn learn_distribution(&mut self, group: &str, from: &Address, message: &[u8]) -> Result<()> {
        let message = SenderKeyDistributionMessage::try_from(message).map_err(signal)?;
        process_sender_key_distribution_message(&sender_key_name(group, from), &message, &mut self.sender_keys)
            .await
            .map_err(signal)
    }

    /// Encrypts once for a whole group. Needs a `distribution` made before.
    pub(crate) async fn encrypt_group(&mut self, group: &str, me: &Address, plain: &[u8]) -> Result<Vec<u8>> {
        let sealed = group_encrypt(&mut self.sender_keys, &sender_key_name(group, me), plain, &mut rng())
            .await
            .map_err(signal)?;
        Ok(sealed.serialized().to_vec())
    }

    pub(crate) async fn decrypt_group(&mut self, group: &str, from: &Address, sealed: &[u8]) -> Result<Vec<u8>> {
        group_decrypt(sealed, &mut self.sender_keys, &sender_key_name(group, from)).await.map_err(signal)
    }
}

fn signal_address(address: &Address) -> ProtocolAddress {
    ProtocolAddress::new(&address.pn, DeviceId::from(u32::from(address.device)))
}

fn sender_key_name(group: &str, sender: &Address) -> SenderKeyName {
    SenderKeyName::from_parts(group, &format!("{}:{}", sender.pn, sender.device))
}

/// A curve key from its 32 bytes.
pub(crate) fn public_key(bytes: &[u8]) -> Result<PublicKey> {
    PublicKey::from_djb_public_key_bytes(bytes).map_err(|error| anyhow!("{error}"))
}

fn signal(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{error}")
}

#[async_trait]
impl IdentityKeyStore for Identity {
    async fn get_identity_key_pair(&self) -> SignalResult<IdentityKeyPair> {
        Ok(self.keys.clone())
    }
    async fn get_local_registration_id(&self) -> SignalResult<u32> {
        Ok(self.registration)
    }
    async fn save_identity(&mut self, of: &ProtocolAddress, key: &IdentityKey) -> SignalResult<IdentityChange> {
        let before = self.known.insert(of.as_str().to_owned(), *key);
        Ok(IdentityChange::from_changed(before.is_some_and(|before| &before != key)))
    }
    async fn is_trusted_identity(&self, _: &ProtocolAddress, _: &IdentityKey, _: Direction) -> SignalResult<bool> {
        Ok(true)
    }
    async fn get_identity(&self, of: &ProtocolAddress) -> SignalResult<Option<IdentityKey>> {
        Ok(self.known.get(of.as_str()).cloned())
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn load_session(&self, with: &ProtocolAddress) -> SignalResult<Option<SessionRecord>> {
        Ok(self.0.get(with.as_str()).cloned())
    }
    async fn has_session(&self, with: &ProtocolAddress) -> SignalResult<bool> {
        Ok(self.0.contains_key(with.as_str()))
    }
    async fn store_session(&mut self, with: &ProtocolAddress, record: SessionRecord) -> SignalResult<()> {
        self.0.insert(with.as_str().to_owned(), record);
        Ok(())
    }
}

#[async_trait]
impl PreKeyStore for PreKeys {
    async fn get_pre_key(&self, id: PreKeyId) -> SignalResult<PreKeyRecord> {
        self.0.get(&u32::from(id)).cloned().ok_or(SignalProtocolError::InvalidPreKeyId)
    }
    async fn save_pre_key(&mut self, id: PreKeyId, record: &PreKeyRecord) -> SignalResult<()> {
        self.0.insert(id.into(), record.clone());
        Ok(())
    }
    async fn remove_pre_key(&mut self, id: PreKeyId) -> SignalResult<()> {
        self.0.remove(&u32::from(id));
        Ok(())
    }
}

#[async_trait]
impl SignedPreKeyStore for SignedPreKeys {
    async fn get_signed_pre_key(&self, id: SignedPreKeyId) -> SignalResult<SignedPreKeyRecord> {
        match u32::from(id) {
            SIGNED_PREKEY => Ok(self.0.clone()),
            _ => Err(SignalProtocolError::InvalidSignedPreKeyId),
        }
    }
    async fn save_signed_pre_key(&mut self, _: SignedPreKeyId, record: &SignedPreKeyRecord) -> SignalResult<()> {
        self.0 = record.clone();
        Ok(())
    }
}

#[async_trait]
impl SenderKeyStore for SenderKeys {
    async fn store_sender_key(&mut self, name: &SenderKeyName, record: SenderKeyRecord) -> SignalResult<()> {
        self.0.insert(name.cache_key().to_owned(), record);
        Ok(())
    }
    async fn load_sender_key(&self, name: &SenderKeyName) -> SignalResult<Option<SenderKeyRecord>> {
        Ok(self.0.get(name.cache_key()).cloned())
    }
}
