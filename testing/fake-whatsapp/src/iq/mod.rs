//! Requests of a linked device and their answers. Each answer is what clients need to go on; a request that is not known
//! gets an error, and a line in the log.
mod groups;
pub(crate) mod keys;
mod usync;

use std::sync::Arc;

use anyhow::{Context, Result};
use wacore_binary::Node;

use crate::server::World;
use crate::stanza::{USER_DOMAIN, attr, children, content, lock, node};
use crate::transport::Connection;

impl World {
    pub(crate) async fn on_iq(self: &Arc<Self>, connection: &Connection, iq: &Node) -> Result<()> {
        let (kind, namespace) = (attr(iq, "type"), attr(iq, "xmlns"));
        if kind == "result" || kind == "error" {
            return self.on_pairing_answer(connection, iq);
        }
        let child = iq.children().and_then(<[Node]>::first);
        let tag = child.map(|child| child.tag.as_ref()).unwrap_or_default();
        match (namespace.as_str(), kind.as_str(), tag) {
            ("md", "set", "link_code_companion_reg") => {
                return self.on_link_code(connection, iq, child.context("an empty request")?);
            }
            ("md", "get", "ref" | "passkey_request_options")
            | ("md", "set", "passkey_prologue" | "companion_nonce" | "encrypted_pairing_request") => {
                return self.on_passkey_step(connection, iq, child.context("an empty request")?);
            }
            ("md", "set", "remove-companion-device") => {
                self.answer(connection, iq, []);
                let address = &connection.companion()?.address;
                lock(&self.directory).unlink(address);
                self.tell_devices(&address.pn, address.device);
            }
            ("w:p" | "urn:xmpp:ping", ..) => self.answer(connection, iq, []),
            ("encrypt", ..) => return self.on_key_request(connection, iq, kind.as_str(), tag).await,
            ("usync", "get", "usync") => {
                return self.on_people_question(connection, iq, child.context("an empty request")?);
            }
            ("w:g2", "get", "participating" | "query") => return self.on_group_question(connection, iq, tag),
            ("w:g2", "set", _) => {
                return self.on_group_change(connection, iq, child.context("an empty request")?).await;
            }
            ("passive", "set", "active") => {
                self.answer(connection, iq, []);
                let companion = connection.companion()?;
                companion.mailbox.activate(self.faults.next_backlog(&companion.address.pn));
            }
            ("w:sync:app:state", "set", "sync") => {
                let collections = self.sync(connection, child.context("an empty request")?)?;
                self.answer(connection, iq, [collections]);
            }
            ("abt" | "w", "get", "props") => self.answer(connection, iq, [props()]),
            ("blocklist", "get", _) => {
                self.answer(connection, iq, [node("list").attr("dhash", "none").build()]);
            }
            ("privacy", "get", "privacy") => self.answer(connection, iq, [privacy()]),
            ("passive" | "privacy" | "w:stats" | "w:web", "set", _)
            | ("urn:xmpp:whatsapp:dirty" | "urn:xmpp:whatsapp:account", ..) => self.answer(connection, iq, []),
            _ => {
                tracing::warn!("an unknown request was refused: {namespace} {kind} {tag}");
                self.refuse(connection, iq, 501, "feature-not-implemented");
            }
        }
        Ok(())
    }

    pub(crate) fn answer(&self, connection: &Connection, iq: &Node, children: impl IntoIterator<Item = Node>) {
        connection.link.send(&reply(iq, "result", children.into_iter().collect()));
    }

    pub(crate) fn refuse(&self, connection: &Connection, iq: &Node, code: u16, text: &'static str) {
        let error = node("error").attr("code", u32::from(code)).attr("text", text).build();
        connection.link.send(&reply(iq, "error", vec![error]));
    }

    /// The account's settings: what a device lacks of a collection, or what it writes on top of all that it has.
    fn sync(&self, connection: &Connection, sync: &Node) -> Result<Node> {
        let companion = connection.companion()?;
        let settings = &lock(&self.directory).account(&companion.address.pn)?.phone.clone().app_state;
        let mut answers = Vec::new();
        for asked in children(sync, "collection") {
            let (name, version) = (attr(asked, "name"), attr(asked, "version").parse::<u64>().unwrap_or_default());
            let (newest, patches) = settings.since(&name, version);
            let answer = node("collection").attr("name", name.as_str());
            let written = asked.get_optional_child("patch");
            if written.is_some() && newest != version {
                let error = node("error").attr("code", "409").attr("text", "conflict").build();
                answers.push(answer.attr("type", "error").attr("has_more_patches", "true").children([error]).build());
                continue;
            }
            if let Some(patch) = written {
                settings.write(&name, &content(Some(patch)))?;
            }
            let version = settings.since(&name, version).0;
            let answer = answer.attr("type", "result").attr("has_more_patches", "false").attr("version", version);
            let patches: Vec<Node> = patches.into_iter().map(|patch| node("patch").bytes(patch).build()).collect();
            let patches = (!patches.is_empty()).then(|| node("patches").children(patches).build());
            answers.push(answer.children(patches).build());
        }
        Ok(node("sync").children(answers).build())
    }
}

fn reply(iq: &Node, kind: &'static str, children: Vec<Node>) -> Node {
    let to = attr(iq, "to");
    let from = if to.is_empty() { USER_DOMAIN.to_owned() } else { to };
    let reply = node("iq").attr("from", from).attr("type", kind).attr("id", attr(iq, "id"));
    if children.is_empty() { reply.build() } else { reply.children(children).build() }
}

fn props() -> Node {
    node("props")
        .attr("protocol", "1")
        .attr("ab_key", "x")
        .attr("hash", "h1")
        .attr("refresh", "86400")
        .attr("refresh_id", "1")
        .build()
}

fn privacy() -> Node {
    let categories = ["readreceipts", "profile", "status", "last", "online", "groupadd"];
    let categories = categories.map(|name| node("category").attr("name", name).attr("value", "all").build());
    node("privacy").children(categories).build()
}
