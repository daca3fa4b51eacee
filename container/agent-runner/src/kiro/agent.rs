//! How `chat` is given our MCP server: it takes servers from agent files alone. So the run gets an agent of its own in the
//! group's folder, where kiro-cli looks first: the user's agent, with our server in it (R10). The user's file stays as it is.
//!
//! Must not: be needed. Without that file Kiro works with the user's agent, and our tools are missing.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde_json::{Map, Value, json};

/// The run's agent and our server's entry in it.
const NAME: &str = "nanoclaw";

/// Writes the agent file and gives the agent's name. `server` is in ACP's form.
pub fn write(folder: &Path, user: Option<&str>, server: &Value) -> io::Result<&'static str> {
    let agents = folder.join(".kiro/agents");
    let places = [Some(agents.clone()), kiro_folder().map(|kiro| kiro.join("agents"))];
    let users = user.and_then(|name| places.iter().flatten().find_map(|place| find(place, name)));
    let text = serde_json::to_vec_pretty(&with_server(users.unwrap_or_else(plain), server))?;
    fs::create_dir_all(&agents)?;
    // Renamed into its place, so that a link there is replaced and not followed.
    let temporary = agents.join(format!(".{NAME}.tmp"));
    let _ = fs::remove_file(&temporary);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&temporary)?;
    io::Write::write_all(&mut file, &text)?;
    fs::rename(&temporary, agents.join(format!("{NAME}.json")))?;
    Ok(NAME)
}

fn with_server(mut agent: Map<String, Value>, server: &Value) -> Value {
    let pairs = server["env"].as_array().into_iter().flatten();
    let env: Map<_, _> =
        pairs.filter_map(|pair| Some((pair["name"].as_str()?.to_owned(), pair["value"].clone()))).collect();
    let entry = json!({"command": server["command"], "args": server["args"], "env": env});
    match agent.entry("mcpServers").or_insert_with(|| json!({})).as_object_mut() {
        Some(servers) => drop(servers.insert(NAME.into(), entry)),
        None => drop(agent.insert("mcpServers".into(), json!({NAME: entry}))),
    }
    let tool = Value::from(format!("@{NAME}"));
    // An agent without a list has no tools at all.
    if let Some(tools) = agent.entry("tools").or_insert_with(|| json!([])).as_array_mut()
        && !tools.contains(&tool)
        && !tools.contains(&"*".into())
    {
        tools.push(tool);
    }
    agent.insert("name".into(), NAME.into());
    agent.into()
}

/// The agent `name` among the files of a folder: by its own word for it, else by its file's name.
fn find(folder: &Path, name: &str) -> Option<Map<String, Value>> {
    let agents = fs::read_dir(folder).ok()?.flatten().filter_map(|file| {
        let path = file.path();
        let agent: Map<String, Value> = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        let called = agent.get("name").and_then(Value::as_str).or(path.file_stem()?.to_str())?.to_owned();
        (path.extension()? == "json" && called == name).then_some(agent)
    });
    { agents }.next()
}

/// Where the user has no agent of that name.
fn plain() -> Map<String, Value> {
    [("tools".to_owned(), json!(["*"])), ("includeMcpJson".to_owned(), true.into())].into_iter().collect()
}

fn kiro_folder() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("KIRO_HOME").or_else(|| set("HOME").map(|home| home.join(".kiro")))
}

#[cfg(test)]
mod tests {
    use super::*;

    // R10
    #[test]
    fn our_server_beside_the_users() {
        let folder = tempfile::tempdir().unwrap();
        let agents = folder.path().join(".kiro/agents");
        fs::create_dir_all(&agents).unwrap();
        let users = json!({"name": "mine", "model": "m", "tools": ["fs_read"], "mcpServers":
            {"shop": {"command": "s"}, "nanoclaw": {"command": "stale"}}});
        fs::write(agents.join("agent_config.json"), users.to_string()).unwrap();
        let server =
            json!({"name": "nanoclaw", "command": "/app/x", "args": ["mcp"], "env": [{"name": "A", "value": "1"}]});
        let entry = json!({"command": "/app/x", "args": ["mcp"], "env": {"A": "1"}});
        let written = |user| -> Value {
            assert_eq!(write(folder.path(), user, &server).unwrap(), "nanoclaw");
            serde_json::from_slice(&fs::read(agents.join("nanoclaw.json")).unwrap()).unwrap()
        };
        let mine = json!({"name": "nanoclaw", "model": "m", "tools": ["fs_read", "@nanoclaw"], "mcpServers":
            {"shop": {"command": "s"}, "nanoclaw": entry}});
        assert_eq!(written(Some("mine")), mine);
        assert_eq!(written(Some("mine")), mine, "again");
        for user in [None, Some("unknown")] {
            let plain = written(user);
            assert_eq!((&plain["tools"], &plain["mcpServers"]), (&json!(["*"]), &json!({"nanoclaw": entry})));
        }
        assert_eq!(fs::read_to_string(agents.join("agent_config.json")).unwrap(), users.to_string());
    }
}
