//! A small WhatsApp that speaks the real protocol (Noise, binary nodes, Signal), for tests and the demo.
//!
//! Simulated contacts live inside; linked devices are real clients on the websocket `/ws/chat`. The same port answers
//! the admin calls under `/admin` (see `admin`), which `Server`'s methods mirror one by one, and serves `/panel`, a page that
//! plays the phones. It records and never
//! asserts, but it is strict: what no WhatsApp client does ends the stream and is kept in its state. Its stanzas are what real clients accept; fidelity beyond that is not promised.
#![allow(clippy::needless_update, reason = "a protobuf message has more fields with other features of its crate")]

mod admin;
mod bounded;
mod content;
mod device;
mod directory;
mod faults;
mod groups;
mod iq;
mod journal;
mod panel;
mod phone;
mod queue;
mod router;
mod server;
mod stanza;
mod strict;
mod transport;

pub use content::Media;
pub use directory::Addressing;
pub use faults::Fault;
pub use groups::GroupChange;
pub use journal::{Item, ItemKind, Received};
pub use server::{CompanionState, Server, State};
