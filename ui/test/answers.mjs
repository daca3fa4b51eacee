// What commands answer in the tests' own world: chats, tasks, a log. As the app would give them; the settings are its own.

import { readFile } from "node:fs/promises";

const NOW = Date.parse("2026-05-12T10:30:00.000Z");
const ago = (minutes) => new Date(NOW - minutes * 60_000).toISOString();

const chat = (jid, name, minutes, isRegistered = false) => ({ jid, name, lastActivity: minutes === null ? "" : ago(minutes), isGroup: jid.endsWith("@g.us"), isRegistered });

const CHATS = [
  chat("120363000000000001@g.us", "Family 👨‍👩‍👧‍👦", 5, true),
  chat("4915110000001@s.whatsapp.net", "Maya", 12, true),
  chat("120363000000000020@g.us", "Kita Sonnenschein, Gruppe Marienkäfer und alle, die sonst noch mitlesen wollen", 14),
  chat("120363000000000021@g.us", "שכונת הגפן – ועד הבית", 29),
  chat("120363000000000022@g.us", "عائلة الحسيني – رحلة الصيف إلى الجبل الأخضر والعودة مساء الأحد", 50),
  chat("4915110000033@s.whatsapp.net", "Priya", 130),
  chat("120363000000000023@g.us", "Book club", 240),
  chat("120363000000000024@g.us", "Book club", 2000),
  chat("4915110000034@s.whatsapp.net", "", null),
  chat("120363000000000002@g.us", "Ops on call", 9000, true),
];

const task = (id, group, prompt, schedule, value, more = {}) => ({ id, group, chat: "120363000000000001@g.us", prompt, schedule, value, context: "isolated", status: "active", nextRun: "2026-05-12T13:00:00.000Z", lastRun: null, lastResult: null, ...more });

const TASKS = [
  task("task-1", "main", "Read yesterday’s messages and list what is still open, with who has said that they would do it", "cron", "0 8 * * 1-5", { lastRun: ago(600), lastResult: "Completed", context: "group" }),
  task("task-2", "family", "Wish whoever has a birthday today a happy one", "cron", "30 9 * * *", { nextRun: "2026-05-13T07:30:00.000Z", lastRun: ago(900), lastResult: "Error: it took too long." }),
  task("task-3", "ops", "Look at the status page", "interval", "14400000", { status: "paused", nextRun: null }),
  task("task-4", "main", "Remind me of the dentist", "once", "2026-05-10T09:00:00", { status: "completed", nextRun: null, lastRun: ago(3000), lastResult: "You have an appointment at 10." }),
];

const HISTORY = [
  { runAt: ago(600), dueAt: ago(600), late: false, durationMs: 14_200, status: "success", result: "Still open: the paddling pool (Lena), the car’s inspection (nobody yet).", error: null },
  { runAt: ago(2040), dueAt: ago(2400), late: true, durationMs: 31_000, status: "success", result: null, error: null },
  { runAt: ago(3480), dueAt: ago(3480), late: false, durationMs: 1_800_000, status: "error", result: null, error: "The agent did not answer in time." },
];

const LOG = [
  "INFO NanoClaw has started version: \"0.1.0\"",
  "INFO Scheduler loop started",
  "INFO Connected to WhatsApp",
  "INFO Spawning agent process runtime: \"docker\" group: \"family\" container: \"nanoclaw-family-1778581786000\" run.id: \"family-1778581786000\" run.group: \"family\"",
  "WARN The folder that is to be mounted does not exist path: \"/home/maya/Pictures/Family\" run.id: \"family-1778581786000\" run.group: \"family\"",
  "INFO Message sent run.id: \"family-1778581786000\" run.group: \"family\"",
  "ERROR The agent's image could not be built reason: \"curl: (6) Could not resolve host\"",
];

const step = (name, millis, detail = null) => ({ step: name, at: new Date(NOW - 300_000 + millis).toISOString(), detail });

/** By chat a list, by id a way; the page's stand-in gives what fits what was asked for. */
const TRACE = {
  chat: [
    { id: "3A0B", direction: "in", at: ago(0.4), state: "run" },
    { id: "3EB0A", direction: "out", at: ago(5), state: "acked" },
    { id: "3A0A", direction: "in", at: ago(5), state: "outbox" },
    { id: "3A09", direction: "in", at: ago(90), state: "failed" },
    { id: "3A08", direction: "in", at: ago(200), state: "stored" },
  ],
  id: { id: "3A0A", chat: "120363000000000001@g.us", sender: "4915110000003@s.whatsapp.net", direction: "in", state: "acked", steps: [step("received", 0), step("stored", 4), step("queued", 5), step("run", 8, "nanoclaw-family-1778581786000"), step("retried", 900, "The agent did not answer in time."), step("result", 6120), step("outbox", 6124, "3EB0A"), step("sent", 6130), step("acked", 6210)] },
};

const line = (time, at) => `${new Date(time).toISOString()} ${LOG[at % LOG.length]}`;

/** What was found in the log: since an hour, or since days. */
export const log = (count, apart = 1500, more = false) => ({ lines: Array.from({ length: count }, (_, at) => line(NOW - (count - at) * apart, at)), more, mark: "1-1", goesOn: false, then: { lines: [], more: false, mark: "1-1", goesOn: true } });

const run = (group, minutes, atWork = false) => ({ run: `${group}-${NOW - minutes * 60_000}`, group, startedAt: ago(minutes), atWork });

/** What the app answers, by command; a function is given the arguments. */
export async function answers() {
  const settings = JSON.parse(await readFile(new URL("settings.json", import.meta.url), "utf8"));
  return {
    chats: CHATS,
    doctor: [
      { id: "home", outcome: "good", text: "/home/maya/.local/share/com.nanoclaw is there and can be written.", problem: null },
      { id: "version", outcome: "good", text: "NanoClaw is version 0.1.0.", problem: null },
      { id: "kiro-cli", outcome: "good", text: "kiro-cli 2.1.0 is /home/maya/.local/bin/kiro-cli.", problem: null },
      { id: "allowlist", outcome: "warning", text: "There is no /home/maya/.config/nanoclaw/mount-allowlist.json, so no extra folder is mounted.", problem: { cure: "Write one that allows the folders, or take them from the chats with `nanoclawctl groups set`." } },
      { id: "autostart", outcome: "warning", text: "NanoClaw does not start at login.", problem: { cure: "Turn on Start at login in NanoClaw's menu, or `nanoclawctl autostart on`." } },
      { id: "docker", outcome: "bad", text: "Docker is not running.", problem: { cure: "Start Docker. Messages wait, and are answered by themselves when it is back." } },
    ],
    versions: { nanoclaw: "0.1.0", kiroCli: "2.13.0", webKit: "2.50.1", os: "linux", arch: "x86_64", system: "Debian GNU/Linux 13 (trixie)" },
    diagnostics: { path: "/home/maya/Downloads/nanoclaw-diagnostics-1778581800.tar", files: ["versions.json"] },
    "chats.trace": { byArgument: TRACE },
    "allowlist.get": { path: "/home/maya/.config/nanoclaw/mount-allowlist.json", allowlist: { allowedRoots: [{ path: "~/Pictures/Family", allowReadWrite: false, description: "shared" }, { path: "~/projects", allowReadWrite: true }], blockedPatterns: ["taxes"], nonMainReadOnly: true }, always: [".ssh", ".gnupg", ".aws", "credentials", ".env"], problem: null },
    "whatsapp.backups": [{ name: "auth.bak.1778300000", movedAt: ago(4700), bytes: 2_400_000 }],
    "tasks.list": TASKS,
    "tasks.history": HISTORY,
    "tasks.preview": { zone: "Europe/Berlin", times: ["tomorrow at 08:00", "Thu 14 May at 08:00", "Fri 15 May at 08:00", "Mon 18 May at 08:00", "Tue 19 May at 08:00"].map((words, at) => ({ at: `2026-05-${13 + at}T06:00:00.000Z`, text: words })) },
    "settings.get": settings,
    "logs.find": log(60),
    "logs.runs": [run("family", 0.4, true), run("main", 34), run("family", 1500), run("ops", 9000)],
  };
}

/** Nothing there yet. */
export const NOTHING = { chats: [], "tasks.list": [], "tasks.history": [], "logs.find": log(0), "logs.runs": [] };

/** A log of days, and what one run said of itself. */
export const DAYS = { "logs.find": log(60, 3_600_000, true) };
export const OF_RUN = { "logs.find": { ...log(0), lines: ["time: 2026-05-12T10:29:46.000Z", "group: family", "main: false", "run: family-1778581786000", "container: nanoclaw-family-1778581786000", "duration: 14213 ms", "exit code: 0", "truncated: no", "credits: 0.05, context %: 12.50"] } };

/** More than fits: chats to choose from. */
export const MANY = { chats: Array.from({ length: 400 }, (_, at) => chat(`1203630000${String(at + 1).padStart(8, "0")}@g.us`, `Group ${at + 1}`, at, at < 200)) };

/** More than fits: as many containers at work, each for a chat of its own. */
export function many(view, count) {
  const { running } = view.containers;
  const { groups } = view.chats;
  const copy = (_, at) => ({ ...running[at % running.length], id: `run-${at}`, container: `nanoclaw-group-${at}`, chat: groups[at % groups.length].chat });
  return { ...view, containers: { ...view.containers, running: Array.from({ length: count }, copy) } };
}
