//! Who there is: accounts with their phone and linked devices, phone numbers and LIDs, groups. Plain lookups under one
//! short lock; nothing here sends, encrypts or waits.
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tokio::sync::watch;
use wacore_binary::{Jid, JidExt as _};
use wacore_libsignal::protocol::KeyPair;

use crate::device::KeyBundle;
use crate::phone::Phone;
use crate::queue::Mailbox;
use crate::stanza::rng;

/// A device of an account: the phone is device 0, linked devices count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) pn: String,
    pub(crate) device: u16,
}

impl Address {
    pub(crate) fn phone(pn: &str) -> Self {
        Self { pn: pn.to_owned(), device: 0 }
    }

    pub(crate) fn jid(&self) -> Jid {
        Jid::pn_device(self.pn.as_str(), self.device)
    }
}

/// A linked device, driven by a real client.
pub(crate) struct Companion {
    pub(crate) address: Address,
    pub(crate) key_index: u32,
    pub(crate) identity: [u8; 32],
    /// The signed ADV identity that others get with its keys.
    pub(crate) device_identity: Vec<u8>,
    /// `None` until it has uploaded its keys; `uploaded` then says so.
    pub(crate) keys: Mutex<Option<KeyBundle>>,
    pub(crate) uploaded: watch::Sender<bool>,
    pub(crate) mailbox: Arc<Mailbox>,
}

pub(crate) struct Account {
    pub(crate) pn: String,
    pub(crate) lid: String,
    pub(crate) push_name: String,
    /// How its direct texts name it.
    pub(crate) addressing: Addressing,
    /// Devices are linked with a passkey only.
    pub(crate) wants_passkey: bool,
    pub(crate) phone: Arc<Phone>,
    pub(crate) companions: BTreeMap<u16, Arc<Companion>>,
    next_device: u16,
}

impl Account {
    pub(crate) fn lid_jid(&self) -> Jid {
        Jid::lid(self.lid.as_str())
    }

    /// A device of the account as a member of a group.
    pub(crate) fn jid_in(&self, group: &Group, device: u16) -> Jid {
        match group.addressing {
            Addressing::Pn => Jid::pn_device(self.pn.as_str(), device),
            Addressing::Lid => Jid::lid_device(self.lid.as_str(), device),
        }
    }
}

/// How accounts are named on the wire: in a group its members, in a direct chat the sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Addressing {
    #[default]
    Pn,
    Lid,
}

impl Addressing {
    /// The value of `addressing_mode`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pn => "pn",
            Self::Lid => "lid",
        }
    }
}

#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) jid: Jid,
    pub(crate) subject: String,
    pub(crate) members: Vec<String>,
    pub(crate) addressing: Addressing,
}

#[derive(Default)]
pub(crate) struct Directory {
    accounts: HashMap<String, Account>,
    by_lid: HashMap<String, String>,
    groups: HashMap<String, Group>,
    by_noise_key: HashMap<[u8; 32], Address>,
}

impl Directory {
    /// Errors: not digits, or a LID that another account has. An account that is there already gets the new name.
    pub(crate) fn add_account(&mut self, pn: &str, lid: &str, push_name: &str) -> Result<()> {
        for (what, value) in [("pn", pn), ("lid", lid)] {
            ensure!(
                !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()),
                "{what} {value:?} must be digits only"
            );
        }
        ensure!(self.by_lid.get(lid).is_none_or(|owner| owner == pn), "lid {lid} belongs to another account");
        if let Some(account) = self.accounts.get_mut(pn) {
            ensure!(account.lid == lid, "account {pn} has the lid {}", account.lid);
            account.push_name = push_name.to_owned();
            return Ok(());
        }
        let phone = Phone::new(pn, KeyPair::generate(&mut rng()), push_name)?;
        self.by_lid.insert(lid.to_owned(), pn.to_owned());
        self.accounts.insert(
            pn.to_owned(),
            Account {
                pn: pn.to_owned(),
                lid: lid.to_owned(),
                push_name: push_name.to_owned(),
                addressing: Addressing::Pn,
                wants_passkey: false,
                phone: Arc::new(phone),
                companions: BTreeMap::new(),
                next_device: 1,
            },
        );
        Ok(())
    }

    /// Adds or replaces a group. Returns the group that was there. Errors: not a group JID, no or unknown members.
    pub(crate) fn put_group(&mut self, group: Group) -> Result<Option<Group>> {
        ensure!(group.jid.is_group(), "{} is not a group JID (…@g.us)", group.jid);
        ensure!(!group.members.is_empty(), "a group needs members");
        for member in &group.members {
            self.account(member)?;
        }
        Ok(self.groups.insert(group.jid.to_string(), group))
    }

    pub(crate) fn account(&self, pn: &str) -> Result<&Account> {
        self.accounts.get(pn).with_context(|| format!("there is no account {pn:?}"))
    }

    pub(crate) fn account_mut(&mut self, pn: &str) -> Result<&mut Account> {
        self.accounts.get_mut(pn).with_context(|| format!("there is no account {pn:?}"))
    }

    pub(crate) fn group_mut(&mut self, jid: &Jid) -> Result<&mut Group> {
        self.groups.get_mut(&jid.to_string()).with_context(|| format!("there is no group {jid}"))
    }

    pub(crate) fn group(&self, jid: &Jid) -> Result<&Group> {
        self.groups.get(&jid.to_string()).with_context(|| format!("there is no group {jid}"))
    }

    /// By their numbers.
    pub(crate) fn accounts(&self) -> Vec<&Account> {
        let mut accounts: Vec<_> = self.accounts.values().collect();
        accounts.sort_by(|a, b| a.pn.cmp(&b.pn));
        accounts
    }

    /// By their JIDs.
    pub(crate) fn groups(&self) -> Vec<&Group> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(jid, _)| *jid);
        groups.into_iter().map(|(_, group)| group).collect()
    }

    pub(crate) fn groups_of(&self, pn: &str) -> impl Iterator<Item = &Group> {
        self.groups.values().filter(move |group| group.members.iter().any(|member| member == pn))
    }

    /// The device behind a phone-number or LID address, if such an account exists.
    pub(crate) fn resolve(&self, jid: &Jid) -> Option<Address> {
        let user = jid.user.as_str();
        let pn = if jid.is_lid() { self.by_lid.get(user)? } else { self.accounts.get_key_value(user)?.0 };
        Some(Address { pn: pn.clone(), device: jid.device })
    }

    /// The linked devices of an account; none if it is unknown.
    pub(crate) fn companions_of(&self, pn: &str) -> Vec<Arc<Companion>> {
        self.accounts.get(pn).map(|account| account.companions.values().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn companion(&self, address: &Address) -> Option<Arc<Companion>> {
        self.accounts.get(&address.pn)?.companions.get(&address.device).cloned()
    }

    pub(crate) fn companions(&self) -> impl Iterator<Item = &Arc<Companion>> {
        self.accounts.values().flat_map(|account| account.companions.values())
    }

    /// The number of the next linked device.
    pub(crate) fn reserve_device(&mut self, pn: &str) -> Result<u16> {
        let account = self.account_mut(pn)?;
        account.next_device += 1;
        Ok(account.next_device - 1)
    }

    pub(crate) fn link(&mut self, companion: Arc<Companion>, noise_key: [u8; 32]) -> Result<()> {
        self.by_noise_key.insert(noise_key, companion.address.clone());
        self.account_mut(&companion.address.pn)?.companions.insert(companion.address.device, companion);
        Ok(())
    }

    pub(crate) fn unlink(&mut self, address: &Address) -> Option<Arc<Companion>> {
        self.by_noise_key.retain(|_, linked| linked != address);
        self.accounts.get_mut(&address.pn)?.companions.remove(&address.device)
    }

    /// The linked device that logs in with this Noise key.
    pub(crate) fn by_noise_key(&self, key: &[u8; 32]) -> Option<Arc<Companion>> {
        self.companion(self.by_noise_key.get(key)?)
    }
}
