//! What Kiro may use, by the group's trust; and our own tools, in each way.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may stop at the first surprise

mod harness;

use std::fs;

use harness::{Way, request};
use nanoclaw_protocol::Request;
use serde_json::{Value, json};

in_each_way! { our_own listed_tools }

fn only(tools: &[&str], prompt: &str) -> Request {
    Request { tools: Some(tools.iter().map(|&tool| tool.to_owned()).collect()), ..request(1, prompt) }
}

/// A turn for each kind of tool, and one that ends at a refusal.
fn script() -> Value {
    json!({"turns": [
        {"match": "shell$", "run": "printf ran"},
        {"match": "shop$", "tool": {"server": "shop", "name": "buy"}},
        {"match": "asks$", "ask": true, "run": "printf ran"},
        {"match": "ends$", "endsRefused": true, "tool": {"server": "shop", "name": "buy"}},
    ]})
}

// A6, R10: Kiro gets our server with the run, in each way, and calls it.
fn our_own(way: Way) {
    let home = way.home(json!({"turns": [{"match": "", "tool": {"server": "nanoclaw", "name": "list_tasks"}}]}));
    let ipc = home.path().join("ipc");
    fs::create_dir(&ipc).unwrap();
    fs::write(ipc.join("current_tasks.json"), "[]").unwrap();
    let mut runner = home.run_with(&[("NANOCLAW_IPC_DIR", ipc.to_str().unwrap())]);
    runner.write(&only(&["@nanoclaw"], "what is planned?").to_line());
    assert_eq!(runner.output().result.as_deref(), Some("No tasks are planned."));
}

// The listed tools work, the others are refused; the agent is told so ahead of the run's first prompt, and only there.
fn listed_tools(way: Way) {
    let home = way.home(script());
    let mut runner = home.ask(&only(&["execute_bash", "@nanoclaw"], "shell"));
    assert_eq!(runner.output().result.as_deref(), Some("ran"));
    runner.message(2, "shop");
    assert_eq!(runner.output().result.as_deref(), Some("@shop/buy was not allowed"));
    assert_eq!(
        home.prompts(),
        [
            "[Tools that you may use in this chat: execute_bash, @nanoclaw. Others are refused; if one is needed, tell the \
             person that the owner can allow it.]\nshell",
            "shop"
        ]
    );
    let start = home.logged("start").last().unwrap()["arguments"].to_string();
    assert!(start.contains("--trust-tools=execute_bash,@nanoclaw") && !start.contains("--trust-all-tools"), "{start}");
}

// A permission request is answered by the list, for this once; where Kiro then says nothing, the person still gets an answer.
#[test]
fn requests() {
    let home = Way::Acp.home(script());
    let answer = |request: &Request| home.ask(request).output().result.unwrap();
    assert_eq!(answer(&request(1, "asks")), "ran");
    assert_eq!(answer(&only(&["shell"], "asks")), "ran");
    assert_eq!(answer(&only(&[], "asks")), "execute_bash was not allowed");
    assert_eq!(answer(&only(&["fs_read"], "ends")), "I may not use @shop/buy in this chat. The owner can allow it.");
    // A kiro-cli that can't be told beforehand asks for each.
    home.play(json!({"capabilities": {"v3": true}, "turns": script()["turns"]}));
    assert_eq!(answer(&only(&["shell"], "shell")), "ran");
    assert_eq!(answer(&only(&["shell"], "shop")), "@shop/buy was not allowed");

    let answers = home.logged("permission");
    let answers: Vec<_> =
        answers.iter().map(|entry| entry["answer"]["outcome"]["optionId"].as_str().unwrap()).collect();
    assert_eq!(answers, ["allow_once", "allow_once", "reject_once", "reject_once", "allow_once", "reject_once"]);
}
