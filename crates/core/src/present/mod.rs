//! What people see of an AppStatus, as values: the tray, notifications, the window's view. Pure, and in plain words.
//!
//! Architecture invariant: nothing here draws. `src-tauri` draws the values, and decides nothing.

pub mod notify;
pub mod opening;
#[cfg(any(test, feature = "states"))]
pub mod states;
pub mod tray;
pub mod window;
pub mod words;
