//! Ports for programs that want to be told theirs.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process;

use anyhow::{Context, Result};

/// Below those that the system gives away, so that none becomes another's before its program takes it.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// Nobody else's here until it is dropped.
pub struct Port {
    pub number: u16,
    /// A name that one process alone can have.
    _lock: UnixListener,
}

impl Port {
    pub fn free() -> Result<Self> {
        let from = PORTS.start + u16::try_from(process::id() % u32::from(PORTS.end - PORTS.start))?;
        let mut all = (from..PORTS.end).chain(PORTS.start..from);
        all.find_map(Self::take).context("no port is free")
    }

    fn take(number: u16) -> Option<Self> {
        let name = SocketAddr::from_abstract_name(format!("nanoclaw-port-{number}")).ok()?;
        let lock = UnixListener::bind_addr(&name).ok()?;
        TcpListener::bind(("127.0.0.1", number)).ok()?;
        Some(Self { number, _lock: lock })
    }
}
