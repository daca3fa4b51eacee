//! The server against the real client, whatsapp-rust. See the feature `client-tests` for how to run them.
mod faults;
mod linked;
mod load;
mod texts;
