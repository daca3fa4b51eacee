//! What identifies people, taken out of text: phone numbers, and with them chats' addresses, and e-mail addresses. Texts of
//! chats and codes are not in logs at all (design, Rules of the house); this is for what a line may still carry.
//!
//! Called by the log, and for the diagnostics. Pure.

/// Digits in a row that may be a phone number; a year or a port is shorter.
const PHONE: usize = 7;

/// Masks what may be a phone number.
pub fn without_numbers(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let (digits, after) = from.split_at(from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len()));
        masked.push_str(before);
        masked.push_str(if digits.len() < PHONE { digits } else { "***" });
        rest = after;
    }
    masked + rest
}

/// Masks also whose e-mail address it is.
pub fn without_people(text: &str) -> String {
    without_numbers(&text.split_inclusive(char::is_whitespace).map(without_name).collect::<String>())
}

fn without_name(word: &str) -> String {
    let Some((before, after)) = word.split_once('@').filter(|(_, after)| after.contains('.')) else {
        return word.to_owned();
    };
    let name = before.trim_end_matches(|c: char| c.is_alphanumeric() || "._%+-".contains(c));
    if name == before { word.to_owned() } else { format!("{name}***@{after}") }
}

#[cfg(test)]
mod tests {
    use super::without_people;

    #[test]
    fn people_are_taken_out_and_the_rest_stays() {
        for (text, expect) in [
            ("chat: \"4915110000001@s.whatsapp.net\" id", "chat: \"***@s.whatsapp.net\" id"),
            ("group 120363000000000001@g.us", "group ***@g.us"),
            ("Signed in (Builder ID, ann.lee+x@example.org).", "Signed in (Builder ID, ***@example.org)."),
            ("+4915110000001 wrote", "+*** wrote"),
            ("nanoclaw-main-1763870000000", "nanoclaw-main-***"),
            ("2026-11-23T03:40:00.123Z  INFO port 8080, 512 MB", "2026-11-23T03:40:00.123Z  INFO port 8080, 512 MB"),
            ("a @ b, @Andy hello @x.y", "a @ b, @Andy hello @x.y"),
            ("ärger@ärger.de\n", "***@ärger.de\n"),
            ("", ""),
        ] {
            assert_eq!(without_people(text), expect);
        }
    }
}
