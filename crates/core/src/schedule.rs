//! When a scheduled task is due, and what a task is (S1–S6, I5).
//!
//! It owns the reading of schedules and their next moment in a zone. It does not know which tasks there are: the host keeps
//! them, asks for the next moment after each run, and so catches up on what was missed with one run (S5).

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{
    SignedDuration, Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::chat::Jid;

/// The longest prompt of a task, in bytes: it has to fit an IPC file.
pub const LONGEST_PROMPT: usize = 32 * 1024;
/// A task that starts later than this after its time was missed, and is caught up on (S5).
pub const LATE: SignedDuration = SignedDuration::from_secs(60);

const LONGEST_VALUE: usize = 200;

/// A task as `nanoclawctl tasks list --json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    pub id: String,
    /// The folder of the group that it works for.
    pub group: String,
    /// Where its result goes.
    pub chat: Jid,
    pub prompt: String,
    /// `cron`, `interval` or `once`, and its value: see [`Schedule::parse`].
    pub schedule: String,
    pub value: String,
    pub context: Context,
    pub status: TaskStatus,
    #[serde(serialize_with = "crate::status::millis_option::serialize")]
    pub next_run: Option<Timestamp>,
    #[serde(serialize_with = "crate::status::millis_option::serialize")]
    pub last_run: Option<Timestamp>,
    pub last_result: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskStatus {
    Active,
    Paused,
    Completed,
}

/// Which conversation a task's run goes on with (S3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Context {
    /// The group's own.
    Group,
    /// A fresh one.
    #[default]
    Isolated,
}

/// A run of a task as `nanoclawctl tasks history --json` shows it, the row of the run log (S4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRun {
    #[serde(serialize_with = "crate::status::millis::serialize")]
    pub run_at: Timestamp,
    #[serde(serialize_with = "crate::status::millis_option::serialize")]
    pub due_at: Option<Timestamp>,
    /// It ran [`LATE`], for a time or for several that were missed (S5).
    pub late: bool,
    pub duration_ms: i64,
    /// `success` or `error`.
    pub status: String,
    pub result: Option<String>,
    pub error: Option<String>,
}

/// A schedule that was read and can be asked.
#[derive(Clone, Debug)]
pub enum Schedule {
    Cron {
        cron: Box<Cron>,
        /// It names its hours: then it is meant by the clock on the wall, else by the time that passes.
        by_wall_clock: bool,
    },
    Interval(SignedDuration),
    /// Local time in the configured zone.
    Once(DateTime),
}

/// Why a schedule is refused (I5). The text reaches the agent or the person who gave it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ScheduleError {
    #[error("the schedule must be cron, interval or once, not \"{0}\"")]
    Kind(String),
    #[error("\"{value}\" is no cron expression of five fields (minute hour day month weekday): {reason}")]
    Cron { value: String, reason: String },
    #[error("\"{0}\" is no interval: it is a whole number of milliseconds above 0")]
    Interval(String),
    #[error("\"{0}\" is no local time: write it as 2030-01-31T09:00:00, without a zone")]
    Once(String),
    #[error("\"{0}\" is never due: its time lies in the past, or no calendar has it")]
    Never(String),
}

impl Schedule {
    /// Reads `cron` (five fields), `interval` (milliseconds) or `once` (local time without a zone).
    ///
    /// # Errors
    /// What is wrong with the kind or the value.
    pub fn parse(kind: &str, value: &str) -> Result<Schedule, ScheduleError> {
        let value = value.trim();
        let shown = || value.chars().take(LONGEST_VALUE).collect::<String>();
        match kind {
            "cron" => parse_cron(value).map_err(|reason| ScheduleError::Cron { value: shown(), reason }),
            "interval" => match value.parse::<i64>() {
                Ok(millis) if millis > 0 && value.bytes().all(|b| b.is_ascii_digit()) => {
                    Ok(Schedule::Interval(SignedDuration::from_millis(millis)))
                }
                _ => Err(ScheduleError::Interval(shown())),
            },
            "once" => parse_local(value).map(Schedule::Once).ok_or_else(|| ScheduleError::Once(shown())),
            _ => Err(ScheduleError::Kind(kind.chars().take(LONGEST_VALUE).collect())),
        }
    }

    /// The first moment after `after` at which it is due; `None` when there is none.
    pub fn next(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        match self {
            Schedule::Interval(interval) => after.checked_add(*interval).ok(),
            Schedule::Once(at) => instant(*at, zone).filter(|at| *at > after),
            Schedule::Cron { cron, by_wall_clock: false } => {
                Some(cron.find_next_occurrence(&after.to_zoned(zone.clone()), false).ok()?.timestamp())
            }
            Schedule::Cron { cron, by_wall_clock: true } => {
                // What a change of the clock repeats is due the first time only: it lies before `after` the second time.
                let mut local = after.to_zoned(zone.clone()).datetime();
                loop {
                    local = cron.find_next_occurrence(&local, false).ok()?;
                    let at = instant(local, zone)?;
                    if at > after {
                        return Some(at);
                    }
                }
            }
        }
    }
}

/// The next moment of a schedule as it was given.
///
/// # Errors
/// What is wrong with it, also that it is never due after `after`.
pub fn next(kind: &str, value: &str, zone: &TimeZone, after: Timestamp) -> Result<Timestamp, ScheduleError> {
    let schedule = Schedule::parse(kind, value)?;
    schedule.next(zone, after).ok_or_else(|| ScheduleError::Never(value.to_owned()))
}

/// The next moments of a schedule after `after`, at most `most`; never none.
///
/// # Errors
/// What is wrong with it, also that it is never due after `after`.
pub fn upcoming(
    kind: &str,
    value: &str,
    zone: &TimeZone,
    after: Timestamp,
    most: usize,
) -> Result<Vec<Timestamp>, ScheduleError> {
    let schedule = Schedule::parse(kind, value)?;
    let times = std::iter::successors(schedule.next(zone, after), |last| schedule.next(zone, *last));
    let times: Vec<Timestamp> = times.take(most).collect();
    if times.is_empty() { Err(ScheduleError::Never(value.to_owned())) } else { Ok(times) }
}

fn parse_cron(value: &str) -> Result<Schedule, String> {
    let fields: Vec<&str> = value.split_whitespace().collect();
    let [_, hours, ..] = fields.as_slice() else { return Err("it has too few fields".to_owned()) };
    if fields.len() != 5 {
        return Err(format!("it has {} fields", fields.len()));
    }
    if value.len() > LONGEST_VALUE {
        return Err("it is too long".to_owned());
    }
    let by_wall_clock = !hours.starts_with('*');
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let cron = parser.parse(value).map_err(|error| error.to_string())?;
    Ok(Schedule::Cron { cron: Box::new(cron), by_wall_clock })
}

fn parse_local(value: &str) -> Option<DateTime> {
    // jiff would take an offset and pass it over, which is not what whoever wrote it meant.
    let (_, time) = value.split_once(['T', 't', ' '])?;
    let plain = time.bytes().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.'));
    value.parse().ok().filter(|_| plain)
}

/// When a zone's clocks show a local time (S5): the first time where they show it twice; where they skip it, the moment
/// after the skip.
fn instant(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let skipped = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
    let at = ambiguous.earlier().ok()?;
    if skipped { zone.following(at).next().map(|transition| transition.timestamp()) } else { Some(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_times_before_it_is_planned() {
        // I5, S5
        let (zone, now) = (TimeZone::get("Europe/Berlin").unwrap(), "2026-03-27T12:00:00Z".parse().unwrap());
        for (kind, value, expect) in [
            ("cron", "0 8 * * *", "03-28T07:00 03-29T06:00 03-30T06:00"),
            ("interval", "3600000", "03-27T13:00 03-27T14:00 03-27T15:00"),
            ("once", "2026-04-01T09:00:00", "04-01T07:00"),
        ] {
            let times = upcoming(kind, value, &zone, now, 3).unwrap();
            let told = times.iter().map(|at| at.strftime("%m-%dT%H:%M").to_string()).collect::<Vec<_>>();
            assert_eq!(told.join(" "), expect, "{kind} {value}");
        }
        assert!(matches!(upcoming("once", "2020-01-01T09:00:00", &zone, now, 3), Err(ScheduleError::Never(_))));
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The next moments after `from`, as a wall clock there and its offset shows them.
    fn due(kind: &str, value: &str, name: &str, from: &str, count: usize) -> Vec<String> {
        let (schedule, zone) = (Schedule::parse(kind, value).unwrap(), zone(name));
        let mut after = at(from);
        let mut shown = Vec::new();
        while shown.len() < count
            && let Some(next) = schedule.next(&zone, after)
        {
            shown.push(next.to_zoned(zone.clone()).strftime("%m-%d %H:%M %:z").to_string());
            after = next;
        }
        shown
    }

    #[test]
    fn a_daily_task_is_neither_skipped_nor_doubled() {
        // S5: a clock change before, at and after the time, forward and back, in several zones.
        for (cron, name, from, expect) in [
            (
                "30 2 * * *",
                "Europe/Berlin",
                "2026-03-28T00:00:00Z",
                ["03-28 02:30 +01:00", "03-29 03:00 +02:00", "03-30 02:30 +02:00"],
            ),
            (
                "30 2 * * *",
                "Europe/Berlin",
                "2026-10-23T12:00:00Z",
                ["10-24 02:30 +02:00", "10-25 02:30 +02:00", "10-26 02:30 +01:00"],
            ),
            (
                "0 9 * * *",
                "Europe/Berlin",
                "2026-03-28T00:00:00Z",
                ["03-28 09:00 +01:00", "03-29 09:00 +02:00", "03-30 09:00 +02:00"],
            ),
            // Twice a day is daily too.
            (
                "30 1,13 * * *",
                "America/New_York",
                "2026-11-01T04:00:00Z",
                ["11-01 01:30 -04:00", "11-01 13:30 -05:00", "11-02 01:30 -05:00"],
            ),
            (
                "*/20 2 * * *",
                "America/New_York",
                "2026-03-07T07:30:00Z",
                ["03-07 02:40 -05:00", "03-08 03:00 -04:00", "03-09 02:00 -04:00"],
            ),
            // Midnight itself is skipped.
            (
                "0 0 * * *",
                "Africa/Cairo",
                "2026-04-22T12:00:00Z",
                ["04-23 00:00 +02:00", "04-24 01:00 +03:00", "04-25 00:00 +03:00"],
            ),
            // Half an hour only.
            (
                "15 2 * * *",
                "Australia/Lord_Howe",
                "2026-10-02T20:00:00Z",
                ["10-04 02:30 +11:00", "10-05 02:15 +11:00", "10-06 02:15 +11:00"],
            ),
            // A whole day is skipped.
            (
                "0 9 * * *",
                "Pacific/Apia",
                "2011-12-29T00:00:00Z",
                ["12-29 09:00 -10:00", "12-31 00:00 +14:00", "12-31 09:00 +14:00"],
            ),
        ] {
            assert_eq!(due("cron", cron, name, from, 3), expect, "{cron} {name}");
        }
    }

    #[test]
    fn the_second_time_the_clock_shows_it_is_not_due() {
        // S5: asked in the middle of the repeated hour.
        let second = "2026-10-25T01:10:00Z"; // 02:10 +01:00
        assert_eq!(due("cron", "30 2 * * *", "Europe/Berlin", second, 1), ["10-26 02:30 +01:00"]);
    }

    #[test]
    fn what_has_no_hour_goes_by_the_time_that_passes() {
        assert_eq!(
            due("cron", "30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", 3),
            ["10-25 02:30 +02:00", "10-25 02:30 +01:00", "10-25 03:30 +01:00"]
        );
        assert_eq!(
            due("cron", "0 * * * *", "Europe/Berlin", "2026-03-28T23:59:00Z", 3),
            ["03-29 01:00 +01:00", "03-29 03:00 +02:00", "03-29 04:00 +02:00"]
        );
        assert_eq!(
            due("interval", "86400000", "Europe/Berlin", "2026-03-28T08:00:00Z", 2),
            ["03-29 10:00 +02:00", "03-30 10:00 +02:00"]
        );
    }

    #[test]
    fn once_is_local_and_once() {
        let from = "2026-01-01T00:00:00Z";
        assert_eq!(due("once", "2026-07-01T09:00:00", "Asia/Tokyo", from, 2), ["07-01 09:00 +09:00"]);
        assert_eq!(due("once", "2026-07-01 09:00", "America/Lima", from, 2), ["07-01 09:00 -05:00"]);
        assert_eq!(due("once", "2026-03-29T02:30", "Europe/Berlin", from, 2), ["03-29 03:00 +02:00"]);
        assert_eq!(due("once", "2026-10-25T02:30", "Europe/Berlin", from, 2), ["10-25 02:30 +02:00"]);
    }

    #[test]
    fn what_was_missed_is_one_run() {
        // S5: after a week off, the next time is reckoned from now.
        assert_eq!(
            due("cron", "0 9 * * *", "UTC", "2026-05-08T12:00:00Z", 1),
            ["05-09 09:00 +00:00"],
            "not the seven days before"
        );
    }

    #[test]
    fn bad_values_are_refused_with_a_reason() {
        // I5
        let now = at("2026-01-01T00:00:00Z");
        for (kind, value, reason) in [
            ("daily", "9:00", "must be cron, interval or once"),
            ("cron", "", "too few"),
            ("cron", "* * * *", "4 fields"),
            ("cron", "0 0 9 * * *", "6 fields"),
            ("cron", "@daily", "too few"),
            ("cron", "61 * * * *", "no cron expression"),
            ("cron", "a b c d e", "no cron expression"),
            ("cron", "0 0 31 2 *", "never due"),
            ("cron", &format!("{}0 * * * *", "0,".repeat(200)), "too long"),
            ("interval", "0", "above 0"),
            ("interval", "-5", "above 0"),
            ("interval", "1.5", "above 0"),
            ("interval", "+5", "above 0"),
            ("interval", "1h", "above 0"),
            ("interval", "9223372036854775807", "never due"),
            ("interval", "9223372036854775808", "above 0"),
            ("once", "2026-07-01T09:00:00Z", "without a zone"),
            ("once", "2026-07-01T09:00:00+02:00", "without a zone"),
            ("once", "2026-07-01T09:00:00-02", "without a zone"),
            ("once", "2026-07-01T09:00[Europe/Berlin]", "without a zone"),
            ("once", "2026-07-01", "without a zone"),
            ("once", "tomorrow", "without a zone"),
            ("once", "2026-02-30T09:00:00", "without a zone"),
            ("once", "2025-12-31T23:59:59", "never due"),
        ] {
            let refused = next(kind, value, &TimeZone::UTC, now).unwrap_err().to_string();
            assert!(refused.contains(reason), "{kind} {value}: {refused}");
        }
    }
}
