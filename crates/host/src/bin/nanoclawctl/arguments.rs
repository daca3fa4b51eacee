//! The words and flags (design, nanoclawctl). They become core's commands in `ask`.

use std::{convert::Infallible, path::PathBuf};

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use nanoclaw_protocol::ipc::AdditionalMount;

use crate::{allowlist::AllowlistWords, image::ImageWords, logs::LogsWords, system::Switch, tasks::TasksWords};

/// NanoClaw: an agent on WhatsApp. This is its command line.
#[derive(Debug, Parser)]
#[command(name = "nanoclawctl", version, disable_help_subcommand = true)]
pub struct Arguments {
    /// Print the answer as JSON
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub words: Words,
}

#[derive(Debug, Subcommand)]
pub enum Words {
    /// Run NanoClaw here, without a window, until Ctrl-C
    Run {
        /// Show the log on stderr, too
        #[arg(short, long)]
        verbose: bool,
    },
    /// Tell how things are
    Status {
        /// Go on and tell each change; with --json one status a line
        #[arg(long)]
        watch: bool,
    },
    /// Link WhatsApp, by a QR code or by a code to type on the phone
    Pair {
        /// The phone's number with its country code, to get a code to type
        #[arg(long, value_name = "NUMBER")]
        phone: Option<String>,
        /// End a linking that is under way
        #[arg(long, conflicts_with_all = ["phone", "yes"])]
        cancel: bool,
        /// Link anew although there is a link; the present one is moved aside
        #[arg(long)]
        yes: bool,
    },
    /// Unlink WhatsApp
    Logout {
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// The link to WhatsApp
    Whatsapp {
        #[command(subcommand)]
        words: WhatsappWords,
    },
    /// List the chats that are known
    Chats {
        #[command(subcommand)]
        words: Option<ChatsWords>,
    },
    /// The chats that the agent works for
    Groups {
        #[command(subcommand)]
        words: GroupsWords,
    },
    /// The agents' containers
    Containers {
        #[command(subcommand)]
        words: ContainersWords,
    },
    /// What the agents do by themselves, at their times
    Tasks {
        #[command(subcommand)]
        words: TasksWords,
    },
    /// Show the log
    Logs(LogsWords),
    /// Send a text as the assistant
    Send {
        #[arg(long, value_name = "JID")]
        to: String,
        text: String,
        /// Also to a chat that is not registered
        #[arg(long)]
        any: bool,
    },
    /// Stop starting agents; messages are kept
    Pause,
    /// Go on after a pause
    Resume,
    /// End the NanoClaw that runs
    Quit {
        /// Don't ask, also while an agent is at work
        #[arg(long)]
        yes: bool,
    },
    /// Start the NanoClaw that runs anew, with the settings as they are now
    Restart {
        /// Don't ask, also while an agent is at work
        #[arg(long)]
        yes: bool,
    },
    /// Start the app at login, or not
    Autostart {
        #[arg(value_enum)]
        switch: Switch,
    },
    /// Remove the login entry, the containers and the agent's image; what you wrote stays
    Uninstall {
        /// Chats, sign-ins, settings and logs, too
        #[arg(long)]
        data: bool,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Look at all that NanoClaw needs, and tell what helps
    Doctor,
    /// Pack what helps to find a fault into a file, without what people wrote and who they are
    Diagnostics {
        /// The file to make
        #[arg(long, value_name = "FILE", default_value = "nanoclaw-diagnostics.tar")]
        out: PathBuf,
    },
    /// Print what makes a shell complete these words
    Completions { shell: Shell },
    /// Write the manual, a page for each command
    Man {
        /// The folder, as ~/.local/share/man/man1
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Take over from the NanoClaw of Node.js: chats, messages, tasks, folders and settings
    Import {
        /// Its folder; it is only read
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
        /// Only tell what would come over
        #[arg(long)]
        dry_run: bool,
    },
    /// What can be set; used from the next start on
    Settings {
        #[command(subcommand)]
        words: SettingsWords,
    },
    /// Which folders of this computer chats may be given at all
    Allowlist {
        #[command(subcommand)]
        words: AllowlistWords,
    },
    /// The Docker engine that runs the agents' containers
    Engine {
        #[command(subcommand)]
        words: EngineWords,
    },
    /// The image that the agents' containers start from
    Image {
        #[command(subcommand)]
        words: ImageWords,
    },
    /// Kiro on this computer
    Kiro {
        #[command(subcommand)]
        words: KiroWords,
    },
}

#[derive(Debug, Subcommand)]
pub enum WhatsappWords {
    /// Connect now instead of at the next try; by hand after WhatsApp refused, or to take over from another program
    Reconnect,
    /// Send the texts again that WhatsApp refused
    Resend {
        /// Of this chat alone
        #[arg(long, value_name = "JID")]
        chat: Option<String>,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// List the former sign-ins, which were moved aside when WhatsApp was linked anew
    Backups,
    /// Delete a former sign-in for good
    RemoveBackup {
        /// As `backups` lists it
        name: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum EngineWords {
    /// Start it, where something on this computer can
    Start,
}

#[derive(Debug, Subcommand)]
pub enum ChatsWords {
    /// Tell the way of a message, step by step
    Trace {
        /// The message's id, as `--chat` lists it
        #[arg(required_unless_present = "chat")]
        id: Option<String>,
        /// List a registered chat's newest messages
        #[arg(long, value_name = "JID-OR-FOLDER", conflicts_with = "id")]
        chat: Option<String>,
        /// How many, instead of 50
        #[arg(long, value_name = "NUMBER", requires = "chat", value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: Option<u32>,
    },
}

#[derive(Debug, Subcommand)]
pub enum GroupsWords {
    /// List the registered chats
    List,
    /// Let the agent work for a chat
    Register {
        /// The chat, as `nanoclawctl chats` shows it
        #[arg(long)]
        jid: String,
        #[arg(long)]
        name: String,
        /// Its folder: a-z, 0-9 and -; `main` for your own private chat
        #[arg(long)]
        folder: String,
        /// The word that calls the agent, instead of the assistant's name
        #[arg(long)]
        trigger: Option<String>,
        /// Every message calls the agent
        #[arg(long, conflicts_with = "trigger")]
        no_trigger: bool,
        #[command(flatten)]
        container: ContainerSettings,
    },
    /// Change what calls the agent, and what its containers see and may, from the next one on; what is not given stays
    #[command(group = ArgGroup::new("change").args(CHANGES).required(true).multiple(true))]
    Set {
        #[arg(value_name = "JID-OR-FOLDER")]
        target: String,
        #[command(flatten)]
        container: ContainerSettings,
        /// The word that calls the agent; empty for the assistant's name
        #[arg(long, conflicts_with = "no_trigger")]
        trigger: Option<String>,
        /// Every message calls the agent
        #[arg(long)]
        no_trigger: bool,
        /// Mount nothing extra any more
        #[arg(long, conflicts_with = "mount")]
        no_mounts: bool,
        /// No tools at all: the agent can only answer
        #[arg(long, conflicts_with_all = ["tool", "default_tools"])]
        no_tools: bool,
        /// The tools that a chat has by itself, instead of a list of its own
        #[arg(long, conflicts_with = "tool")]
        default_tools: bool,
    },
    /// End the agent's work for a chat; its folder stays
    Remove {
        #[arg(value_name = "JID-OR-FOLDER")]
        target: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Make another chat the main one
    MoveMain {
        jid: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

/// One of these is given, or there is nothing to set.
const CHANGES: [&str; 8] =
    ["mount", "timeout", "tool", "no_mounts", "no_tools", "default_tools", "trigger", "no_trigger"];

/// A chat's own container settings.
#[derive(Debug, Args)]
pub struct ContainerSettings {
    /// A folder of this computer to mount at /workspace/extra/CONTAINER, read-only without :rw; the mount allowlist decides.
    /// May be given more than once
    #[arg(long, value_name = "HOST[:CONTAINER][:rw]", value_parser = mount)]
    pub mount: Vec<AdditionalMount>,
    /// The longest a run may go on without a result, in milliseconds; 0 for what the settings say
    #[arg(long, value_name = "MS")]
    pub timeout: Option<u64>,
    /// A tool that the agent may use, as Kiro calls it, instead of those a chat has by itself. May be given more than once
    #[arg(long, value_name = "TOOL")]
    pub tool: Vec<String>,
}

fn mount(text: &str) -> Result<AdditionalMount, Infallible> {
    let (text, write) = match text.strip_suffix(":rw") {
        Some(text) => (text, true),
        None => (text.strip_suffix(":ro").unwrap_or(text), false),
    };
    let (host, container) = match text.rsplit_once(':') {
        Some((host, container)) => (host, Some(container.to_owned())),
        None => (text, None),
    };
    Ok(AdditionalMount { host_path: host.to_owned(), container_path: container, readonly: Some(!write) })
}

#[derive(Debug, Subcommand)]
pub enum ContainersWords {
    /// List the running containers
    List,
    /// Start a chat's agent and keep it waiting
    Start {
        #[arg(value_name = "JID-OR-FOLDER")]
        target: String,
    },
    /// Stop a container
    Stop {
        #[arg(value_name = "NAME-OR-GROUP")]
        target: String,
    },
    /// Stop a container and start its chat's agent again
    Restart {
        #[arg(value_name = "NAME-OR-GROUP")]
        target: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum SettingsWords {
    /// Show all settings, or one
    Get { key: Option<String> },
    /// Change one
    Set {
        key: String,
        #[arg(allow_negative_numbers = true)]
        value: String,
        /// Don't ask, also where messages would be forgotten or agents would be without a container
        #[arg(long)]
        yes: bool,
    },
    /// Set one back to its usual value
    Reset { key: String },
}

#[derive(Debug, Subcommand)]
pub enum KiroWords {
    /// Ask Kiro who is signed in: on this computer and, where NanoClaw runs, as containers see it
    #[command(visible_alias = "check")]
    Status,
    /// Sign in: NanoClaw shows a code and where to type it
    Login {
        /// As the last sign-in without it, else builder-id
        #[arg(long, value_enum)]
        method: Option<MethodWord>,
        /// Your organisation's start URL, for identity-center
        #[arg(long, value_name = "URL", requires = "method")]
        start_url: Option<String>,
        /// Its region, such as us-east-1
        #[arg(long, requires = "method")]
        region: Option<String>,
        /// In this computer's browser, instead of by a code
        #[arg(long)]
        browser: bool,
        /// End a sign-in that agents were refused with, without asking
        #[arg(long)]
        yes: bool,
        /// End a sign-in that is under way
        #[arg(long, conflicts_with_all = ["method", "start_url", "region", "browser", "yes"])]
        cancel: bool,
    },
    /// Sign out
    Logout {
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Tell or change whose sign-in agents use
    Mode {
        #[arg(value_enum)]
        mode: Option<ModeWord>,
        /// Don't ask
        #[arg(long, requires = "mode")]
        yes: bool,
    },
    /// The API key of the mode api-key
    Key {
        #[command(subcommand)]
        words: KeyWords,
    },
    /// Remove the MCP server nanoclaw from your Kiro files: NanoClaw gives agents its own
    RemoveEntry,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum MethodWord {
    BuilderId,
    IdentityCenter,
    Google,
    Github,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ModeWord {
    /// Your own sign-in, with what lies in ~/.kiro and ~/.aws
    Shared,
    /// A sign-in of the agents' own
    Own,
    /// An API key
    ApiKey,
}

#[derive(Debug, Subcommand)]
pub enum KeyWords {
    /// Keep the key that comes by stdin, in this computer's key store
    Set,
    /// Remove it from there
    Remove {
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}
