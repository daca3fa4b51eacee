//! Small readers and builders for binary nodes, shared by every module. Holds no state.
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, NodeContent};

/// The domain of phone-number JIDs, and the server's own address.
pub(crate) const USER_DOMAIN: &str = "s.whatsapp.net";

pub(crate) fn node(tag: &'static str) -> NodeBuilder {
    NodeBuilder::new(tag)
}

/// The attribute as text; empty when it is absent.
pub(crate) fn attr(node: &Node, key: &str) -> String {
    node.attrs.get(key).map(|value| value.as_str().into_owned()).unwrap_or_default()
}

/// The content as bytes; empty when there is none.
pub(crate) fn content(node: Option<&Node>) -> Vec<u8> {
    match node.and_then(|node| node.content.as_ref()) {
        Some(NodeContent::Bytes(bytes)) => bytes.to_vec(),
        Some(NodeContent::String(text)) => text.as_bytes().to_vec(),
        _ => Vec::new(),
    }
}

/// The content as a big-endian number, the form of key and registration ids.
pub(crate) fn number(node: Option<&Node>) -> u32 {
    content(node).iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte))
}

pub(crate) fn children<'a>(node: &'a Node, tag: &'a str) -> impl Iterator<Item = &'a Node> {
    node.children().unwrap_or_default().iter().filter(move |child| child.tag == tag)
}

/// The node as text, for the log at debug level only.
pub(crate) fn as_text(node: &Node) -> String {
    wacore::xml::DisplayableNode(node).to_string()
}

/// An id in the form that phones give their messages.
pub(crate) fn message_id() -> String {
    format!("3EB0{}", stanza_id())
}

pub(crate) fn stanza_id() -> String {
    format!("{:016X}", rand::random::<u64>())
}

pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|elapsed| elapsed.as_secs()).unwrap_or_default()
}

pub(crate) fn rng() -> StdRng {
    rand::make_rng()
}

/// A lock that a panicking test task can't poison for the others.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
