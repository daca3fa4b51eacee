//! Who is signed in, and signing in and out, with kiro-cli's texts.

use std::io::Write;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::option;
use crate::script::Script;

const BROWSER_FAILED: &str = "Failed to open browser for authentication.\n\
    Please try again with: kiro-cli login --use-device-flow\nFailed to open URL";
/// Whose account works: a stored one, else the key's.
fn account(script: &Script) -> Option<Value> {
    let auth = &script.auth;
    if auth.state != "signed-out" && auth.state != "browser" {
        let mut account = json!({"accountType": auth.account_type, "email": auth.email});
        match auth.account_type.as_str() {
            "Social" => account["provider"] = json!("Google"),
            "IamIdentityCenter" => {
                account["startUrl"] = json!("https://example.awsapps.com/start");
                account["region"] = json!("us-east-1");
            }
            _ => {}
        }
        return Some(account);
    }
    let key = std::env::var_os("KIRO_API_KEY").filter(|key| !key.is_empty());
    key.map(|_| json!({"accountType": "ApiKey", "email": auth.email}))
}

pub fn whoami(script: &Script, arguments: &[String]) -> u8 {
    if script.auth.state == "unreachable" {
        eprintln!("error: dispatch failure: error sending request for url");
        return 1;
    }
    let account = account(script);
    let text = match (option(arguments, &["-f", "--format"]), &account) {
        (Some("json"), account) => account.clone().unwrap_or_else(|| json!({"account": null})).to_string(),
        (Some("json-pretty"), account) => {
            format!("{:#}", account.clone().unwrap_or_else(|| json!({"account": null})))
        }
        (_, None) => "Not logged in".into(),
        (_, Some(account)) => {
            let word = |key: &str| account[key].as_str().unwrap_or_default();
            let kind = if word("accountType") == "BuilderId" { "Builder ID" } else { word("accountType") };
            format!("Logged in with {kind}\nEmail: {}", word("email"))
        }
    };
    println!("{text}");
    if account.is_some() && script.auth.profile {
        println!("\nProfile:\nexample\narn:aws:codewhisperer:us-east-1:123456789012:profile/EXAMPLE");
    }
    if account.is_some() { 0 } else { 1 }
}

pub fn login(mut script: Script, arguments: &[String]) -> u8 {
    if script.auth.state == "signed-in" {
        eprintln!("error: Already logged in, please logout with kiro-cli logout first");
        return 1;
    }
    if !arguments.iter().any(|a| a == "--use-device-flow") {
        eprintln!("{BROWSER_FAILED}");
        return 1;
    }
    let login = script.login.clone();
    let social = option(arguments, &["--social"]);
    let remote = ["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY", "KIRO_FAKE_IS_REMOTE", "Q_FAKE_IS_REMOTE"];
    if social.is_some() {
        println!("To sign in with Google, visit:\n  {}\nAnd confirm the code: {}", login.url, login.code);
    } else {
        println!("\n\u{1b}[1mConfirm the following code in the browser\u{1b}[0m\nCode: {}\n", login.code);
        if remote.iter().any(|name| std::env::var_os(name).is_some()) {
            println!("Open this URL: {}", login.url);
        }
    }
    let frames = (login.after_ms / 100).max(1);
    for frame in 0..frames {
        let full = (frame % 7) as usize;
        print!("\r\u{1b}[2K{}{} Logging in...", "▰".repeat(full + 1), "▱".repeat(6 - full));
        let _ = std::io::stdout().flush();
        sleep(Duration::from_millis(login.after_ms / frames));
    }
    println!("\r\u{1b}[2K");
    match login.outcome.as_str() {
        "success" => {
            script.auth.state = "signed-in".into();
            if social.is_some() {
                script.auth.account_type = "Social".into();
            }
            keep(&script, "Logged in")
        }
        "expired" => {
            eprintln!("error: Device code expired. Please try again.");
            1
        }
        other => {
            eprintln!("error: Device flow error: {other}");
            1
        }
    }
}

pub fn logout(mut script: Script) -> u8 {
    script.auth.state = "signed-out".into();
    keep(&script, "You are now logged out\nRun kiro-cli login to log back in to Kiro CLI");
    0
}

/// What a start says that needs an account and has none, and its exit code. None: there is one.
///
/// # Arguments
/// `not_logged_in`: the text of the way that was chosen.
pub fn turned_away(script: &Script, not_logged_in: &str) -> Option<u8> {
    if account(script).is_some() {
        return None;
    }
    if script.auth.state == "browser" {
        eprintln!("▰▰▱▱▱▱▱ Opening browser... | Press (^) + C to cancel{BROWSER_FAILED}");
        // It goes on waiting for the browser.
        sleep(Duration::from_secs(600));
    } else {
        eprintln!("{not_logged_in}");
    }
    Some(1)
}

fn keep(script: &Script, said: &str) -> u8 {
    match script.write() {
        Ok(()) => {
            println!("{said}");
            0
        }
        Err(error) => {
            eprintln!("error: {error}");
            1
        }
    }
}
