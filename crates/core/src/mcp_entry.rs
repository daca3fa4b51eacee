//! An MCP server of our server's name in a file of the user's Kiro (R10): seen, and cut out with every other byte kept.
//!
//! Both kinds of file, an agent's and `settings/mcp.json`, hold their servers under `mcpServers`.

use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::{Deserializer, Value};

/// What our server is called in a session.
pub const NAME: &str = "nanoclaw";
const SERVERS: &str = "mcpServers";

pub fn has_entry(text: &str) -> bool {
    serde_json::from_str::<Value>(text)
        .is_ok_and(|file| file.get(SERVERS).and_then(|servers| servers.get(NAME)).is_some())
}

/// The text without the entry; `None` where there is none.
pub fn without_entry(text: &str) -> Option<String> {
    let mut expect: Value = serde_json::from_str(text).ok()?;
    expect.get_mut(SERVERS)?.as_object_mut()?.remove(NAME)?;
    let mut text = text.to_owned();
    // JSON may name a key more than once.
    while has_entry(&text) {
        let servers = members(&text, skip(&text, 0))?.into_iter().rfind(|member| member.is(SERVERS, &text))?.value;
        text.replace_range(cut(&text, servers)?, "");
    }
    // Whoever wrote it, nothing else is lost.
    (serde_json::from_str::<Value>(&text).ok()? == expect).then_some(text)
}

/// What is to go of an object: the entry with the comma that parts it from its neighbour.
fn cut(text: &str, object: Range<usize>) -> Option<Range<usize>> {
    let members = members(text, object.start)?;
    let index = members.iter().rposition(|member| member.is(NAME, text))?;
    let entry = members.get(index)?;
    let before = index.checked_sub(1).and_then(|before| members.get(before));
    Some(match (before, members.get(index + 1)) {
        (_, Some(next)) => entry.key.start..next.key.start,
        (Some(before), None) => before.value.end..entry.value.end,
        (None, None) => object.start + 1..object.end - 1,
    })
}

struct Member {
    key: Range<usize>,
    value: Range<usize>,
}

impl Member {
    fn is(&self, name: &str, text: &str) -> bool {
        text.get(self.key.clone()).is_some_and(|key| serde_json::from_str::<String>(key).is_ok_and(|key| key == name))
    }
}

/// The members of the object that begins at `start`, in a text that is known to be JSON.
fn members(text: &str, start: usize) -> Option<Vec<Member>> {
    let mut members = Vec::new();
    let mut at = skip(text, start + 1);
    while text.get(at..)?.starts_with('"') {
        let key = at..end(text, at)?;
        // Past the colon.
        let value = skip(text, skip(text, key.end) + 1);
        let value = value..end(text, value)?;
        at = skip(text, value.end);
        members.push(Member { key, value });
        if text.get(at..)?.starts_with(',') {
            at = skip(text, at + 1);
        }
    }
    Some(members)
}

/// Where the value that begins at `at` ends.
fn end(text: &str, at: usize) -> Option<usize> {
    let mut values = Deserializer::from_str(text.get(at..)?).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(at + values.byte_offset())
}

fn skip(text: &str, at: usize) -> usize {
    text.get(at..).map_or(at, |rest| text.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_entry_goes_and_every_other_byte_stays() {
        // R10
        for (text, expect) in [
            (r#"{"mcpServers":{"nanoclaw":{"command":"x"}}}"#, Some(r#"{"mcpServers":{}}"#)),
            (r#"{"mcpServers":{"a":{},"nanoclaw":{}}}"#, Some(r#"{"mcpServers":{"a":{}}}"#)),
            (r#"{"mcpServers":{"nanoclaw":{},"a":{}}}"#, Some(r#"{"mcpServers":{"a":{}}}"#)),
            (
                "{\n  \"name\": \"é\\u00e9\",\n  \"mcpServers\" : {\n    \"a\": {\"env\": {\"nanoclaw\": \"}\\\"\"}},\n    \"nanoclaw\" : {\n      \"args\": [\"{\", 1.50]\n    } ,\n    \"b\":   1e3\n  },\n  \"tools\": [\"*\"]\n}\n",
                Some(
                    "{\n  \"name\": \"é\\u00e9\",\n  \"mcpServers\" : {\n    \"a\": {\"env\": {\"nanoclaw\": \"}\\\"\"}},\n    \"b\":   1e3\n  },\n  \"tools\": [\"*\"]\n}\n",
                ),
            ),
            ("{\"mcpServers\": {\n  \"a\": {},\n  \"nanoclaw\": null\n}}", Some("{\"mcpServers\": {\n  \"a\": {}\n}}")),
            (r#" {"mcpServers":{"nano\u0063law":1}}"#, Some(r#" {"mcpServers":{}}"#)),
            (r#"{"mcpServers":{"nanoclaw":1,"x":2,"nanoclaw":3}}"#, Some(r#"{"mcpServers":{"x":2}}"#)),
            (
                r#"{"mcpServers":{"nanoclaw":1},"mcpServers":{"nanoclaw":2}}"#,
                Some(r#"{"mcpServers":{"nanoclaw":1},"mcpServers":{}}"#),
            ),
            (r#"{"mcpServers":{"other":{}}}"#, None),
            (r#"{"nanoclaw":{}}"#, None),
            (r#"{"mcpServers":["nanoclaw"]}"#, None),
            (r#"{"mcpServers":{"nanoclaw":{}"#, None),
            ("", None),
        ] {
            assert_eq!(without_entry(text).as_deref(), expect, "{text}");
            assert_eq!(has_entry(text), expect.is_some(), "{text}");
        }
    }
}
