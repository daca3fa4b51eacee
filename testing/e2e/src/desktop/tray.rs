//! The tray as a panel has it: the icon registers itself on the session bus, its menu is read and clicked there.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::timeout;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::{OwnedValue, Value};
use zbus::{Connection, MatchRule, MessageStream, connection, interface, message};

use crate::PATIENCE;

/// When what could not be read is looked at again.
const GLANCE: Duration = Duration::from_secs(1);
/// How often a menu that changes under the click is looked at again.
const LOOKS: usize = 20;
const STATES: [&str; 5] = ["ready", "working", "needs-you", "offline", "paused"];

const NOTIFICATIONS: &str = "/org/freedesktop/Notifications";

/// The icon that registered last: its owner on the bus and its object.
type Place = Option<(String, String)>;

/// Takes icons and notifications.
pub struct Panel {
    connection: Connection,
    place: watch::Receiver<Place>,
    notified: watch::Receiver<Vec<Notified>>,
    signals: watch::Receiver<u64>,
}

struct Watcher(watch::Sender<Place>);

/// What xfce4-panel asks for too, which shows the icon for pictures.
#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    async fn register_status_notifier_item(
        &self,
        service: &str,
        #[zbus(header)] header: message::Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> zbus::fdo::Result<()> {
        let owner = header.sender().map(ToString::to_string).unwrap_or_default();
        self.0.send_replace(Some((owner.clone(), service.to_owned())));
        Ok(Self::status_notifier_item_registered(&emitter, &format!("{owner}{service}")).await?)
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(signal)]
    async fn status_notifier_item_registered(emitter: &SignalEmitter<'_>, item: &str) -> zbus::Result<()>;

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.0.borrow().iter().map(|(owner, object)| format!("{owner}{object}")).collect()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

/// A notification as the desktop was asked to show it.
#[derive(Clone, Debug)]
struct Notified {
    title: String,
    /// The app took it back.
    gone: bool,
    /// Key and label of each button, in turns.
    actions: Vec<String>,
}

struct Notifications(watch::Sender<Vec<Notified>>);

#[interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    #[allow(clippy::too_many_arguments, reason = "the interface's own")]
    fn notify(
        &self,
        _app: &str,
        _replaces: u32,
        _icon: &str,
        title: &str,
        _body: &str,
        actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _timeout: i32,
    ) -> u32 {
        self.0.send_modify(|all| all.push(Notified { title: title.to_owned(), gone: false, actions }));
        u32::try_from(self.0.borrow().len()).unwrap_or_default()
    }

    fn close_notification(&self, id: u32) {
        self.0.send_modify(|all| all[id as usize - 1].gone = true);
    }

    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, id: u32, key: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn notification_closed(emitter: &SignalEmitter<'_>, id: u32, reason: u32) -> zbus::Result<()>;

    fn get_capabilities(&self) -> Vec<String> {
        vec!["body".to_owned(), "actions".to_owned()]
    }

    fn get_server_information(&self) -> (&str, &str, &str, &str) {
        ("panel", "tests", "1", "1.2")
    }
}

impl Panel {
    pub async fn on(bus: &str) -> Result<Self> {
        let (placed, place) = watch::channel(None);
        let (notify, notified) = watch::channel(Vec::new());
        let connection = connection::Builder::address(bus)?
            .serve_at("/StatusNotifierWatcher", Watcher(placed))?
            .serve_at(NOTIFICATIONS, Notifications(notify))?
            .name("org.kde.StatusNotifierWatcher")?
            .name("org.freedesktop.Notifications")?
            .build()
            .await?;
        // One subscription for all that wait.
        let rule = MatchRule::builder().msg_type(message::Type::Signal).build();
        let mut stream = MessageStream::for_match_rule(rule, &connection, None).await?;
        let (count, signals) = watch::channel(0);
        tokio::spawn(async move {
            while stream.next().await.is_some() {
                count.send_modify(|count| *count += 1);
            }
        });
        Ok(Self { connection, place, notified, signals })
    }

    /// The titles of all notifications, once there are so many.
    pub async fn notifications(&self, count: usize) -> Result<Vec<String>> {
        let mut notified = self.notified.clone();
        match timeout(PATIENCE, notified.wait_for(|all| all.len() >= count)).await {
            Ok(all) => Ok(all?.iter().map(|one| one.title.clone()).collect()),
            Err(_) => bail!("not {count} notifications in {PATIENCE:?}: {:?}", self.notified.borrow()),
        }
    }

    /// Waits until the one that came last is taken back.
    pub async fn taken_back(&self) -> Result<()> {
        let mut notified = self.notified.clone();
        match timeout(PATIENCE, notified.wait_for(|all| all.last().is_some_and(|one| one.gone))).await {
            Ok(all) => Ok(all.map(drop)?),
            Err(_) => bail!("it still stands: {:?}", self.notified.borrow()),
        }
    }

    /// Presses a button of the notification that came last.
    pub async fn press(&self, label: &str) -> Result<()> {
        let all = self.notified.borrow().clone();
        let shown = all.last().context("no notification")?;
        let mut buttons = shown.actions.chunks(2);
        let button = buttons.find(|button| button.get(1).is_some_and(|text| text == label) && button[0] != "default");
        let key = button.with_context(|| format!("no button {label}: {shown:?}"))?[0].clone();
        let id = u32::try_from(all.len())?;
        Ok(Notifications::action_invoked(&SignalEmitter::new(&self.connection, NOTIFICATIONS)?, id, &key).await?)
    }

    /// The notification that came last is gone.
    pub async fn dismiss(&self) -> Result<()> {
        let id = u32::try_from(self.notified.borrow().len())?;
        Ok(Notifications::notification_closed(&SignalEmitter::new(&self.connection, NOTIFICATIONS)?, id, 2).await?)
    }

    pub async fn icon(&self) -> Result<Tray> {
        let mut place = self.place.clone();
        let place = timeout(PATIENCE, place.wait_for(Option::is_some)).await.context("no tray icon")??.clone();
        let (owner, object) = place.context("no tray icon")?;
        Ok(Tray { connection: self.connection.clone(), owner, object, signals: self.signals.clone() })
    }
}

/// The tray of a running app.
pub struct Tray {
    connection: Connection,
    owner: String,
    object: String,
    /// How many have come.
    signals: watch::Receiver<u64>,
}

/// The tray at a moment.
#[derive(Clone, PartialEq)]
pub struct Shown {
    /// Which of the pictures it is: `ready`, `needs-you`…
    pub icon: String,
    /// The word beside it.
    pub title: String,
    pub rows: Vec<Row>,
}

#[derive(Clone, PartialEq)]
pub struct Row {
    /// As the desktop knows it: it stays as long as the row is the same one.
    pub id: i32,
    /// Empty for a separator.
    pub label: String,
    pub enabled: bool,
    /// `None` where there is nothing to tick.
    pub ticked: Option<bool>,
    pub rows: Vec<Row>,
}

/// As a person sees it, for a failure's words.
impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {:?}", self.icon, self.title)?;
        self.rows.iter().try_for_each(|row| row.draw(f, 1))
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.draw(f, 1)
    }
}

impl Row {
    fn draw(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let marks = [(!self.enabled, "(grey) "), (self.ticked == Some(true), "✓ ")];
        let marks: String = marks.into_iter().filter_map(|(is, mark)| is.then_some(mark)).collect();
        write!(f, "\n{:width$}{marks}{:?}", "", self.label, width = 4 * depth)?;
        self.rows.iter().try_for_each(|row| row.draw(f, depth + 1))
    }
}

impl Shown {
    /// The menu's first row.
    pub fn headline(&self) -> &str {
        self.rows.first().map_or("", |row| &row.label)
    }

    /// Picture, word and headline, which change one after the other.
    pub fn says(&self, icon: &str, title: &str, headline: &str) -> bool {
        self.icon == icon && self.title == title && self.headline() == headline
    }

    /// A row by the beginnings of the labels on the way to it.
    pub fn row(&self, path: &[&str]) -> Option<&Row> {
        row_at(&self.rows, path)
    }
}

fn row_at<'a>(rows: &'a [Row], path: &[&str]) -> Option<&'a Row> {
    let (first, rest) = path.split_first()?;
    let row = rows.iter().find(|row| row.label.starts_with(first))?;
    if rest.is_empty() { Some(row) } else { row_at(&row.rows, rest) }
}

impl Tray {
    /// As it is now.
    pub async fn shown(&self) -> Result<Shown> {
        let icon = PathBuf::from(self.text("IconName").await?);
        let title = self.text("XAyatanaLabel").await?;
        Ok(Shown { icon: picture(&icon)?, title, rows: self.rows().await? })
    }

    async fn rows(&self) -> Result<Vec<Row>> {
        let depth_and_properties = (0_i32, -1_i32, Vec::<&str>::new());
        let answer = self.menu("GetLayout", &depth_and_properties).await?;
        let (_, root): (u32, Layout) = answer.body().deserialize()?;
        Ok(row(root)?.rows)
    }

    /// Waits until it is so, looking again at each signal, and now and then without one.
    pub async fn until(&self, what: &str, holds: impl Fn(&Shown) -> bool) -> Result<Shown> {
        let mut signals = self.signals.clone();
        let wait = async {
            loop {
                signals.mark_unchanged();
                // A picture that is changed while it is looked at can't be read.
                if let Ok(shown) = self.shown().await
                    && holds(&shown)
                {
                    return Ok(shown);
                }
                if let Ok(signal) = timeout(GLANCE, signals.changed()).await {
                    signal.context("the bus is gone")?;
                }
            }
        };
        match timeout(PATIENCE, wait).await {
            Ok(outcome) => outcome,
            Err(_) => bail!("not in {PATIENCE:?}: {what}; the tray: {:?}", timeout(GLANCE, self.shown()).await),
        }
    }

    /// Chooses a row by the beginnings of the labels on the way to it. A menu that changes between the look and the click
    /// is looked at again, as a person would.
    pub async fn choose(&self, path: &[&str]) -> Result<()> {
        for _ in 0..LOOKS {
            let rows = self.rows().await?;
            let row = row_at(&rows, path).with_context(|| format!("no row {path:?} in {rows:?}"))?;
            if !row.enabled {
                bail!("{path:?} is grey");
            }
            match self.menu("Event", &(row.id, "clicked", Value::from(""), 0_u32)).await {
                Ok(_) => return Ok(()),
                Err(zbus::Error::MethodError(_, Some(why), _)) if why.contains("does not refer to a menu item") => {}
                Err(error) => return Err(error.into()),
            }
        }
        bail!("{path:?} changed {LOOKS} times between look and click");
    }

    async fn menu<B>(&self, method: &str, body: &B) -> zbus::Result<zbus::Message>
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        let path = format!("{}/Menu", self.object);
        let interface = Some("com.canonical.dbusmenu");
        self.connection.call_method(Some(self.owner.as_str()), path, interface, method, body).await
    }

    async fn text(&self, property: &str) -> Result<String> {
        let interface = Some("org.freedesktop.DBus.Properties");
        let asked = ("org.kde.StatusNotifierItem", property);
        let object = self.object.as_str();
        let answer = self.connection.call_method(Some(self.owner.as_str()), object, interface, "Get", &asked).await?;
        Ok(String::try_from(answer.body().deserialize::<OwnedValue>()?)?)
    }
}

/// A node of the menu on the bus: its id, its properties, the nodes below.
type Layout = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

fn row((id, properties, below): Layout) -> Result<Row> {
    let text = |key: &str| properties.get(key).and_then(|value| <&str>::try_from(value).ok()).unwrap_or_default();
    let number = |key: &str| properties.get(key).and_then(|value| i32::try_from(value).ok());
    let enabled = properties.get("enabled").and_then(|value| bool::try_from(value).ok()).unwrap_or(true);
    let rows = below.into_iter().map(|node| row(Layout::try_from(node)?)).collect::<Result<_>>()?;
    let ticked = (text("toggle-type") == "checkmark").then(|| number("toggle-state") == Some(1));
    // A single underline marks the key that chooses it.
    let label = text("label").replace("__", "\u{0}").replace('_', "").replace('\u{0}', "_");
    Ok(Row { id, label, enabled, ticked, rows })
}

/// Which of the pictures in `icons/` a file shows.
fn picture(file: &Path) -> Result<String> {
    let icons = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../icons");
    let shown = pixels(file)?;
    for state in STATES {
        if pixels(&icons.join(format!("tray-{state}-linux.png")))? == shown {
            return Ok(state.to_owned());
        }
    }
    bail!("{} is none of the tray's pictures", file.display());
}

fn pixels(file: &Path) -> Result<Vec<u8>> {
    let open = File::open(file).with_context(|| file.display().to_string())?;
    let mut reader = png::Decoder::new(BufReader::new(open)).read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().context("too large a picture")?];
    reader.next_frame(&mut pixels)?;
    Ok(pixels)
}
