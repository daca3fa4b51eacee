//! The Chats page's part of the status: the chats in which the agent listens, and how each is set.

use serde_json::json;

use super::{
    ask, button, clean, containers, desktop,
    pages::{ChatsView, ExtraMount, GroupView},
    quoted,
    view::{Confirm, Look},
};
use crate::{
    present::tray::Action,
    status::{AppStatus, GroupStatus},
    trust,
};

pub(super) fn view(status: &AppStatus) -> ChatsView {
    let own = status.whatsapp.jid.as_deref().and_then(|jid| {
        let (user, server) = jid.split_once('@')?;
        let user = user.split_once(':').map_or(user, |(user, _)| user);
        Some(format!("{user}@{server}"))
    });
    let usual_tools = trust::tools(false, None).unwrap_or_default();
    ChatsView { own, usual_tools, groups: status.groups.iter().map(|group| of_group(status, group)).collect() }
}

fn of_group(status: &AppStatus, group: &GroupStatus) -> GroupView {
    let (chat, name) = (containers::chat(status, &group.folder), clean(&status.assistant));
    let quoted = quoted(&chat.name);
    let move_here = Confirm {
        title: format!("Make {quoted} your private channel?"),
        text: format!(
            "{name} then answers everything there and may act for all chats. The one before becomes an ordinary chat."
        ),
        label: "Move".to_owned(),
    };
    let remove = Confirm {
        title: format!("Stop listening in {quoted}?"),
        text: format!("{name} answers nothing there any more, and its tasks end. Its folder and what was said stay."),
        label: "Stop listening".to_owned(),
    };
    let target = json!({"target": group.jid});
    GroupView {
        jid: group.jid.to_string(),
        is_main: group.is_main,
        text: containers::answers(status, group),
        state: containers::state_of(status, &group.folder),
        trigger: group.trigger.as_deref().map(clean).unwrap_or_default(),
        usual_trigger: format!("@{name}"),
        requires_trigger: group.requires_trigger,
        timeout: group.timeout,
        trust: if group.is_main {
            format!("{name} may do everything here: act for all chats, plan their tasks, write in the shared folders.")
        } else {
            format!("{name} may act for this chat alone, and only read what all chats share.")
        },
        mounts: group
            .mounts
            .iter()
            .map(|mount| ExtraMount {
                host_path: mount.host_path.clone(),
                container_path: mount.container_path.clone(),
                readonly: mount.readonly,
            })
            .collect(),
        tools: group.tools.clone(),
        open: button("Show the folder", Look::Plain, desktop(Action::OpenFolder(group.folder.clone()))),
        move_main: (!group.is_main).then(|| {
            button(
                "Make this my private channel\u{2026}",
                Look::Plain,
                ask("groups.move-main", json!({"jid": group.jid}), Some(move_here)),
            )
        }),
        remove: Some(button("Stop listening here\u{2026}", Look::Danger, ask("groups.remove", target, Some(remove)))),
        chat,
    }
}
