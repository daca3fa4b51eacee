//! What Kiro said in a turn, and what it took. Read tolerantly: what isn't understood is left out. Pure; used by every way.

use nanoclaw_protocol::Usage;
use serde_json::Value;

use crate::text;

/// An answer is cut here: a chat message holds far less, and a frame has to hold it.
const ANSWER_BYTES: usize = 1024 * 1024;

/// A turn's answer, whole.
#[derive(Debug, PartialEq)]
pub struct Answered {
    /// Plain (A4); empty where Kiro said nothing.
    pub text: String,
    pub usage: Option<Usage>,
}

/// The turn under way.
#[derive(Default)]
pub struct Answer {
    text: String,
    /// Kiro used a tool after the last piece of text.
    tool_between: bool,
    cut: bool,
    usage: Usage,
}

impl Answer {
    /// ACP's `update` of a `session/update`; stream-json has the same.
    pub fn update(&mut self, update: &Value) {
        match update["sessionUpdate"].as_str() {
            Some("agent_message_chunk") => self.push(update["content"]["text"].as_str().unwrap_or_default()),
            Some("tool_call") => self.tool_between = true,
            _ => {}
        }
    }

    pub fn push(&mut self, text: &str) {
        if std::mem::take(&mut self.tool_between) && !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
        if self.text.len() + text.len() > ANSWER_BYTES {
            self.cut = true;
        }
        if !self.cut {
            self.text.push_str(text);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The answer is longer than what is here.
    pub fn cut(&mut self) {
        self.cut = true;
    }

    /// Kiro's metadata; it may come several times, the last one counts.
    pub fn metadata(&mut self, data: &Value) {
        let credits = data["meteringUsage"].as_array().and_then(|parts| {
            let credits =
                parts.iter().filter(|part| part["unit"].as_str().is_some_and(|unit| unit.starts_with("credit")));
            credits.filter_map(|part| part["value"].as_f64()).reduce(|sum, credits| sum + credits)
        });
        self.usage.credits = credits.or_else(|| data["credits"].as_f64()).or(self.usage.credits);
        self.usage.context_percent = data["contextUsagePercentage"].as_f64().or(self.usage.context_percent);
    }

    /// `▸ Credits: 0.01 • Time: 1s`, as plain `chat` ends.
    pub fn credits_line(&mut self, line: &str) {
        let number = line.split_once("Credits:").and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok());
        self.usage.credits = number.or(self.usage.credits);
    }

    pub fn finish(self) -> Answered {
        let mut text = text::plain(&self.text);
        if self.cut {
            text.push_str("\n… (cut: the answer was too long)");
        }
        Answered { text, usage: (self.usage != Usage::default()).then_some(self.usage) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata() {
        for (data, credits, context) in [
            (
                json!({"contextUsagePercentage": 3.5, "turnDurationMs": 7, "meteringUsage":
                    [{"value": 0.5, "unit": "credit"}, {"value": 0.25, "unit": "credits"}, {"value": 9, "unit": "token"}]}),
                Some(0.75),
                Some(3.5),
            ),
            (json!({"credits": 2}), Some(2.0), None),
            (json!({"contextUsagePercentage": "3", "credits": null, "meteringUsage": 7}), None, None),
            (json!({"meteringUsage": [{"value": "x", "unit": "credit"}, 7]}), None, None),
            (json!([]), None, None),
        ] {
            let mut answer = Answer::default();
            answer.metadata(&data);
            assert_eq!((answer.usage.credits, answer.usage.context_percent), (credits, context), "{data}");
        }
        let mut answer = Answer::default();
        answer.metadata(&json!({"credits": 1, "contextUsagePercentage": 5}));
        answer.metadata(&json!({"contextUsagePercentage": 6}));
        assert_eq!(answer.finish().usage, Some(Usage { credits: Some(1.0), context_percent: Some(6.0) }));
        let mut answer = Answer::default();
        answer.credits_line("▸ Credits: lots");
        assert_eq!(answer.usage.credits, None);
        answer.credits_line("▸ Credits: 0.01 • Time: 1s");
        assert_eq!(answer.usage.credits, Some(0.01));
    }
}
