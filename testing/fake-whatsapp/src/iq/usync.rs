//! `usync`: which devices, LID and account a number has.
use anyhow::Result;
use wacore_binary::{Jid, Node};

use crate::directory::Account;
use crate::phone::adv;
use crate::server::World;
use crate::stanza::{USER_DOMAIN, attr, children, content, lock, node, unix_seconds};
use crate::transport::Connection;

impl World {
    /// Accounts that don't exist are known as not on WhatsApp.
    pub(super) fn on_people_question(&self, connection: &Connection, iq: &Node, request: &Node) -> Result<()> {
        let asked = request.get_optional_child("query").and_then(Node::children).unwrap_or_default();
        let protocols: Vec<&str> = asked.iter().map(|protocol| protocol.tag.as_ref()).collect();
        let asker = &connection.companion()?.address.pn;
        if protocols.contains(&"contact") && self.faults.next_people_are_hidden(asker) {
            self.refuse(connection, iq, 503, "service-unavailable");
            return Ok(());
        }
        let mut users = Vec::new();
        for user in request.get_optional_child("list").into_iter().flat_map(|list| children(list, "user")) {
            let number = String::from_utf8_lossy(&content(user.get_optional_child("contact"))).into_owned();
            let jid: Jid = match attr(user, "jid").as_str() {
                "" => format!("{}@{USER_DOMAIN}", number.trim_start_matches('+')).parse()?,
                jid => jid.parse()?,
            };
            let directory = lock(&self.directory);
            let account = directory.resolve(&jid).and_then(|address| directory.account(&address.pn).ok());
            let mut answers = Vec::new();
            for protocol in &protocols {
                answers.extend(answer(protocol, account)?);
            }
            let user = node("user").attr("jid", jid.to_non_ad()).children(answers);
            let pn = account.filter(|_| jid.is_lid()).map(|account| account.phone.address.jid());
            users.push(pn.into_iter().fold(user, |user, pn| user.attr("pn_jid", pn)).build());
        }
        let results = protocols.iter().filter_map(|protocol| match *protocol {
            "devices" => Some(node("devices").build()),
            "lid" => Some(node("lid").build()),
            "contact" => Some(node("contact").build()),
            _ => None,
        });
        let people = node("usync")
            .attr("context", attr(request, "context"))
            .attr("index", "0")
            .attr("last", "true")
            .attr("mode", attr(request, "mode"))
            .attr("sid", attr(request, "sid"))
            .children([node("result").children(results).build(), node("list").children(users).build()])
            .build();
        self.answer(connection, iq, [people]);
        Ok(())
    }
}

fn answer(protocol: &str, account: Option<&Account>) -> Result<Option<Node>> {
    Ok(match (protocol, account) {
        ("contact", account) => {
            let kind = if account.is_some() { "in" } else { "out" };
            Some(node("contact").attr("type", kind).build())
        }
        ("devices", Some(account)) => Some(devices(account)?),
        ("lid", Some(account)) => Some(node("lid").attr("val", account.lid_jid().to_string()).build()),
        ("status", Some(_)) => Some(node("status").build()),
        _ => None,
    })
}

fn devices(account: &Account) -> Result<Node> {
    let phone = node("device").attr("id", 0u32).build();
    let linked = account.companions.values().map(|companion| {
        node("device").attr("id", u32::from(companion.address.device)).attr("key-index", companion.key_index).build()
    });
    let list: Vec<Node> = std::iter::once(phone).chain(linked).collect();
    let mut devices = vec![node("device-list").attr("hash", "2:abcdefgh").children(list).build()];
    if !account.companions.is_empty() {
        let valid: Vec<u32> = account.companions.values().map(|companion| companion.key_index).collect();
        let list = adv::key_index_list(&account.phone, &valid)?;
        devices.push(node("key-index-list").attr("ts", unix_seconds()).bytes(list).build());
    }
    Ok(node("devices").children(devices).build())
}
