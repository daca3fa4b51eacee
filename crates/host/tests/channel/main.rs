//! The WhatsApp channel against a server that speaks the real protocol.
#![cfg(feature = "fake-peers")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod away;
mod inbound;
mod link;
mod outbound;
mod pairing;
mod secrets;
mod world;
