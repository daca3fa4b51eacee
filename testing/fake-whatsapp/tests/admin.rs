//! The admin calls over HTTP, as another program makes them: against the program itself, on a free port.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fake-whatsapp"))
            .args(["serve", "--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let place: Value = serde_json::from_str(&line).unwrap();
        let admin = place["adminUrl"].as_str().unwrap();
        let address = admin.strip_prefix("http://").unwrap().strip_suffix("/admin").unwrap().to_owned();
        assert_eq!(place["url"], format!("ws://{address}/ws/chat"));
        assert_eq!(place["rootKeyHex"].as_str().unwrap().len(), 64);
        Self { child, address }
    }

    fn call(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}",
            self.address
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.call("POST", path, &body.to_string())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn calls_are_answered_in_json() {
    let program = Program::start();
    for (pn, lid, name) in [("1555", "9555", "Owner"), ("1666", "9666", "Alice")] {
        let account = json!({"pn": pn, "lid": lid, "pushName": name, "addressing": "lid", "passkey": true});
        assert_eq!(program.post("/admin/accounts", &account).0, 200);
    }
    let group = json!({"jid": "1@g.us", "subject": "Family", "members": ["1666", "1555"], "addressing": "lid"});
    assert_eq!(program.post("/admin/groups", &group), (200, json!({})));
    for change in [
        json!({"jid": "1@g.us", "change": "subject", "subject": "The family"}),
        json!({"jid": "1@g.us", "by": "1555", "change": "remove", "members": ["1666"]}),
        json!({"jid": "1@g.us", "change": "add", "members": ["1666"]}),
    ] {
        assert_eq!(program.post("/admin/groups/change", &change), (200, json!({})), "{change}");
    }
    let sent = json!({"from": "1666", "to": "1@g.us", "text": "hello", "id": "ABC"});
    assert_eq!(program.post("/admin/send", &sent), (200, json!({"id": "ABC"})));
    let own = program.post("/admin/own-phone", &json!({"owner": "1555", "chat": "1666", "text": "hello"}));
    assert!(own.1["id"].as_str().unwrap().starts_with("3EB0"));
    for order in [
        json!({"pn": "1555", "kind": "fail-login", "code": 402, "expireSeconds": 60, "times": 2}),
        json!({"pn": "1555", "kind": "replace"}),
        json!({"pn": "1555", "kind": "delay", "ms": 5}),
        json!({"pn": "1555", "kind": "silence"}),
        json!({"pn": "1555", "kind": "reorder"}),
        json!({"pn": "1555", "kind": "cut-backlog"}),
        json!({"pn": "1555", "kind": "cut-backlog", "after": 3}),
        json!({"pn": "1555", "kind": "stall-backlog"}),
        json!({"pn": "1555", "kind": "cut-frame"}),
        json!({"pn": "1555", "kind": "refuse-code", "code": 429}),
        json!({"pn": "1555", "kind": "ask-again"}),
        json!({"pn": "1555", "kind": "hide-number"}),
        json!({"pn": "1555", "kind": "end-stream", "code": 401, "conflict": "device_removed"}),
        json!({"pn": "1555", "kind": "corrupt", "times": 2}),
        json!({"pn": "1555", "kind": "duplicate"}),
        json!({"pn": "1555", "kind": "drop"}),
    ] {
        assert_eq!(program.post("/admin/fault", &order), (200, json!({})), "{order}");
    }
    assert_eq!(program.call("GET", "/admin/passkey?pn=1555", ""), (200, json!({"code": null})));
    assert_eq!(program.call("POST", "/admin/drop?pn=1555", ""), (200, json!({})));
    assert_eq!(program.call("POST", "/admin/revoke?pn=1555", ""), (200, json!({})));
    let empty =
        json!({"companions": [], "queued": {}, "duplicates": 0, "undecryptable": 0, "violations": [], "logins": 0});
    assert_eq!(program.call("GET", "/admin/state", ""), (200, empty));
}

#[test]
fn a_reader_waits_as_long_as_it_says() {
    let program = Program::start();
    let start = Instant::now();
    assert_eq!(program.call("GET", "/admin/received?since=7&wait=200", ""), (200, json!({"next": 7, "items": []})));
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[test]
fn a_call_that_is_wrong_says_why() {
    let program = Program::start();
    program.post("/admin/accounts", &json!({"pn": "1555", "lid": "9555", "pushName": "Owner"}));
    let text = |from: &str, to: &str| json!({"from": from, "to": to, "text": "hello"});
    for (path, body, status, why) in [
        ("/admin/accounts", json!({"pn": "+1", "lid": "2", "pushName": "x"}), 400, "digits only"),
        ("/admin/accounts", json!({"pn": "1777", "lid": "9555", "pushName": "x"}), 400, "another account"),
        ("/admin/accounts", json!({"pn": "1"}), 400, "missing field"),
        ("/admin/groups", json!({"jid": "1@g.us", "subject": "x", "members": ["3"]}), 400, "no account"),
        ("/admin/groups", json!({"jid": "1555", "subject": "x", "members": ["1555"]}), 400, "not a"),
        ("/admin/groups/change", json!({"jid": "9@g.us", "change": "leave", "member": "1555"}), 400, "no group"),
        ("/admin/groups/change", json!({"jid": "9@g.us", "change": "melt"}), 400, "unknown variant"),
        ("/admin/send", text("1666", "1555"), 400, "no account"),
        ("/admin/send", text("1555", "1666"), 400, "no account"),
        ("/admin/send", text("1555", "9@g.us"), 400, "no group"),
        ("/admin/fault", json!({"pn": "1555", "kind": "melt"}), 400, "unknown variant"),
        ("/admin/fault", json!({"pn": "1555", "kind": "drop", "ms": 5}), 400, "unknown field"),
        ("/admin/fault", json!({"pn": "1", "kind": "drop"}), 400, "no account"),
        ("/admin/fault", json!({"pn": "1555", "kind": "fail-login", "code": 7}), 400, "from 400 to 599"),
        ("/admin/scan?pn=1555", json!("no code"), 400, "at least four parts"),
        ("/admin/enter-code?pn=1555", json!("ABCD-EFGH"), 400, "no device has asked"),
        ("/admin/end-code?pn=1555&by_hand=true", json!(null), 400, "no device has asked"),
        ("/admin/revoke", json!(null), 400, "pn"),
        ("/admin/state", json!(null), 405, "another method"),
        ("/admin/nothing", json!(null), 404, "no such admin call"),
    ] {
        let (got, answer) = program.post(path, &body);
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(got == status && error.contains(why), "{path} {body}: {got} {answer}");
    }
}
