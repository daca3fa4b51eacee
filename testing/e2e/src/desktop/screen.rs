//! The screen without a window manager: which windows are on it, and the message that a frame's close button sends.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::time::{Instant, sleep};
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    AtomEnum, BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ClientMessageEvent, ConfigureWindowAux, ConnectionExt,
    EventMask, GetGeometryReply, ImageFormat, MOTION_NOTIFY_EVENT, MapState, Window,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use crate::PATIENCE;

/// How long a menu may take to open after a click that a panel has heard, and to draw itself.
const OPENS: Duration = Duration::from_secs(3);
const DRAWS: Duration = Duration::from_millis(500);
/// The protocol's events would need a thread that blocks on them.
const LOOK: Duration = Duration::from_millis(20);

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
    while !seen(&server, screen)?.is_empty() {
        if Instant::now() > deadline {
            bail!("windows stay open: {:?}", seen(&server, screen)?);
        }
        sleep(LOOK).await;
    }
    Ok(())
}

/// A window's place and size: x, y, width, height in pixels.
pub type Place = (i16, i16, u16, u16);

/// Puts the one window there, as its frame does.
pub fn put_window(display: &str, (x, y, width, height): Place) -> Result<()> {
    let (server, screen) = RustConnection::connect(Some(display))?;
    let (window, _) = *seen(&server, screen)?.first().context("no window")?;
    let place = ConfigureWindowAux::new().x(i32::from(x)).y(i32::from(y));
    server.configure_window(window, &place.width(u32::from(width)).height(u32::from(height)))?.check()?;
    Ok(())
}

/// Waits until the one window is there.
pub async fn window_is(display: &str, place: Place) -> Result<()> {
    let (server, screen) = RustConnection::connect(Some(display))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut is = None;
        if let Some((window, _)) = seen(&server, screen)?.first()
            && let Ok(now) = server.get_geometry(*window)?.reply()
        {
            is = Some((now.x, now.y, now.width, now.height));
        }
        match is {
            Some(is) if is == place => return Ok(()),
            is if Instant::now() > deadline => bail!("the window is at {is:?}, not {place:?}"),
            _ => sleep(LOOK).await,
        }
    }
}

/// Clicks into the screen's upper left corner until a menu hangs there; that as a PNG.
pub async fn picture_of_menu(display: &str) -> Result<Vec<u8>> {
    let (server, screen) = RustConnection::connect(Some(display))?;
    let root = server.setup().roots[screen].root;
    let deadline = Instant::now() + PATIENCE;
    // The one of a panel that was there before goes with it.
    while menu(&server, screen)?.is_some() {
        ensure!(Instant::now() < deadline, "a menu stays open");
        sleep(LOOK).await;
    }
    let menu = loop {
        ensure!(Instant::now() < deadline, "no menu opens");
        server.xtest_fake_input(MOTION_NOTIFY_EVENT, 0, 0, root, 12, 15, 0)?;
        for event in [BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT] {
            server.xtest_fake_input(event, 1, 0, root, 0, 0, 0)?;
        }
        server.flush()?;
        // Another click would close one that is slow to open.
        let opens = Instant::now() + OPENS;
        while menu(&server, screen)?.is_none() && Instant::now() < opens {
            sleep(LOOK).await;
        }
        if let Some(menu) = menu(&server, screen)? {
            break menu;
        }
    };
    // Nothing tells when it has drawn itself.
    sleep(DRAWS).await;
    // The edges are the menu's own.
    let width = menu.width + u16::try_from(menu.x)?;
    let height = menu.height + u16::try_from(menu.y)?;
    let image = server.get_image(ImageFormat::Z_PIXMAP, root, 0, 0, width, height, !0)?.reply()?;
    let rgb: Vec<u8> = image.data.chunks(4).flat_map(|pixel| pixel.iter().take(3).rev().copied()).collect();
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, width.into(), height.into());
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&rgb)?;
    Ok(png)
}

/// A menu is higher than the panel.
fn menu(server: &RustConnection, screen: usize) -> Result<Option<GetGeometryReply>> {
    for (window, _) in seen(server, screen)? {
        if let Ok(geometry) = server.get_geometry(window)?.reply()
            && geometry.height > 100
        {
            return Ok(Some(geometry));
        }
    }
    Ok(None)
}
