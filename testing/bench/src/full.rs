//! B5: what a full database costs. The same deeds beside a thousand stored messages and beside a million, in turns.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use jiff::Timestamp;
use nanoclaw_core::{
    chat::{Inbound, Jid},
    trigger::Trigger,
};
use nanoclaw_e2e::{Phone, Scene};
use nanoclaw_host::{
    paths::Home,
    store::{
        Store, cursors,
        messages::{self, Assistant},
    },
};

use crate::{answered, linked, median, ms};

const FEW: usize = 1_000;
const MANY: usize = 1_000_000;
const WARM: usize = 200;
const STEPS: usize = 300;
/// Chats that the messages lie in; one is main, whose agent has seen its own, the others' wait as context.
const CHATS: usize = 50;
const TARGET: &str = "≤ 1.2 ×";

struct Filled {
    scene: Scene,
    owner: Phone,
    alice: Phone,
    chats: Vec<Jid>,
}

pub async fn measure() -> Result<()> {
    let mut few = filled("bench_few", FEW).await?;
    let mut many = filled("bench_many", MANY).await?;
    let (mut with_few, mut with_many) = (Vec::new(), Vec::new());
    for n in 0..=WARM {
        let text = format!("warm {n}");
        for (filled, took) in [(&few, &mut with_few), (&many, &mut with_many)] {
            let took_this = answered(&filled.owner, &filled.alice, &text).await?;
            // The first starts the container.
            took.extend((n > 0).then_some(took_this));
        }
    }
    row("warm: follow-up → reply", WARM, &mut with_few, &mut with_many);

    few.scene.quit().await?;
    many.scene.quit().await?;
    let stores = (open(&few.scene)?, open(&many.scene)?);
    let (mut with_few, mut with_many) = (Vec::new(), Vec::new());
    for n in 0..STEPS {
        let chat = few.chats.get(n % CHATS).context("no chat")?;
        with_few.push(step(&stores.0, chat, n).await?);
        let chat = many.chats.get(n % CHATS).context("no chat")?;
        with_many.push(step(&stores.1, chat, n).await?);
    }
    row("a router step: kept, routed, handed over, closed", STEPS, &mut with_few, &mut with_many);
    few.scene.end().await?;
    many.scene.end().await
}

fn row(what: &str, times: usize, few: &mut [Duration], many: &mut [Duration]) {
    let (few, many) = (median(few), median(many));
    println!(
        "| B5 | {what}, {times} times | {} ms with {MANY} messages, {:.2} × | {} ms with {FEW} | {TARGET} |",
        ms(many),
        many.as_secs_f64() / few.as_secs_f64(),
        ms(few),
    );
}

/// A scene whose database holds so many messages, started again on it.
async fn filled(name: &str, count: usize) -> Result<Filled> {
    let (mut scene, owner, alice) = linked(name).await?;
    let mut chats = vec![Jid::new(alice.jid())];
    for n in 1..CHATS {
        let jid = format!("12036300002{n:07}@g.us");
        scene.register(&jid, &format!("Group {n}"), &format!("group-{n}")).await?;
        chats.push(Jid::new(jid));
    }
    scene.quit().await?;
    let store = open(&scene)?;
    let (main, all) = (chats.first().cloned().context("no chat")?, chats.clone());
    store
        .write(move |db| {
            for start in (0..count).step_by(CHATS) {
                let batch: Vec<Inbound> =
                    all.iter().enumerate().map(|(n, chat)| inbound(chat, &format!("old {start} {n}"))).collect();
                messages::accept(db, &batch, &assistant())?;
            }
            cursors::set(db, &main, messages::last(db, &main)?)
        })
        .await?;
    drop(store);
    scene.start().await?;
    scene.until_connected().await?;
    scene.until("the image is there", |status| status["engine"]["image"]["state"] == "ready").await?;
    Ok(Filled { scene, owner, alice, chats })
}

/// A message from its arrival until its turn is closed, by the store's own words.
async fn step(store: &Store, chat: &Jid, n: usize) -> Result<Duration> {
    let (chat, message) = (chat.clone(), inbound(chat, &format!("@Andy step {n}")));
    let began = Instant::now();
    let new = store.write(move |db| messages::accept(db, &[message], &assistant())).await?;
    ensure!(new.len() == 1, "it was not kept");
    let turn = store
        .write(move |db| cursors::hand_over(db, &chat, "bench", &Trigger::word("Andy")))
        .await?
        .context("no turn")?
        .turn;
    store.write(move |db| cursors::close_turns(db, &[turn])).await?;
    Ok(began.elapsed())
}

fn open(scene: &Scene) -> Result<Store> {
    let home = Home::at(scene.home()).map_err(|trouble| anyhow!("{trouble:?}"))?;
    Store::open(&home.database()).map_err(|trouble| anyhow!("{trouble:?}"))
}

fn inbound(chat: &Jid, text: &str) -> Inbound {
    Inbound {
        id: text.to_owned(),
        chat: chat.clone(),
        chat_lid: None,
        chat_name: None,
        sender: "4915110000002@s.whatsapp.net".to_owned(),
        sender_lid: None,
        sender_name: "Alice".to_owned(),
        text: Some(text.to_owned()),
        sent_at: Timestamp::now(),
        from_me: false,
    }
}

fn assistant() -> Assistant {
    Assistant { name: "Andy".to_owned(), own_number: false }
}
