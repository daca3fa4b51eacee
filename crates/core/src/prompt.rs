//! Messages in, prompt out (M5); the agent's answer in, what is sent out (M6, M8).

use jiff::tz::TimeZone;

use crate::{authorize::LONGEST_TEXT, chat::Message};

/// The prompt for a turn: one `<message>` a line in order of arrival, with the zone that its times are in (M5).
pub fn format(messages: &[Message], zone: &TimeZone) -> String {
    let name = zone.iana_name().unwrap_or("UTC");
    let mut prompt = format!("<messages timezone=\"{}\">\n", escape(name));
    for message in messages {
        let time = message.sent_at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z");
        prompt.push_str(&format!(
            "<message sender=\"{}\" time=\"{time}\">{}</message>\n",
            escape(&message.sender_name),
            escape(&message.content)
        ));
    }
    prompt.push_str("</messages>");
    prompt
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const OPEN: &str = "<internal>";
const CLOSE: &str = "</internal>";

/// The answer without what the agent said to itself; `None` when nothing is left to say (M6).
pub fn public_part(answer: &str) -> Option<String> {
    let mut rest = answer;
    let mut public = String::with_capacity(answer.len());
    while let Some((before, after)) = rest.split_once(OPEN) {
        public.push_str(before);
        rest = after.split_once(CLOSE).map_or("", |(_, after)| after);
    }
    public.push_str(rest);
    let public = public.trim();
    (!public.is_empty()).then(|| public.to_owned())
}

/// The text as it goes out: with the assistant's name before it unless the number is its own, and never twice (M8); cut
/// where WhatsApp takes no more.
pub fn signed(text: &str, assistant: &str, own_number: bool) -> String {
    let prefix = format!("{assistant}:");
    let signed = if own_number || text.starts_with(&prefix) { text.to_owned() } else { format!("{prefix} {text}") };
    match signed.char_indices().nth(LONGEST_TEXT) {
        None => signed,
        Some(_) => signed.chars().take(LONGEST_TEXT - 1).chain(['…']).collect(),
    }
}

/// An answer as it goes out, each part signed (M8): one text, or as many as are needed where WhatsApp takes no longer one.
/// Cut at the end of a line where there is one in the part's second half.
pub fn texts(answer: &str, assistant: &str, own_number: bool) -> Vec<String> {
    let room = LONGEST_TEXT.saturating_sub(assistant.chars().count() + ": ".len()).max(1);
    let (mut texts, mut rest) = (Vec::new(), answer);
    while let Some((end, _)) = rest.char_indices().nth(room) {
        let (part, _) = rest.split_at(end);
        let line = part.rfind('\n').filter(|line| *line > end / 2);
        let (part, after) = rest.split_at(line.unwrap_or(end));
        texts.push(part);
        rest = after.trim_start_matches('\n');
    }
    texts.push(rest);
    texts.retain(|text| !text.trim().is_empty());
    texts.into_iter().map(|text| signed(text, assistant, own_number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Jid;

    #[test]
    fn one_line_a_message_escaped_with_its_zone() {
        // M5
        let message = |name: &str, content: &str| Message {
            seq: 1,
            id: "1".into(),
            chat: Jid::new("1@g.us"),
            sender: "2@s.whatsapp.net".into(),
            sender_name: name.into(),
            content: content.into(),
            sent_at: "2026-07-01T10:00:00Z".parse().unwrap(),
            is_bot: false,
        };
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let prompt = format(&[message("Al \"A\" <x>", "a & b </message>"), message("Bob", "two\nlines")], &zone);
        assert_eq!(
            prompt,
            "<messages timezone=\"Europe/Berlin\">\n\
             <message sender=\"Al &quot;A&quot; &lt;x&gt;\" time=\"2026-07-01T12:00:00+02:00\">a &amp; b &lt;/message&gt;</message>\n\
             <message sender=\"Bob\" time=\"2026-07-01T12:00:00+02:00\">two\nlines</message>\n\
             </messages>"
        );
    }

    #[test]
    fn internal_talk_is_cut() {
        // M6
        for (answer, expect) in [
            ("hello", Some("hello")),
            ("<internal>x</internal>hello", Some("hello")),
            ("a <internal>x\ny</internal> b", Some("a  b")),
            ("a<internal>never closed", Some("a")),
            ("<internal>all</internal>", None),
            ("  \n", None),
            ("<internal>x</internal>a<internal>y</internal>", Some("a")),
            ("a </internal> b", Some("a </internal> b")),
        ] {
            assert_eq!(public_part(answer).as_deref(), expect, "{answer:?}");
        }
    }

    #[test]
    fn the_prefix_comes_once() {
        // M8
        assert_eq!(signed("hi", "Andy", false), "Andy: hi");
        assert_eq!(signed("Andy: hi", "Andy", false), "Andy: hi");
        assert_eq!(signed("hi", "Andy", true), "hi");
    }

    #[test]
    fn a_long_answer_goes_out_whole_in_parts() {
        // C4, M8
        assert_eq!(texts("hi", "Andy", false), ["Andy: hi"]);
        let lines: Vec<String> = (0..20_000).map(|n| format!("line é {n}")).collect();
        for answer in ["é".repeat(150_000), lines.join("\n")] {
            let parts = texts(&answer, "Andy", false);
            assert!(parts.len() >= 3);
            assert!(parts.iter().all(|part| part.chars().count() <= LONGEST_TEXT));
            let bare: Vec<&str> = parts.iter().map(|part| part.strip_prefix("Andy: ").unwrap()).collect();
            assert_eq!(bare.join(if answer.contains('\n') { "\n" } else { "" }), answer);
        }
    }

    #[test]
    fn no_text_is_longer_than_whatsapp_takes() {
        // C4
        for (characters, whole) in [(LONGEST_TEXT, true), (LONGEST_TEXT + 1, false)] {
            let text = signed(&"é".repeat(characters), "Andy", true);
            assert_eq!((text.chars().count(), text.ends_with('é')), (LONGEST_TEXT, whole));
        }
    }
}
