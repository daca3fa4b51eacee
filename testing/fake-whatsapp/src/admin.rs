//! The admin calls over HTTP: JSON in and out, errors 4xx `{error}`. Each is a `Server` method; nothing else is here.
//! `pn` and `lid` are digits; a call without a result answers `{}`.
//!
//! | call | body | answer |
//! |---|---|---|
//! | `POST /admin/accounts` | `{pn, lid, pushName, addressing?: "pn" or "lid", passkey?: bool}` | |
//! | `POST /admin/groups` | `{jid, subject, members: [pn], addressing?: "pn" or "lid"}` | |
//! | `POST /admin/groups/change` | `{jid, by?: pn, …}` with the fields of a [`GroupChange`] | |
//! | `POST /admin/scan?pn=` | the QR code's text | `{device}`, once the device is linked |
//! | `POST /admin/enter-code?pn=` | the code | `{device}`, once the device is linked |
//! | `POST /admin/end-code?pn=&by_hand=` (true, false) | | |
//! | `GET /admin/passkey?pn=` | | `{code}` that the phone shows while a device is linked, or null |
//! | `POST /admin/send` | `{from: pn, to: pn, group JID or LID JID, text, media?: "image", "video" or "document", id?}` (of media the text is the caption) | `{id}` |
//! | `POST /admin/own-phone` | `{owner: pn, chat: pn or JID, text, id?}` | `{id}` |
//! | `GET /admin/received?since=&wait=` (ms) | | [`crate::Received`]; `next` is the next `since` |
//! | `POST /admin/fault` | `{pn, …}` with the fields of a [`Fault`] | |
//! | `POST /admin/revoke?pn=`, `POST /admin/drop?pn=` | | |
//! | `GET /admin/state` | | [`crate::State`] |
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::content::Media;
use crate::directory::Addressing;
use crate::faults::Fault;
use crate::groups::GroupChange;
use crate::panel;
use crate::server::World;
use crate::stanza::lock;
use crate::transport;

/// The longest time that a reader may wait for the next item.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// `/ws/chat` for WhatsApp clients, the admin calls, and the phone panel.
pub(crate) fn routes(world: Arc<World>) -> Router {
    Router::new()
        .route("/ws/chat", get(chat))
        .route("/admin/accounts", post(accounts))
        .route("/admin/groups", post(groups))
        .route("/admin/groups/change", post(change_group))
        .route("/admin/scan", post(scan))
        .route("/admin/enter-code", post(enter_code))
        .route("/admin/end-code", post(end_code))
        .route("/admin/passkey", get(passkey))
        .route("/admin/send", post(send))
        .route("/admin/own-phone", post(own_phone))
        .route("/admin/received", get(received))
        .route("/admin/fault", post(fault))
        .route("/admin/revoke", post(revoke))
        .route("/admin/drop", post(drop_connections))
        .route("/admin/state", get(state))
        .fallback(|| async { Refusal(StatusCode::NOT_FOUND, anyhow!("there is no such admin call")) })
        .method_not_allowed_fallback(|| async {
            Refusal(StatusCode::METHOD_NOT_ALLOWED, anyhow!("this admin call takes another method"))
        })
        .with_state(world.clone())
        .merge(panel::routes(world))
}

/// Why a call was not carried out.
pub(crate) struct Refusal(StatusCode, anyhow::Error);

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self(StatusCode::BAD_REQUEST, error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": format!("{:#}", self.1) }))).into_response()
    }
}

pub(crate) type Answer = Result<Json<Value>, Refusal>;
type Shared = State<Arc<World>>;
type Fields = serde_json::Map<String, Value>;
pub(crate) type Asked<T> = Result<Query<T>, QueryRejection>;

#[derive(Deserialize)]
pub(crate) struct Pn {
    pub(crate) pn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewAccount {
    pn: String,
    lid: String,
    push_name: String,
    addressing: Option<Addressing>,
    passkey: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewGroup {
    jid: String,
    subject: String,
    members: Vec<String>,
    #[serde(default)]
    addressing: Addressing,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    from: String,
    to: String,
    text: String,
    media: Option<Media>,
    id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnText {
    owner: String,
    chat: String,
    text: String,
    id: Option<String>,
}

#[derive(Deserialize)]
struct EndedCode {
    pn: String,
    #[serde(default)]
    by_hand: bool,
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
    #[serde(default)]
    wait: u64,
}

async fn chat(State(world): Shared, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|socket| transport::serve(world, socket))
}

async fn accounts(State(world): Shared, body: Bytes) -> Answer {
    let NewAccount { pn, lid, push_name, addressing, passkey } = read(&body)?;
    let mut directory = lock(&world.directory);
    directory.add_account(&pn, &lid, &push_name)?;
    let account = directory.account_mut(&pn)?;
    account.addressing = addressing.unwrap_or(account.addressing);
    account.wants_passkey = passkey.unwrap_or(account.wants_passkey);
    done()
}

async fn groups(State(world): Shared, body: Bytes) -> Answer {
    let NewGroup { jid, subject, members, addressing } = read(&body)?;
    world.put_group(&jid, &subject, members, addressing)?;
    done()
}

async fn change_group(State(world): Shared, body: Bytes) -> Answer {
    let mut order: Fields = read(&body)?;
    let jid = take(&mut order, "jid")?;
    let by = order.contains_key("by").then(|| take(&mut order, "by")).transpose()?;
    let change: GroupChange = serde_json::from_value(Value::Object(order)).context("not a change of a group")?;
    world.change_group(&jid, by.as_deref(), &change).await?;
    done()
}

async fn scan(State(world): Shared, asked: Asked<Pn>, body: Bytes) -> Answer {
    let device = world.scan(&query(asked)?.pn, &String::from_utf8_lossy(&body)).await?;
    Ok(Json(json!({ "device": device })))
}

async fn enter_code(State(world): Shared, asked: Asked<Pn>, body: Bytes) -> Answer {
    let device = world.enter_code(&query(asked)?.pn, &String::from_utf8_lossy(&body)).await?;
    Ok(Json(json!({ "device": device })))
}

async fn end_code(State(world): Shared, asked: Asked<EndedCode>) -> Answer {
    let EndedCode { pn, by_hand } = query(asked)?;
    world.end_code(&pn, by_hand)?;
    done()
}

async fn passkey(State(world): Shared, asked: Asked<Pn>) -> Answer {
    Ok(Json(json!({ "code": world.passkey_code(&query(asked)?.pn) })))
}

async fn send(State(world): Shared, body: Bytes) -> Answer {
    let Said { from, to, text, media, id } = read(&body)?;
    let id = world.send_message(&from, &to, media, &text, id.as_deref()).await?;
    Ok(Json(json!({ "id": id })))
}

async fn own_phone(State(world): Shared, body: Bytes) -> Answer {
    let OwnText { owner, chat, text, id } = read(&body)?;
    let id = world.send_message(&owner, &chat, None, &text, id.as_deref()).await?;
    Ok(Json(json!({ "id": id })))
}

async fn received(State(world): Shared, asked: Asked<Since>) -> Result<Response, Refusal> {
    let Since { since, wait } = query(asked)?;
    let page = world.journal.received(since, Duration::from_millis(wait).min(LONGEST_WAIT)).await;
    Ok(Json(page).into_response())
}

async fn fault(State(world): Shared, body: Bytes) -> Answer {
    let mut order: Fields = read(&body)?;
    let pn = take(&mut order, "pn")?;
    let fault: Fault = serde_json::from_value(Value::Object(order)).context("not a fault that this server knows")?;
    world.fault(&pn, &fault)?;
    done()
}

async fn revoke(State(world): Shared, asked: Asked<Pn>) -> Answer {
    world.revoke(&query(asked)?.pn)?;
    done()
}

async fn drop_connections(State(world): Shared, asked: Asked<Pn>) -> Answer {
    world.fault(&query(asked)?.pn, &Fault::Drop {})?;
    done()
}

async fn state(State(world): Shared) -> Response {
    Json(world.state()).into_response()
}

pub(crate) fn done() -> Answer {
    Ok(Json(json!({})))
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    Ok(serde_json::from_slice(body).context("the body can't be read")?)
}

/// Takes a text field out, so that the rest is an order of its own.
fn take(order: &mut Fields, name: &str) -> anyhow::Result<String> {
    let value = order.remove(name).and_then(|value| value.as_str().map(str::to_owned));
    value.with_context(|| format!("missing field `{name}`"))
}

pub(crate) fn query<T>(asked: Asked<T>) -> Result<T, Refusal> {
    Ok(asked.map(|Query(query)| query).map_err(|rejection| anyhow!("{}", rejection.body_text()))?)
}
