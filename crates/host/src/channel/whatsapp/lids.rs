//! Asks WhatsApp ahead for the LIDs of people whom only their numbers are known of (M9): a message may name its sender by the
//! LID alone. Called by the session, once it is connected; what comes back is the store's to keep.

use std::{collections::HashSet, sync::Arc};

use nanoclaw_core::chat;
use tokio::sync::mpsc;
use tracing::warn;
use whatsapp_rust::{Client, Jid, wacore_binary::JidExt as _};

use crate::ports::FromChannel;

/// The numbers that were asked for on this connection.
#[derive(Default)]
pub(super) struct Lids(HashSet<Jid>);

impl Lids {
    /// Asks for all that are new, at once. The account's own LID is known.
    pub fn ask(&mut self, client: &Arc<Client>, numbers: &[chat::Jid], events: mpsc::UnboundedSender<FromChannel>) {
        let own = client.pn();
        let is_own = |number: &Jid| own.as_ref().is_some_and(|own| own.is_same_user_as(number));
        let numbers = numbers.iter().filter_map(|number| number.as_str().parse().ok());
        let numbers = numbers.filter(|number: &Jid| number.is_pn() && !is_own(number));
        let new: Vec<Jid> = numbers.filter(|number| self.0.insert(number.clone())).collect();
        if new.is_empty() {
            return;
        }
        let client = Arc::clone(client);
        tokio::spawn(async move {
            // The answer goes into what the library knows.
            if let Err(err) = client.contacts().is_on_whatsapp(&new).await {
                warn!("the LIDs of chats can't be had before the next connection: {err}");
            }
            let mut lids = Vec::new();
            for number in new {
                if let Ok(Some(known)) = client.get_lid_pn_entry(&number).await {
                    let address = |jid: Jid| chat::Jid::new(jid.to_non_ad_string());
                    lids.push((address(number), address(Jid::lid(known.lid.as_ref()))));
                }
            }
            let _ = events.send(FromChannel::Lids(lids));
        });
    }
}
