//! `settings`: through the NanoClaw that runs, which knows its environment and what waits for its restart, or without one by
//! the same code.

use nanoclaw_core::{command::Command, present::words::count};
use nanoclaw_host::{paths::Home, settings};
use serde_json::Value;

use crate::{
    ask::confirmed,
    image::running,
    out::{Failure, Out, at, internal, list, plain},
};

pub async fn get(home: &Home, key: Option<String>, out: &mut Out) -> Result<(), Failure> {
    let shown = done(home, Command::SettingsGet { key: key.clone() }).await?;
    match (key, list(&shown, "")) {
        (Some(_), [one]) if out.json => out.value(one)?,
        (Some(_), [one]) => out.line(plain(&typed(&one["value"])))?,
        _ if out.json => out.value(&shown)?,
        (_, all) => {
            let rows = all.iter().map(|one| {
                [at(one, "/name").to_owned(), typed(&one["value"]), from(one), at(one, "/meaning").to_owned()]
            });
            out.table(["NAME", "VALUE", "FROM", "MEANING"], rows.collect(), "")?;
        }
    }
    for trouble in settings::load(home).1 {
        let problem = trouble.problem();
        out.remark(&format!("{} {}", problem.text, problem.cure));
    }
    Ok(())
}

pub async fn set(home: &Home, key: String, value: String, yes: bool, out: &mut Out) -> Result<(), Failure> {
    if !yes && let Some(what) = loses(home, &key, &value).await? {
        confirmed(what, out)?;
    }
    let shown = done(home, Command::SettingsSet { key, value }).await?;
    if out.json {
        return out.value(&shown);
    }
    out.line(match at(&shown, "/source") {
        "environment" => {
            format!("Saved, but the environment says {}, which is used.", plain(&typed(&shown["value"])))
        }
        _ => "Saved. It is used from the next start on.".to_owned(),
    })
}

/// What it would do that can't be had back, or takes a wall away; nothing where the environment's value is used anyhow.
async fn loses(home: &Home, key: &str, value: &str) -> Result<Option<String>, Failure> {
    let what = match key {
        "AGENT_RUNTIME" if value.trim() == "host" => {
            "run agents as programs of this computer, which can read and change all that you can".to_owned()
        }
        "MESSAGE_RETENTION_DAYS" => {
            let days = value.trim().parse().unwrap_or_default();
            let forgets = match running(home).await? {
                Some(mut client) => {
                    client.ask(&Command::SettingsForgets { days }).await?["count"].as_u64().unwrap_or(0)
                }
                None => settings::forgets(home, days).await?,
            };
            if forgets == 0 {
                return Ok(None);
            }
            format!("forget {} older, at the next start", count(forgets, "text that is", "texts that are"))
        }
        _ => return Ok(None),
    };
    let shown = done(home, Command::SettingsGet { key: Some(key.to_owned()) }).await?;
    let is_so = shown[0]["value"] == value.trim();
    Ok((at(&shown, "/0/source") != "environment" && !is_so).then_some(what))
}

pub async fn reset(home: &Home, key: String, out: &mut Out) -> Result<(), Failure> {
    let usual: Vec<String> = settings::get(home, Some(&key))?.iter().map(|one| typed(&one.default)).collect();
    set(home, key, usual.concat(), true, out).await
}

async fn done(home: &Home, command: Command) -> Result<Value, Failure> {
    if let Some(mut client) = running(home).await? {
        return Ok(client.ask(&command).await?);
    }
    let shown = match command {
        Command::SettingsSet { key, value } => serde_json::to_value(settings::set(home, &key, &value)?),
        Command::SettingsGet { key } => serde_json::to_value(settings::get(home, key.as_deref())?),
        command => return Err(internal(format!("{command:?} is none of the settings'."))),
    };
    shown.map_err(|error| internal(format!("{error}.")))
}

/// A value as a person would type it.
fn typed(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn from(shown: &Value) -> String {
    let place = match at(shown, "/source") {
        "file" => "settings.json",
        place => place,
    };
    let waits = if shown["pending"] == true { ", after a restart" } else { "" };
    format!("{place}{waits}")
}
