//! Schedules as agents write them (I5): each is refused or leads on in time, in zones that change their clocks.

#![no_main]

use jiff::{Timestamp, tz::TimeZone};
use libfuzzer_sys::fuzz_target;
use nanoclaw_core::schedule::Schedule;

const ZONES: [&str; 6] =
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"];

fuzz_target!(|input: (u8, u8, u32, &str)| {
    let (kind, zone, seconds, value) = input;
    let kind = ["cron", "interval", "once", "weekly"][usize::from(kind) % 4];
    let zone = TimeZone::get(ZONES[usize::from(zone) % ZONES.len()]).expect("a zone");
    let Ok(schedule) = Schedule::parse(kind, value) else { return };
    let mut after = Timestamp::from_second(i64::from(seconds)).expect("a time");
    for _ in 0..3 {
        let Some(next) = schedule.next(&zone, after) else { return };
        assert!(next > after, "{kind} {value}: {next} is not after {after}");
        after = next;
    }
});
