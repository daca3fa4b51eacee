//! The project's own commands: `cargo xtask run | test | image | bench | chaos | fuzz | licences | pictures | engine`.

mod bench;
mod chaos;
mod demo;
mod engine;
mod fuzz;
mod image;
mod licences;
mod needs;
mod pictures;
mod program;
mod run;
mod steps;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// NanoClaw's own commands
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing, build, and start the app (without a display: headless)
    Run {
        /// No tray and no window, also where there is a display
        #[arg(long)]
        headless: bool,
        /// With stand-ins for WhatsApp and Kiro, and a panel in the browser that plays the phones: no account is needed
        #[arg(long, conflicts_with_all = ["release", "arguments"])]
        demo: bool,
        /// An optimised build: smaller and faster, and minutes longer in the making
        #[arg(long)]
        release: bool,
        /// Handed to the app
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Install what is missing, then run every check and test
    Test {
        /// Only the root workspace's tests that these arguments for nextest choose
        #[arg(last = true)]
        nextest: Vec<String>,
    },
    /// Build the agent's image on the engine that is found
    Image {
        /// The image that the tests use, with fake-kiro in kiro-cli's place
        #[arg(long)]
        test: bool,
    },
    /// Measure the figures of docs/figures.md, each against its floor
    Bench {
        /// `B1` to `B6`; all where none is named
        figures: Vec<String>,
    },
    /// Kill NanoClaw at named and random moments while people write: each message must be answered once, in order
    Chaos {
        #[arg(long, default_value_t = 50)]
        rounds: u32,
        /// Of the first round; the next ones count on from it
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Throw rubbish at everything that reads what others write: a million inputs or two minutes each
    Fuzz {
        /// One target alone
        target: Option<String>,
    },
    /// Write down what NanoClaw is made of, for the window's page About
    Licences,
    /// Take the README's pictures anew
    Pictures,
    /// A Docker engine of the checkout's own, for as long as one likes
    Engine {
        #[command(subcommand)]
        action: Action,
    },
}

#[derive(Subcommand)]
enum Action {
    /// Start it and print its address
    Start,
    /// Stop it
    Stop,
    /// Print the address of the engine that tests would use
    Status,
}

fn main() -> ExitCode {
    match perform(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("\n{trouble:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<()> {
    match task {
        Task::Run { headless, demo: true, .. } => demo::demo(headless || !run::has_display()),
        Task::Run { headless, release, arguments, .. } => run::app(headless, release, &arguments),
        Task::Test { nextest } => test::test(&nextest),
        Task::Image { test } => {
            let engine = engine::found()?;
            if test {
                image::test_base(&engine)?;
                image::agent_for_tests(&engine)
            } else {
                image::agent(&engine)
            }
        }
        Task::Bench { figures } => bench::bench(&figures),
        Task::Chaos { rounds, seed } => chaos::chaos(rounds, seed),
        Task::Fuzz { target } => fuzz::fuzz(target.as_deref()),
        Task::Licences => licences::write(),
        Task::Pictures => pictures::pictures(),
        Task::Engine { action: Action::Start } => {
            say(&format!("DOCKER_HOST={}", engine::start_and_leave()?));
            Ok(())
        }
        Task::Engine { action: Action::Stop } => engine::stop(),
        Task::Engine { action: Action::Status } => {
            let engine = engine::found()?;
            say(&format!("DOCKER_HOST={}", engine.host));
            Ok(())
        }
    }
}

#[expect(clippy::print_stdout, reason = "an address on stdout is the answer that a script reads")]
fn say(answer: &str) {
    println!("{answer}");
}
