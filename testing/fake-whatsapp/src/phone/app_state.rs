//! The account's settings as its linked devices sync them: one key, and one patch that holds the push name (without it a
//! client waits 10 s at each start). Later patches from devices are counted by version and not kept.
use anyhow::Result;
use buffa::{Message as _, MessageField};
use wacore::appstate::{encode_record, expand_app_state_keys, hash};
use waproto::whatsapp as wa;

use crate::stanza::unix_seconds;

/// The collection that the push name lives in.
pub(crate) const COLLECTION: &str = "critical_block";
const KEY_ID: [u8; 6] = [0, 0, 0, 0, 0, 1];

pub(crate) struct AppState {
    key: [u8; 32],
    /// Version 1 of `critical_block`.
    pub(crate) push_name_patch: Vec<u8>,
}

impl AppState {
    pub(crate) fn new(push_name: &str) -> Result<Self> {
        let key: [u8; 32] = rand::random();
        Ok(Self { key, push_name_patch: push_name_patch(&key, push_name)? })
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
