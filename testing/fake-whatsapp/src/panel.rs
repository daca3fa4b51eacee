//! The phone panel: a page that plays the phones of all accounts, for people who try NanoClaw without an account.
//!
//! The page does its deeds by the admin calls; here is what those don't have: the page itself, who there is, and the screen
//! that a camera is held to. Must not: decide what WhatsApp does.
//!
//! | call | body | answer |
//! |---|---|---|
//! | `GET /panel` | | the page; the first account, by its number, is its owner |
//! | `GET /panel/state` | | `{screen, people: [{pn, name, linked, online}], groups: [{jid, subject, members}]}` |
//! | `POST /panel/screen` | the QR code's text that NanoClaw shows, or nothing | |
//! | `POST /panel/scan?pn=` | | `{device}`, once the device is linked |
use std::sync::{Arc, Mutex};

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use crate::admin::{Answer, Asked, Pn, done, query};
use crate::server::World;
use crate::stanza::lock;

/// Nothing from elsewhere, and no style or script but the page's own files.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";
const PAGE: &str = include_str!("../panel/index.html");
const SCRIPT: &str = include_str!("../panel/panel.js");
const STYLE: &str = include_str!("../panel/panel.css");
/// The window's own: one look.
const TOKENS: &str = include_str!("../../../ui/src/tokens.css");

struct Panel {
    world: Arc<World>,
    /// What the camera sees.
    screen: Mutex<Option<String>>,
}

type Shared = State<Arc<Panel>>;

pub(crate) fn routes(world: Arc<World>) -> Router {
    Router::new()
        .route("/panel", get(|| async { file("text/html", PAGE) }))
        .route("/panel/panel.js", get(|| async { file("text/javascript", SCRIPT) }))
        .route("/panel/panel.css", get(|| async { file("text/css", STYLE) }))
        .route("/panel/tokens.css", get(|| async { file("text/css", TOKENS) }))
        .route("/panel/state", get(state))
        .route("/panel/screen", post(screen))
        .route("/panel/scan", post(scan))
        .with_state(Arc::new(Panel { world, screen: Mutex::default() }))
}

fn file(kind: &str, text: &'static str) -> Response {
    let kind = format!("{kind}; charset=utf-8");
    ([(CONTENT_TYPE, kind.as_str()), (CONTENT_SECURITY_POLICY, POLICY), (CACHE_CONTROL, "no-store")], text)
        .into_response()
}

async fn state(State(panel): Shared) -> Json<Value> {
    let has_screen = lock(&panel.screen).is_some();
    let companions = panel.world.state().companions;
    let directory = lock(&panel.world.directory);
    let people: Vec<Value> = directory
        .accounts()
        .into_iter()
        .map(|account| {
            let mine = || companions.iter().filter(|companion| companion.pn == account.pn);
            let (linked, online) = (mine().count() > 0, mine().any(|companion| companion.online));
            json!({ "pn": account.pn, "name": account.push_name, "linked": linked, "online": online })
        })
        .collect();
    let groups: Vec<Value> = directory
        .groups()
        .into_iter()
        .map(|group| json!({ "jid": group.jid.to_string(), "subject": group.subject, "members": group.members }))
        .collect();
    Json(json!({ "screen": has_screen, "people": people, "groups": groups }))
}

async fn screen(State(panel): Shared, text: String) -> Answer {
    *lock(&panel.screen) = Some(text).filter(|text| !text.is_empty());
    done()
}

async fn scan(State(panel): Shared, asked: Asked<Pn>) -> Answer {
    let pn = query(asked)?.pn;
    let code = lock(&panel.screen).clone().context("NanoClaw shows no code at the moment")?;
    let device = panel.world.scan(&pn, &code).await?;
    Ok(Json(json!({ "device": device })))
}
