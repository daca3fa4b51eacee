//! The channels on which people write to agents. There is one: WhatsApp.
//!
//! A channel is a task at the edge: it translates between its network and [`crate::ports`], and decides nothing.

pub mod surroundings;
pub mod whatsapp;
