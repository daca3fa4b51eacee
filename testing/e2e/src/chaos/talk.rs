//! The people of a chaos: what they write, what they hear. Each message is a number, `m17`, and the agent's answer names all
//! that it was given.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use rand::{RngExt, rngs::StdRng};
use tokio::time::sleep;

use super::tally::{Tally, numbers};
use crate::{Phone, Scene};

const FAMILY: &str = "120363000000000001@g.us";
/// How often is looked whether all is answered: several phones can't be awaited at once.
const LOOK: Duration = Duration::from_millis(100);

pub struct Talk {
    pub owner: Arc<Phone>,
    people: [Phone; 3],
    pub random: StdRng,
    /// By chat, the numbers that were written there.
    asked: BTreeMap<String, Vec<u32>>,
    next: u32,
    /// The group's last message had no trigger.
    group_waits: bool,
}

impl Talk {
    pub async fn begin(scene: &Scene, random: StdRng) -> Result<Self> {
        let owner = Arc::new(scene.phone("4915110000001", "Owner").await?);
        let people = [
            scene.phone("4915110000002", "Alice").await?,
            scene.phone("4915110000003", "Bob").await?,
            scene.phone("4915110000004", "Carol").await?,
        ];
        let [alice, bob, carol] = &people;
        scene.whatsapp.group(FAMILY, "Family", &[&owner, alice, bob, carol]).await?;
        Ok(Self { owner, people, random, asked: BTreeMap::new(), next: 0, group_waits: false })
    }

    /// One of them is main; the group wants its trigger.
    pub async fn register(&self, scene: &Scene) -> Result<()> {
        for (person, folder) in self.people.iter().zip(["main", "bob", "carol"]) {
            let jid = person.jid();
            let words = ["groups", "register", "--jid", &jid, "--name", &person.name, "--folder", folder];
            let no_trigger: &[&str] = if folder == "main" { &[] } else { &["--no-trigger"] };
            scene.ctl(&[&words, no_trigger].concat()).await?;
        }
        scene.register(FAMILY, "Family", "family").await
    }

    /// A few messages in any chats, some at once and some after a moment.
    pub async fn says_some(&mut self) -> Result<()> {
        for _ in 0..self.random.random_range(3..=7) {
            sleep(Duration::from_millis(self.random.random_range(0..400))).await;
            let who = self.random.random_range(0..self.people.len());
            if self.random.random_bool(0.3) {
                let triggers = self.random.random_bool(0.7);
                self.says_in_group(who, triggers).await?;
            } else {
                let number = self.number(self.people[who].jid());
                self.people[who].writes_to(&self.owner, &format!("m{number}")).await?;
            }
        }
        Ok(())
    }

    /// What the group said without a trigger is heard with the next message that has one (M4).
    pub async fn asks_the_group(&mut self) -> Result<()> {
        if self.group_waits { self.says_in_group(0, true).await } else { Ok(()) }
    }

    async fn says_in_group(&mut self, who: usize, triggers: bool) -> Result<()> {
        self.group_waits = !triggers;
        let number = self.number(FAMILY.to_owned());
        let text = if triggers { format!("@Andy m{number}") } else { format!("m{number}") };
        self.people[who].writes_in(FAMILY, &text).await?;
        Ok(())
    }

    fn number(&mut self, chat: String) -> u32 {
        self.next += 1;
        self.asked.entry(chat).or_default().push(self.next);
        self.next
    }

    /// Returns when each message has an answer.
    pub async fn all_answered(&self) -> Result<()> {
        loop {
            let heard = self.heard().await?;
            let missing = |(chat, asked): (&String, &Vec<u32>)| {
                let heard = heard.get(chat).map(Vec::as_slice).unwrap_or_default();
                asked.iter().any(|number| !heard.contains(number))
            };
            if !self.asked.iter().any(missing) {
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }

    /// By chat, the numbers that were heard there; the group's by one of its members.
    async fn heard(&self) -> Result<BTreeMap<String, Vec<u32>>> {
        let mut heard: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for (who, person) in self.people.iter().enumerate() {
            for item in person.got().await?.into_iter().filter(|item| item.kind == "text") {
                if item.chat != FAMILY || who == 0 {
                    heard.entry(item.chat).or_default().extend(numbers(&item.text));
                }
            }
        }
        Ok(heard)
    }

    pub async fn judge(&self, tally: &mut Tally) -> Result<()> {
        let heard = self.heard().await?;
        tally.judge(
            self.asked
                .iter()
                .map(|(chat, asked)| (asked.as_slice(), heard.get(chat).map(Vec::as_slice).unwrap_or_default())),
        );
        Ok(())
    }

    /// What was asked and heard, for people.
    pub async fn account(&self) -> Result<String> {
        let heard = self.heard().await?;
        let chats =
            self.asked.iter().map(|(chat, asked)| format!("{chat}\n  asked {asked:?}\n  heard {:?}", heard.get(chat)));
        Ok(chats.collect::<Vec<_>>().join("\n"))
    }
}
