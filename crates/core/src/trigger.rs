//! What wakes the agent in a chat (M3).

use crate::group::Group;

/// `@<word>` at the start of the trimmed text, followed by its end or a non-word character, in any case.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// Without its `@`; `None` where every text triggers.
    word: Option<String>,
}

impl Trigger {
    /// The trigger of a group, or the assistant's name where it has none. An `@` is added where it is missing; special
    /// characters stand for themselves. Main and groups that require none are triggered by every text.
    pub fn of(group: &Group, assistant: &str) -> Self {
        if group.is_main() || !group.requires_trigger {
            return Trigger::any();
        }
        let word = group.trigger.as_deref().map(str::trim).filter(|word| !word.is_empty()).unwrap_or(assistant);
        Trigger::word(word)
    }

    /// `word`: with or without its @.
    pub fn word(word: &str) -> Self {
        Trigger { word: Some(word.strip_prefix('@').unwrap_or(word).to_owned()) }
    }

    /// Every text triggers.
    pub fn any() -> Self {
        Trigger { word: None }
    }

    /// Whether a text without its word does not trigger. One that does begins with an @, but for spaces.
    pub fn is_needed(&self) -> bool {
        self.word.is_some()
    }

    pub fn matches(&self, text: &str) -> bool {
        let Some(word) = &self.word else { return true };
        let Some(text) = text.trim().strip_prefix('@') else {
            return false;
        };
        let mut said = text.chars();
        let same = |a: char, b: char| a == b || a.to_lowercase().eq(b.to_lowercase());
        word.chars().all(|wanted| said.next().is_some_and(|c| same(c, wanted)))
            && said.next().is_none_or(|after| !after.is_alphanumeric() && after != '_')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chat::Jid, group::Folder};

    fn check(trigger: Option<&str>, text: &str, expect: bool) {
        let group = Group {
            trigger: trigger.map(Into::into),
            ..Group::new(Jid::new("1@g.us"), "Family", Folder::new("family").unwrap())
        };
        assert_eq!(Trigger::of(&group, "Andy").matches(text), expect, "{trigger:?} {text:?}");
    }

    #[test]
    fn the_assistants_name_or_the_groups_own_word() {
        // M3
        check(None, "@Andy what is it?", true);
        check(None, "  @andy", true);
        check(None, "@ANDY, hi", true);
        check(None, "@Andyx", false);
        check(None, "@Andy_2", false);
        check(None, "@Andyé", false);
        check(None, "hi @Andy", false);
        check(None, "Andy", false);
        check(Some("@Bot"), "@bot go", true);
        check(Some("Bot"), "@bot go", true);
        check(Some("Bot"), "@Andy go", false);
        check(Some("C.3*"), "@c.3* go", true);
        check(Some("C.3*"), "@cx33 go", false);
        check(Some("  "), "@andy", true);
    }

    #[test]
    fn main_and_open_groups_need_none() {
        // M3
        let mut group = Group::new(Jid::new("1@s.whatsapp.net"), "Me", Folder::main());
        assert!(Trigger::of(&group, "Andy").matches("hello"));
        group.folder = Folder::new("open").unwrap();
        assert!(!Trigger::of(&group, "Andy").matches("hello"));
        group.requires_trigger = false;
        assert!(Trigger::of(&group, "Andy").matches("hello"));
    }
}
