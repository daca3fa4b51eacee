//! Which tools Kiro may use in this run: what it is told at its start, and the answer when it asks (ACP
//! `session/request_permission`). Pure; used by `acp` and `launch`.
//!
//! A request's title is written by the model, so it names nothing. The tool's name comes with the call before it, as
//! `_meta.kiro`; a tool whose name Kiro doesn't say is allowed only where all are.

use std::collections::HashMap;

use serde_json::{Value, json};

/// What newer versions call the tools of the older ones.
const ALIASES: [(&str, &str); 4] =
    [("read", "fs_read"), ("write", "fs_write"), ("shell", "execute_bash"), ("aws", "use_aws")];

/// Calls of one turn that are remembered.
const CALLS: usize = 10_000;

/// A run's tools. See [`nanoclaw_protocol::Request::tools`].
#[derive(Clone, Default)]
pub struct Tools(pub Option<Vec<String>>);

/// The calls of a turn by their ids, each with its tool's name.
#[derive(Default)]
pub struct Calls(HashMap<String, String>);

impl Tools {
    /// What `--trust-tools` takes; None where all are trusted.
    pub fn trusted(&self) -> Option<String> {
        let entries = self.0.as_ref()?.iter();
        Some(entries.map(|entry| entry.trim_end_matches("/*")).collect::<Vec<_>>().join(","))
    }

    /// Whether `tool` may be used: `fs_read`, `@server/tool`.
    fn allow(&self, tool: Option<&str>) -> bool {
        let (Some(entries), Some(tool)) = (&self.0, tool) else {
            return self.0.is_none();
        };
        entries.iter().any(|entry| match tool.strip_prefix('@') {
            None => of_old(entry) == of_old(tool),
            Some(_) => {
                let server = tool.split_once('/').map_or(tool, |(server, _)| server);
                entry == tool || entry.trim_end_matches("/*") == server
            }
        })
    }

    /// Said to the agent ahead of a run's first prompt, so that it can tell the person.
    pub fn sentence(&self) -> Option<String> {
        let entries = self.0.as_ref()?;
        let listed = if entries.is_empty() { "none".to_owned() } else { entries.join(", ") };
        Some(format!(
            "[Tools that you may use in this chat: {listed}. Others are refused; if one is needed, tell the person that the owner can allow it.]"
        ))
    }
}

/// What the person is told where Kiro says nothing after a refusal.
pub fn refusal(tool: &str) -> String {
    format!("I may not use {tool} in this chat. The owner can allow it.")
}

impl Calls {
    /// Takes the name from a `tool_call` update.
    pub fn take(&mut self, update: &Value) {
        if let (Some(id), Some(name)) = (update["toolCallId"].as_str(), name(update))
            && self.0.len() < CALLS
        {
            self.0.insert(id.to_owned(), name);
        }
    }

    /// The tool that a permission request is for.
    fn of(&self, request: &Value) -> Option<String> {
        let call = &request["toolCall"];
        name(request).or_else(|| name(call)).or_else(|| self.0.get(call["toolCallId"].as_str()?).cloned())
    }
}

/// The `outcome` for a permission request, and the refused tool's name, where it was refused.
pub fn decide(tools: &Tools, calls: &Calls, request: &Value) -> (Value, Option<String>) {
    let tool = calls.of(request);
    let allowed = tools.allow(tool.as_deref());
    let refused = (!allowed).then(|| tool.unwrap_or_else(|| "this tool".into()));
    (outcome(allowed, request), refused)
}

/// The option that says so, for this once if there is a choice; where none fits, the request is cancelled.
fn outcome(allowed: bool, request: &Value) -> Value {
    let kinds = if allowed { ["allow_once", "allow_always"] } else { ["reject_once", "reject_always"] };
    let options = request["options"].as_array().map_or(&[][..], Vec::as_slice);
    // Older versions give options no kind; their ids say the same.
    let fits = |option: &&Value, kind| option["kind"] == kind || option["kind"].is_null() && option["optionId"] == kind;
    match kinds.iter().find_map(|kind| options.iter().find(|option| fits(option, *kind))) {
        Some(option) => json!({"outcome": "selected", "optionId": option["optionId"]}),
        None => json!({"outcome": "cancelled"}),
    }
}

fn name(call: &Value) -> Option<String> {
    let kiro = &call["_meta"]["kiro"];
    let tool = kiro["toolName"].as_str().or(kiro["toolId"].as_str())?;
    Some(match kiro["mcpServerName"].as_str() {
        Some(server) if !tool.starts_with('@') => format!("@{server}/{tool}"),
        _ => tool.to_owned(),
    })
}

fn of_old(tool: &str) -> &str {
    ALIASES.iter().find(|(newer, _)| *newer == tool).map_or(tool, |(_, old)| old)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(entries: &[&str]) -> Tools {
        Tools(Some(entries.iter().map(|&entry| entry.to_owned()).collect()))
    }

    #[test]
    fn listed_tools() {
        for (entries, tool, allowed) in [
            (&["fs_read"][..], Some("fs_read"), true),
            (&["fs_read"], Some("read"), true),
            (&["shell"], Some("execute_bash"), true),
            (&["fs_read"], Some("fs_write"), false),
            (&["@shop"], Some("@shop/buy"), true),
            (&["@shop/*"], Some("@shop/buy"), true),
            (&["@shop/buy"], Some("@shop/buy"), true),
            (&["@shop/buy"], Some("@shop/sell"), false),
            (&["@sho"], Some("@shop/buy"), false),
            (&["buy", "shop"], Some("@shop/buy"), false),
            (&["@shop"], Some("shop"), false),
            (&["fs_read"], None, false),
            (&[], Some("fs_read"), false),
        ] {
            assert_eq!(some(entries).allow(tool), allowed, "{entries:?} {tool:?}");
        }
        assert!(Tools(None).allow(None) && Tools(None).allow(Some("@shop/buy")));
        assert_eq!(some(&["fs_read", "@shop/*", "@a/b"]).trusted().unwrap(), "fs_read,@shop,@a/b");
        assert_eq!(some(&[]).trusted().unwrap(), "");
        assert!(Tools(None).trusted().is_none() && Tools(None).sentence().is_none());
        assert!(some(&[]).sentence().unwrap().contains("chat: none."));
    }

    // What a call is named by: never by its title, which the model writes.
    #[test]
    fn names() {
        let mut calls = Calls::default();
        calls.take(&json!({"toolCallId": "1", "title": "fs_read", "_meta": {"kiro": {"toolName": "buy", "mcpServerName": "shop"}}}));
        calls.take(&json!({"toolCallId": "2", "title": "fs_read"}));
        for (request, expect) in [
            (json!({"toolCall": {"toolCallId": "1", "title": "fs_read"}}), Some("@shop/buy")),
            (json!({"toolCall": {"toolCallId": "2", "title": "fs_read"}}), None),
            (json!({"toolCall": {"toolCallId": "3", "_meta": {"kiro": {"toolName": "shell"}}}}), Some("shell")),
            (json!({"_meta": {"kiro": {"toolId": "run"}}}), Some("run")),
            (json!({"toolCall": 7}), None),
        ] {
            assert_eq!(calls.of(&request).as_deref(), expect, "{request}");
        }
    }

    #[test]
    fn outcomes() {
        let options = |kinds: &[&str]| {
            let options: Vec<_> = kinds.iter().map(|kind| json!({"optionId": kind, "kind": kind})).collect();
            json!({"options": options})
        };
        let all = options(&["allow_always", "allow_once", "reject_once"]);
        let without_kinds = json!({"options": [{"optionId": "allow_once"}, {"optionId": "reject_once"}]});
        for (allowed, request, expect) in [
            (true, &all, "allow_once"),
            (false, &all, "reject_once"),
            (true, &options(&["allow_always"]), "allow_always"),
            (false, &without_kinds, "reject_once"),
        ] {
            assert_eq!(outcome(allowed, request), json!({"outcome": "selected", "optionId": expect}));
        }
        for request in [&options(&["reject_once"]), &json!({})] {
            assert_eq!(outcome(true, request), json!({"outcome": "cancelled"}));
        }
    }
}
