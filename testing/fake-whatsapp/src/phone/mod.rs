//! An account's own phone, simulated: its keys, what it has sent and read, and what it does for the devices linked to it
//! (identity, pairing, the app-state key and the push name). Texts themselves go through the router.
pub(crate) mod adv;
pub(crate) mod app_state;
pub(crate) mod link_code;
pub(crate) mod pairing;
pub(crate) mod passkey;

use std::collections::HashSet;

use anyhow::Result;
use wacore_binary::Node;
use wacore_libsignal::protocol::KeyPair;
use waproto::whatsapp as wa;

use crate::bounded::Bounded;
use crate::device::SignalDevice;
use crate::directory::Address;

/// Messages that a phone can send once more, and ids that it knows as read.
const REMEMBERED: usize = 20_000;

/// A message as it was sent to one device, for a retry receipt.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) message: wa::Message,
    /// The stanza without its ciphertext.
    pub(crate) envelope: Node,
}

/// What changes with every message; behind one lock, so that a phone's messages keep their order.
pub(crate) struct Conversations {
    pub(crate) signal: SignalDevice,
    /// Devices that have this phone's sender key of a group.
    pub(crate) distributed: HashSet<(String, Address)>,
    pub(crate) sent: Bounded<(Address, String), Sent>,
    /// (chat, sender, id) of what it has read.
    pub(crate) read: Bounded<(String, String, String), ()>,
}

pub(crate) struct Phone {
    pub(crate) address: Address,
    /// The account's identity: the phone's own, and the one that signs linked devices.
    pub(crate) identity: KeyPair,
    pub(crate) raw_id: u32,
    pub(crate) app_state: app_state::AppState,
    pub(crate) conversations: tokio::sync::Mutex<Conversations>,
}

impl Phone {
    pub(crate) fn new(pn: &str, identity: KeyPair, push_name: &str) -> Result<Self> {
        let conversations = Conversations {
            signal: SignalDevice::new(&identity)?,
            distributed: HashSet::new(),
            sent: Bounded::new(REMEMBERED),
            read: Bounded::new(REMEMBERED),
        };
        Ok(Self {
            address: Address::phone(pn),
            identity,
            raw_id: rand::random::<u32>() >> 1,
            app_state: app_state::AppState::new(push_name)?,
            conversations: tokio::sync::Mutex::new(conversations),
        })
    }
}
