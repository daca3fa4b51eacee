//! The people of a story and the server between them: `fake-whatsapp serve` as a process, its admin calls as deeds.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Duration, Instant, timeout};

use crate::http::Http;
use crate::{PATIENCE, built};

/// The server. It dies with this value.
pub struct WhatsApp {
    /// Where a client connects: `ws://127.0.0.1:PORT/ws/chat`.
    pub url: String,
    admin: Http,
    process: Child,
}

impl WhatsApp {
    /// Starts it on a free port; its log goes to `whatsapp.log` in `folder`.
    pub async fn start(folder: &Path) -> Result<Self> {
        let mut process = Command::new(built("fake-whatsapp")?)
            .args(["serve", "--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join("whatsapp.log"))?)
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().context("no stdout")?;
        let line = timeout(PATIENCE, BufReader::new(stdout).lines().next_line()).await??;
        let line = line.context("fake-whatsapp ended without a line: see whatsapp.log")?;
        let said: Value = serde_json::from_str(&line).with_context(|| format!("not its JSON line: {line}"))?;
        let url = said["url"].as_str().context("no url")?.to_owned();
        let admin = Http::at(said["adminUrl"].as_str().context("no adminUrl")?)?;
        Ok(Self { url, admin, process })
    }

    /// A new account with a phone that is always on. `pn`: digits.
    pub async fn phone(&self, pn: &str, name: &str) -> Result<Phone> {
        let lid = format!("9{pn}");
        self.admin.post("/admin/accounts", &json!({"pn": pn, "lid": lid, "pushName": name})).await?;
        Ok(Phone::new(self.admin.clone(), pn, name))
    }

    /// A group chat. `jid`: `…@g.us`.
    pub async fn group(&self, jid: &str, subject: &str, members: &[&Phone]) -> Result<()> {
        let members: Vec<&str> = members.iter().map(|phone| phone.pn.as_str()).collect();
        let group = json!({"jid": jid, "subject": subject, "members": members, "addressing": "pn"});
        self.admin.post("/admin/groups", &group).await?;
        Ok(())
    }

    /// Somebody changes a group: `{"change": "add" or "remove", "members": […]}`, `{"change": "leave", "member": …}` or
    /// `{"change": "subject", "subject": …}`.
    pub async fn change_group(&self, jid: &str, by: &Phone, change: Value) -> Result<()> {
        let mut order = json!({"jid": jid, "by": by.pn});
        if let (Some(order), Some(change)) = (order.as_object_mut(), change.as_object()) {
            order.extend(change.clone());
        }
        self.admin.post("/admin/groups/change", &order).await?;
        Ok(())
    }

    /// Makes something go wrong for an account; `more` adds to the kind (`{"code": 401}`, `{"ms": 200}`…).
    pub async fn fault(&self, phone: &Phone, kind: &str, more: Value) -> Result<()> {
        let mut fault = json!({"pn": phone.pn, "kind": kind});
        if let (Some(fault), Some(more)) = (fault.as_object_mut(), more.as_object()) {
            fault.extend(more.clone());
        }
        self.admin.post("/admin/fault", &fault).await?;
        Ok(())
    }

    /// Cuts the companion's connection once; it may come back at once.
    pub async fn drop_connection(&self, phone: &Phone) -> Result<()> {
        self.admin.post(&format!("/admin/drop?pn={}", phone.pn), &json!({})).await?;
        Ok(())
    }

    /// `{companions:[{pn, device, online}], queued:{}}`.
    pub async fn state(&self) -> Result<Value> {
        self.admin.get("/admin/state").await
    }

    /// Ends it now, as a crash of the network would: connections break, nobody listens.
    pub async fn stop(&mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }
}

/// A person with a phone.
pub struct Phone {
    /// The number, digits.
    pub pn: String,
    /// The name that others see.
    pub name: String,
    admin: Http,
    /// The last item that this person has attended to, so that a later wait goes on behind it.
    heard: Mutex<u64>,
}

/// One thing that reached an account.
#[derive(Debug, Clone)]
pub struct Item {
    pub seq: u64,
    /// `text`, `receipt`, `chatstate` or `presence`.
    pub kind: String,
    pub from: String,
    pub to: String,
    pub chat: String,
    pub id: String,
    pub text: String,
    /// A receipt's or chat state's own kind: `read`, `composing`…
    pub detail: String,
}

impl Phone {
    fn new(admin: Http, pn: &str, name: &str) -> Self {
        Self { pn: pn.to_owned(), name: name.to_owned(), admin, heard: Mutex::new(0) }
    }

    /// The phone of an account that a server has already. `server`: any of its HTTP addresses.
    pub fn at(server: &str, pn: &str, name: &str) -> Result<Self> {
        Ok(Self::new(Http::at(server)?, pn, name))
    }

    /// The address of a direct chat with this person.
    pub fn jid(&self) -> String {
        format!("{}@s.whatsapp.net", self.pn)
    }

    /// Holds the camera to a QR (`whatsapp.qr.data` of a status).
    pub async fn scans(&self, qr: &str) -> Result<()> {
        self.admin.post_text(&format!("/admin/scan?pn={}", self.pn), qr).await?;
        Ok(())
    }

    /// Types a pairing code.
    pub async fn enters(&self, code: &str) -> Result<()> {
        self.admin.post_text(&format!("/admin/enter-code?pn={}", self.pn), code).await?;
        Ok(())
    }

    /// Lets a code that NanoClaw shows be over: turned down on the phone (`by_hand`), or too old.
    pub async fn ends_code(&self, by_hand: bool) -> Result<()> {
        self.admin.post(&format!("/admin/end-code?pn={}&by_hand={by_hand}", self.pn), &json!({})).await?;
        Ok(())
    }

    /// Unlinks all companions in the phone's own settings.
    pub async fn unlinks(&self) -> Result<()> {
        self.admin.post(&format!("/admin/revoke?pn={}", self.pn), &json!({})).await?;
        Ok(())
    }

    /// Writes to another person; gives the message's id.
    pub async fn writes_to(&self, other: &Phone, text: &str) -> Result<String> {
        self.sends(&other.pn, text).await
    }

    /// Writes into a group.
    pub async fn writes_in(&self, group: &str, text: &str) -> Result<String> {
        self.sends(group, text).await
    }

    /// Writes with this phone itself into one of its chats; a linked companion sees it as from-me.
    pub async fn writes_as_owner(&self, chat: &str, text: &str) -> Result<String> {
        let message = json!({"owner": self.pn, "chat": chat, "text": text});
        id_of(&self.admin.post("/admin/own-phone", &message).await?)
    }

    async fn sends(&self, to: &str, text: &str) -> Result<String> {
        id_of(&self.admin.post("/admin/send", &json!({"from": self.pn, "to": to, "text": text})).await?)
    }

    /// Waits for this very text, passing over others.
    pub async fn hears(&self, text: &str) -> Result<Item> {
        self.gets(&format!("the text {text:?}"), |item| item.kind == "text" && item.text == text).await
    }

    /// Waits for this very text longer than others.
    pub async fn hears_within(&self, patience: Duration, text: &str) -> Result<Item> {
        self.gets_within(patience, &format!("the text {text:?}"), |item| item.kind == "text" && item.text == text).await
    }

    /// Waits for a text that holds this.
    pub async fn hears_of(&self, part: &str) -> Result<Item> {
        self.gets(&format!("a text with {part:?}"), |item| item.kind == "text" && item.text.contains(part)).await
    }

    /// Waits for a chat state: `composing`, `paused`.
    pub async fn sees(&self, state: &str) -> Result<Item> {
        self.gets(&format!("the chat state {state}"), |item| item.kind == "chatstate" && item.detail == state).await
    }

    /// Waits for the first item behind the last one awaited that matches; `what` names it should it never come.
    pub async fn gets(&self, what: &str, matches: impl Fn(&Item) -> bool) -> Result<Item> {
        self.gets_within(PATIENCE, what, matches).await
    }

    async fn gets_within(&self, patience: Duration, what: &str, matches: impl Fn(&Item) -> bool) -> Result<Item> {
        let deadline = Instant::now() + patience;
        let mut since = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let all: Vec<String> = self.got().await?.iter().map(|item| format!("{item:?}")).collect();
                bail!("{} did not get {what} in {patience:?}; all that came:\n{}", self.name, all.join("\n"));
            }
            let (items, next) = self.received(since, left.as_millis().min(10_000)).await?;
            if let Some(item) = items.into_iter().find(|item| matches(item)) {
                *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = item.seq;
                return Ok(item);
            }
            since = next;
        }
    }

    /// Everything that ever reached this phone.
    pub async fn got(&self) -> Result<Vec<Item>> {
        let (mut all, mut since) = (Vec::new(), 0);
        loop {
            let (items, next) = self.received(since, 0).await?;
            all.extend(items);
            if next == since {
                return Ok(all);
            }
            since = next;
        }
    }

    /// The texts that ever reached this phone, in order.
    pub async fn texts(&self) -> Result<Vec<String>> {
        Ok(self.got().await?.into_iter().filter(|item| item.kind == "text").map(|item| item.text).collect())
    }

    /// What came for this phone behind `since`, and where to go on.
    async fn received(&self, since: u64, wait_ms: u128) -> Result<(Vec<Item>, u64)> {
        let answer = self.admin.get(&format!("/admin/received?since={since}&wait={wait_ms}")).await?;
        let all = answer["items"].as_array().context("no items")?;
        let mine = all.iter().map(Item::from_json).filter(|item| item.to == self.pn).collect();
        Ok((mine, answer["next"].as_u64().context("no next")?))
    }
}

impl Item {
    fn from_json(item: &Value) -> Self {
        let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        Self {
            seq: item["seq"].as_u64().unwrap_or_default(),
            kind: text("kind"),
            from: text("from"),
            to: text("to"),
            chat: text("chat"),
            id: text("id"),
            text: text("text"),
            detail: text("type"),
        }
    }
}

fn id_of(answer: &Value) -> Result<String> {
    Ok(answer["id"].as_str().context("the server gave the message no id")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_server_takes_people_groups_and_faults_and_names_its_refusals() {
        let folder = tempfile::tempdir().unwrap();
        let mut whatsapp = WhatsApp::start(folder.path()).await.unwrap();
        assert!(whatsapp.url.starts_with("ws://127.0.0.1:"));
        let alice = whatsapp.phone("4915110000002", "Alice").await.unwrap();
        let owner = whatsapp.phone("4915110000001", "Owner").await.unwrap();
        whatsapp.group("120363000000000001@g.us", "Family", &[&owner, &alice]).await.unwrap();
        let renamed = json!({"change": "subject", "subject": "The family"});
        whatsapp.change_group("120363000000000001@g.us", &alice, renamed).await.unwrap();
        whatsapp.fault(&owner, "fail-login", json!({"code": 401, "times": 1})).await.unwrap();
        assert_eq!(whatsapp.state().await.unwrap()["companions"], json!([]));
        assert_eq!(alice.texts().await.unwrap(), Vec::<String>::new());
        let refusal = alice.scans("no QR at all").await.unwrap_err().to_string();
        assert!(refusal.contains("/admin/scan") && refusal.contains("error"), "{refusal}");
        whatsapp.stop().await.unwrap();
        assert!(whatsapp.state().await.is_err());
    }
}
