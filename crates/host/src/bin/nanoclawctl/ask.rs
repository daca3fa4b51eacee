//! Commands for the NanoClaw that runs: asked over the control socket, answered in one sentence or one list.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use nanoclaw_core::{
    chat::Jid,
    command::{Command, CommandError},
    group::Registration,
    present::words::{count, memory},
    problem::Trouble,
};
use nanoclaw_host::{control::Client, paths::Home};
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    arguments::{
        ChatsWords, ContainerSettings, ContainersWords, EngineWords, GroupsWords, KiroWords, WhatsappWords, Words,
    },
    out::{Failure, Out, at, internal, list, local, plain},
    status,
    tasks::{self, TasksWords},
};

/// More than one look at containers, and the pause between them.
const LOOKS: usize = 8;
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

pub async fn ask(home: &Home, words: Words, out: &mut Out) -> Result<(), Failure> {
    if let Some(what) = loses(&words)
        && is_there(home, &words).await?
    {
        confirmed(what, out)?;
    }
    let command = command(words)?;
    let mut answer = answered(home, command.clone(), out).await?;
    if command == (Command::ContainersList {}) {
        // A look has them measured for the next one, and what they take of the processor is told between two.
        for _ in 0..LOOKS {
            if list(&answer, "").iter().all(|run| !run["cpuPercent"].is_null()) {
                break;
            }
            sleep(BETWEEN_LOOKS).await;
            answer = answered(home, command.clone(), out).await?;
        }
    }
    if out.json { out.value(&answer) } else { tell(&command, &answer, out) }
}

/// Asks; where that wants a yes and a person is there to give it, asks them and then again.
pub async fn answered(home: &Home, mut command: Command, out: &Out) -> Result<Value, Failure> {
    let mut client = Client::connect(home).await?;
    match client.ask(&command).await {
        Err(error) if !out.json && wants_yes(&error) && agreed(&error)? => {
            match &mut command {
                Command::Pair { yes, .. }
                | Command::Logout { yes }
                | Command::WhatsappRemoveBackup { yes, .. }
                | Command::WhatsappResend { yes, .. }
                | Command::KiroLogin { yes, .. }
                | Command::KiroLogout { yes }
                | Command::Quit { yes }
                | Command::Restart { yes }
                | Command::KiroMode { yes, .. } => *yes = true,
                _ => {}
            }
            Ok(client.ask(&command).await?)
        }
        answer => Ok(answer?),
    }
}

fn wants_yes(error: &CommandError) -> bool {
    matches!(error.code.as_str(), "already-linked" | "needs-yes")
}

/// What it would do that can't be had back, where nobody has said yes yet.
fn loses(words: &Words) -> Option<String> {
    match words {
        Words::Groups { words: GroupsWords::Remove { target, yes: false } } => {
            Some(format!("end the agent's work and the tasks for {target}, and give up what waits there"))
        }
        Words::Groups { words: GroupsWords::MoveMain { jid, yes: false } } => Some(format!(
            "make {jid} the main chat: who writes there may then do what only the main chat may, and the present one no more"
        )),
        Words::Tasks { words: TasksWords::Cancel { id, yes: false } } => {
            Some(format!("remove the task {id} with its history"))
        }
        _ => None,
    }
}

/// Whether what it is about is known. Where it is not, the command itself says so.
async fn is_there(home: &Home, words: &Words) -> Result<bool, Failure> {
    let (lists, keys, wanted) = match words {
        Words::Groups { words: GroupsWords::Remove { target, .. } } => {
            (Command::GroupsList {}, ["jid", "folder"].as_slice(), target)
        }
        Words::Groups { words: GroupsWords::MoveMain { jid, .. } } => (Command::GroupsList {}, ["jid"].as_slice(), jid),
        Words::Tasks { words: TasksWords::Cancel { id, .. } } => (Command::TasksList {}, ["id"].as_slice(), id),
        _ => return Ok(true),
    };
    let known = Client::connect(home).await?.ask(&lists).await?;
    Ok(list(&known, "").iter().any(|one| keys.iter().any(|key| one[*key] == wanted.as_str())))
}

/// # Errors
/// `needs-yes`, where a person says no, or there is none to be asked.
pub fn confirmed(what: String, out: &Out) -> Result<(), Failure> {
    let asks = Trouble::NeedsYes { what };
    if !out.json && agreed(&(&asks).into())? { Ok(()) } else { Err(asks.into()) }
}

pub fn agreed(error: &CommandError) -> Result<bool, Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(false);
    }
    write!(io::stderr(), "{} Go on? [y/N] ", plain(&error.message))?;
    let mut said = String::new();
    io::stdin().read_line(&mut said)?;
    Ok(matches!(said.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn command(words: Words) -> Result<Command, Failure> {
    Ok(match words {
        Words::Status { .. } => Command::Status {},
        Words::Pair { phone, cancel, yes } => Command::Pair { phone, cancel, yes },
        Words::Logout { yes } => Command::Logout { yes },
        Words::Whatsapp { words: WhatsappWords::Reconnect } => Command::Reconnect {},
        Words::Whatsapp { words: WhatsappWords::Resend { chat, yes } } => {
            Command::WhatsappResend { chat: chat.map(Jid::new), yes }
        }
        Words::Whatsapp { words: WhatsappWords::Backups } => Command::WhatsappBackups {},
        Words::Whatsapp { words: WhatsappWords::RemoveBackup { name, yes } } => {
            Command::WhatsappRemoveBackup { name, yes }
        }
        Words::Chats { words: None } => Command::Chats {},
        Words::Chats { words: Some(ChatsWords::Trace { id, chat, limit }) } => Command::ChatsTrace { id, chat, limit },
        Words::Groups { words: GroupsWords::List } => Command::GroupsList {},
        Words::Groups { words: GroupsWords::Register { jid, name, folder, trigger, no_trigger, container } } => {
            let ContainerSettings { mount: mounts, timeout, tool } = container;
            let (jid, tools, timeout) = (Jid::new(jid), given(tool), timeout.filter(|timeout| *timeout != 0));
            Command::GroupsRegister(Registration { jid, name, folder, trigger, no_trigger, mounts, timeout, tools })
        }
        Words::Groups {
            words: GroupsWords::Set { target, container, trigger, no_trigger, no_mounts, no_tools, default_tools },
        } => {
            let ContainerSettings { mount, timeout, tool } = container;
            let mounts = if no_mounts { Some(Vec::new()) } else { given(mount) };
            let tools = if no_tools { Some(Vec::new()) } else { given(tool) };
            let requires_trigger = if no_trigger { Some(false) } else { trigger.as_ref().map(|_| true) };
            Command::GroupsSet { target, trigger, requires_trigger, mounts, timeout, tools, default_tools }
        }
        Words::Groups { words: GroupsWords::Remove { target, .. } } => Command::GroupsRemove { target },
        Words::Groups { words: GroupsWords::MoveMain { jid, .. } } => Command::GroupsMoveMain { jid: Jid::new(jid) },
        Words::Containers { words: ContainersWords::List } => Command::ContainersList {},
        Words::Containers { words: ContainersWords::Start { target } } => Command::ContainersStart { target },
        Words::Containers { words: ContainersWords::Stop { target } } => Command::ContainersStop { target },
        Words::Containers { words: ContainersWords::Restart { target } } => Command::ContainersRestart { target },
        Words::Tasks { words } => tasks::command(words),
        Words::Send { to, text, any } => Command::Send { to: Jid::new(to), text, any },
        Words::Kiro { words: KiroWords::RemoveEntry } => Command::KiroRemoveEntry {},
        Words::Engine { words: EngineWords::Start } => Command::EngineStart {},
        Words::Quit { yes } => Command::Quit { yes },
        Words::Restart { yes } => Command::Restart { yes },
        Words::Pause => Command::Pause {},
        Words::Resume => Command::Resume {},
        words => return Err(internal(format!("no command stands for {words:?}."))),
    })
}

/// A list that was given at all.
fn given<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// The answer for a person.
fn tell(command: &Command, answer: &Value, out: &mut Out) -> Result<(), Failure> {
    match command {
        Command::Status {} => status::tell(answer, out),
        Command::Chats {} => {
            let rows = list(answer, "").iter().map(|chat| {
                let registered = if chat["isRegistered"] == true { "yes" } else { "" };
                [at(chat, "/name"), &local(at(chat, "/lastActivity")), registered, at(chat, "/jid")].map(str::to_owned)
            });
            out.table(["NAME", "LAST ACTIVITY", "REGISTERED", "JID"], rows.collect(), "No chats are known yet.")
        }
        Command::WhatsappBackups {} => {
            let rows = list(answer, "").iter().map(|backup| {
                let bytes = backup["bytes"].as_u64().map(memory).unwrap_or_default();
                [at(backup, "/name"), &local(at(backup, "/movedAt")), &bytes].map(str::to_owned)
            });
            out.table(["NAME", "MOVED", "SIZE"], rows.collect(), "No former sign-ins are kept.")
        }
        Command::ChatsTrace { id: None, .. } => {
            let rows = list(answer, "").iter().map(|message| {
                [&local(at(message, "/at")), at(message, "/direction"), at(message, "/state"), at(message, "/id")]
                    .map(str::to_owned)
            });
            out.table(["TIME", "", "STATE", "ID"], rows.collect(), "No messages of this chat are known.")
        }
        Command::ChatsTrace { .. } => {
            let rows = list(answer, "/steps").iter().map(|step| {
                // To the millisecond, unlike other times: what one looks for is where it took long.
                [at(step, "/at"), at(step, "/step"), at(step, "/detail")].map(str::to_owned)
            });
            out.table(["TIME", "STEP", ""], rows.collect(), "Its way is forgotten: it was too long ago.")
        }
        Command::GroupsList {} => {
            let rows = list(answer, "").iter().map(|group| {
                let trigger = match (group["requiresTrigger"] == true, at(group, "/trigger")) {
                    (false, _) => "none needed",
                    (true, "") => "the assistant's name",
                    (true, trigger) => trigger,
                };
                [at(group, "/name"), at(group, "/folder"), trigger, at(group, "/jid"), &settings(group)]
                    .map(str::to_owned)
            });
            let none = "No chats are registered yet. See `nanoclawctl chats` and `nanoclawctl groups register`.";
            out.table(["NAME", "FOLDER", "TRIGGER", "JID", "OF ITS OWN"], rows.collect(), none)
        }
        Command::ContainersList {} => {
            let rows = list(answer, "").iter().map(|run| {
                [
                    at(run, "/container"),
                    at(run, "/group"),
                    at(run, "/state"),
                    &local(at(run, "/startedAt")),
                    &run["memoryBytes"].as_u64().map(memory).unwrap_or_default(),
                    &run["cpuPercent"].as_f64().map(|percent| format!("{percent:.0} %")).unwrap_or_default(),
                    at(run, "/id"),
                ]
                .map(str::to_owned)
            });
            out.table(
                ["CONTAINER", "GROUP", "STATE", "STARTED", "MEMORY", "CPU", "RUN"],
                rows.collect(),
                "No containers are running.",
            )?;
            let seen =
                list(answer, "").iter().flat_map(|run| list(run, "/mounts").iter().map(move |mount| (run, mount)));
            let rows: Vec<_> = seen.map(|(run, mount)| seen_in(at(run, "/container"), mount)).collect();
            if rows.is_empty() {
                return Ok(());
            }
            out.line("")?;
            out.table(["CONTAINER", "SEES", "AT", "ACCESS"], rows, "")
        }
        Command::TasksList {} => tasks::tell_list(answer, out),
        Command::TasksPreview { .. } => tasks::tell_preview(answer, out),
        Command::TasksHistory { .. } => tasks::tell_history(answer, out),
        command => out.line(plain(&sentence(command, answer))),
    }
}

/// A folder of this computer in a container.
fn seen_in(container: &str, mount: &Value) -> [String; 4] {
    let access = if mount["readOnly"] == true { "read only" } else { "read and write" };
    [container, at(mount, "/host"), at(mount, "/container"), access].map(str::to_owned)
}

/// A chat's own container settings, in a line.
fn settings(group: &Value) -> String {
    let mounts = list(group, "/mounts").iter().map(|mount| {
        let place = mount["containerPath"].as_str().map(|place| format!(":{place}")).unwrap_or_default();
        format!("{}{place}{}", at(mount, "/hostPath"), if mount["readonly"] == false { ":rw" } else { "" })
    });
    let timeout = group["timeout"].as_u64().map(|timeout| format!("{timeout} ms"));
    let tools = group["tools"].is_array().then(|| {
        let tools: Vec<_> = list(group, "/tools").iter().filter_map(Value::as_str).collect();
        format!("tools: {}", if tools.is_empty() { "none".to_owned() } else { tools.join(" ") })
    });
    mounts.chain(timeout).chain(tools).collect::<Vec<_>>().join(", ")
}

/// What was done.
fn sentence(command: &Command, answer: &Value) -> String {
    match command {
        Command::Pair { .. } => "Linking was cancelled.".to_owned(),
        Command::Logout { .. } => "WhatsApp is being unlinked.".to_owned(),
        Command::Reconnect {} => "Connecting to WhatsApp.".to_owned(),
        Command::WhatsappResend { .. } => match answer["count"].as_u64() {
            None | Some(0) => "No text was refused.".to_owned(),
            Some(again) => format!("{} again.", count(again, "text waits to go out", "texts wait to go out")),
        },
        Command::WhatsappRemoveBackup { name, .. } => format!("{name} is deleted."),
        Command::GroupsRegister(Registration { name, folder, .. }) => {
            format!("{name} is registered, with the folder {folder}.")
        }
        Command::GroupsSet { target, .. } => format!("The next container of {target} has it so."),
        Command::KiroRemoveEntry {} => {
            match list(answer, "").iter().map(|file| at(file, "/path")).collect::<Vec<_>>() {
                files if files.is_empty() => "No file has such an entry.".to_owned(),
                files => format!("Removed from {}. The file as it was is kept beside it.", files.join(" and ")),
            }
        }
        Command::GroupsRemove { target } => format!("{target} is no longer registered."),
        Command::GroupsMoveMain { jid } => format!("{jid} is the main chat now."),
        Command::ContainersStart { target } => format!("A container for {target} is starting."),
        Command::ContainersStop { target } => format!("The container of {target} is stopping."),
        Command::ContainersRestart { target } => format!("The container of {target} is restarting."),
        Command::Send { to, .. } => format!("The text to {to} is kept and goes out as soon as it can."),
        Command::EngineStart {} => "Docker is being started.".to_owned(),
        Command::Quit { .. } => "NanoClaw is quitting.".to_owned(),
        Command::Restart { .. } => "NanoClaw is restarting.".to_owned(),
        Command::Pause {} => "Paused. Messages are kept, nothing new runs.".to_owned(),
        Command::Resume {} => "Running again.".to_owned(),
        command => tasks::sentence(command, answer),
    }
}
