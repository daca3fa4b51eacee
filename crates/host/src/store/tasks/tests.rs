use super::{super::tests::connection, *};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn plan(db: &Connection, schedule: &str, value: &str, from: &str) -> String {
    let next_run = schedule::next(schedule, value, &TimeZone::UTC, at(from)).unwrap();
    let plan = Plan {
        group: Folder::main(),
        chat: Jid::new("1@s.whatsapp.net"),
        prompt: "p".into(),
        schedule: schedule.into(),
        value: value.into(),
        context: Context::Group,
        next_run,
    };
    add(db, &plan, at(from)).unwrap().id
}

fn due(db: &Connection, now: &str) -> Vec<String> {
    claim_due(db, at(now)).unwrap().into_iter().map(|task| task.id).collect()
}

fn run(db: &Connection, id: &str, now: &str, outcome: Result<Option<&str>, &str>) {
    let outcome = outcome.map(|result| result.map(str::to_owned)).map_err(str::to_owned);
    log_run(db, id, &Ran { started_at: at(now), duration: SignedDuration::from_millis(1500), outcome }).unwrap();
}

fn next_at(db: &Connection) -> Option<Timestamp> {
    next(db).unwrap().map(|next| next.at)
}

#[test]
fn a_due_task_is_claimed_once() {
    // S2
    let db = connection();
    let id = plan(&db, "cron", "0 9 * * *", "2026-05-01T00:00:00Z");
    assert_eq!(next_at(&db), Some(at("2026-05-01T09:00:00Z")));
    assert_eq!(due(&db, "2026-05-01T08:59:59.999Z"), [""; 0]);
    assert_eq!(due(&db, "2026-05-01T09:00:00Z"), [id.as_str()]);
    assert_eq!(due(&db, "2026-05-01T09:00:01Z"), [""; 0]);
    assert!(!claim(&db, &id, at("2026-05-01T09:00:01Z")).unwrap());
    assert_eq!(next_at(&db), None, "a claimed task is not waited for");
    assert_eq!(claimed(&db, &Folder::main()).unwrap().len(), 1);
}

#[test]
fn a_claim_of_a_killed_process_is_given_back() {
    // S2, S5
    let db = connection();
    let id = plan(&db, "interval", "60000", "2026-05-01T00:00:00Z");
    assert_eq!(due(&db, "2026-05-01T00:01:00Z").len(), 1);
    release_all(&db).unwrap();
    assert_eq!(due(&db, "2026-05-01T07:00:00Z"), [id.as_str()], "one run for all that was missed");
    run(&db, &id, "2026-05-01T07:00:00Z", Ok(None));
    finish(&db, &id, &TimeZone::UTC, at("2026-05-01T07:00:30Z")).unwrap();
    assert_eq!(next_at(&db), Some(at("2026-05-01T07:01:30Z")));
    assert!(history(&db, &id).unwrap()[0].late);
}

#[test]
fn its_turn_finds_a_task_that_was_moved() {
    // S2
    let db = connection();
    let id = plan(&db, "interval", "60000", "2026-05-01T00:00:00Z");
    assert_eq!(due(&db, "2026-05-01T00:01:00Z"), [id.as_str()]);
    let mut task = get(&db, &id).unwrap().unwrap();
    task.prompt = "another".into();
    replan(&db, &task, at("2026-05-01T00:02:00Z")).unwrap();
    assert!(take_turn(&db, &id).unwrap().is_some(), "only what it does has changed");
    (task.schedule, task.value) = ("once".into(), "2027-05-01T00:00:00".into());
    replan(&db, &task, at("2027-05-01T00:00:00Z")).unwrap();
    assert_eq!(take_turn(&db, &id).unwrap(), None);
    assert_eq!(due(&db, "2026-05-01T00:02:00Z"), [""; 0]);
    assert_eq!(next_at(&db), Some(at("2027-05-01T00:00:00Z")));
    assert_eq!(due(&db, "2027-05-01T00:00:00Z"), [id.as_str()]);
    assert!(take_turn(&db, &id).unwrap().is_some());
}

#[test]
fn its_turn_finds_a_task_that_is_paused_or_gone() {
    // S2
    let db = connection();
    let paused = plan(&db, "interval", "60000", "2026-05-01T00:00:00Z");
    let gone = plan(&db, "interval", "60000", "2026-05-01T00:00:00Z");
    assert_eq!(due(&db, "2026-05-01T00:01:00Z").len(), 2);
    pause(&db, &paused).unwrap();
    remove(&db, &gone).unwrap();
    assert_eq!(take_turn(&db, &paused).unwrap(), None);
    assert_eq!(take_turn(&db, &gone).unwrap(), None);
    assert_eq!(claimed(&db, &Folder::main()).unwrap(), []);
    let mut task = get(&db, &paused).unwrap().unwrap();
    task.status = TaskStatus::Active;
    replan(&db, &task, at("2026-05-01T09:00:00Z")).unwrap();
    assert_eq!(next_at(&db), Some(at("2026-05-01T09:00:00Z")));
}

#[test]
fn a_run_leaves_a_row_and_the_next_time() {
    // S4
    let db = connection();
    let daily = plan(&db, "cron", "0 9 * * *", "2026-05-01T00:00:00Z");
    let once = plan(&db, "once", "2026-05-01T09:00:00", "2026-05-01T00:00:00Z");
    assert_eq!(due(&db, "2026-05-01T09:00:00.004Z").len(), 2);
    let long = "x".repeat(300);
    for (id, outcome, last) in [
        (&daily, Ok(Some(long.as_str())), &long[..200]),
        (&daily, Ok(None), "Completed"),
        (&daily, Err("no network"), "Error: no network"),
        (&once, Ok(Some("done")), "done"),
    ] {
        run(&db, id, "2026-05-01T09:00:02Z", outcome);
        let task = get(&db, id).unwrap().unwrap();
        assert_eq!(task.last_result.as_deref(), Some(last));
        assert_eq!(task.last_run, Some(at("2026-05-01T09:00:02Z")));
        finish(&db, id, &TimeZone::UTC, at("2026-05-01T09:00:04Z")).unwrap();
    }
    let rows = history(&db, &daily).unwrap();
    assert_eq!(rows.iter().map(|row| row.status.as_str()).collect::<Vec<_>>(), ["error", "success", "success"]);
    assert_eq!((rows[0].error.as_deref(), rows[0].result.as_deref()), (Some("no network"), None));
    assert_eq!((rows[2].result.as_deref(), rows[2].duration_ms), (Some(long.as_str()), 1500));
    assert_eq!((rows[2].due_at, rows[2].late), (Some(at("2026-05-01T09:00:00Z")), false));
    assert_eq!(next_at(&db), Some(at("2026-05-02T09:00:00Z")));
    assert_eq!(get(&db, &once).unwrap().unwrap().status, TaskStatus::Completed);
}

#[test]
fn run_by_hand_does_not_use_up_its_one_time() {
    let db = connection();
    let once = plan(&db, "once", "2026-05-02T09:00:00", "2026-05-01T00:00:00Z");
    assert!(claim(&db, &once, at("2026-05-01T10:00:00Z")).unwrap());
    run(&db, &once, "2026-05-01T10:00:01Z", Ok(None));
    finish(&db, &once, &TimeZone::UTC, at("2026-05-01T10:00:05Z")).unwrap();
    assert_eq!(next_at(&db), Some(at("2026-05-02T09:00:00Z")));
    assert!(!history(&db, &once).unwrap()[0].late);
}

#[test]
fn what_could_not_be_run_has_an_error_row() {
    // S4
    let db = connection();
    let (tried, never) = (
        plan(&db, "interval", "60000", "2026-05-01T00:00:00Z"),
        plan(&db, "interval", "60000", "2026-05-01T00:00:00Z"),
    );
    assert_eq!(due(&db, "2026-05-01T00:01:00Z").len(), 2);
    run(&db, &tried, "2026-05-01T00:01:01Z", Err("it broke"));
    give_up(&db, &Folder::main(), "gone", &TimeZone::UTC, at("2026-05-01T00:05:00Z")).unwrap();
    let errors = |id: &str| history(&db, id).unwrap().into_iter().filter_map(|row| row.error).collect::<Vec<_>>();
    assert_eq!(errors(&tried), ["it broke"]);
    assert_eq!(errors(&never), ["gone"]);
    assert_eq!(next_at(&db), Some(at("2026-05-01T00:06:00Z")));
}

#[test]
fn the_log_is_bounded() {
    let db = connection();
    let id = plan(&db, "interval", "1", "2026-05-01T00:00:00Z");
    for _ in 0..KEPT_RUNS + 5 {
        run(&db, &id, "2026-05-01T00:01:01Z", Ok(None));
    }
    assert_eq!(history(&db, &id).unwrap().len(), KEPT_RUNS as usize);
    remove(&db, &id).unwrap();
    assert_eq!(history(&db, &id).unwrap(), []);
}
