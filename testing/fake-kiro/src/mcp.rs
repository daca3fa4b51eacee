//! Calls one tool of an MCP server on stdio, as Kiro would: start, initialize, call, end.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::script::Tool;

/// `servers` in ACP's form: `[{name, command, args, env: [{name, value}]}]`. The answer's texts, or why there is none.
pub fn call(servers: &[Value], tool: &Tool) -> Result<String, String> {
    let server = servers
        .iter()
        .find(|server| server["name"] == tool.server.as_str())
        .ok_or_else(|| format!("no MCP server {}", tool.server))?;
    let words = |key: &str| server[key].as_array().cloned().unwrap_or_default();
    let env = words("env");
    let pairs = env.iter().filter_map(|pair| Some((pair["name"].as_str()?, pair["value"].as_str()?)));
    let mut child = Command::new(server["command"].as_str().unwrap_or_default())
        .args(words("args").iter().filter_map(Value::as_str))
        .envs(pairs)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("MCP server {} did not start: {error}", tool.server))?;
    let result = converse(&mut child, tool);
    drop(child.stdin.take());
    let _ = child.wait();
    result
}

fn converse(child: &mut Child, tool: &Tool) -> Result<String, String> {
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("no pipes".into());
    };
    let mut lines = BufReader::new(stdout).lines();
    let mut send = |message: Value| writeln!(stdin, "{message}").map_err(|error| error.to_string());
    let mut reply = |id: u64| -> Result<Value, String> {
        for line in lines.by_ref() {
            let line = line.map_err(|error| error.to_string())?;
            let message: Value = serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))?;
            if message["id"] == id {
                return match &message["error"] {
                    Value::Null => Ok(message["result"].clone()),
                    error => Err(error["message"].as_str().unwrap_or("MCP error").to_owned()),
                };
            }
        }
        Err("the MCP server ended".into())
    };
    send(json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "kiro", "version": "2.29.0"}}}))?;
    reply(1)?;
    send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
    send(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}))?;
    let listed = reply(2)?;
    let tools = listed["tools"].as_array().map_or(&[][..], Vec::as_slice);
    if !tools.iter().any(|known| known["name"] == tool.name.as_str()) {
        return Err(format!("the MCP server has no tool {}", tool.name));
    }
    let params = json!({"name": tool.name, "arguments": tool.args});
    send(json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params}))?;
    let result = reply(3)?;
    let texts: Vec<&str> =
        result["content"].as_array().map_or(&[][..], Vec::as_slice).iter().filter_map(|c| c["text"].as_str()).collect();
    let text = texts.join("\n");
    if result["isError"] == true { Err(text) } else { Ok(text) }
}
