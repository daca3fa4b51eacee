//! What a device may ask about groups, and do to them.
use anyhow::{Context, Result};
use wacore_binary::{Jid, Node};

use crate::groups::{GroupChange, describe};
use crate::server::World;
use crate::stanza::{attr, children, content, lock, node};
use crate::transport::Connection;

impl World {
    /// All groups of the account (`participating`), or one (`query`).
    pub(super) fn on_group_question(&self, connection: &Connection, iq: &Node, tag: &str) -> Result<()> {
        let pn = &connection.companion()?.address.pn;
        let directory = lock(&self.directory);
        if tag == "participating" {
            if self.faults.next_groups_are_hidden(pn) {
                self.refuse(connection, iq, 503, "service-unavailable");
                return Ok(());
            }
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

    /// A change by a member: members come or go, the subject changes, or the member leaves.
    pub(super) async fn on_group_change(&self, connection: &Connection, iq: &Node, order: &Node) -> Result<()> {
        let pn = connection.companion()?.address.pn.clone();
        let named = || -> Vec<String> {
            let directory = lock(&self.directory);
            let jids = children(order, "participant").filter_map(|member| attr(member, "jid").parse::<Jid>().ok());
            jids.filter_map(|jid| Some(directory.resolve(&jid)?.pn)).collect()
        };
        let to = attr(iq, "to");
        let (jid, change) = match order.tag.as_ref() {
            "add" => (to, GroupChange::Add { members: named() }),
            "remove" => (to, GroupChange::Remove { members: named() }),
            "subject" => {
                (to, GroupChange::Subject { subject: String::from_utf8_lossy(&content(Some(order))).into_owned() })
            }
            "leave" => {
                let group = order.get_optional_child("group").context("no group to leave")?;
                (attr(group, "id"), GroupChange::Leave { member: pn.clone() })
            }
            _ => {
                self.refuse(connection, iq, 501, "feature-not-implemented");
                return Ok(());
            }
        };
        if let Err(error) = self.change_group(&jid, Some(&pn), &change).await {
            tracing::debug!("a change of a group was refused: {error:#}");
            self.refuse(connection, iq, 403, "forbidden");
            return Ok(());
        }
        let answered =
            children(order, "participant").map(|member| node("participant").attr("jid", attr(member, "jid")));
        let done = node(["add", "remove"].into_iter().find(|tag| *tag == order.tag).unwrap_or("group"));
        self.answer(connection, iq, [done.children(answered.map(|member| member.build()).collect::<Vec<_>>()).build()]);
        Ok(())
    }
}
