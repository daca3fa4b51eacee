//! A part of NanoClaw that fails is started again and shown, never silent.
//!
//! Each edge goes on by itself after [`PAUSE`], with what it was told meanwhile, and says `Broke`; the loop shows that for a
//! while. What can't be started again (the loop, and the desks where the edges take their orders) ends NanoClaw: the next
//! start puts in order what it left (C3). The panic itself is logged where it happens (`logging`).

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;

/// How long until a part that failed is started again.
pub(crate) const PAUSE: Duration = Duration::from_secs(2);

/// Waits for the end of a part; false when it failed.
pub(crate) async fn holds(part: impl Future<Output = ()>) -> bool {
    AssertUnwindSafe(part).catch_unwind().await.is_ok()
}
