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
    let (code, _, err) = kiro(home.path(), &["login"], "");
    assert!(code == 1 && err.contains("kiro-cli login --use-device-flow"), "{err}");

    let (code, out, err) = kiro(home.path(), &["login", "--license", "free", "--use-device-flow"], "");
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("Code: ABCD-EFGH\n\nOpen this URL: https://view.awsapps.com/"), "{out}");
    assert!(out.ends_with("Logged in\n"), "{out}");
    let (code, out, _) = kiro(home.path(), &["whoami", "-f", "json"], "");
    assert_eq!((code, out.trim()), (0, r#"{"accountType":"BuilderId","email":"alice@example.com"}"#));
    let (code, _, err) = kiro(home.path(), &["login", "--use-device-flow"], "");
    assert!(code == 1 && err.contains("Already logged in"), "{err}");

    assert_eq!(kiro(home.path(), &["logout"], "").0, 0);
    assert_eq!(kiro(home.path(), &["whoami"], "").0, 1);
}

#[test]
fn a_login_that_fails() {
    for (outcome, text) in
        [("expired", "Device code expired. Please try again."), ("denied", "Device flow error: denied")]
    {
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
