//! The bundle that helps to find a fault: a tar of text files, made for being given away. In it is how things are, what the
//! doctor finds, the settings and the log's end; never a message, a code, a key, nor who somebody is.
//!
//! Called by `nanoclawctl diagnostics`.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use anyhow::{Context, Result};
use nanoclaw_core::{command::Command, redact::without_people};
use serde_json::{Value, json};

use crate::{control::Client, doctor, kiro, paths::Home, settings};

/// Bytes of each log's end.
const TAIL: u64 = 1 << 20;

/// Writes the bundle, readable for its owner alone, and tells what it holds.
///
/// # Errors
/// `file` is there already or can't be written.
pub async fn pack(home: &Home, file: &Path) -> Result<Vec<String>> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut bundle = tar::Builder::new(options.open(file).with_context(|| format!("make {}", file.display()))?);
    let mut names = Vec::new();
    let known = doctor::Known::of(home).await;
    let (chats, folders) = (known.names(), known.folders());
    let user = home.places().user.display().to_string();
    for (name, text) in contents(home).await? {
        // Before numbers are taken out: a name may have one.
        let text = chats.iter().fold(text, |text, chat| text.replace(chat, "***").replace(&escaped(chat), "***"));
        let folders = folders.iter().enumerate();
        let text = folders.fold(text, |text, (n, folder)| replace_word(&text, folder, &format!("chat-{}", n + 1)));
        let text = without_people(&text).replace(&user, "~");
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        bundle.append_data(&mut header, format!("nanoclaw-diagnostics/{name}"), text.as_bytes())?;
        names.push(name.to_owned());
    }
    bundle.into_inner()?.sync_all()?;
    Ok(names)
}

/// As it stands within quotes, in JSON and in the log.
fn escaped(name: &str) -> String {
    serde_json::to_string(name).unwrap_or_default().trim_matches('"').to_owned()
}

/// Where it is a word of its own, also between hyphens.
fn replace_word(text: &str, word: &str, instead: &str) -> String {
    let within = |c: char| c.is_alphanumeric() || c == '_';
    let (mut done, mut from) = (String::with_capacity(text.len()), 0);
    for (at, _) in text.match_indices(word).filter(|_| !word.is_empty()) {
        let end = at + word.len();
        if !text[..at].ends_with(within) && !text[end..].starts_with(within) {
            done.push_str(&text[from..at]);
            done.push_str(instead);
            from = end;
        }
    }
    done + &text[from..]
}

async fn contents(home: &Home) -> Result<Vec<(&'static str, String)>> {
    let status = match Client::connect(home).await {
        Ok(mut client) => client.ask(&Command::Status {}).await.ok(),
        Err(_) => None,
    };
    let mut parts = vec![
        ("versions.json", pretty(&versions(home).await)?),
        ("doctor.json", pretty(&serde_json::to_value(doctor::examine(home).await)?)?),
    ];
    if let Some(mut status) = status {
        without_secrets(&mut status);
        parts.push(("status.json", pretty(&status)?));
    }
    if let Ok(shown) = settings::get(home, None) {
        parts.push(("settings.json", pretty(&serde_json::to_value(shown)?)?));
    }
    for (name, path) in [("nanoclaw.log", home.log()), ("image.log", home.image_log())] {
        if let Ok(text) = tail(&path) {
            parts.push((name, text));
        }
    }
    Ok(parts)
}

/// What is installed here: `{nanoclaw, kiroCli, os, arch, system}`.
pub async fn versions(home: &Home) -> Value {
    let (settings, _) = settings::load(home);
    let kiro_cli = match kiro::find(&settings, &home.places()).await {
        Some(path) => kiro::version(&path).await,
        None => None,
    };
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or_default();
    json!({
        "nanoclaw": env!("CARGO_PKG_VERSION"),
        "kiroCli": kiro_cli,
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "system": system.trim_matches('"'),
    })
}

/// What links this device, signs in, or tells whose all this is.
fn without_secrets(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match key.as_str() {
                    "qr" | "pairingCode" | "login" | "pushName" | "account" | "about" if !value.is_null() => {
                        *value = "***".into()
                    }
                    _ => without_secrets(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(without_secrets),
        _ => {}
    }
}

fn pretty(value: &Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)?)
}

fn tail(path: &Path) -> Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use nanoclaw_core::chat::Jid;

    use super::*;
    use crate::store::{Store, chats};

    #[tokio::test]
    async fn it_holds_what_helps_and_nobody() {
        let place = tempfile::tempdir().unwrap();
        let home = Home::at(place.path().join("home")).unwrap();
        home.create().unwrap();
        let store = Store::open(&home.database()).unwrap();
        let families = ["Smiths", "Lisa +4915112345678", "Bob \"B\" Miller"];
        for (n, name) in families.into_iter().enumerate() {
            let jid = Jid::new(format!("{n}@g.us"));
            store.write(move |db| chats::rename(db, &jid, name)).await.unwrap();
        }
        drop(store);
        fs::write(
            home.log(),
            "INFO Smiths\nINFO chat: \"Bob \\\"B\\\" Miller\" Lisa +4915112345678\nINFO Message sent chat: \"4915110000001@s.whatsapp.net\" by ann@example.org\n",
        )
        .unwrap();
        let file = place.path().join("bundle.tar");
        let names = pack(&home, &file).await.unwrap();
        assert_eq!(names, ["versions.json", "doctor.json", "settings.json", "nanoclaw.log"]);
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        assert!(
            text.contains("Message sent") && text.contains("ASSISTANT_NAME") && text.contains("\"id\": \"docker\"")
        );
        assert!(!text.contains("4915110000001") && !text.contains("ann@") && !text.contains("Smiths"), "{text}");
        assert!(!text.contains("Lisa") && !text.contains("Miller"), "{text}");
        let user = home.places().user.display().to_string();
        assert!(!text.contains(&format!("{user}/")), "{text}");
        assert!(pack(&home, &file).await.is_err(), "nothing is written over");

        for (text, expect) in [
            ("group: \"family\" nanoclaw-family-17", "group: \"chat-1\" nanoclaw-chat-1-17"),
            ("familyname my_family families", "familyname my_family families"),
            ("family", "chat-1"),
        ] {
            assert_eq!(replace_word(text, "family", "chat-1"), expect);
        }
        let mut status = json!({"whatsapp": {"qr": {"data": "2@x"}, "pairingCode": null, "pushName": "Ann"}, "runs": [{"about": "hi"}], "at": 1});
        without_secrets(&mut status);
        assert_eq!(
            status,
            json!({"whatsapp": {"qr": "***", "pairingCode": null, "pushName": "***"}, "runs": [{"about": "***"}], "at": 1})
        );
    }
}
