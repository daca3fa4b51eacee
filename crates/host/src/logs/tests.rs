use std::{io::Write, os::unix::fs::symlink, path::PathBuf};

use nanoclaw_core::logs::Level;

use super::*;

/// A Home with the chat `family`, and the place of its run's log.
fn home() -> (Home, Folder, Timestamp, PathBuf, tempfile::TempDir) {
    let place = tempfile::tempdir().unwrap();
    let (home, family) = (Home::at(place.path().join("home")).unwrap(), Folder::new("family").unwrap());
    let began = Timestamp::from_millisecond(1_778_581_786_042).unwrap();
    let log = home.run_log(&family, began);
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::create_dir_all(home.logs()).unwrap();
    (home, family, began, log, place)
}

fn line(level: &str, said: &str) -> String {
    format!("2026-05-12T10:29:00.000Z {level} {said}")
}

fn said(found: &Found) -> Vec<&str> {
    found.lines.iter().map(|line| line.splitn(3, ' ').last().unwrap()).collect()
}

#[test]
fn the_log_is_found_whole_and_read_on_over_a_new_file() {
    // T4, T7
    let (home, _, _, _, _place) = home();
    let (path, all) = (home.log(), Filter::default());
    fs::write(&path, line("INFO", "one\n") + &line("WARN", "two\n") + &line("INFO", "thr")).unwrap();
    let append = |text: &str| File::options().append(true).open(&path).unwrap().write_all(text.as_bytes()).unwrap();
    let first = find(&home, &all, None).unwrap();
    assert_eq!((said(&first), first.more, first.goes_on), (vec!["one", "two"], false, false), "a half line waits");

    append("ee\n");
    let next = find(&home, &all, Some(&first.mark)).unwrap();
    assert_eq!((said(&next), next.goes_on), (vec!["three"], true));
    let none = find(&home, &all, Some(&next.mark)).unwrap();
    assert_eq!((none.lines.len(), none.goes_on, &none.mark), (0, true, &next.mark));

    append(&line("WARN", "four\n"));
    fs::rename(&path, path.with_extension("log.1")).unwrap();
    fs::write(&path, line("WARN", "five\n")).unwrap();
    let over = find(&home, &all, Some(&next.mark)).unwrap();
    assert_eq!((said(&over), over.goes_on), (vec!["four", "five"], true), "none is lost where a new file begins");
    let warned = find(&home, &Filter::new(Some(Level::Warn), None), None).unwrap();
    assert_eq!(said(&warned), ["two", "four", "five"], "the file before is looked through too");

    for mark in ["", "x", "1-2-3", &format!("{}-999999", next.mark.split_once('-').unwrap().0)] {
        let anew = find(&home, &all, Some(mark)).unwrap();
        assert_eq!((anew.lines.len(), anew.goes_on), (5, false), "{mark:?}");
    }
}

#[test]
fn a_large_log_gives_its_newest_lines_that_fit() {
    let (home, _, _, _, _place) = home();
    let mut log = File::create(home.log()).unwrap();
    let pad = "ä".repeat(300);
    for n in 0..3000 {
        writeln!(log, "{}", line(if n % 4 == 0 { "WARN" } else { "INFO" }, &format!("{pad} n{n}"))).unwrap();
    }
    writeln!(log, "{}", "x".repeat(600 << 10)).unwrap();
    writeln!(log, "{}", line("INFO", "last")).unwrap();

    // Its lines are bounded, and so are their bytes.
    let newest = find(&home, &Filter::default(), None).unwrap();
    assert!(newest.more && newest.lines.len() < MOST_LINES, "{}", newest.lines.len());
    assert!(newest.lines.iter().map(String::len).sum::<usize>() <= MOST_BYTES);
    assert_eq!(newest.lines.last().unwrap(), &line("INFO", "last"));
    assert_eq!(newest.lines[newest.lines.len() - 2].len(), LONGEST, "what has no end is cut");
    // Whatever part a line lies in, and between two.
    for n in (0..3000).step_by(271) {
        let one = find(&home, &Filter::new(None, Some(&format!("Ä n{n}"))), None).unwrap();
        assert!(one.lines.iter().any(|line| line.ends_with(&format!("ä n{n}"))), "{n}");
    }
    let most = find(&home, &Filter::new(None, Some("n1")), Some(&newest.mark)).unwrap();
    assert_eq!((most.lines.len(), most.goes_on), (0, true));
    fs::write(home.log(), "y\n".repeat(MOST_LINES)).unwrap();
    assert!(!find(&home, &Filter::default(), None).unwrap().more);
    fs::write(home.log(), "y\n".repeat(MOST_LINES + 1)).unwrap();
    let found = find(&home, &Filter::default(), None).unwrap();
    assert_eq!((found.lines.len(), found.more), (MOST_LINES, true));
}

#[test]
fn only_a_plain_file_is_shown() {
    // R7: an agent owns the folder that its log lies in.
    let (home, family, began, log, place) = home();
    let shown = home.logs().join("runs/family-1.log");
    let secret = place.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let refused = |what: &str| {
        assert!(copy(&home, &family, began, &shown).is_err(), "{what}");
        assert!(find_in_run(&home, &family, began, &Filter::default(), None).is_err(), "{what}");
        assert_eq!(runs(&home, std::slice::from_ref(&family)), [], "{what}");
    };

    refused("there is none");
    symlink(&secret, &log).unwrap();
    refused("a link");
    fs::remove_file(&log).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &log, FileType::Fifo, Mode::RWXU, 0).unwrap();
    refused("a pipe");
    fs::remove_file(&log).unwrap();
    assert!(!shown.exists());

    fs::write(&log, "time: 1\nexit code: 0").unwrap();
    copy(&home, &family, began, &shown).unwrap();
    assert_eq!(fs::read_to_string(&shown).unwrap(), "time: 1\nexit code: 0");
    copy(&home, &family, began, &shown.with_file_name("family-2.log")).unwrap();
    assert!(!shown.exists(), "the one before is gone");
    let found = find_in_run(&home, &family, began, &Filter::new(None, Some("EXIT")), None).unwrap();
    assert_eq!(found.lines, ["exit code: 0"], "its last line is whole though it does not end");

    fs::rename(home.group(&family).join("logs"), place.path().join("moved")).unwrap();
    symlink(place.path().join("moved"), home.group(&family).join("logs")).unwrap();
    refused("a link on the way");
}

#[test]
fn the_runs_with_a_log_come_the_latest_first() {
    let (home, family, began, log, _place) = home();
    let main = Folder::main();
    let at = |seconds: i64| began + jiff::SignedDuration::from_secs(seconds);
    for (folder, at) in [(&family, at(0)), (&family, at(20)), (&main, at(10))] {
        let log = home.run_log(folder, at);
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        fs::write(log, "").unwrap();
    }
    // What else an agent puts there is no run.
    for name in ["agent-.log", "agent-2026-05-12.log", "notes", "agent-2026-05-12T10-29-46-042.log"] {
        fs::write(log.with_file_name(name), "").unwrap();
    }
    let all = [family.clone(), main.clone(), Folder::new("silent").unwrap()];
    assert_eq!(runs(&home, &all), [(family.clone(), at(20)), (main.clone(), at(10)), (family.clone(), began)]);
    assert_eq!(runs(&home, &all[1..]), [(main, at(10))]);
    for n in 1..=100 {
        fs::write(home.run_log(&family, at(-n)), "").unwrap();
    }
    let newest = runs(&home, &all);
    assert_eq!((newest.len(), &newest[0].1), (MOST_RUNS, &at(20)));
}
