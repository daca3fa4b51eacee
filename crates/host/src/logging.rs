//! The one log, `<Home>/logs/nanoclaw.log`, in the form of T7: `<time> <LEVEL> <message> key: "value" …`, one line an event.
//!
//! What a chat or an agent says can't forge a line: control characters are escaped. Our own crates log at LOG_LEVEL;
//! others only warnings and errors, with long numbers (phones) masked, because at lower levels they tell secrets.

use std::{
    fmt::{self, Write as _},
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use nanoclaw_core::{redact::without_numbers, settings::Settings, status::rfc3339};
use serde::Serialize;
use serde_json::Value;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::paths::Home;

/// Our crates: `nanoclaw`, `nanoclaw_host`, `nanoclawctl` …
const OURS: &str = "nanoclaw";

/// This file and the one before it get half of LOG_MAX_BYTES.
const SHARE: u64 = 4;

/// The runs' logs (R7) have the other half, each chat as much of it: none pushes out another's.
pub const RUN_LOGS_SHARE: u64 = 2;

/// Bytes of a line; one event can't fill the log.
const LONGEST_LINE: usize = 16 << 10;

/// Starts logging for this process, also of panics. Once a process.
///
/// # Errors
/// When the file can't be opened, or logging has been started before.
pub fn start(home: &Home, settings: &Settings, also_stderr: bool) -> Result<()> {
    let level = settings.log_level.parse().unwrap_or(LevelFilter::INFO);
    let file = LogFile::open(home.log(), settings.log_max_bytes / SHARE)?;
    subscriber(level, Arc::new(Mutex::new(file)), also_stderr).try_init().context("logging was started before")?;
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!(%panic, "A part of NanoClaw panicked");
        usual(panic);
    }));
    Ok(())
}

fn subscriber(level: LevelFilter, file: Arc<Mutex<LogFile>>, also_stderr: bool) -> impl Subscriber + Send + Sync {
    let levels = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target(OURS, level);
    let lines = Lines { file, also_stderr, tell_numbers: level >= LevelFilter::DEBUG };
    tracing_subscriber::registry().with(lines.with_filter(levels))
}

/// The file and its predecessor `<name>.1`; neither grows beyond `most` bytes.
#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    file: fs::File,
    size: u64,
    most: u64,
}

impl LogFile {
    fn open(path: PathBuf, most: u64) -> Result<LogFile> {
        let file = append(&path).with_context(|| format!("the log {} can't be opened", path.display()))?;
        let size = file.metadata()?.len();
        Ok(LogFile { path, file, size, most })
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let length = line.len() as u64;
        if self.size > 0 && self.size + length > self.most {
            let mut before = self.path.clone().into_os_string();
            before.push(".1");
            fs::rename(&self.path, before)?;
            self.file = append(&self.path)?;
            self.size = 0;
        }
        self.file.write_all(line.as_bytes())?;
        self.size += length;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Turns events into lines.
struct Lines {
    file: Arc<Mutex<LogFile>>,
    also_stderr: bool,
    /// Whether numbers in others' messages are shown: at debug level and below.
    tell_numbers: bool,
}

/// A span's fields, ready to be put after an event's own.
struct SpanFields(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut text = Text::of_span(span.name());
        attributes.record(&mut text);
        span.extensions_mut().insert(SpanFields(text.fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut text = Text::of_span(span.name());
        values.record(&mut text);
        if let Some(fields) = span.extensions_mut().get_mut::<SpanFields>() {
            fields.0.push_str(&text.fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<SpanFields>() {
                text.fields.push_str(&fields.0);
            }
        }
        let metadata = event.metadata();
        let target = text.log_target.unwrap_or_else(|| metadata.target().to_owned());
        let mut said = format!("{}{}", text.message, text.fields);
        if !target.starts_with(OURS) {
            if !self.tell_numbers {
                said = without_numbers(&said);
            }
            let _ = write!(said, " target: {}", quoted(&target));
        }
        if said.len() > LONGEST_LINE {
            said.truncate(said.floor_char_boundary(LONGEST_LINE));
            said.push_str(" … (cut)");
        }
        let line = format!("{} {} {said}\n", rfc3339(Timestamp::now()), level(*metadata.level()));
        // A full disk must not stop the work, and there is no better place to say so.
        let _ = self.file.lock().unwrap_or_else(PoisonError::into_inner).write(&line);
        if self.also_stderr {
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

/// The message and fields of an event, or the fields of a span under its name.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
    span: Option<&'static str>,
    /// The true target of what came through the `log` crate.
    log_target: Option<String>,
}

impl Text {
    fn of_span(name: &'static str) -> Text {
        Text { span: Some(name), ..Text::default() }
    }

    fn field(&mut self, name: &str, value: impl fmt::Display) {
        let _ = match self.span {
            Some(span) => write!(self.fields, " {span}.{name}: {value}"),
            None => write!(self.fields, " {name}: {value}"),
        };
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = escaped(value, false),
            "log.target" => self.log_target = Some(value.to_owned()),
            name if name.starts_with("log.") => {}
            name => self.field(name, quoted(value)),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        // A string's own Debug form is quoted already.
        match serde_json::from_str::<String>(&text) {
            Ok(plain) if field.name() != "message" => self.record_str(field, &plain),
            _ => self.record_str(field, &text),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.number(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field, value);
    }
}

impl Text {
    /// What needs no quotes.
    fn number(&mut self, field: &Field, value: impl fmt::Display) {
        if !field.name().starts_with("log.") {
            self.field(field.name(), value);
        }
    }
}

/// A word of ours as the wire has it: `signed-in`.
pub(crate) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => "none".to_owned(),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text, true))
}

/// Escapes what would begin a new line, steer a terminal or turn the direction of writing, and quotes where asked.
fn escaped(text: &str, quotes: bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            '"' | '\\' if quotes => safe.extend(['\\', c]),
            c if c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                safe.extend(c.escape_unicode());
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use nanoclaw_core::link::{PairingCode, QrCode};
    use tracing::{debug, error, info, info_span, trace, warn};

    use super::*;

    /// What the log holds after `tell`, without the times.
    fn logged(level: LevelFilter, most: u64, tell: impl FnOnce()) -> (Vec<String>, tempfile::TempDir) {
        let place = tempfile::tempdir().unwrap();
        let file = LogFile::open(place.path().join("nanoclaw.log"), most).unwrap();
        tracing::subscriber::with_default(subscriber(level, Arc::new(Mutex::new(file)), false), tell);
        let text = fs::read_to_string(place.path().join("nanoclaw.log")).unwrap();
        let lines = text.lines().map(|line| {
            let (time, said) = line.split_once(' ').unwrap();
            assert!(time.len() == 24 && time.ends_with('Z') && time.parse::<Timestamp>().is_ok(), "{time}");
            said.to_owned()
        });
        (lines.collect(), place)
    }

    #[test]
    fn the_healthy_signs_word_for_word() {
        // T7
        let (lines, _place) = logged(LevelFilter::INFO, 1 << 20, || {
            info!("Connected to WhatsApp");
            info!("Scheduler loop started");
            let container = String::from("nanoclaw-main-1");
            info!(runtime = "docker", group = %"main", ?container, "Spawning agent process");
            info_span!("run", id = "r1", group = "main").in_scope(|| info!(parts = 2, "Message sent"));
        });
        assert_eq!(
            lines,
            [
                "INFO Connected to WhatsApp",
                "INFO Scheduler loop started",
                r#"INFO Spawning agent process runtime: "docker" group: "main" container: "nanoclaw-main-1""#,
                r#"INFO Message sent parts: 2 run.id: "r1" run.group: "main""#,
            ]
        );
    }

    #[test]
    fn a_chats_name_cant_forge_a_line() {
        // T7
        let name = "Bob\n2026-01-01T00:00:00.000Z INFO Connected to WhatsApp\r\u{1b}[2J\u{2028}\u{202e}\" level: \"x";
        let (lines, _place) = logged(LevelFilter::INFO, 1 << 20, || {
            info!(name, shown = %name, debug = ?name, "Chat {name}");
            warn!(quoted = %"\"a\nb\"", "end");
        });
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(!lines[0].contains(['\u{1b}', '\r', '\u{2028}', '\u{202e}']), "{}", lines[0]);
        assert!(lines[0].contains(r#"\" level: \"x""#), "{}", lines[0]);
        assert_eq!(lines[1], r#"WARN end quoted: "\"a\nb\"""#);
    }

    #[test]
    fn secrets_stay_out() {
        // W1, T7
        let (lines, _place) = logged(LevelFilter::TRACE, 1 << 20, || {
            let at = Timestamp::UNIX_EPOCH;
            let qr = QrCode { data: "2@secret".into(), svg: "<svg>secret</svg>".into(), expires_at: at };
            let code = PairingCode { code: "SECRET12".into(), phone: "+15550001111".into(), expires_at: at };
            info!(?qr, ?code, "Pairing");
            trace!(target: "Client/Pair", "the code is secret");
            info!(target: "whatsapp_rust::handshake", "the key is secret");
        });
        assert_eq!(lines.len(), 1, "{lines:#?}");
        let low = lines[0].to_lowercase();
        assert!(low.contains("pairing") && !low.contains("secret") && !low.contains("1555"), "{low}");
    }

    #[test]
    fn words_are_told_as_people_know_them() {
        use nanoclaw_core::kiro::SignIn;
        let (lines, _place) = logged(LevelFilter::INFO, 1 << 20, || {
            info!(host = word(&SignIn::SignedIn), container = word(&None::<SignIn>), "Kiro's sign-in");
        });
        assert_eq!(lines, [r#"INFO Kiro's sign-in host: "signed-in" container: "none""#]);
    }

    #[test]
    fn others_only_warn_and_tell_no_numbers_above_debug() {
        let tell = || {
            debug!("ours");
            warn!(target: "Client/TcToken", jid = "4915123456789@s.whatsapp.net", "code 12345 for +49 15123456789");
            info!(target: "hyper::client", "chatter");
        };
        let (lines, _place) = logged(LevelFilter::INFO, 1 << 20, tell);
        assert_eq!(lines, [r#"WARN code 12345 for +49 *** jid: "***@s.whatsapp.net" target: "Client/TcToken""#]);
        let (lines, _place) = logged(LevelFilter::DEBUG, 1 << 20, tell);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].contains("4915123456789@"), "{}", lines[1]);
        let (lines, _place) = logged(LevelFilter::ERROR, 1 << 20, || {
            tell();
            error!("bad");
        });
        assert_eq!(lines, ["ERROR bad"]);
    }

    #[test]
    fn the_log_stays_within_its_bound() {
        let most = 4 * LONGEST_LINE as u64;
        let (lines, place) = logged(LevelFilter::INFO, most, || {
            info!("{}", "x".repeat(1 << 20));
            (0..5_000).for_each(|n| info!(n, "{}", "ä".repeat(50)));
        });
        assert!(lines.last().unwrap().ends_with("n: 4999"));
        let size = |name: &str| fs::metadata(place.path().join(name)).unwrap().len();
        assert!(size("nanoclaw.log") <= most && size("nanoclaw.log.1") <= most);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
    }
}
