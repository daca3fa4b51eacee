//! Numbers and LIDs: whichever a contact or a group is named by, the client knows the other, and answers reach the contact.
use std::time::Duration;

use fake_whatsapp::{Addressing, ItemKind};

use crate::linked::{ALICE, ALICE_LID, BOB, Client, FAMILY, ME, WORK, World, jid};

async fn number_of(client: &Client, lid: &str) -> Option<String> {
    let lid = format!("{lid}@lid").parse().unwrap();
    Some(client.client.get_lid_pn_entry(&lid).await.unwrap()?.phone_number.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_may_write_from_its_lid_or_its_number() {
    let world = World::start().await;
    let client = world.linked("a").await;
    let lid = format!("{ALICE_LID}@lid");
    for (addressing, from) in
        [(Addressing::Pn, jid(ALICE)), (Addressing::Lid, lid.clone()), (Addressing::Pn, jid(ALICE))]
    {
        world.server.set_addressing(ALICE, addressing).unwrap();
        let text = format!("{addressing:?}");
        world.server.send(ALICE, ME, &text, None).await.unwrap();
        let seen = client.text().await;
        assert_eq!((&seen.text, &seen.chat), (&text, &from));
        for chat in [jid(ALICE), lid.clone()] {
            let answer = format!("{text} answered to {chat}");
            client.send(&chat, &answer).await;
            assert_eq!(world.text_at(ALICE, &answer).await.chat, jid(ALICE));
        }
        assert_eq!(number_of(&client, ALICE_LID).await.as_deref(), Some(ALICE));
    }
    // One text is for a LID because the sender takes it so, whatever else the account does.
    world.server.send(ALICE, "100000000000001@lid", "to my lid", None).await.unwrap();
    assert_eq!(client.text().await.chat, lid);
    world.server.own_phone(ME, &lid, "from my phone", None).await.unwrap();
    let seen = client.text().await;
    assert_eq!((seen.chat, seen.from_me), (lid, true));
    world.until(|state| state.queued.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_never_wrote_is_known_by_its_lid_when_asked_for() {
    let world = World::start().await;
    let client = world.linked("a").await;
    world.server.add_account("15550004444", "100000000000004", "Carol").unwrap();
    assert_eq!(number_of(&client, "100000000000004").await, None);
    client.send(&jid("15550004444"), "hello").await;
    world.text_at("15550004444", "hello").await;
    assert_eq!(number_of(&client, "100000000000004").await.as_deref(), Some("15550004444"));
}

#[tokio::test(flavor = "multi_thread")]
async fn group_texts_go_both_ways_in_both_addressings() {
    let world = World::start().await;
    let client = world.linked("a").await;
    let groups = client.client.groups().get_participating().await.unwrap();
    assert_eq!(groups.len(), 2);
    for group in [FAMILY, WORK] {
        for round in ["first", "second"] {
            world.server.send(ALICE, group, round, None).await.unwrap();
            let seen = client.text().await;
            assert_eq!((seen.chat.as_str(), seen.text.as_str()), (group, round));
            let answer = format!("answer to {round} in {group}");
            client.send(group, &answer).await;
            for contact in [ALICE, BOB] {
                assert_eq!(world.text_at(contact, &answer).await.chat, group);
            }
        }
    }
    let page = world.server.received(0, Duration::ZERO).await;
    let texts = page.items.iter().filter(|item| item.kind == ItemKind::Text);
    assert_eq!(texts.count(), 8, "once per receiving account, and not on the owner's own phone");
}
