//! `kiro`: who is signed in, signing in and out, and whose sign-in agents use. Only the state of this computer is told without
//! a NanoClaw that runs.

use std::io::{self, IsTerminal, Read};

use jiff::Timestamp;
use nanoclaw_core::{
    command::Command,
    kiro::{Method, Secret, SignIn, Whoami},
    problem::Trouble,
    settings::KiroMode,
    status::SignInStatus,
};
use nanoclaw_host::{control::Client, kiro, paths::Home, settings, shutdown::Quit};
use serde_json::{Value, json};

use crate::{
    arguments::{KeyWords, KiroWords, MethodWord, ModeWord},
    ask::{answered, confirmed},
    image::running,
    out::{Failure, Out, at, clock, internal, list, plain},
};

pub async fn kiro(home: &Home, words: KiroWords, out: &mut Out) -> Result<(), Failure> {
    match words {
        KiroWords::Status => status(home, out).await,
        KiroWords::Login { cancel: true, .. } => {
            let answer = Client::connect(home).await?.ask(&Command::KiroLoginCancel {}).await?;
            if out.json { out.value(&answer) } else { out.line("The sign-in was cancelled.") }
        }
        KiroWords::Login { method, start_url, region, browser, yes, .. } => {
            let method = method.map(|method| match method {
                MethodWord::BuilderId => Method::BuilderId,
                MethodWord::IdentityCenter => Method::IdentityCenter,
                MethodWord::Google => Method::Google,
                MethodWord::Github => Method::Github,
            });
            login(home, Command::KiroLogin { method, start_url, region, browser, yes }, out).await
        }
        KiroWords::Logout { yes } => {
            let answer = answered(home, Command::KiroLogout { yes }, out).await?;
            if out.json {
                out.value(&answer)
            } else {
                tell(&answer, &troubles(&mut Client::connect(home).await?).await?, out)
            }
        }
        KiroWords::Mode { mode: None, .. } => mode(home, out).await,
        KiroWords::Mode { mode: Some(mode), yes } => {
            let mode = match mode {
                ModeWord::Shared => KiroMode::Shared,
                ModeWord::Own => KiroMode::Own,
                ModeWord::ApiKey => KiroMode::ApiKey,
            };
            let answer = answered(home, Command::KiroMode { mode, yes }, out).await?;
            if out.json { out.value(&answer) } else { self::mode(home, out).await }
        }
        KiroWords::Key { words } => {
            let mut client = Client::connect(home).await?;
            let (key, said) = match words {
                KeyWords::Set => (Some(typed_key(out)?), "The key is kept in this computer's key store."),
                KeyWords::Remove { yes } => {
                    if !yes {
                        confirmed("forget the API key, which is kept nowhere else here".to_owned(), out)?;
                    }
                    (None, "The key is removed.")
                }
            };
            let answer = client.ask(&Command::KiroKey { key }).await?;
            if out.json { out.value(&answer) } else { out.line(said) }
        }
        words @ KiroWords::RemoveEntry => Err(internal(format!("no command stands for {words:?}."))),
    }
}

/// With `--json`: `kiro` of AppStatus, `path`, null where kiro-cli was not found, and `problems`, those of AppStatus that are
/// Kiro's. Without a NanoClaw that runs `{mode, path, host, problems}` alone.
async fn status(home: &Home, out: &mut Out) -> Result<(), Failure> {
    let settings = settings::load(home).0;
    let path = kiro::find(&settings, &home.places()).await;
    let (mut answer, problems) = match running(home).await? {
        Some(mut client) => (client.ask(&Command::KiroCheck {}).await?, troubles(&mut client).await?),
        None => {
            let whoami = match &path {
                Some(path) => kiro::whoami(path, None).await,
                None => Whoami::missing(),
            };
            // A key is known to a NanoClaw that runs.
            let trouble = match whoami.state {
                _ if settings.kiro_mode == KiroMode::ApiKey => None,
                SignIn::Missing => Some(Trouble::KiroMissing),
                SignIn::SignedOut => Some(Trouble::KiroSignedOut),
                SignIn::SignedIn | SignIn::Unknown => None,
            };
            let problems = trouble.into_iter().map(|trouble| json!(trouble.problem())).collect();
            (json!({"mode": settings.kiro_mode, "host": SignInStatus::new(whoami, Timestamp::now())}), problems)
        }
    };
    if !out.json {
        return tell(&answer, &problems, out);
    }
    (answer["path"], answer["problems"]) = (json!(path), json!(problems));
    out.value(&answer)
}

/// What is wrong with Kiro, its key included.
async fn troubles(client: &mut Client) -> Result<Vec<Value>, Failure> {
    let status = client.ask(&Command::Status {}).await?;
    let is_kiros = |problem: &&Value| {
        let code = at(problem, "/code");
        code.starts_with("kiro-") || code == "no-key-store"
    };
    Ok(list(&status, "/problems").iter().filter(is_kiros).cloned().collect())
}

fn tell(kiro: &Value, problems: &[Value], out: &mut Out) -> Result<(), Failure> {
    for (place, name) in [("host", "This computer"), ("container", "Containers")] {
        if kiro[place].is_object() {
            out.line(format!("{name}: {}", plain(at(&kiro[place], "/text"))))?;
        }
    }
    problems.iter().try_for_each(|problem| {
        out.line(plain(at(problem, "/text")))?;
        out.line(plain(at(problem, "/cure")))
    })
}

/// With `--json`: the mode's name and what it means.
async fn mode(home: &Home, out: &mut Out) -> Result<(), Failure> {
    let settings = settings::load(home).0;
    let (mut now, mut runtime) = (settings.kiro_mode, settings.runtime);
    if let Some(mut client) = running(home).await? {
        let status = client.ask(&Command::Status {}).await?;
        now = serde_json::from_value(status["kiro"]["mode"].clone()).unwrap_or(now);
        runtime = serde_json::from_value(status["runtime"].clone()).unwrap_or(runtime);
    }
    let meaning = now.meaning(runtime);
    if out.json { out.value(&json!({"mode": now, "meaning": meaning})) } else { out.line(meaning) }
}

/// Begins, shows what a person needs as it comes, and waits for the end; Ctrl-C cancels. With `--json` the last
/// `kiro.login` of AppStatus.
async fn login(home: &Home, command: Command, out: &mut Out) -> Result<(), Failure> {
    let mut quit = Quit::hear().map_err(|error| internal(format!("signals can't be heard: {error}.")))?;
    let mut watch = Client::connect(home).await?.watch().await?;
    let before = watch.next().await?.ok_or(Trouble::NotRunning)?["kiro"]["login"].take();
    let mut client = Client::connect(home).await?;
    answered(home, command, out).await?;
    let mut status = client.ask(&Command::Status {}).await?;
    let mut shown = String::new();
    loop {
        if status["kiro"]["login"] == before {
            // Published before this sign-in was begun, or one like the other.
            status = client.ask(&Command::Status {}).await?;
        }
        let login = &status["kiro"]["login"];
        let text = plain(at(login, "/text"));
        match at(login, "/state") {
            "waiting" if !out.json => {
                let (code, url) = (at(login, "/code"), at(login, "/url"));
                let now = format!("{code} {url}");
                if now != shown {
                    shown = now;
                    show(&text, code, url, &clock(at(login, "/expiresAt")), out)?;
                }
            }
            "succeeded" => return if out.json { out.value(login) } else { out.line(text) },
            "failed" | "expired" | "cancelled" => return Err(Trouble::KiroLoginFailed { reason: text }.into()),
            // Somebody has changed the mode meanwhile, or signed out.
            _ if login.is_null() => {
                let reason = "It was ended by another command.".to_owned();
                return Err(Trouble::KiroLoginFailed { reason }.into());
            }
            _ => {}
        }
        status = tokio::select! {
            status = watch.next() => status?.ok_or(Trouble::NotRunning)?,
            () = quit.asked() => {
                client.ask(&Command::KiroLoginCancel {}).await?;
                client.ask(&Command::Status {}).await?
            }
        };
    }
}

fn show(text: &str, code: &str, url: &str, until: &str, out: &mut Out) -> Result<(), Failure> {
    out.line(text)?;
    if !url.is_empty() {
        out.line(format!("\n    {}", plain(url)))?;
    }
    if !code.is_empty() {
        out.line(format!("\n    {}\n\nThe code is good until {until}.", plain(code)))?;
    }
    Ok(())
}

/// By stdin: an argument could be seen by every program of this computer.
fn typed_key(out: &Out) -> Result<Secret, Failure> {
    if io::stdin().is_terminal() {
        out.remark("Paste the key, press Enter, then Ctrl-D.");
    }
    let mut key = String::new();
    io::stdin().lock().take(64 << 10).read_to_string(&mut key)?;
    Ok(Secret(key).api_key()?)
}
