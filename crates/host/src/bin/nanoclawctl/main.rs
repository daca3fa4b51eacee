//! `nanoclawctl`, the command line: `run` is NanoClaw without a window, the rest asks the one that runs, or its files.
//!
//! Exit 0 done; 1 failed, with one sentence on stderr (and with `--json` as `{error}` on stdout); 2 wrong usage. What it
//! prints for people may change, what `--json` prints may only grow.
//!
//! Architecture invariant: nothing is decided here. Words become a core command, its answer becomes text.

mod allowlist;
mod arguments;
mod ask;
mod codes;
mod diagnostics;
mod doctor;
mod image;
mod import;
mod kiro;
mod logs;
mod out;
mod pair;
mod run;
mod settings;
mod status;
mod system;
mod tasks;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, error::ErrorKind};
use nanoclaw_host::paths::Home;
use tokio::runtime::Builder;

use crate::{
    arguments::{Arguments, KiroWords, SettingsWords, Words},
    out::{Failure, Out},
};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let running = matches!(arguments.words, Words::Run { .. });
    if running && arguments.json {
        Arguments::command()
            .error(ErrorKind::ArgumentConflict, "`run` has no --json; use `status --watch --json`")
            .exit();
    }
    if matches!(&arguments.words, Words::Logs(words) if words.follow) && arguments.json {
        Arguments::command().error(ErrorKind::ArgumentConflict, "`logs --follow` has no --json").exit()
    }
    let mut runtime = if running { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    let mut out = Out::new(arguments.json);
    let done = match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(act(arguments.words, &mut out)),
        Err(error) => Err(out::internal(format!("no thread could be started: {error}."))),
    };
    out.end(done)
}

async fn act(words: Words, out: &mut Out) -> Result<(), Failure> {
    match &words {
        Words::Completions { shell } => return out.completions(*shell, Arguments::command()),
        Words::Man { folder } => {
            std::fs::create_dir_all(folder)?;
            return Ok(clap_mangen::generate_to(Arguments::command(), folder)?);
        }
        _ => {}
    }
    let home = Home::find()?;
    match words {
        Words::Run { verbose } => Box::pin(run::run(home, verbose, out)).await,
        Words::Status { watch: true } => status::watch(&home, out).await,
        Words::Pair { phone, cancel: false, yes } => pair::pair(&home, phone, yes, out).await,
        Words::Logs(words) => logs::logs(&home, words, out).await,
        Words::Doctor => doctor::doctor(&home, out).await,
        Words::Diagnostics { out: file } => diagnostics::diagnostics(&home, &file, out).await,
        Words::Import { from, dry_run } => import::import(&home, &from, dry_run, out).await,
        Words::Settings { words: SettingsWords::Get { key } } => settings::get(&home, key, out).await,
        Words::Settings { words: SettingsWords::Set { key, value, yes } } => {
            settings::set(&home, key, value, yes, out).await
        }
        Words::Settings { words: SettingsWords::Reset { key } } => settings::reset(&home, key, out).await,
        Words::Allowlist { words } => allowlist::allowlist(&home, words, out).await,
        Words::Autostart { switch } => system::autostart(&home, switch, out),
        Words::Uninstall { data, yes } => system::uninstall(&home, data, yes, out).await,
        Words::Image { words } => image::image(&home, words, out).await,
        Words::Kiro { words } if !matches!(words, KiroWords::RemoveEntry) => kiro::kiro(&home, words, out).await,
        words => ask::ask(&home, words, out).await,
    }
}
