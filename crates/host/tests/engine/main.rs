//! The engine edge on a real engine: what a container may do, what goes in and out, and what happens when either ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod absence;
mod bounds;
mod image;
mod latency;
mod leftovers;
#[path = "../../../../testing/e2e/src/proxy.rs"]
mod proxy;
mod runs;
mod scene;
