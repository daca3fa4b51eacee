//! The engine edge on a real engine: what a container may do, what goes in and out, and what happens when either ends.

mod absence;
mod bounds;
mod latency;
mod leftovers;
mod proxy;
mod runs;
mod scene;
