//! The control socket: how other processes ask the running NanoClaw for something (design, Control socket).
//!
//! One JSON object a line. A request is `{id, command, args}`, its answer `{id, ok}` or `{id, error: {code, message, cure}}`;
//! answers may come in another order than their requests. `{command: "watch"}` has no answer of its own: from then on
//! each change is a line that holds one AppStatus (told from answers by its `schema`), always the newest. A line that can't
//! be read is answered with an error whose id is null.
//!
//! Who may ask is decided by the permissions of the folder and the socket alone. Who owns a Home is decided by its lock:
//! the owner serves, everybody else is a client.

mod client;
mod lock;
mod server;

pub use client::{Client, Watch};
pub use lock::HomeLock;
pub use server::{Listener, listen, serve};

/// Bytes; a longer request is refused.
pub const LONGEST_LINE: usize = 1 << 20;
