//! A kiro-cli for tests and the demo: the same commands, texts and exit codes (facts of kiro-cli), the answers from a script.
//!
//! Owns: the command line, and its end on SIGTERM. `script` says what it plays, `account` who is signed in, `login` how that
//! is done, `tokens` how it is kept, `turn` answers one prompt, `acp` and `chat` are the two ways of being asked, `sessions`
//! keeps what was said, `mcp` calls a server's tool as Kiro would.
//! Must not: depend on anything of the product, so that it can't share its mistakes. A fake records, it does not assert.
//!
//! The script is JSON at `$FAKE_KIRO_SCRIPT`, else `$HOME/.kiro/fake-kiro.json`, else it is signed in and echoes. It is read
//! again for each turn. What it was asked goes to `$HOME/.kiro/fake-kiro.log`, a JSON object a line.

#![allow(clippy::print_stdout)] // its stdout is its answer

mod account;
mod acp;
mod chat;
mod login;
mod mcp;
mod script;
mod sessions;
mod tokens;
mod turn;

use std::process::ExitCode;

use serde_json::json;

use crate::script::{Capabilities, Script};

/// What a program that doesn't know its arguments exits with.
const BAD_ARGUMENTS: u8 = 2;
const MCP_FAILED: u8 = 3;
const NO_AGENT: u8 = 4;

const WHOAMI_HELP: &str =
    "Usage: kiro-cli whoami [OPTIONS]\n\nOptions:\n  -f, --format <plain|json|json-pretty>\n  -h, --help";
const LOGIN_HELP: &str = "Usage: kiro-cli login [OPTIONS]\n\nOptions:\n  --license <free|pro>\n  --identity-provider <URL>\n  \
    --region <REGION>\n  --social <google|github>\n  --use-device-flow\n  -h, --help";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has_key = std::env::var_os("KIRO_API_KEY").is_some();
    script::log(&json!({"event": "start", "arguments": arguments, "apiKey": has_key}));
    let _ = end_on_sigterm();
    let script = Script::read();
    let rest = arguments.get(1..).unwrap_or_default();
    let code = match arguments.first().map_or("", String::as_str) {
        "--version" | "-V" => print(&format!("kiro-cli {}", script.capabilities.version)),
        "" | "--help" | "-h" => print(&help(&script.capabilities)),
        "whoami" => refused(rest, WHOAMI_HELP).unwrap_or_else(|| account::whoami(&script, rest)),
        "login" => refused(rest, LOGIN_HELP).unwrap_or_else(|| login::login(script, rest)),
        "logout" => account::logout(script),
        "acp" if script.capabilities.acp => {
            let help = acp_help(&script.capabilities);
            refused(rest, &help).unwrap_or_else(|| {
                if rest.iter().any(|a| a == "--help") {
                    return print(&help);
                }
                missing(&script, rest).unwrap_or_else(|| acp::serve(&script, rest))
            })
        }
        "chat" => {
            let help = chat_help(&script.capabilities);
            refused(rest, &help).unwrap_or_else(|| {
                if rest.iter().any(|a| a == "--help") {
                    return print(&help);
                }
                missing(&script, rest).unwrap_or_else(|| chat::answer(&script, rest))
            })
        }
        other => {
            eprintln!("error: unrecognized subcommand '{other}'\n\nUsage: kiro-cli [OPTIONS] [COMMAND]");
            BAD_ARGUMENTS
        }
    };
    ExitCode::from(code)
}

/// On SIGTERM it writes down that it got one, gives its sessions back and goes; what is being kept is kept first.
#[cfg(unix)]
fn end_on_sigterm() -> std::io::Result<()> {
    use signal_hook::consts::SIGTERM;
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM])?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            script::log(&json!({"event": "terminated"}));
            sessions::unlock_all();
            let _kept = tokens::settled();
            std::process::exit(128 + SIGTERM);
        }
    });
    Ok(())
}

#[cfg(not(unix))]
fn end_on_sigterm() -> std::io::Result<()> {
    Ok(())
}

fn print(text: &str) -> u8 {
    println!("{text}");
    0
}

/// Ends the program where an agent or an MCP server is wanted that isn't there.
fn missing(script: &Script, arguments: &[String]) -> Option<u8> {
    let agent = option(arguments, &["--agent"]).filter(|_| script.capabilities.agent_exit);
    if let (Some(agent), Some(agents)) = (agent, &script.agents)
        && !agents.iter().any(|known| known == agent)
    {
        eprintln!("error: no agent with name {agent} found");
        return Some(NO_AGENT);
    }
    let server = script.mcp_fails.as_ref()?;
    eprintln!("WARNING: MCP server {server} failed to start");
    arguments.iter().any(|a| a == "--require-mcp-startup").then_some(MCP_FAILED)
}

/// As its argument parser does it: an option that the help doesn't name ends the program.
fn refused(arguments: &[String], help: &str) -> Option<u8> {
    let unknown = |option: &&str| !help.split([' ', ',', '\n']).any(|word| word == *option);
    let given = arguments.iter().filter(|a| a.starts_with('-') && *a != "--help");
    let option = given.map(|a| a.split('=').next().unwrap_or_default()).find(unknown)?;
    eprintln!("error: unexpected argument '{option}' found\n\nFor more information, try '--help'.");
    Some(BAD_ARGUMENTS)
}

/// The value behind any of `names`, after it or after a `=`.
fn option<'a>(arguments: &'a [String], names: &[&str]) -> Option<&'a str> {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.split_once('=') {
            Some((name, value)) if names.contains(&name) => return Some(value),
            _ if names.contains(&argument.as_str()) => return rest.next().map(String::as_str),
            _ => {}
        }
    }
    None
}

fn help(capabilities: &Capabilities) -> String {
    let acp = if capabilities.acp { "\n  acp     Agent Client Protocol on stdio" } else { "" };
    format!(
        "Usage: kiro-cli [OPTIONS] [COMMAND]\n\nCommands:{acp}\n  chat    Chat in the terminal\n  login   Login\n  \
         logout  Logout\n  whoami  Who is signed in"
    )
}

fn acp_help(capabilities: &Capabilities) -> String {
    if capabilities.v3 {
        return "Usage: kiro-cli acp [OPTIONS]\n\nOptions:\n  --auth-method <METHOD>\n  -h, --help".into();
    }
    let engine = if capabilities.agent_engine { "\n  --agent-engine <v1|v2|v3>" } else { "" };
    format!(
        "Usage: kiro-cli acp [OPTIONS]\n\nOptions:{engine}\n  --agent <AGENT>\n  --model <MODEL>\n  --effort <EFFORT>\n  \
         -a, --trust-all-tools\n  --trust-tools <TOOLS>\n  -h, --help"
    )
}

fn chat_help(capabilities: &Capabilities) -> String {
    let format = if capabilities.stream_json { "\n  --output-format <text|stream-json>" } else { "" };
    let engine = if capabilities.agent_engine { "\n  --agent-engine <v1|v2|v3>" } else { "" };
    let headless = if capabilities.no_interactive { "\n  --no-interactive" } else { "" };
    format!(
        "Usage: kiro-cli chat [OPTIONS] [INPUT]\n\nOptions:{format}{engine}{headless}\n  -a, --trust-all-tools\n  \
         --trust-tools <TOOLS>\n  --wrap <always|never|auto>\n  --agent <AGENT>\n  --model <MODEL>\n  -r, --resume\n  \
         --resume-id <ID>\n  -l, --list-sessions\n  --require-mcp-startup\n  -h, --help"
    )
}
