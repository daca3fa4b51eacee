//! Chaos: NanoClaw is killed at named and at random moments, parts of it panic, its containers are killed, its engine and its
//! link to WhatsApp are cut, while people write in four chats. In the end each message is answered exactly once and in order
//! (C1–C4, M12, M13), and after each start nothing runs that an earlier process left (Q6).
//!
//! A round is some lives that end badly, then one that is left alone to answer everything. Its random numbers come from its
//! seed alone, so that a round that went wrong can be had again; what falls between two lines stays chance.

mod talk;
mod tally;

use std::collections::HashSet;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::proxy::Proxy;
use crate::{Phone, Scene};
use talk::Talk;
pub use tally::Tally;

/// Where NanoClaw can be told to die (`moment` in the host), in the order in which a message comes by them.
const MOMENTS: [&str; 10] =
    ["keeping", "stored", "queued", "handed-over", "started", "result", "outbox", "sending", "sent", "acked"];
/// Where a part can panic that is started again in place.
const PANICS: [&str; 4] = ["keeping", "sending", "engine", "reading"];
/// How long the agent thinks, ms; each life has one of these.
const THINKS: [u32; 4] = [0, 0, 300, 1000];
/// How long a life waits for its moment after the last message; then it is killed where it is.
const UNREACHED: Duration = Duration::from_secs(5);
/// How long all answers may take: a container that was killed is tried again after 5 s, an engine is looked for as often.
const ANSWERS: Duration = Duration::from_secs(90);
/// Longer than runs are held for an engine that is away.
const AWAY_FOR_GOOD: Duration = Duration::from_secs(16);

/// How a life ends.
enum Fate {
    Moment(&'static str, u32),
    After(Duration),
}

/// What happens to a life that goes on.
#[derive(Clone, Copy)]
enum Trouble {
    Nothing,
    ContainerKilled,
    EngineAway(Duration),
    LinkCut,
    /// Set before the start.
    PartFails,
}

struct Chaos {
    scene: Scene,
    engine: Proxy,
    talk: Talk,
    tally: Tally,
}

/// Plays rounds until one shows a fault; then what it left is kept as the artefacts of `name`. Round n has the seed
/// `seed + n`, counted from 0.
///
/// # Errors
/// Something went wrong that is no matter of lost or doubled answers: NanoClaw does not start, ends by itself…
pub async fn play(name: &str, rounds: u32, seed: u64) -> Result<Tally> {
    let began = Instant::now();
    let mut chaos = Chaos::begin(name, seed).await?;
    for round in 0..rounds {
        let seed = seed + u64::from(round);
        chaos.talk.random = StdRng::seed_from_u64(seed);
        chaos.round().await.with_context(|| format!("round {round}, seed {seed}"))?;
        chaos.tally.rounds += 1;
        chaos.tally.took = began.elapsed();
        if !chaos.tally.is_well() {
            eprintln!("round {round} went wrong: seed {seed}\n{}", chaos.talk.account().await?);
            return Ok(chaos.tally);
        }
    }
    chaos.scene.end().await?;
    chaos.tally.took = began.elapsed();
    Ok(chaos.tally)
}

impl Chaos {
    async fn begin(name: &str, seed: u64) -> Result<Self> {
        let mut scene = Scene::begin(name).await?;
        let mut engine = Proxy::at(scene.user().join("engine.sock"));
        engine.open()?;
        scene.set("DOCKER_HOST", &format!("unix://{}", engine.address()));
        // One less than there are chats, so that runs have to give way (Q2).
        scene.set("MAX_CONCURRENT_CONTAINERS", "3");
        let talk = Talk::begin(&scene, StdRng::seed_from_u64(seed)).await?;
        scene.start_linked_to(&talk.owner).await?;
        talk.register(&scene).await?;
        Ok(Self { scene, engine, talk, tally: Tally::default() })
    }

    async fn round(&mut self) -> Result<()> {
        self.scene.kill().await?;
        self.tally.count("at rest");
        for _ in 0..self.talk.random.random_range(1..=2) {
            self.agent_thinks_anew()?;
            let random = &mut self.talk.random;
            let fate = if random.random_bool(0.7) {
                Fate::Moment(MOMENTS[random.random_range(0..MOMENTS.len())], random.random_range(1..=4))
            } else {
                Fate::After(Duration::from_millis(random.random_range(0..4000)))
            };
            self.life_that_ends(fate).await?;
        }
        self.agent_thinks_anew()?;
        self.life_that_goes_on().await
    }

    fn agent_thinks_anew(&mut self) -> Result<()> {
        let thinks = THINKS[self.talk.random.random_range(0..THINKS.len())];
        let turn = json!({"match": "", "delayMs": thinks, "parts": ["heard {texts}"]});
        self.scene.kiro().plays(&json!({"turns": [turn]}))
    }

    async fn life_that_ends(&mut self, fate: Fate) -> Result<()> {
        let mut program = self.scene.ctl_program(&["run"])?;
        program.stdout(Stdio::null()).stderr(self.scene.append("run.stderr")?);
        let patience = match fate {
            Fate::Moment(name, times) => {
                program.env("NANOCLAW_DIE_AT", format!("{name}:{times}"));
                UNREACHED
            }
            Fate::After(time) => time,
        };
        let mut process = program.spawn()?;
        let (written, ended) = tokio::join!(self.talk.says_some(), timeout(patience, process.wait()));
        written?;
        let met = match ended {
            Ok(status) => {
                let status = status?;
                ensure!(status.signal() == Some(9), "NanoClaw ended by itself: {status}");
                true
            }
            Err(_) => {
                process.kill().await?;
                false
            }
        };
        self.tally.count(match fate {
            Fate::Moment(name, _) if met => name,
            Fate::Moment(..) => "moment not reached",
            Fate::After(_) => "at random",
        });
        Ok(())
    }

    async fn life_that_goes_on(&mut self) -> Result<()> {
        let random = &mut self.talk.random;
        let (after, which) = (Duration::from_millis(random.random_range(0..2000)), random.random_range(0..20));
        let away = Duration::from_millis(random.random_range(100..3000));
        let panics = format!("{}:{}", PANICS[random.random_range(0..PANICS.len())], random.random_range(1..=3));
        let trouble = match which {
            0..4 => Trouble::ContainerKilled,
            4..7 => Trouble::EngineAway(away),
            7 => Trouble::EngineAway(AWAY_FOR_GOOD),
            8..12 => Trouble::LinkCut,
            12..16 => Trouble::PartFails,
            _ => Trouble::Nothing,
        };
        self.scene.set("NANOCLAW_PANIC_AT", if matches!(trouble, Trouble::PartFails) { &panics } else { "" });
        let left = self.running().await?;
        self.scene.start().await?;
        self.scene.until("the engine is ready", |status| status["engine"]["state"] == "ready").await?;
        self.tally.orphans += self.running().await?.intersection(&left).count();

        let Self { scene, engine, talk, tally } = self;
        let owner = talk.owner.clone();
        let (written, happened) = tokio::join!(talk.says_some(), async {
            sleep(after).await;
            happen(trouble, scene, engine, &owner).await
        });
        written?;
        tally.count(happened?);
        talk.asks_the_group().await?;
        if timeout(ANSWERS, talk.all_answered()).await.is_err() {
            eprintln!("not all is answered in {ANSWERS:?}");
        }
        scene.until("nothing is under way", is_at_rest).await?;
        talk.judge(tally).await
    }

    /// The ids of the scene's containers that run.
    async fn running(&self) -> Result<HashSet<String>> {
        let all = self.scene.containers.list().await?;
        Ok(all.into_iter().filter(|one| one.is_running()).map(|one| one.id).collect())
    }
}

/// What happened; nothing where there was no container to kill.
async fn happen(trouble: Trouble, scene: &Scene, engine: &mut Proxy, owner: &Phone) -> Result<&'static str> {
    match trouble {
        Trouble::Nothing => {}
        Trouble::PartFails => return Ok("part that panics"),
        Trouble::ContainerKilled => {
            let all = scene.containers.list().await?;
            if let Some(one) = all.iter().find(|one| one.is_running())
                // It may end at the same moment.
                && scene.containers.kill(&one.name).await.is_ok()
            {
                return Ok("container killed");
            }
        }
        Trouble::EngineAway(time) => {
            engine.cut().await?;
            sleep(time).await;
            engine.open()?;
            return Ok(if time < AWAY_FOR_GOOD { "engine cut" } else { "engine given up" });
        }
        Trouble::LinkCut => {
            scene.whatsapp.drop_connection(owner).await?;
            return Ok("link cut");
        }
    }
    Ok("left alone")
}

fn is_at_rest(status: &Value) -> bool {
    let idle = |run: &Value| run["state"] == "idle";
    status["runs"].as_array().is_some_and(|runs| runs.iter().all(idle))
        && status["queue"] == json!([])
        && status["whatsapp"]["queuedOut"] == 0
}
