//! The panel's own calls, as its page and the demo make them.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use fake_whatsapp::{Addressing, Server};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn call(server: &Server, method: &str, path: &str, body: &str) -> (u16, String, String) {
    let admin = server.admin_url();
    let address = admin.trim_start_matches("http://").trim_end_matches("/admin");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\nconnection: close", body.len());
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn the_page_runs_nothing_but_its_own_files() {
    let server = Server::start(0).await.unwrap();
    for (path, kind) in [
        ("/panel", "text/html"),
        ("/panel/panel.js", "text/javascript"),
        ("/panel/panel.css", "text/css"),
        ("/panel/tokens.css", "text/css"),
    ] {
        let (status, head, body) = call(&server, "GET", path, "").await;
        assert_eq!(status, 200, "{path}");
        assert!(head.contains(&format!("content-type: {kind}")), "{head}");
        assert!(head.contains("content-security-policy: default-src 'none'; script-src 'self'"), "{head}");
        for forbidden in ["innerHTML", "style=", "onclick=\"", "https://"] {
            assert!(!body.contains(forbidden), "{path} has {forbidden}");
        }
    }
}

#[tokio::test]
async fn who_there_is_and_what_the_camera_sees() {
    let server = Server::start(0).await.unwrap();
    server.add_account("1666", "9666", "Alice").unwrap();
    server.add_account("1555", "9555", "You").unwrap();
    server.add_group("1@g.us", "Family", &["1555", "1666"], Addressing::Pn).unwrap();
    let person = |pn: &str, name: &str| json!({"pn": pn, "name": name, "linked": false, "online": false});
    let state = |screen: bool| {
        json!({"screen": screen, "people": [person("1555", "You"), person("1666", "Alice")],
            "groups": [{"jid": "1@g.us", "subject": "Family", "members": ["1555", "1666"]}]})
    };
    async fn now(server: &Server) -> Value {
        serde_json::from_str(&call(server, "GET", "/panel/state", "").await.2).unwrap()
    }
    assert_eq!(now(&server).await, state(false));
    let (status, _, answer) = call(&server, "POST", "/panel/scan?pn=1555", "").await;
    assert!(status == 400 && answer.contains("no code"), "{answer}");

    assert_eq!(call(&server, "POST", "/panel/screen", "not a code").await.0, 200);
    assert_eq!(now(&server).await, state(true));
    let (status, _, answer) = call(&server, "POST", "/panel/scan?pn=1555", "").await;
    assert!(status == 400 && answer.contains("at least four parts"), "{answer}");

    call(&server, "POST", "/panel/screen", "").await;
    assert_eq!(now(&server).await, state(false));
}
