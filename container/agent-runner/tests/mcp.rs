//! The tools, called by a client of the official SDK (A6, I8).
#![allow(clippy::unwrap_used, clippy::panic)] // tests may stop at the first surprise

use std::{path::Path, time::Duration};

use rmcp::{
    ServiceExt,
    model::{CallToolRequestParams, CallToolResult},
    service::{RoleClient, RunningService},
    transport::TokioChildProcess,
};
use serde_json::{Value, json};
use tokio::process::Command;

async fn client(ipc: &Path, is_main: bool) -> RunningService<RoleClient, ()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nanoclaw-agent"));
    command.arg("mcp").env("NANOCLAW_CHAT_JID", "1@g.us").env("NANOCLAW_GROUP_FOLDER", "family");
    command.env("NANOCLAW_IS_MAIN", if is_main { "1" } else { "0" }).env("NANOCLAW_IPC_DIR", ipc);
    ().serve(TokioChildProcess::new(command).unwrap()).await.unwrap()
}

async fn call(client: &RunningService<RoleClient, ()>, name: &'static str, arguments: Value) -> (bool, String) {
    let arguments = arguments.as_object().cloned().unwrap();
    let result: CallToolResult =
        client.call_tool(CallToolRequestParams::new(name).with_arguments(arguments)).await.unwrap();
    let text = serde_json::to_value(&result.content[0]).unwrap()["text"].as_str().unwrap().to_owned();
    (result.is_error == Some(true), text)
}

/// The one request in a folder, answered as the host would.
async fn answered(ipc: &Path, folder: &str, answer: Value) -> Value {
    for _ in 0..500 {
        let file = std::fs::read_dir(ipc.join(folder)).into_iter().flatten().flatten().map(|entry| entry.path());
        if let Some(path) = file.into_iter().find(|path| path.extension().is_some_and(|end| end == "json")) {
            let request: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            std::fs::remove_file(path).unwrap();
            let id = request["id"].as_str().unwrap();
            std::fs::create_dir_all(ipc.join("results")).unwrap();
            std::fs::write(ipc.join(format!("results/{id}.json")), answer.to_string()).unwrap();
            return request;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no request in {folder}");
}

#[tokio::test]
async fn a_client_of_the_sdk_calls_the_tools() {
    let ipc = tempfile::tempdir().unwrap();
    let client = client(ipc.path(), false).await;
    let mut names: Vec<_> = client.list_all_tools().await.unwrap().into_iter().map(|tool| tool.name).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "cancel_task",
            "list_tasks",
            "pause_task",
            "register_group",
            "resume_task",
            "schedule_task",
            "send_message",
            "update_task"
        ]
    );

    // I8: the agent learns the outcome.
    let (said, request) = tokio::join!(
        call(&client, "send_message", json!({"text": "hi"})),
        answered(ipc.path(), "messages", json!({"ok": true}))
    );
    assert_eq!(said, (false, "Done.".to_owned()));
    assert_eq!(
        (&request["type"], &request["chatJid"], &request["text"]),
        (&json!("message"), &json!("1@g.us"), &json!("hi"))
    );
    let (said, request) = tokio::join!(
        call(&client, "pause_task", json!({"task_id": "t"})),
        answered(ipc.path(), "tasks", json!({"error": "There is no task t."}))
    );
    assert_eq!(said, (true, "There is no task t.".to_owned()));
    assert_eq!(request["taskId"], "t");

    // A6: nothing is written for bad arguments.
    let (failed, text) = call(&client, "send_message", json!({"text": ""})).await;
    assert!(failed && text.contains("text has"), "{text}");
    assert_eq!(std::fs::read_dir(ipc.path().join("messages")).unwrap().count(), 0);

    // R8
    let (failed, text) = call(&client, "list_tasks", json!({})).await;
    assert!(failed && text.contains("can't be read"), "{text}");
    std::fs::write(ipc.path().join("current_tasks.json"), "[]").unwrap();
    assert_eq!(call(&client, "list_tasks", json!({})).await, (false, "No tasks are planned.".to_owned()));

    // I8: a host that does not answer.
    let (failed, text) = call(&client, "cancel_task", json!({"task_id": "t"})).await;
    assert!(!failed && text.contains("not confirmed"), "{text}");
    client.cancel().await.unwrap();
}
