//! The server against the real client, whatsapp-rust. See the feature `client-tests` for how to run them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod addressing;
mod backlog;
mod devices;
mod ends;
mod faults;
mod groups;
mod linked;
mod load;
mod pairing;
mod passkey;
mod strict;
mod texts;
