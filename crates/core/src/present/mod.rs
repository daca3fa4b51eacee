//! What people see of an AppStatus, as values: the tray, notifications, the window's view. Pure, and in plain words.
//!
//! Architecture invariant: nothing here draws. `src-tauri` draws the values, and decides nothing.

#[cfg(any(test, feature = "states"))]
pub mod states;
