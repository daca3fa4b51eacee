//! `kiro-cli login`, in its forms: by device flow, by a browser; for Builder ID, an organisation (Identity Center), Google, GitHub.
//!
//! Without a terminal a menu takes its first option and a text prompt is empty, both silently.

use std::io::{BufRead, IsTerminal, Write};
use std::thread::sleep;
use std::time::Duration;

use crate::account::{self, BROWSER_FAILED};
use crate::option;
use crate::script::{Account, Script};
use crate::tokens;

const REMOTE: [&str; 5] = ["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY", "KIRO_FAKE_IS_REMOTE", "Q_FAKE_IS_REMOTE"];

pub fn login(script: Script, arguments: &[String]) -> u8 {
    if account::kept(&script).is_some() {
        eprintln!("error: Already logged in, please logout with kiro-cli logout first");
        return 1;
    }
    let account = match asked(&script, arguments) {
        Ok(account) => account,
        Err(error) => {
            eprintln!("error: {error}");
            return 1;
        }
    };
    if arguments.iter().any(|a| a == "--use-device-flow") {
        show_code(&script, &account);
    } else if script.login.browser_opens {
        println!("Opening browser...");
    } else {
        eprintln!("{BROWSER_FAILED}");
        return 1;
    }
    wait(script.login.after_ms);
    match script.login.outcome.as_str() {
        "success" => finish(script, account),
        "expired" => {
            eprintln!("error: Device code expired. Please try again.");
            1
        }
        portal @ ("Failed to initialize auth portal" | "Auth portal timed out" | "All callback ports are in use") => {
            eprintln!("error: {portal}");
            1
        }
        other => {
            eprintln!("error: Device flow error: {other}");
            1
        }
    }
}

/// The account that the options name, and a terminal's answers.
fn asked(script: &Script, arguments: &[String]) -> Result<Account, String> {
    let mut account = script.auth.account.clone();
    let mut set = |kind: &str| kind.clone_into(&mut account.account_type);
    let license = option(arguments, &["--license"]);
    match (option(arguments, &["--social"]), license) {
        (Some("google"), _) => {
            set("Social");
            account.provider = "Google".into();
        }
        (Some("github"), _) => {
            set("Social");
            account.provider = "GitHub".into();
        }
        (Some(other), _) => return Err(format!("invalid value '{other}' for '--social <PROVIDER>'")),
        (None, Some("free")) => set("BuilderId"),
        (None, Some("pro")) => set("IamIdentityCenter"),
        (None, Some(other)) => return Err(format!("invalid value '{other}' for '--license <LICENSE>'")),
        (None, None) => {
            match choose("Select login method", &["Use for Free with Builder ID", "Use with Pro license"]) {
                0 => set("BuilderId"),
                _ => set("IamIdentityCenter"),
            }
        }
    }
    if account.account_type == "IamIdentityCenter" {
        account.start_url = line("Enter Start URL", option(arguments, &["--identity-provider"]).unwrap_or_default());
        account.region = line("Enter Region", option(arguments, &["--region"]).unwrap_or("us-east-1"));
        if account.start_url.is_empty() || account.region.is_empty() {
            return Err("dispatch failure: no start URL".into());
        }
    }
    Ok(account)
}

fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// A menu: the number of the option that was chosen, by its number from 1; Enter takes the first.
fn choose(prompt: &str, options: &[&str]) -> usize {
    if !has_terminal() {
        return 0;
    }
    println!("\u{1b}[?25l? {prompt} ›");
    for (number, option) in options.iter().enumerate() {
        println!("{} {option}", if number == 0 { "❯" } else { " " });
    }
    let chosen = typed().parse::<usize>().unwrap_or(1).clamp(1, options.len()) - 1;
    println!("\u{1b}[?25h✔ {prompt} · {}", options.get(chosen).unwrap_or(&""));
    chosen
}

/// A text prompt with something filled in, which Enter takes.
fn line(prompt: &str, filled_in: &str) -> String {
    if !has_terminal() {
        return String::new();
    }
    print!("\u{1b}[1m? {prompt} ›\u{1b}[0m {filled_in}");
    let _ = std::io::stdout().flush();
    let typed = typed();
    let taken = if typed.is_empty() { filled_in.to_owned() } else { typed };
    println!("\r\u{1b}[2K✔ {prompt} · {taken}");
    taken
}

fn typed() -> String {
    let mut line = String::new();
    let _ = std::io::stdin().lock().read_line(&mut line);
    line.trim().to_owned()
}

fn show_code(script: &Script, account: &Account) {
    let login = &script.login;
    if account.account_type == "Social" {
        println!("To sign in with {}, visit:\n  {}\nAnd confirm the code: {}", account.provider, login.url, login.code);
        return;
    }
    println!("\n\u{1b}[1mConfirm the following code in the browser\u{1b}[0m\nCode: \u{1b}[1m{}\u{1b}[0m\n", login.code);
    if !login.without_url && REMOTE.iter().any(|name| std::env::var_os(name).is_some()) {
        println!("Open this URL: {}", login.url);
    }
}

/// The frames of a wait for the person.
fn wait(after_ms: u64) {
    print!("\u{1b}[?25l");
    let frames = (after_ms / 100).max(1);
    for frame in 0..frames {
        let full = (frame % 7) as usize;
        print!("\r\u{1b}[2K{}{} Logging in...", "▰".repeat(full + 1), "▱".repeat(6 - full));
        let _ = std::io::stdout().flush();
        sleep(Duration::from_millis(after_ms / frames));
    }
    println!("\r\u{1b}[2K\u{1b}[?25h");
}

fn finish(mut script: Script, account: Account) -> u8 {
    let older = script.login.older;
    let kept = if script.auth.state == "stored" {
        tokens::keep(account, &script.auth.tokens)
    } else {
        script.auth.state = "signed-in".into();
        script.auth.account = account;
        script.write()
    };
    match kept {
        Ok(()) if older => {
            println!("Device authorized");
            eprintln!("Logged in successfully");
            0
        }
        Ok(()) => {
            println!("Logged in");
            0
        }
        Err(error) => {
            eprintln!("error: {error}");
            1
        }
    }
}
