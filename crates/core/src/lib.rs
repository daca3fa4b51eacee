//! NanoClaw's rules as pure code: no I/O, no async, no clock. Time is passed in, effects are returned as values.
//!
//! Architecture invariant: this crate names neither SQLite nor Docker nor WhatsApp nor Tauri, so that every rule can be
//! tested without them. `crates/host` does what these modules decide.

pub mod allowlist;
pub mod authorize;
pub mod autostart;
pub mod chat;
pub mod command;
pub mod extra;
pub mod failure;
pub mod group;
pub mod image;
pub mod kiro;
pub mod link;
pub mod logs;
pub mod mcp_entry;
pub mod mounts;
pub mod owner;
pub mod pace;
pub mod present;
pub mod problem;
pub mod prompt;
pub mod queue;
pub mod redact;
pub mod router;
pub mod run;
pub mod schedule;
pub mod settings;
pub mod status;
pub mod trigger;
pub mod trust;
