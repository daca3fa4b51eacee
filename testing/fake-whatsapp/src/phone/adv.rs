//! ADV, the account's signatures over its devices (facts/whatsapp.md): who belongs to an account, provable to all.
//! Pure: signs and verifies, sends nothing.
use anyhow::{Context, Result, anyhow, ensure};
use buffa::Message as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use wacore_libsignal::protocol::KeyPair;
use waproto::whatsapp as wa;

use crate::device::public_key;
use crate::phone::Phone;
use crate::stanza::{rng, unix_seconds};

/// What a signature is for goes before the signed bytes.
const ACCOUNT_SIGNATURE: [u8; 2] = [6, 0];
const DEVICE_SIGNATURE: [u8; 2] = [6, 1];
const KEY_INDEX_LIST: [u8; 2] = [6, 2];

/// The account's word for a device, and the envelope that proves it to the device: an HMAC under the secret of the QR.
pub(crate) struct Introduction {
    pub(crate) details: Vec<u8>,
    pub(crate) envelope: Vec<u8>,
}

pub(crate) fn introduce(phone: &Phone, key_index: u32, device: &[u8; 32], secret: &[u8]) -> Result<Introduction> {
    let details = wa::ADVDeviceIdentity {
        raw_id: Some(phone.raw_id),
        timestamp: Some(unix_seconds()),
        key_index: Some(key_index),
        account_type: Some(wa::ADVEncryptionType::E2EE),
        device_type: Some(wa::ADVEncryptionType::E2EE),
        ..Default::default()
    }
    .encode_to_vec();
    let signed = wa::ADVSignedDeviceIdentity {
        details: Some(details.clone()),
        account_signature_key: Some(phone.identity.public_key.public_key_bytes().to_vec()),
        account_signature: Some(sign(&phone.identity, &[&ACCOUNT_SIGNATURE, &details, device])?),
        ..Default::default()
    }
    .encode_to_vec();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret)?;
    mac.update(&signed);
    let envelope = wa::ADVSignedDeviceIdentityHMAC {
        details: Some(signed),
        hmac: Some(mac.finalize().into_bytes().to_vec()),
        account_type: Some(wa::ADVEncryptionType::E2EE),
        ..Default::default()
    }
    .encode_to_vec();
    Ok(Introduction { details, envelope })
}

/// Checks the device's own signature and returns the identity as others get it. Errors: other details than were sent,
/// or a signature that the device's key did not make.
pub(crate) fn accept(phone: &Phone, device: &[u8; 32], details: &[u8], answer: &[u8]) -> Result<Vec<u8>> {
    let answer = wa::ADVSignedDeviceIdentity::decode_from_slice(answer)?;
    ensure!(answer.details.as_deref() == Some(details), "the device signed other details than it was sent");
    let account_key = phone.identity.public_key.public_key_bytes();
    let signed = [&DEVICE_SIGNATURE, details, device, account_key].concat();
    let signature = answer.device_signature.as_deref().context("no device signature")?;
    ensure!(public_key(device)?.verify_signature(&signed, signature), "the device signature is wrong");
    Ok(wa::ADVSignedDeviceIdentity { account_signature_key: Some(account_key.to_vec()), ..answer }.encode_to_vec())
}

/// The signed list of the devices that are valid now.
pub(crate) fn key_index_list(phone: &Phone, valid: &[u32]) -> Result<Vec<u8>> {
    let details = wa::ADVKeyIndexList {
        raw_id: Some(phone.raw_id),
        timestamp: Some(unix_seconds()),
        current_index: valid.iter().copied().max(),
        valid_indexes: std::iter::once(0).chain(valid.iter().copied()).collect(),
        ..Default::default()
    }
    .encode_to_vec();
    let list = wa::ADVSignedKeyIndexList {
        account_signature: Some(sign(&phone.identity, &[&KEY_INDEX_LIST, &details])?),
        account_signature_key: Some(phone.identity.public_key.public_key_bytes().to_vec()),
        details: Some(details),
        ..Default::default()
    };
    Ok(list.encode_to_vec())
}

fn sign(key: &KeyPair, parts: &[&[u8]]) -> Result<Vec<u8>> {
    let signature = key.calculate_signature(&parts.concat(), &mut rng()).map_err(|error| anyhow!("{error}"))?;
    Ok(signature.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone() -> Phone {
        Phone::new("1555", KeyPair::generate(&mut rng()), "Owner").unwrap()
    }

    /// A device that signs `details` as its own, and its answer.
    fn answer(phone: &Phone, signer: &KeyPair, device: &[u8; 32], details: &[u8]) -> Vec<u8> {
        let account_key = phone.identity.public_key.public_key_bytes();
        wa::ADVSignedDeviceIdentity {
            details: Some(details.to_vec()),
            device_signature: Some(sign(signer, &[&DEVICE_SIGNATURE, details, device, account_key]).unwrap()),
            ..Default::default()
        }
        .encode_to_vec()
    }

    #[test]
    fn only_the_devices_own_signature_counts() {
        let (phone, device, other) = (phone(), KeyPair::generate(&mut rng()), KeyPair::generate(&mut rng()));
        let identity: [u8; 32] = device.public_key.public_key_bytes().try_into().unwrap();
        let introduction = introduce(&phone, 1, &identity, b"secret").unwrap();
        let details = &introduction.details;
        assert!(accept(&phone, &identity, details, &answer(&phone, &device, &identity, details)).is_ok());
        let forged = accept(&phone, &identity, details, &answer(&phone, &other, &identity, details));
        assert!(forged.unwrap_err().to_string().contains("signature is wrong"));
        let changed = accept(&phone, &identity, details, &answer(&phone, &device, &identity, b"others"));
        assert!(changed.unwrap_err().to_string().contains("other details"));
    }
}
