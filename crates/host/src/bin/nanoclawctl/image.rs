//! `image`: the agent's image, through the NanoClaw that runs, or without one by the same code.

use std::{collections::BTreeMap, fmt::Display, pin::pin};

use clap::Subcommand;
use nanoclaw_core::{command::Command, problem::Trouble};
use nanoclaw_host::{
    container::image::{self, Plan},
    control::Client,
    paths::Home,
    settings,
    shutdown::Quit,
};
use serde_json::Value;

use crate::out::{Failure, Out, at, internal, plain};

#[derive(Debug, Subcommand)]
pub enum ImageWords {
    /// Build it from what this NanoClaw carries; Ctrl-C cancels
    Build {
        /// An argument of the Dockerfile, such as WITH_BROWSER=1
        #[arg(long = "build-arg", value_name = "NAME=VALUE", value_parser = argument)]
        arguments: Vec<(String, String)>,
    },
    /// End a build that the running NanoClaw does
    Cancel,
    /// Tell whether it is there and of this version
    Status,
}

fn argument(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("NAME=VALUE is wanted")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// With `--json`: `engine.image` of AppStatus.
pub async fn image(home: &Home, words: ImageWords, out: &mut Out) -> Result<(), Failure> {
    match words {
        ImageWords::Build { arguments } => {
            let built = build(home, arguments.into_iter().collect(), out).await?;
            if out.json { out.value(&built) } else { out.line("The agent's image is ready.") }
        }
        ImageWords::Cancel => {
            let answer = Client::connect(home).await?.ask(&Command::ImageCancel {}).await?;
            if out.json { out.value(&answer) } else { out.line("The build was cancelled.") }
        }
        ImageWords::Status => {
            let status = match running(home).await? {
                Some(mut client) => client.ask(&Command::ImageStatus {}).await?,
                None => json(image::status(&settings::load(home).0).await?)?,
            };
            if out.json { out.value(&status) } else { out.line(plain(&sentence(&status))) }
        }
    }
}

/// The NanoClaw that runs in this Home, if one does.
pub async fn running(home: &Home) -> Result<Option<Client>, Failure> {
    match Client::connect(home).await {
        Ok(client) => Ok(Some(client)),
        Err(error) if error.code == Trouble::NotRunning.code() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn build(home: &Home, arguments: BTreeMap<String, String>, out: &mut Out) -> Result<Value, Failure> {
    let mut quit = Quit::hear().map_err(|error| internal(format!("signals can't be heard: {error}.")))?;
    match running(home).await? {
        Some(client) => ask(home, client, arguments, &mut quit, out).await,
        None => build_here(home, arguments, &mut quit, out).await,
    }
}

/// Lets the one that runs build, and shows how far it is.
async fn ask(
    home: &Home,
    mut client: Client,
    build_args: BTreeMap<String, String>,
    quit: &mut Quit,
    out: &mut Out,
) -> Result<Value, Failure> {
    let mut watch = Client::connect(home).await?.watch().await?;
    let command = Command::ImageBuild { build_args, wait: true };
    let mut built = pin!(client.ask(&command));
    let mut told = String::new();
    loop {
        let status = tokio::select! {
            built = &mut built => return Ok(built?),
            status = watch.next() => status?.ok_or(Trouble::NotRunning)?,
            () = quit.asked() => {
                Client::connect(home).await?.ask(&Command::ImageCancel {}).await?;
                return Err(Trouble::ImageBuildCancelled.into());
            }
        };
        let progress = &status["engine"]["image"]["progress"];
        let line = step(&progress["step"], &progress["of"], at(progress, "/text"));
        if !out.json && progress.is_object() && line != told {
            out.line(plain(&line))?;
            told = line;
        }
    }
}

async fn build_here(
    home: &Home,
    arguments: BTreeMap<String, String>,
    quit: &mut Quit,
    out: &mut Out,
) -> Result<Value, Failure> {
    home.create()?;
    let plan = Plan::agent(home, &settings::load(home).0, arguments);
    let built = plan.build(|at| {
        if !out.json {
            // The image is wanted also where nobody reads along.
            let _ = out.line(plain(&step(at.step, at.of, &at.text)));
        }
    });
    tokio::select! {
        built = built => json(built?),
        () = quit.asked() => Err(Trouble::ImageBuildCancelled.into()),
    }
}

fn step(step: impl Display, of: impl Display, text: &str) -> String {
    format!("Step {step} of {of}: {text}")
}

fn sentence(status: &Value) -> String {
    let id = at(status, "/id").trim_start_matches("sha256:");
    let id = id.get(..12).unwrap_or(id);
    match at(status, "/state") {
        "ready" => format!("The agent's image is ready ({id})."),
        "stale" => format!(
            "The agent's image is from another version of NanoClaw ({id}). Agents go on with it. Build it again with `nanoclawctl image build`."
        ),
        "building" => match status["progress"].as_object() {
            Some(_) => format!(
                "The agent's image is being built: step {} of {}.",
                status["progress"]["step"], status["progress"]["of"]
            ),
            None => "The agent's image is being built.".to_owned(),
        },
        "failed" => "The last build of the agent's image failed. `nanoclawctl status` tells why.".to_owned(),
        _ => "The agent's image is missing. Build it with `nanoclawctl image build`.".to_owned(),
    }
}

fn json(value: impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(|error| internal(format!("{error}.")))
}
