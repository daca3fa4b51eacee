//! What NanoClaw does: WhatsApp, SQLite, Docker, files, timers, and Kiro on the host.
//!
//! One loop (`orchestrator`) owns the state and asks `nanoclaw-core` what to do; tasks at the edges only translate.
//!
//! Architecture invariant: this crate compiles without Tauri.

#[cfg(all(feature = "fake-peers", not(debug_assertions)))]
compile_error!("fake-peers lets the WhatsApp client trust any server: it must not be in a release build");

pub mod autostart;
pub mod bootstrap;
pub mod channel;
pub mod container;
pub mod control;
pub mod diagnostics;
pub mod doctor;
pub mod import;
pub mod ipc;
pub mod kiro;
pub mod logging;
pub mod logs;
mod moment;
pub mod orchestrator;
pub mod paths;
pub mod ports;
pub mod scheduler;
pub mod settings;
pub mod shutdown;
pub mod store;
mod supervise;
pub mod uninstall;
