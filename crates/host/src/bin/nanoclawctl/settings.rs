//! `settings`: works on the file, whether NanoClaw runs or not.

use nanoclaw_host::{
    paths::Home,
    settings::{self, Shown, Source},
};
use serde_json::Value;

use crate::out::{Failure, Out, plain};

pub fn get(home: &Home, key: Option<&str>, out: &mut Out) -> Result<(), Failure> {
    let shown = settings::get(home, key)?;
    match (key, shown.as_slice()) {
        (Some(_), [one]) if out.json => out.value(one)?,
        (Some(_), [one]) => out.line(plain(&typed(&one.value)))?,
        _ if out.json => out.value(&shown)?,
        _ => {
            let rows =
                shown.iter().map(|one| [one.name.to_owned(), typed(&one.value), from(one), one.meaning.to_owned()]);
            out.table(["NAME", "VALUE", "FROM", "MEANING"], rows.collect(), "")?;
        }
    }
    for trouble in settings::load(home).1 {
        let problem = trouble.problem();
        out.remark(&format!("{} {}", problem.text, problem.cure));
    }
    Ok(())
}

pub fn set(home: &Home, key: &str, value: &str, out: &mut Out) -> Result<(), Failure> {
    let shown = settings::set(home, key, value)?;
    if out.json {
        return out.value(&shown);
    }
    out.line(match shown.source {
        Source::Environment => {
            format!("Saved, but the environment says {}, which is used.", plain(&typed(&shown.value)))
        }
        _ => "Saved. It is used from the next start on.".to_owned(),
    })
}

pub fn reset(home: &Home, key: &str, out: &mut Out) -> Result<(), Failure> {
    let usual: Vec<String> = settings::get(home, Some(key))?.iter().map(|one| typed(&one.default)).collect();
    set(home, key, &usual.concat(), out)
}

/// A value as a person would type it.
fn typed(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn from(shown: &Shown) -> String {
    match shown.source {
        Source::Environment => "environment",
        Source::File => "settings.json",
        Source::Default => "default",
    }
    .to_owned()
}
