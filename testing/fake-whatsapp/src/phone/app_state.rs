//! The account's settings as its linked devices sync them: one key, and for each collection the patches of which each
//! follows from the one before. The phone's own first one holds the push name (without it a client waits 10 s at each start).
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, anyhow, ensure};
use buffa::{Message as _, MessageField};
use wacore::appstate::processor::process_patch;
use wacore::appstate::{encode_record, expand_app_state_keys, hash};
use waproto::whatsapp as wa;

use crate::stanza::{lock, unix_seconds};

/// The collection that the push name lives in.
pub(crate) const COLLECTION: &str = "critical_block";
const KEY_ID: [u8; 6] = [0, 0, 0, 0, 0, 1];

pub(crate) struct AppState {
    key: [u8; 32],
    collections: Mutex<HashMap<String, Collection>>,
}

#[derive(Default)]
struct Collection {
    state: hash::HashState,
    /// The value's MAC by the index's.
    values: HashMap<Vec<u8>, Vec<u8>>,
    patches: Vec<Vec<u8>>,
}

impl AppState {
    pub(crate) fn new(push_name: &str) -> Result<Self> {
        let key: [u8; 32] = rand::random();
        let state = Self { key, collections: Mutex::default() };
        state.write(COLLECTION, &push_name_patch(&key, push_name)?)?;
        Ok(state)
    }

    /// A collection's version, and the patches behind another version of it.
    pub(crate) fn since(&self, name: &str, version: u64) -> (u64, Vec<Vec<u8>>) {
        let collections = lock(&self.collections);
        let Some(collection) = collections.get(name) else { return (0, Vec::new()) };
        let known = usize::try_from(version).unwrap_or(usize::MAX);
        (collection.state.version, collection.patches.iter().skip(known).cloned().collect())
    }

    /// Takes a patch on top of the newest version. Errors: a MAC is wrong, or the key is another one.
    pub(crate) fn write(&self, name: &str, patch: &[u8]) -> Result<()> {
        let mut collections = lock(&self.collections);
        let collection = collections.entry(name.to_owned()).or_default();
        let mut patch = wa::SyncdPatch::decode_from_slice(patch)?;
        let key = patch.key_id.as_option().and_then(|key| key.id.as_deref());
        ensure!(key == Some(&KEY_ID), "a patch under another key");
        let version = Some(collection.state.version + 1);
        patch.version = MessageField::some(wa::SyncdVersion { version, ..Default::default() });
        let keys = Arc::new(expand_app_state_keys(&self.key));
        let mut state = collection.state.clone();
        let known = |index: &[u8]| Ok(collection.values.get(index).cloned());
        let taken = process_patch(&patch, &mut state, |_| Ok(keys.clone()), known, true, name)
            .map_err(|error| anyhow!("{error}"))
            .with_context(|| format!("a patch of {name}"))?;
        ensure!(!state.mac_mismatch_fatal, "a patch of {name}: the MAC of what it leads to is wrong");
        collection.values.extend(taken.added_macs.into_iter().map(|mac| (mac.index_mac, mac.value_mac)));
        taken.removed_index_macs.iter().for_each(|index| drop(collection.values.remove(index)));
        collection.state = state;
        collection.patches.push(patch.encode_to_vec());
        Ok(())
    }

    /// The message in which the phone gives the key to a device.
    pub(crate) fn key_share(&self, raw_id: u32, key_index: u32) -> wa::Message {
        use wa::message::{
            AppStateSyncKey, AppStateSyncKeyData, AppStateSyncKeyFingerprint, AppStateSyncKeyId, AppStateSyncKeyShare,
            ProtocolMessage, protocol_message,
        };
        let fingerprint = AppStateSyncKeyFingerprint {
            raw_id: Some(raw_id),
            current_index: Some(key_index),
            device_indexes: vec![0, key_index],
            ..Default::default()
        };
        let data = AppStateSyncKeyData {
            key_data: Some(self.key.to_vec()),
            fingerprint: MessageField::some(fingerprint),
            timestamp: i64::try_from(unix_seconds()).ok(),
            ..Default::default()
        };
        let key = AppStateSyncKey {
            key_id: MessageField::some(AppStateSyncKeyId { key_id: Some(KEY_ID.to_vec()), ..Default::default() }),
            key_data: MessageField::some(data),
            ..Default::default()
        };
        let share = ProtocolMessage {
            r#type: Some(protocol_message::Type::APP_STATE_SYNC_KEY_SHARE),
            app_state_sync_key_share: MessageField::some(AppStateSyncKeyShare {
                keys: vec![key],
                ..Default::default()
            }),
            ..Default::default()
        };
        wa::Message { protocol_message: MessageField::some(share), ..Default::default() }
    }
}

fn push_name_patch(key: &[u8; 32], push_name: &str) -> Result<Vec<u8>> {
    let keys = expand_app_state_keys(key);
    let setting = wa::sync_action_value::PushNameSetting { name: Some(push_name.to_owned()), ..Default::default() };
    let value = wa::SyncActionValue {
        timestamp: i64::try_from(unix_seconds() * 1000).ok(),
        push_name_setting: MessageField::some(setting),
        ..Default::default()
    };
    let set = wa::syncd_mutation::SyncdOperation::SET;
    let (mutation, _) = encode_record(set, br#"["setting_pushName"]"#, &value, &keys, &KEY_ID, &rand::random(), 1);
    let mut state = hash::HashState::default();
    let (_, result) = state.update_hash(std::slice::from_ref(&mutation), |_, _| Ok(None));
    result?;
    state.version = 1;
    let mut patch = wa::SyncdPatch {
        version: MessageField::some(wa::SyncdVersion { version: Some(1), ..Default::default() }),
        snapshot_mac: Some(state.generate_snapshot_mac(COLLECTION, &keys.snapshot_mac)),
        key_id: MessageField::some(wa::KeyId { id: Some(KEY_ID.to_vec()), ..Default::default() }),
        mutations: vec![mutation],
        ..Default::default()
    };
    patch.patch_mac = Some(hash::generate_patch_mac(&patch, COLLECTION, &keys.patch_mac, 1));
    Ok(patch.encode_to_vec())
}
