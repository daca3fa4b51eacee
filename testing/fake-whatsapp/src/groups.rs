//! A group's life: made, renamed, joined and left, and what the members' linked devices are told of it. What they may ask
//! is in `iq::groups`; texts to groups are the router's.
use anyhow::{Context, Result, anyhow, ensure};
use serde::Deserialize;
use wacore_binary::{Jid, Node};

use crate::directory::{Account, Addressing, Directory, Group};
use crate::queue::{Key, Stanza};
use crate::server::World;
use crate::stanza::{lock, node, stanza_id, unix_seconds};

/// What somebody does to a group. Members are numbers, digits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case", deny_unknown_fields)]
pub enum GroupChange {
    Add { members: Vec<String> },
    Remove { members: Vec<String> },
    Leave { member: String },
    Subject { subject: String },
}

impl World {
    /// Makes a group, and tells its members' devices; or puts another in its place, of which they are told the name alone.
    pub(crate) fn put_group(
        &self,
        jid: &str,
        subject: &str,
        members: Vec<String>,
        addressing: Addressing,
    ) -> Result<()> {
        let group = Group { jid: group_jid(jid)?, subject: subject.to_owned(), members, addressing };
        let mut directory = lock(&self.directory);
        let before = directory.put_group(group.clone())?;
        let owner = directory.account(group.members.first().context("a group needs members")?)?;
        let news = match before {
            Some(before) if before.subject == group.subject => return Ok(()),
            Some(_) => renamed(&group, owner),
            None => node("create").attr("type", "new").children([describe(&directory, &group)?]).build(),
        };
        group.members.iter().for_each(|member| tell(&directory, &group, owner, member, &news));
        Ok(())
    }

    /// Carries a change out, by a member (the first one if `None`), and tells all whom it concerns. Errors: unknown groups
    /// or accounts, a member who is none or is one already.
    pub(crate) async fn change_group(&self, jid: &str, by: Option<&str>, change: &GroupChange) -> Result<()> {
        let jid = group_jid(jid)?;
        let gone = {
            let mut directory = lock(&self.directory);
            let before = directory.group(&jid)?.clone();
            let after = changed(&before, change)?;
            after.members.iter().try_for_each(|member| directory.account(member).map(|_| ()))?;
            *directory.group_mut(&jid)? = after.clone();
            let by = match (change, by) {
                (GroupChange::Leave { member }, _) => member,
                (_, Some(by)) => by,
                (_, None) => before.members.first().context("the group is empty")?,
            };
            ensure!(before.members.iter().any(|member| member == by), "{by} is not a member of {jid}");
            let by = directory.account(by)?;
            let (joined, gone) = (without(&after, &before), without(&before, &after));
            let mut news = Vec::new();
            if let GroupChange::Subject { .. } = change {
                news.push(renamed(&after, by));
            }
            for (tag, members) in [("add", &joined), ("remove", &gone)] {
                if !members.is_empty() {
                    let members: Result<Vec<Node>> = members.iter().map(|pn| member(&directory, &after, pn)).collect();
                    news.push(node(tag).children(members?).build());
                }
            }
            for member in before.members.iter() {
                news.iter().for_each(|news| tell(&directory, &after, by, member, news));
            }
            let whole = node("create").children([describe(&directory, &after)?]).build();
            joined.iter().for_each(|member| tell(&directory, &after, by, member, &whole));
            gone
        };
        if !gone.is_empty() {
            self.renew_sender_keys(&jid).await?;
        }
        Ok(())
    }

    /// Those who stay write with keys that those who are gone don't have.
    async fn renew_sender_keys(&self, jid: &Jid) -> Result<()> {
        let phones: Vec<_> = {
            let directory = lock(&self.directory);
            let members = directory.group(jid)?.members.iter();
            members.filter_map(|member| Some(directory.account(member).ok()?.phone.clone())).collect()
        };
        let name = jid.to_string();
        for phone in phones {
            let mut with = phone.conversations.lock().await;
            with.signal.forget_sender_key(&name, &phone.address);
            with.distributed.retain(|(group, _)| *group != name);
        }
        Ok(())
    }
}

fn group_jid(jid: &str) -> Result<Jid> {
    jid.parse().map_err(|_| anyhow!("{jid:?} is not a JID"))
}

fn changed(before: &Group, change: &GroupChange) -> Result<Group> {
    let mut after = before.clone();
    let leaving = match change {
        GroupChange::Subject { subject } => {
            after.subject.clone_from(subject);
            return Ok(after);
        }
        GroupChange::Add { members } => {
            for member in members {
                ensure!(!after.members.contains(member), "{member} is a member of {} already", before.jid);
                after.members.push(member.clone());
            }
            return Ok(after);
        }
        GroupChange::Remove { members } => members.as_slice(),
        GroupChange::Leave { member } => std::slice::from_ref(member),
    };
    for member in leaving {
        ensure!(after.members.contains(member), "{member} is not a member of {}", before.jid);
        after.members.retain(|other| other != member);
    }
    Ok(after)
}

fn without(these: &Group, those: &Group) -> Vec<String> {
    these.members.iter().filter(|member| !those.members.contains(member)).cloned().collect()
}

fn renamed(group: &Group, by: &Account) -> Node {
    node("subject")
        .attr("subject", group.subject.as_str())
        .attr("s_o", by.jid_in(group, 0))
        .attr("s_t", unix_seconds())
        .build()
}

/// Puts the news into the mailboxes of one account's devices.
fn tell(directory: &Directory, group: &Group, by: &Account, to: &str, news: &Node) {
    for companion in directory.companions_of(to) {
        let id = stanza_id();
        let notification = node("notification")
            .attr("from", &group.jid)
            .attr("type", "w:gp2")
            .attr("id", id.as_str())
            .attr("participant", by.jid_in(group, 0))
            .attr("notify", by.push_name.as_str())
            .attr("addressing_mode", group.addressing.as_str())
            .attr("t", unix_seconds());
        let notification = match group.addressing {
            Addressing::Pn => notification,
            Addressing::Lid => notification.attr("participant_pn", by.phone.address.jid()),
        };
        let key = Key { class: "notification", sender: group.jid.to_string(), id };
        companion.mailbox.put(Stanza::new(key, notification.children([news.clone()]).build()));
    }
}

/// A member, by both of its names.
fn member(directory: &Directory, group: &Group, pn: &str) -> Result<Node> {
    let account = directory.account(pn)?;
    let participant = node("participant").attr("jid", account.jid_in(group, 0));
    let participant = match group.addressing {
        Addressing::Pn => participant.attr("lid", account.lid_jid()),
        Addressing::Lid => participant.attr("phone_number", account.phone.address.jid()),
    };
    let is_owner = group.members.first().is_some_and(|owner| owner == pn);
    Ok(if is_owner { participant.attr("type", "superadmin") } else { participant }.build())
}

/// All that a member may know of a group.
pub(crate) fn describe(directory: &Directory, group: &Group) -> Result<Node> {
    let members: Result<Vec<Node>> = group.members.iter().map(|pn| member(directory, group, pn)).collect();
    let description = node("group")
        .attr("id", group.jid.user.as_str())
        .attr("subject", group.subject.as_str())
        .attr("s_t", unix_seconds())
        .attr("creation", unix_seconds())
        .attr("addressing_mode", group.addressing.as_str());
    let owner = group.members.first().map(|owner| directory.account(owner)).transpose()?;
    let description =
        owner.into_iter().fold(description, |description, owner| description.attr("creator", owner.jid_in(group, 0)));
    Ok(description.children(members?).build())
}
