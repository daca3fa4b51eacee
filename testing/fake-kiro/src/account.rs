//! Who is signed in, in kiro-cli's texts: `whoami`, `logout`, and what turns a start or a prompt away.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::option;
use crate::script::{Account, Script};
use crate::tokens;

pub const BROWSER_FAILED: &str = "Failed to open browser for authentication.\n\
    Please try again with: kiro-cli login --use-device-flow\nFailed to open URL";
pub const NOT_LOGGED_IN: &str = "You are not logged in, please log in with kiro-cli login";

/// Whose account works: a kept one, else the key's. An expired token is refreshed for it.
pub fn account(script: &Script) -> Option<Account> {
    let key = || std::env::var_os("KIRO_API_KEY").filter(|key| !key.is_empty() && !script.auth.refuses_keys);
    kept(script).or_else(|| key().map(|_| Account { account_type: "ApiKey".into(), ..script.auth.account.clone() }))
}

/// Whose sign-in is kept.
pub fn kept(script: &Script) -> Option<Account> {
    match script.auth.state.as_str() {
        "signed-out" | "browser" => None,
        "stored" => tokens::account(&script.auth.tokens),
        _ => Some(script.auth.account.clone()),
    }
}

pub fn whoami(script: &Script, arguments: &[String]) -> u8 {
    sleep(Duration::from_millis(script.auth.whoami_ms));
    if script.auth.state == "unreachable" {
        eprintln!("error: dispatch failure: error sending request for url");
        return 1;
    }
    let account = account(script);
    let json = account.as_ref().map_or_else(|| json!({"account": null}), as_json);
    let text = match (option(arguments, &["-f", "--format"]), &account) {
        (Some("json"), _) => json.to_string(),
        (Some("json-pretty"), _) => format!("{json:#}"),
        (None | Some("plain"), None) => "Not logged in".into(),
        (None | Some("plain"), Some(account)) => {
            let kind = match account.account_type.as_str() {
                "BuilderId" => "Builder ID".to_owned(),
                "IamIdentityCenter" => format!("IAM Identity Center ({})", account.start_url),
                "Social" => account.provider.clone(),
                other => other.to_owned(),
            };
            format!("Logged in with {kind}\nEmail: {}", account.email)
        }
        (Some(other), _) => {
            eprintln!(
                "error: invalid value '{other}' for '--format <FORMAT>'\n  [possible values: plain, json, json-pretty]\n\n\
                 For more information, try '--help'."
            );
            return crate::BAD_ARGUMENTS;
        }
    };
    println!("{text}");
    if account.is_some() && script.auth.profile {
        println!("\nProfile:\nexample\narn:aws:codewhisperer:us-east-1:123456789012:profile/EXAMPLE");
    }
    if account.is_some() { 0 } else { 1 }
}

fn as_json(account: &Account) -> Value {
    let mut json = json!({"accountType": account.account_type, "email": account.email});
    match account.account_type.as_str() {
        "Social" => json["provider"] = json!(account.provider),
        "IamIdentityCenter" => {
            json["startUrl"] = json!(account.start_url);
            json["region"] = json!(account.region);
        }
        _ => {}
    }
    json
}

/// Whoever shares the account's store is signed out. Exit 0, also where nobody was signed in.
pub fn logout(mut script: Script) -> u8 {
    let kept = if script.auth.state == "stored" {
        tokens::remove()
    } else {
        script.auth.state = "signed-out".into();
        script.write()
    };
    match kept {
        Ok(()) => println!("You are now logged out\nRun kiro-cli login to log back in to Kiro CLI"),
        Err(error) => eprintln!("error: {error}"),
    }
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
        eprintln!("error: {not_logged_in}");
    }
    Some(1)
}

/// Why a prompt is not answered, of a process that was signed in at its start.
pub fn refused(script: &Script) -> Option<String> {
    if script.auth.state == "expired" {
        return Some("ExpiredTokenException: The security token included in the request is expired".into());
    }
    account(script).is_none().then(|| NOT_LOGGED_IN.into())
}
