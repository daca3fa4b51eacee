//! The fake's commands as others rely on them (facts of kiro-cli). How it speaks ACP is held by the agent runner's tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may stop at the first surprise

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Exit code, stdout, stderr.
fn kiro(home: &Path, arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kiro-cli"))
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home)
        .env("KIRO_FAKE_IS_REMOTE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn home(script: &Value) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".kiro")).unwrap();
    fs::write(home.path().join(".kiro/fake-kiro.json"), script.to_string()).unwrap();
    home
}

#[test]
fn sign_in_and_out() {
    let home = home(&json!({"auth": {"state": "signed-out"}, "login": {"afterMs": 0}}));
    let (code, out, _) = kiro(home.path(), &["whoami", "-f", "json"], "");
    assert_eq!((code, out.trim()), (1, r#"{"account":null}"#));
    let (code, out, _) = kiro(home.path(), &["whoami"], "");
    assert_eq!((code, out.trim()), (1, "Not logged in"));
    let (code, _, err) = kiro(home.path(), &["login"], "");
    assert!(code == 1 && err.contains("kiro-cli login --use-device-flow"), "{err}");

    let (code, out, err) = kiro(home.path(), &["login", "--license", "free", "--use-device-flow"], "");
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("ABCD-EFGH\u{1b}[0m\n\nOpen this URL: https://view.awsapps.com/"), "{out}");
    assert!(out.ends_with("Logged in\n"), "{out}");
    let (code, out, _) = kiro(home.path(), &["whoami", "-f", "json"], "");
    assert_eq!((code, out.trim()), (0, r#"{"accountType":"BuilderId","email":"alice@example.com"}"#));
    let (code, _, err) = kiro(home.path(), &["login", "--use-device-flow"], "");
    assert!(code == 1 && err.contains("Already logged in"), "{err}");

    assert_eq!(kiro(home.path(), &["logout"], "").0, 0);
    assert_eq!(kiro(home.path(), &["whoami"], "").0, 1);
}

/// The forms of a sign-in: what is shown, and which account it makes.
#[test]
fn forms_of_sign_in() {
    let free = r#"{"accountType":"BuilderId","email":"alice@example.com"}"#;
    let github = r#"{"accountType":"Social","email":"alice@example.com","provider":"GitHub"}"#;
    for (login, arguments, shown, account) in [
        // Without a terminal the menu takes its first option.
        (json!({}), vec!["--use-device-flow"], "Open this URL: ", Some(free)),
        (json!({"withoutUrl": true}), vec!["--use-device-flow"], "Code: ", Some(free)),
        (json!({"older": true}), vec!["--use-device-flow"], "Device authorized", Some(free)),
        (json!({"browserOpens": true}), vec!["--license", "free"], "Opening browser", Some(free)),
        (
            json!({}),
            vec!["--social", "github", "--use-device-flow"],
            "To sign in with GitHub, visit:\n  https://view.awsapps.com/start/#/device?user_code=ABCD-EFGH\nAnd confirm the code: ABCD-EFGH",
            Some(github),
        ),
        // Nor is what is filled in taken without one.
        (
            json!({}),
            vec!["--license", "pro", "--identity-provider", "https://acme.awsapps.com/start", "--use-device-flow"],
            "",
            None,
        ),
    ] {
        let mut login = login;
        login["afterMs"] = json!(0);
        let home = home(&json!({"auth": {"state": "signed-out"}, "login": login}));
        let arguments: Vec<&str> = [vec!["login"], arguments].concat();
        let (code, out, err) = kiro(home.path(), &arguments, "");
        assert_eq!(code == 0, account.is_some(), "{arguments:?}: {err}");
        assert!(out.contains(shown), "{arguments:?}: {out}");
        let whoami = kiro(home.path(), &["whoami", "-f", "json"], "").1;
        assert_eq!(whoami.trim(), account.unwrap_or(r#"{"account":null}"#), "{arguments:?}");
    }
}

/// On a terminal Enter takes what is filled in.
#[cfg(target_os = "linux")]
#[test]
fn prompts_on_a_terminal() {
    let home = home(&json!({"auth": {"state": "signed-out"}, "login": {"afterMs": 0}}));
    let program = env!("CARGO_BIN_EXE_kiro-cli");
    let login =
        "login --license pro --identity-provider https://acme.awsapps.com/start --region eu-west-1 --use-device-flow";
    let mut script = Command::new("script")
        .args(["-qec", &format!("{program} {login}"), "/dev/null"])
        .env("HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    script.stdin.take().unwrap().write_all(b"\r\r").unwrap();
    let out = String::from_utf8(script.wait_with_output().unwrap().stdout).unwrap();
    assert!(out.contains("? Enter Start URL") && out.contains("Logged in"), "{out}");
    let whoami = kiro(home.path(), &["whoami", "-f", "json"], "").1;
    assert_eq!(
        whoami.trim(),
        r#"{"accountType":"IamIdentityCenter","email":"alice@example.com","region":"eu-west-1","startUrl":"https://acme.awsapps.com/start"}"#
    );
}

#[test]
fn whoami_tells_the_account_then_the_profile() {
    let home = home(&json!({"auth": {"accountType": "IamIdentityCenter", "profile": true}}));
    let (code, out, _) = kiro(home.path(), &["whoami", "--format", "json-pretty"], "");
    let profile = out.find("}\n\nProfile:\nexample\narn:aws:").expect(&out);
    let account: Value = serde_json::from_str(&out[..=profile]).unwrap();
    assert_eq!((code, account["startUrl"].as_str()), (0, Some("https://example.awsapps.com/start")));
    assert!(kiro(home.path(), &["whoami"], "").1.starts_with("Logged in with IAM Identity Center"));
    assert_eq!(kiro(home.path(), &["whoami", "-f", "xml"], "").0, 2);
    assert_eq!(kiro(home.path(), &["whoami", "--who"], "").0, 2);
}

#[test]
fn a_login_that_fails() {
    for (outcome, text) in [
        ("expired", "Device code expired. Please try again."),
        ("access_denied", "Device flow error: access_denied"),
        ("Failed to initialize auth portal", "error: Failed to initialize auth portal"),
        ("Auth portal timed out", "error: Auth portal timed out"),
        ("All callback ports are in use", "error: All callback ports are in use"),
    ] {
        let home = home(&json!({"auth": {"state": "signed-out"}, "login": {"afterMs": 0, "outcome": outcome}}));
        let (code, _, err) = kiro(home.path(), &["login", "--use-device-flow"], "");
        assert!(code == 1 && err.contains(text), "{err}");
        assert_eq!(kiro(home.path(), &["whoami"], "").0, 1);
    }
}

#[test]
fn chat() {
    let home = home(&json!({"turns": [{"match": "fail", "error": "ThrottlingException", "parts": []}]}));
    let (code, out, err) =
        kiro(home.path(), &["chat", "--no-interactive", "--trust-all-tools", "--wrap", "never", "hello"], "");
    assert_eq!((code, out.as_str()), (0, "\u{1b}[38;5;141m> \u{1b}[0mecho: hello\u{1b}[0m\n"));
    assert!(err.contains("▸ Credits:"), "{err}");

    let (code, out, _) = kiro(home.path(), &["chat", "--no-interactive", "--output-format", "stream-json"], "hello");
    let events: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, events[3]["finalText"].as_str()), (0, Some("echo: hello")));
    assert_eq!(kiro(home.path(), &["chat", "--no-interactive", "fail"], "").0, 1);
    assert_eq!(kiro(home.path(), &["chat", "--no-such-option"], "").0, 2);
}

/// What a version knows, and what it says of what isn't there: exit code and stderr.
#[test]
fn versions_and_what_is_missing() {
    let chat = ["chat", "--no-interactive"];
    for (script, arguments, exit, said) in [
        (json!({"capabilities": {"acp": false}}), vec!["acp"], 2, "unrecognized subcommand 'acp'"),
        (
            json!({"capabilities": {"agentEngine": false}}),
            vec!["acp", "--agent-engine", "v2"],
            2,
            "'--agent-engine' found",
        ),
        (json!({"capabilities": {"v3": true}}), vec!["acp", "--agent", "x"], 2, "'--agent' found"),
        (json!({"capabilities": {"noInteractive": false}}), chat.to_vec(), 2, "'--no-interactive' found"),
        (
            json!({"capabilities": {"streamJson": false}}),
            vec!["chat", "--output-format", "text"],
            2,
            "'--output-format'",
        ),
        (json!({"agents": ["a"]}), [&chat[..], &["--agent", "b", "hi"]].concat(), 4, "no agent with name b found"),
        (json!({"agents": ["a"]}), [&chat[..], &["--agent", "a", "hi"]].concat(), 0, ""),
        (
            json!({"agents": ["a"], "capabilities": {"agentExit": false}}),
            [&chat[..], &["--agent", "b", "hi"]].concat(),
            0,
            "",
        ),
        (json!({"models": ["a"]}), [&chat[..], &["--model", "b", "hi"]].concat(), 1, "error: Invalid model ID: b"),
        (json!({"mcpFails": "shop"}), [&chat[..], &["hi"]].concat(), 0, "MCP server shop failed to start"),
        (json!({"mcpFails": "shop"}), [&chat[..], &["--require-mcp-startup", "hi"]].concat(), 3, "MCP server shop"),
        (
            json!({"auth": {"state": "signed-out"}}),
            [&chat[..], &["hi"]].concat(),
            1,
            "Not logged in. Set the KIRO_API_KEY",
        ),
        (json!({"auth": {"state": "signed-out"}}), vec!["acp"], 1, "You are not logged in"),
        (json!({"auth": {"state": "expired"}}), [&chat[..], &["hi"]].concat(), 1, "ExpiredTokenException"),
    ] {
        let (code, _, err) = kiro(home(&script).path(), &arguments, "");
        assert!(code == exit && err.contains(said), "{script} {arguments:?}: {code} {err}");
    }
    let old = home(&json!({"capabilities": {"version": "1.21.0"}}));
    assert_eq!(kiro(old.path(), &["--version"], "").1, "kiro-cli 1.21.0\n");
}

#[test]
fn a_key_is_an_account_unless_it_is_refused() {
    for (refuses, code) in [(false, 0), (true, 1)] {
        let place = home(&json!({"auth": {"state": "signed-out", "refusesKeys": refuses}}));
        let whoami = Command::new(env!("CARGO_BIN_EXE_kiro-cli"))
            .args(["whoami", "-f", "json"])
            .env("HOME", place.path())
            .env("KIRO_API_KEY", "ksk-planted")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&whoami.stdout).into_owned();
        assert_eq!((whoami.status.code(), said.contains("ApiKey")), (Some(code), !refuses), "{said}");
    }
}

/// A tool of a server that came with the session, called over MCP.
#[test]
fn mcp_tool() {
    let home = home(&json!({"turns": [
        {"match": "", "tool": {"server": "shop", "name": "buy", "args": {"what": "tea"}}, "parts": ["It said: {output}"]},
    ]}));
    let server = r#"
        while read -r line; do
            id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
            case "$line" in
                *tools/list*) echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"tools\":[{\"name\":\"buy\"}]}}" ;;
                *tools/call*tea*) echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"$GREETING\"}]}}" ;;
                *'"id"'*) echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{}}" ;;
            esac
        done"#;
    let servers = json!([{"name": "shop", "command": "sh", "args": ["-c", server], "env": [{"name": "GREETING", "value": "sold"}]}]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_kiro-cli"))
        .args(["acp", "-a"])
        .env("HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut call = |message: Value| -> Vec<Value> {
        writeln!(stdin, "{message}").unwrap();
        let mut heard = Vec::new();
        while heard.last().is_none_or(|last: &Value| last["id"] != message["id"]) {
            heard.push(serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap());
        }
        heard
    };
    let opened = call(
        json!({"jsonrpc": "2.0", "id": 1, "method": "session/new", "params": {"cwd": "/", "mcpServers": servers}}),
    );
    let session = &opened.last().unwrap()["result"]["sessionId"];
    let prompt = json!([{"type": "text", "text": "buy tea"}]);
    let heard = call(
        json!({"jsonrpc": "2.0", "id": 2, "method": "session/prompt", "params": {"sessionId": session, "prompt": prompt}}),
    );
    assert!(heard.iter().any(|m| m["params"]["update"]["content"]["text"] == "It said: sold"), "{heard:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}
