//! The key server: what devices upload, and what others get to start sessions with them. A phone's keys are made when
//! they are asked for.
use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use sha1::{Digest as _, Sha1};
use wacore_binary::{Jid, Node};

use crate::device::{KeyBundle, SignedKey, public_key};
use crate::directory::{Address, Companion};
use crate::server::World;
use crate::stanza::{attr, children, content, lock, node, number, unix_seconds};
use crate::transport::Connection;

/// The type of a curve key.
const DJB: u8 = 5;

impl World {
    pub(super) async fn on_key_request(
        self: &Arc<Self>,
        connection: &Connection,
        iq: &Node,
        kind: &str,
        tag: &str,
    ) -> Result<()> {
        let companion = connection.companion()?;
        match (kind, tag) {
            ("get", "count") => {
                let count = lock(&companion.keys).as_ref().map_or(0, |keys| keys.one_time.len());
                self.answer(connection, iq, [node("count").attr("value", count as u64).build()]);
            }
            ("get", "digest") => match lock(&companion.keys).as_ref() {
                Some(keys) => self.answer(connection, iq, [digest(keys)]),
                None => self.refuse(connection, iq, 404, "item-not-found"),
            },
            ("get", "key") => {
                let asked = iq.get_optional_child("key").context("no list of devices")?;
                let mut users = Vec::new();
                for user in children(asked, "user") {
                    users.push(self.keys_of(attr(user, "jid").parse()?).await?);
                }
                self.answer(connection, iq, [node("list").children(users).build()]);
            }
            ("set", "rotate") => {
                let signed = iq.get_optional_child("rotate").and_then(|rotate| rotate.get_optional_child("skey"));
                let signed = signed_key(signed.context("no signed key")?, &companion.identity)?;
                lock(&companion.keys).as_mut().context("nothing to rotate")?.signed = signed;
                self.answer(connection, iq, []);
            }
            ("set", _) => self.on_upload(connection, companion, iq)?,
            _ => self.refuse(connection, iq, 501, "feature-not-implemented"),
        }
        Ok(())
    }

    fn on_upload(self: &Arc<Self>, connection: &Connection, companion: &Arc<Companion>, iq: &Node) -> Result<()> {
        let identity = content(iq.get_optional_child("identity"));
        ensure!(identity == companion.identity, "the device uploads another identity than it was linked with");
        let signed = signed_key(iq.get_optional_child("skey").context("no signed key")?, &identity)?;
        let list = iq.get_optional_child("list").context("no list of keys")?;
        let registration = number(iq.get_optional_child("registration"));
        ensure!(registration > 0, "a device has a registration id");
        ensure!(content(iq.get_optional_child("type")) == [DJB], "keys of an unknown type");
        let first = {
            let mut keys = lock(&companion.keys);
            let first = keys.is_none();
            let mut one_time: VecDeque<_> = keys.as_ref().map(|keys| keys.one_time.clone()).unwrap_or_default();
            for key in children(list, "key") {
                one_time.extend(fresh_key(key, &one_time)?);
            }
            *keys = Some(KeyBundle { registration, identity, signed, one_time });
            first
        };
        companion.uploaded.send_replace(true);
        self.answer(connection, iq, []);
        if first {
            let (world, companion) = (self.clone(), companion.clone());
            tokio::spawn(async move {
                if let Err(error) = world.share_app_state_key(&companion).await {
                    tracing::error!("the phone could not share the app-state key: {error:#}");
                }
            });
        }
        Ok(())
    }

    async fn keys_of(&self, jid: Jid) -> Result<Node> {
        let address = lock(&self.directory).resolve(&jid);
        let bundle = match address {
            Some(address) => self.take_keys(&address).await?,
            None => None,
        };
        let user = node("user").attr("jid", &jid);
        let Some((bundle, device_identity)) = bundle else {
            let error = node("error").attr("code", "404").attr("text", "item-not-found").build();
            return Ok(user.children([error]).build());
        };
        let mut children = vec![
            node("registration").bytes(bundle.registration.to_be_bytes()).build(),
            node("type").bytes([DJB]).build(),
            node("identity").bytes(bundle.identity.clone()).build(),
        ];
        children.extend(bundle.one_time.front().map(one_time_key));
        children.push(signed_key_node(&bundle.signed));
        children.extend(device_identity.map(|identity| node("device-identity").bytes(identity).build()));
        Ok(user.attr("t", unix_seconds()).children(children).build())
    }

    /// The keys for one new session with a device, and a linked device's ADV identity.
    async fn take_keys(&self, address: &Address) -> Result<Option<(KeyBundle, Option<Vec<u8>>)>> {
        if address.device == 0 {
            let phone = lock(&self.directory).account(&address.pn)?.phone.clone();
            let bundle = phone.conversations.lock().await.signal.bundle();
            return Ok(Some((bundle, None)));
        }
        let Some(companion) = lock(&self.directory).companion(address) else { return Ok(None) };
        let bundle = lock(&companion.keys).as_mut().map(KeyBundle::take_for_session);
        Ok(bundle.map(|bundle| (bundle, Some(companion.device_identity.clone()))))
    }
}

/// A phone's keys as a retry receipt carries them.
pub(crate) fn keys_node(bundle: &KeyBundle) -> Node {
    let mut children = vec![node("type").bytes([DJB]).build(), node("identity").bytes(bundle.identity.clone()).build()];
    children.extend(bundle.one_time.front().map(one_time_key));
    children.push(signed_key_node(&bundle.signed));
    node("keys").children(children).build()
}

fn digest(keys: &KeyBundle) -> Node {
    let mut hash = Sha1::new();
    for part in [&keys.identity, &keys.signed.value, &keys.signed.signature] {
        hash.update(part);
    }
    keys.one_time.iter().for_each(|(_, value)| hash.update(value));
    let ids = keys.one_time.iter().map(|(id, _)| node("id").bytes(key_id(*id)).build());
    node("digest")
        .children([
            node("registration").bytes(keys.registration.to_be_bytes()).build(),
            node("type").bytes([DJB]).build(),
            node("identity").bytes(keys.identity.clone()).build(),
            signed_key_node(&keys.signed),
            node("list").children(ids).build(),
            node("hash").bytes(hash.finalize().to_vec()).build(),
        ])
        .build()
}

/// A one-time key that is not there yet. Errors: no id of three bytes, no curve key, or an id that another key has.
fn fresh_key(key: &Node, there: &VecDeque<(u32, Vec<u8>)>) -> Result<Option<(u32, Vec<u8>)>> {
    let (id, value) = (number(key.get_optional_child("id")), content(key.get_optional_child("value")));
    ensure!(content(key.get_optional_child("id")).len() == 3 && id > 0, "a key's id is a number of three bytes");
    public_key(&value).with_context(|| format!("one-time key {id}"))?;
    match there.iter().find(|(other, _)| *other == id) {
        Some((_, other)) => {
            ensure!(*other == value, "one-time key {id} is there with another value");
            Ok(None)
        }
        None => Ok(Some((id, value))),
    }
}

/// Errors: the signature is not the identity's.
fn signed_key(node: &Node, identity: &[u8]) -> Result<SignedKey> {
    let key = SignedKey {
        id: number(node.get_optional_child("id")),
        value: content(node.get_optional_child("value")),
        signature: content(node.get_optional_child("signature")),
    };
    ensure!(key.is_signed_by(identity), "the signed key's signature is wrong");
    Ok(key)
}

fn signed_key_node(key: &SignedKey) -> Node {
    node("skey")
        .children([
            node("id").bytes(key_id(key.id)).build(),
            node("value").bytes(key.value.clone()).build(),
            node("signature").bytes(key.signature.clone()).build(),
        ])
        .build()
}

fn one_time_key((id, value): &(u32, Vec<u8>)) -> Node {
    node("key").children([node("id").bytes(key_id(*id)).build(), node("value").bytes(value.clone()).build()]).build()
}

/// Key ids take three bytes.
fn key_id(id: u32) -> Vec<u8> {
    let [_, rest @ ..] = id.to_be_bytes();
    rest.to_vec()
}
