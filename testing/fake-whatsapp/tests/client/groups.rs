//! What happens to groups, as the members' devices are told of it, and as they know it when they ask.
use fake_whatsapp::{Addressing, GroupChange, ItemKind};
use wacore::stanza::groups::GroupNotificationAction as Action;
use whatsapp_rust::types::events::Event;

use crate::linked::{ALICE, BOB, Client, FAMILY, ME, WORK, World};

const NEW: &str = "120363000000000009@g.us";
const CAROL: &str = "15550004444";

/// The next news of a group, in short: who did what to whom.
async fn news(client: &Client) -> String {
    client
        .event("a group update", |event| {
            let Event::GroupUpdate(update) = event else { return None };
            let by = update.participant_pn.as_ref().or(update.participant.as_ref()).unwrap();
            let what = match &update.action {
                Action::Create { raw } => {
                    format!("create {}", raw.attrs.get("type").map_or("".into(), |kind| kind.as_str()))
                }
                Action::Subject { subject, .. } => format!("subject {subject}"),
                Action::Add { participants, .. } => format!("add {}", participants[0].jid.user),
                Action::Remove { participants, .. } => format!("remove {}", participants[0].jid.user),
                other => format!("{other:?}"),
            };
            Some(format!("{} {}: {what}", update.group_jid, by.user))
        })
        .await
}

async fn subjects(client: &Client) -> Vec<String> {
    let groups = client.client.groups().get_participating().await.unwrap();
    let mut subjects: Vec<String> = groups.values().map(|group| group.subject.to_string()).collect();
    subjects.sort();
    subjects
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_made_or_renamed_is_told() {
    let world = World::start().await;
    let client = world.linked("a").await;
    world.server.add_group(NEW, "New", &[BOB, ME], Addressing::Pn).unwrap();
    assert_eq!(news(&client).await, format!("{NEW} {BOB}: create new"));
    world.server.add_group(NEW, "Renamed", &[BOB, ME], Addressing::Pn).unwrap();
    assert_eq!(news(&client).await, format!("{NEW} {BOB}: subject Renamed"));
    assert_eq!(subjects(&client).await, ["Family", "Renamed", "Work"]);
    world.until(|state| state.queued.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_and_go_and_subjects_change() {
    let world = World::start().await;
    world.server.add_account(CAROL, "100000000000004", "Carol").unwrap();
    let client = world.linked("a").await;
    let me = [ME.to_owned()];
    for (group, name, own, carol) in
        [(FAMILY, "Family", ME, CAROL), (WORK, "Work", "100000000000001", "100000000000004")]
    {
        for (by, change, expected) in [
            (ALICE, GroupChange::Add { members: vec![CAROL.to_owned()] }, format!("add {carol}")),
            (BOB, GroupChange::Subject { subject: format!("{name} 2") }, format!("subject {name} 2")),
            (ALICE, GroupChange::Remove { members: vec![CAROL.to_owned()] }, format!("remove {carol}")),
            (ALICE, GroupChange::Remove { members: me.to_vec() }, format!("remove {own}")),
            (BOB, GroupChange::Add { members: me.to_vec() }, "create ".to_owned()),
            (ME, GroupChange::Leave { member: ME.to_owned() }, format!("remove {own}")),
        ] {
            world.server.change_group(group, Some(by), &change).await.unwrap();
            assert_eq!(news(&client).await, format!("{group} {by}: {expected}"));
            let is_in = subjects(&client).await.iter().any(|subject| subject.starts_with(name));
            assert_eq!(is_in, !expected.ends_with(&format!("remove {own}")), "{change:?}");
        }
    }
    world.until(|state| state.queued.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_can_not_read_on_and_who_comes_reads_from_then_on() {
    let world = World::start().await;
    let client = world.linked("a").await;
    for group in [FAMILY, WORK] {
        world.server.send(ALICE, group, "all of us", None).await.unwrap();
        assert_eq!(client.text().await.text, "all of us");
        client.send(group, &format!("answer in {group}")).await;
        world.text_at(BOB, &format!("answer in {group}")).await;
        world.server.change_group(group, None, &GroupChange::Remove { members: vec![BOB.to_owned()] }).await.unwrap();
        news(&client).await;
        world.server.send(ALICE, group, "without Bob", None).await.unwrap();
        assert_eq!(client.text().await.text, "without Bob");
        assert!(world.server.send(BOB, group, "and me?", None).await.is_err());
        client.send(group, &format!("only for Alice in {group}")).await;
        world.text_at(ALICE, &format!("only for Alice in {group}")).await;
        world.server.change_group(group, None, &GroupChange::Add { members: vec![BOB.to_owned()] }).await.unwrap();
        news(&client).await;
        client.send(group, &format!("Bob again in {group}")).await;
        world.text_at(BOB, &format!("Bob again in {group}")).await;
        world.server.send(BOB, group, "thanks", None).await.unwrap();
        assert_eq!(client.text().await.text, "thanks");
    }
    let page = world.server.received(0, std::time::Duration::ZERO).await;
    let at_bob = |item: &&fake_whatsapp::Item| item.kind == ItemKind::Text && item.to == BOB;
    assert!(!page.items.iter().filter(at_bob).any(|item| item.text.starts_with("only for Alice")));
    assert_eq!(world.server.state().undecryptable, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_changes_a_group_itself() {
    let world = World::start().await;
    let client = world.linked("a").await;
    let group = FAMILY.parse().unwrap();
    client.client.groups().leave(&group).await.unwrap();
    assert_eq!(news(&client).await, format!("{FAMILY} {ME}: remove {ME}"));
    assert_eq!(subjects(&client).await, ["Work"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_to_a_group_that_the_account_has_left_is_refused() {
    let world = World::start().await;
    let client = world.linked("a").await;
    client.send(FAMILY, "still in").await;
    world.server.add_group(FAMILY, "Family", &[ALICE, BOB], Addressing::Pn).unwrap();
    // The client still thinks that it is a member.
    let id = client.send(FAMILY, "no longer in").await;
    let error = client
        .event("the refusal", |event| match event {
            Event::ServerAck(ack) if ack.id == id => Some(ack.error.clone()),
            _ => None,
        })
        .await;
    assert_eq!(error.as_deref(), Some("403"));
}
