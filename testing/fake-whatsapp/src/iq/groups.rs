//! What a device may ask about groups, and what it is told when one is made or renamed.
use anyhow::Result;
use wacore_binary::{Jid, Node};

use crate::directory::{Address, Addressing, Directory, Group};
use crate::queue::{Key, Stanza};
use crate::server::World;
use crate::stanza::{attr, lock, node, stanza_id, unix_seconds};
use crate::transport::Connection;

impl World {
    /// All groups of the account (`participating`), or one (`query`).
    pub(super) fn on_group_request(&self, connection: &Connection, iq: &Node, tag: &str) -> Result<()> {
        let pn = &connection.companion()?.address.pn;
        let directory = lock(&self.directory);
        if tag == "participating" {
            let groups: Result<Vec<Node>> = directory.groups_of(pn).map(|group| describe(&directory, group)).collect();
            self.answer(connection, iq, [node("groups").children(groups?).build()]);
            return Ok(());
        }
        match directory.group(&attr(iq, "to").parse::<Jid>()?) {
            Ok(group) if group.members.contains(pn) => {
                self.answer(connection, iq, [describe(&directory, group)?]);
            }
            Ok(_) => self.refuse(connection, iq, 403, "forbidden"),
            Err(_) => self.refuse(connection, iq, 404, "item-not-found"),
        }
        Ok(())
    }
}

/// Tells the linked devices of the members that a group was made or renamed.
pub(crate) fn announce(world: &World, before: Option<&Group>, group: &Group) {
    let directory = lock(&world.directory);
    let change = match before {
        Some(before) if before.subject == group.subject => return,
        Some(_) => node("subject").attr("subject", group.subject.as_str()).attr("s_t", unix_seconds()).build(),
        None => match describe(&directory, group) {
            Ok(description) => node("create").attr("type", "new").children([description]).build(),
            Err(_) => return,
        },
    };
    let Some(owner) = group.members.first() else { return };
    for member in &group.members {
        for companion in directory.companions_of(member) {
            let id = stanza_id();
            let notification = node("notification")
                .attr("from", &group.jid)
                .attr("type", "w:gp2")
                .attr("id", id.as_str())
                .attr("participant", Address::phone(owner).jid())
                .attr("t", unix_seconds())
                .children([change.clone()])
                .build();
            let key = Key { class: "notification", sender: group.jid.to_string(), id };
            companion.mailbox.put(Stanza::new(key, notification));
        }
    }
}

fn describe(directory: &Directory, group: &Group) -> Result<Node> {
    let mut members = Vec::new();
    for (index, member) in group.members.iter().enumerate() {
        let account = directory.account(member)?;
        let participant = node("participant").attr("jid", account.jid_in(group, 0));
        let participant = match group.addressing {
            Addressing::Pn => participant.attr("lid", account.lid_jid()),
            Addressing::Lid => participant.attr("phone_number", Address::phone(member).jid()),
        };
        let participant = if index == 0 { participant.attr("type", "superadmin") } else { participant };
        members.push(participant.build());
    }
    let owner = group.members.first().map(|owner| Address::phone(owner).jid());
    let description = node("group")
        .attr("id", group.jid.user.as_str())
        .attr("subject", group.subject.as_str())
        .attr("s_t", unix_seconds())
        .attr("creation", unix_seconds())
        .attr("addressing_mode", if group.addressing == Addressing::Lid { "lid" } else { "pn" });
    let description = owner.into_iter().fold(description, |node, owner| node.attr("creator", owner));
    Ok(description.children(members).build())
}
