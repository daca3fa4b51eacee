//! The screen without a window manager: which windows are on it, and the message that a frame's close button sends.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{AtomEnum, ClientMessageEvent, ConnectionExt, EventMask, MapState, Window};
use x11rb::rust_connection::RustConnection;

use crate::PATIENCE;

/// The windows that can be seen, with their titles.
pub fn windows(display: &str) -> Result<Vec<(Window, String)>> {
    let (server, screen) = RustConnection::connect(Some(display))?;
    seen(&server, screen)
}

fn seen(server: &RustConnection, screen: usize) -> Result<Vec<(Window, String)>> {
    let root = server.setup().roots[screen].root;
    let mut found = Vec::new();
    for window in server.query_tree(root)?.reply()?.children {
        // One that has just gone is none.
        let Ok(attributes) = server.get_window_attributes(window)?.reply() else { continue };
        let Ok(name) = server.get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 1_024)?.reply() else {
            continue;
        };
        if attributes.map_state == MapState::VIEWABLE {
            found.push((window, String::from_utf8_lossy(&name.value).into_owned()));
        }
    }
    Ok(found)
}

pub async fn close(display: &str) -> Result<()> {
    let (server, screen) = RustConnection::connect(Some(display))?;
    let atom = |name: &str| -> Result<u32> { Ok(server.intern_atom(false, name.as_bytes())?.reply()?.atom) };
    let (protocols, delete) = (atom("WM_PROTOCOLS")?, atom("WM_DELETE_WINDOW")?);
    for (window, _) in seen(&server, screen)? {
        let message = ClientMessageEvent::new(32, window, protocols, [delete, x11rb::CURRENT_TIME, 0, 0, 0]);
        server.send_event(false, window, EventMask::NO_EVENT, message)?;
    }
    server.flush()?;
    let deadline = Instant::now() + PATIENCE;
    // The protocol's events would need a thread that blocks on them.
    while !seen(&server, screen)?.is_empty() {
        if Instant::now() > deadline {
            bail!("windows stay open: {:?}", seen(&server, screen)?);
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
