//! The wire between host and container, defined once for both sides.
//!
//! Owns: the request and follow-up lines on the runner's stdin ([`Request`], [`FollowUp`]; R3), the result frames on its
//! stdout ([`Output`], [`FrameParser`]; R4) and the files under `ipc/<group>/` ([`ipc`]; I1).
//! Must not: do I/O, decide what is allowed, or know who started whom.
//! Used by: `nanoclaw-core` and `nanoclaw-host` on one side, the agent runner on the other.
//!
//! Fields are added, never renamed; unknown fields are ignored, so that an older image and a newer host understand each other.

mod frame;
pub mod ipc;
mod output;
mod request;

pub use frame::{FrameError, FrameParser, Piece};
pub use output::{Cause, OUTPUT_END, OUTPUT_START, Output, Status, Usage};
pub use request::{FollowUp, MAX_LINE_BYTES, Request};

/// The version of the runner that speaks this.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `value` as one JSON line with its `\n`. JSON escapes line breaks, so the text is always one line.
fn to_line(value: &impl serde::Serialize) -> String {
    // Plain structs with text keys always serialise; an empty line would be refused by the reader, not misread.
    let mut line = serde_json::to_string(value).unwrap_or_default();
    line.push('\n');
    line
}
