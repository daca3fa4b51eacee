// Times in words, and the few words that belong to the page itself. What is said about a state comes with the view.

/** @import { Line } from "../types" */

export const WORDS = {
  skip: "Skip to the content",
  pages: "Pages",
  waitTitle: "Starting…",
  waitText: "NanoClaw is looking at WhatsApp, Kiro and Docker.",
  lostTitle: "NanoClaw is not answering",
  lostText: "This window has lost contact with the part that works. It tries again each second.",
  runningNow: "Running now",
  waiting: "Waiting",
  inThisOrder: "in this order",
  running: "Running",
  runningCount: "running",
  start: "Start one by hand",
  startHint: "the next message is then answered at once",
  place: "Where they run",
  folders: (/** @type {string} */ chat) => `Container and folders of ${chat}`,
  container: "Container",
  memory: "Memory",
  cpu: "CPU",
  works: "What it works on",
  howToLink: "How to link",
  scan: "Scan a code",
  byPhone: "Use a phone number",
  orByPhone: "Or use a phone number",
  qr: "QR code to scan with WhatsApp on your phone",
  qrOver: "The next code is on its way.",
  codeOver: "This code has run out.",
  building: "Building the agent image",
  qrShown: "A code to scan is shown.",
  codeShown: "A code to type on your phone is shown.",
  tenSeconds: "10 seconds left.",
  copy: "Copy",
  copied: "Copied",
  notCopied: "This could not be copied",
  copyByHand: "Select it and copy it by hand.",
  cancel: "Cancel",
  close: "Close",
  save: "Save",
  loading: "Loading",
};

export const WHATSAPP = {
  backups: "Former sign-ins",
  moved: (/** @type {string} */ ago, /** @type {number} */ bytes) => `Moved aside ${ago} · ${Math.max(0.1, bytes / 1_000_000).toFixed(1)} MB`,
  removeLabel: "Delete…",
  remove: (/** @type {string} */ name) => `Delete ${name}`,
  removeAsk: (/** @type {string} */ name) => ({ title: "Delete this former sign-in?", text: `${name} is deleted for good. It is of use only to go back to that sign-in.`, label: "Delete" }),
};

export const KIRO = {
  places: "Who is signed in",
  looked: (/** @type {string} */ ago) => `looked ${ago}`,
  modes: (/** @type {string} */ name) => `How ${name} signs in`,
  useMode: "Use this way",
  inUse: "In use",
  how: "Sign in with",
  begin: "Sign in",
  browser: "In this computer’s browser, without a code",
  copyCode: "Copy the code",
  address: "Or open this address on any device",
  left: (/** @type {string} */ span) => `${span} left`,
  shown: "A code to confirm in the browser is shown.",
  startUrl: "Start URL",
  startUrlHint: "Your organisation has it.",
  region: "Region",
  regionHint: "Such as eu-central-1.",
};

export const CHATS = {
  own: "You (message yourself)",
  ownText: "Your notes to yourself",
  /** What the own chat is called once it is the private channel. */
  ownName: (/** @type {string} */ name) => `You and ${name}`,
  nameless: "Chat without a name",
  none: "No chat is chosen",
  noneText: (/** @type {string} */ name) => `Choose one to see whether ${name} listens there.`,
  empty: "No chats yet",
  emptyText: "They come from your phone once WhatsApp is linked.",
  search: (/** @type {number} */ count) => `Search ${count} chats`,
  noMatch: "No chat is called so",
  listens: (/** @type {string} */ name) => `${name} listens`,
  others: "Other chats",
  more: (/** @type {number} */ count) => `${count} more. Search to find them.`,
  silent: "Nothing written yet",
  twinTitle: "Another chat has the same name",
  twinText: (/** @type {string} */ tail) => `This is the one with ${tail}. Look closely before you choose.`,
  main: "Your private channel",
  group: "Group",
  self: "Your chat with yourself",
  direct: "Direct chat",
  last: (/** @type {string} */ ago) => `last message ${ago}`,
  back: "Back to the chats",
  answers: "Answers",
  called: "When called",
  every: "Every message",
  calledBy: "Called by",
  calledHint: "At the start of a message. Leave it empty for the usual one.",
  folder: "Folder",
  folderHint: "Its notes and files. Small letters, digits and dashes; it can’t be changed later.",
  limit: "Longest work",
  limitText: "Empty: as the settings say.",
  limitAllowed: (/** @type {number} */ least, /** @type {number} */ most) => `empty, or from ${least} to ${most} minutes`,
  limitUsual: "Usual",
  minutes: "minutes",
  keepLimit: "Save the longest work",
  trust: "What it may do",
  folders: "More folders of this computer",
  foldersHint: "They count from the next container on. Settings say which folders chats may be given at all.",
  read: "Only read",
  write: "Read and change, where that is allowed",
  takeAway: (/** @type {string} */ path) => `Take away ${path}`,
  addFolder: "Add a folder…",
  add: "Add",
  path: "Folder on this computer",
  pathHint: "Its whole path. Keys and passwords are never given, wherever they lie.",
  mayWrite: "It may be changed",
  tools: "Tools",
  ownTools: "A list of its own",
  ownToolsText: "Off: what works inside its container, and NanoClaw’s own tools.",
  toolList: "Tools that it may use",
  dropTools: (/** @type {string} */ chat) => ({ title: `Remove the list of tools of “${chat}”?`, text: "Its agent may then use the usual tools. The list is not kept.", label: "Remove the list" }),
  toolHint: "As Kiro calls them, with spaces between. An empty list allows none.",
  notHere: (/** @type {string} */ name) => `${name} does not listen here. Of this chat only the name and the time of its last message are known.`,
  listen: (/** @type {string} */ name) => `Let ${name} listen here`,
  mainTitle: "Or make it your private channel",
  mainText: (/** @type {string} */ name) => `There ${name} answers everything and may act for all chats. Only you should write there.`,
  makeMain: "Make this my private channel",
  moveHere: "Make this my private channel…",
  moveMain: (/** @type {string} */ chat, /** @type {string} */ name) => ({ title: `Make “${chat}” your private channel?`, text: `${name} then answers everything there and may act for all chats. It no longer listens in the channel that was private before.`, label: "Move" }),
};

export const TRACE = {
  title: "Last messages",
  hint: "what became of each",
  none: "Nothing was said here yet",
  older: "Show older ones",
  in: "A message came in",
  out: "An answer went out",
  forgotten: "What became of it is no longer known: it was too long ago.",
  /** How a message stands, by its last step. @type {Record<string, string>} */
  states: { received: "Received", stored: "Kept", queued: "Waits for a container", run: "The agent is at it", result: "The agent is done", outbox: "Answered", sent: "Sent", acked: "Delivered to WhatsApp", waiting: "Waits to go out", retried: "Tried again later", parked: "Waits for a sign-in to Kiro", stopped: "Stopped by you", failed: "Failed" },
  /** @type {Record<string, string>} */
  steps: { received: "Received", stored: "Kept, before WhatsApp was told so", queued: "Queued for an answer", run: "Given to a container", result: "The agent gave its result", outbox: "Answer kept, to be sent", sent: "Sent to WhatsApp", acked: "Confirmed by WhatsApp", retried: "Not answered, tried again", parked: "Not answered, waits for a sign-in to Kiro", stopped: "Stopped by a person", failed: "Given up" },
};

export const TASKS = {
  add: "New task",
  newTitle: "New task",
  empty: "Nothing is planned",
  emptyText: (/** @type {string} */ name) => `A task is something that ${name} does by itself, once or again and again, and then writes what came of it.`,
  howTitle: "Another way to plan one",
  howText: (/** @type {string} */ name) => `Write in a chat: “@${name} every weekday at 8, list what is still open.”`,
  planned: "Planned",
  paused: "Paused",
  done: "Done",
  isPaused: "Paused",
  isDone: "Done",
  next: (/** @type {string} */ when) => `Next ${when}.`,
  remembers: "It remembers the chat.",
  fresh: "It starts fresh each time.",
  run: "Run now",
  pause: "Pause",
  resume: "Resume",
  cancel: "Cancel the task…",
  cancelAsk: (/** @type {string} */ prompt) => ({ title: "Cancel this task?", text: `“${prompt.slice(0, 120)}” and its history are removed.`, label: "Cancel the task" }),
  remove: "Remove the task…",
  removeAsk: (/** @type {string} */ prompt) => ({ title: "Remove this task?", text: `“${prompt.slice(0, 120)}” and its history are removed.`, label: "Remove the task" }),
  history: "What came of it",
  never: "It has not run yet.",
  took: (/** @type {string} */ span) => `done in ${span}`,
  failed: "failed",
  late: "late, as NanoClaw was not running then",
  silent: "Nothing was to be said.",
  what: (/** @type {string} */ name) => `What should ${name} do?`,
  whatHint: "Read yesterday’s messages and list what is still open",
  where: "In which chat?",
  when: "When?",
  kinds: /** @type {[string, string][]} */ ([["once", "Once"], ["days", "On days"], ["often", "Every so often"], ["cron", "By an expression"]]),
  days: "Days",
  dayNames: [["M", "Monday"], ["T", "Tuesday"], ["W", "Wednesday"], ["T", "Thursday"], ["F", "Friday"], ["S", "Saturday"], ["S", "Sunday"]],
  date: "Day",
  dateHint: "Such as 2030-01-31.",
  time: "Time",
  timeHint: "Such as 08:00.",
  every: "Every",
  everyHint: "A number above 0.",
  unit: "Unit",
  units: /** @type {[string, string][]} */ ([["min", "minutes"], ["h", "hours"], ["day", "days"]]),
  cron: "Expression, as cron reads it",
  cronHint: "Minute, hour, day, month, weekday, and * for each. 0 8 * * 1-5 is Monday to Friday at 8.",
  nextTimes: "Next times",
  nextTimesIn: (/** @type {string} */ zone) => `Next times, in ${zone}`,
  noTimes: "No times yet",
  incomplete: "Fill in when it should run.",
  remember: "Remember the chat",
  rememberText: (/** @type {string} */ name) => `On: ${name} knows what was said before. Off: it starts fresh each time.`,
  create: "Create the task",
};

export const LOGS = {
  search: "Search the log",
  level: "Level",
  least: /** @type {[string, string][]} */ ([["", "Everything"], ["info", "Without details"], ["warn", "Warnings and errors"], ["error", "Errors"]]),
  of: "Chat or run",
  all: "NanoClaw’s log",
  chats: "Chats",
  runs: "Runs",
  ofRun: (/** @type {string} */ name, /** @type {string} */ when) => `${name}, ${when}`,
  atWork: "at work",
  live: "Live",
  lines: "Log lines, the newest last",
  none: "Nothing in the log says so",
  more: "Older lines are not shown. Search for them, or open the file.",
  levels: /** @type {Record<string, string>} */ ({ error: "Error", warn: "Warn", info: "Info", debug: "Debug", trace: "Trace" }),
};

const MINUTES = /** @type {[string, number]} */ (["minutes", 60_000]);
const MIB = /** @type {[string, number]} */ (["MiB", 1 << 20]);

export const ALLOW = {
  title: "Folders for chats",
  hint: "what chats may be given at all",
  read: "Agents may only read",
  write: "Agents may change what is there",
  mayWrite: (/** @type {string} */ path) => `Agents may change what is in ${path}`,
  disallow: (/** @type {string} */ path) => `Allow ${path} no more`,
  add: "Allow a folder…",
  allow: "Allow it",
  path: "Folder of this computer",
  pathHint: "With all below it. A chat is then given it on its own page.",
  others: "Other chats only read",
  othersText: "Only the agent of your private channel may change files.",
  never: "Never",
  neverText: "No path that holds one of these words.",
  always: (/** @type {string} */ words) => `Never given, whatever is allowed: ${words}`,
};

export const SETTINGS = {
  computer: "This computer",
  atLogin: "Start at login",
  atLoginText: "So that it answers also after a restart.",
  quit: "Quit",
  quitText: "Messages wait on your phone until NanoClaw runs again.",
  cantTell: "Can’t tell",
  showKiro: "Show Kiro",
  saved: "Saved",
  savedText: "It counts from NanoClaw’s next start on. Running work gets a moment to finish.",
  environment: "The environment sets it.",
  others: "Others",
  reset: (/** @type {string} */ title) => `${title}: back to the usual value`,
  cantBe: (/** @type {string} */ value) => `It can’t be “${value}”.`,
  mustBe: (/** @type {string} */ allowed) => `It must be ${allowed}.`,
  number: (/** @type {string} */ least, /** @type {string} */ most, /** @type {string} */ unit) => `from ${least} to ${most}${unit ? ` ${unit}` : ""}`,
  forget: (/** @type {string} */ days, /** @type {number} */ count) => ({ title: `Keep messages for ${days === "1" ? "1 day" : `${days} days`} only?`, text: `From the next start on, the ${count === 1 ? "text of 1 older message is" : `texts of ${count.toLocaleString("en-GB")} older messages are`} forgotten for good. What is still to be answered stays.`, label: "Keep fewer" }),
  unprotected: { title: "Run agents without containers?", text: "They then run as programs of this computer, and can read and change all that you can.", label: "Run unprotected" },
  groups: /** @type {[string, string[]][]} */ ([
    ["Assistant", ["ASSISTANT_NAME", "ASSISTANT_HAS_OWN_NUMBER", "TZ", "MESSAGE_RETENTION_DAYS"]],
    ["Work", ["MAX_CONCURRENT_CONTAINERS", "IDLE_TIMEOUT", "CONTAINER_TIMEOUT", "AGENT_ONE_SHOT", "CONTAINER_MAX_OUTPUT_SIZE"]],
    ["Containers", ["AGENT_RUNTIME", "AGENT_IMAGE", "CONTAINER_MEMORY", "CONTAINER_CPUS", "PIDS_LIMIT", "ENGINE_SOCKET"]],
    ["Kiro", ["KIRO_MODE", "KIRO_AGENT_NAME", "KIRO_MODEL", "KIRO_CLI_PATH"]],
    ["Log", ["LOG_LEVEL", "LOG_MAX_BYTES"]],
  ]),
  /** What a setting is called, and what it means. @type {Record<string, [string, string]>} */
  words: {
    ASSISTANT_NAME: ["Name", "People call it with @ and this name."],
    ASSISTANT_HAS_OWN_NUMBER: ["Has its own phone number", "Off: its answers start with its name, because you share the number."],
    TZ: ["Time zone", "For tasks, and for what the agent thinks the time is."],
    MESSAGE_RETENTION_DAYS: ["Keep messages", "0 keeps them for ever. Else what is older, and was dealt with, is forgotten."],
    MAX_CONCURRENT_CONTAINERS: ["Containers at once", "More chats than these wait for their turn."],
    IDLE_TIMEOUT: ["Wait for follow-ups", "How long a container waits after its last answer."],
    CONTAINER_TIMEOUT: ["Longest work", "Without a result for so long, a run is stopped."],
    AGENT_ONE_SHOT: ["End after the first answer", "Each message then starts a container of its own."],
    CONTAINER_MAX_OUTPUT_SIZE: ["Output that is kept", "Of each run, for its log."],
    AGENT_RUNTIME: ["Where agents run", "In containers they see only what you allow."],
    AGENT_IMAGE: ["Agent image", "What containers start from."],
    CONTAINER_MEMORY: ["Memory", "What a container may use at most."],
    CONTAINER_CPUS: ["Processors", "What a container may use at most; 0 for all."],
    PIDS_LIMIT: ["Processes", "How many a container may have."],
    ENGINE_SOCKET: ["Docker’s address", "Empty: it is found by itself."],
    KIRO_MODE: ["Whose sign-in", "The page Kiro says what each exposes, and changes it at once."],
    KIRO_AGENT_NAME: ["Kiro’s agent", "Which of Kiro’s agents answers. Empty: the usual one."],
    KIRO_MODEL: ["Model", "Empty: Kiro chooses."],
    KIRO_CLI_PATH: ["Where kiro-cli is", "Empty: it is found by itself."],
    LOG_LEVEL: ["How much is logged", "With “Much” and “Everything”, what people write is kept in the log too."],
    LOG_MAX_BYTES: ["Size of all logs", "The oldest go first."],
  },
  units: /** @type {Record<string, [string, number]>} */ ({ IDLE_TIMEOUT: MINUTES, CONTAINER_TIMEOUT: MINUTES, CONTAINER_MAX_OUTPUT_SIZE: MIB, CONTAINER_MEMORY: MIB, LOG_MAX_BYTES: MIB, MESSAGE_RETENTION_DAYS: ["days", 1] }),
  placeholders: /** @type {Record<string, string>} */ ({ TZ: "The system’s", KIRO_MODEL: "Kiro’s choice", KIRO_AGENT_NAME: "By itself", KIRO_CLI_PATH: "By itself", ENGINE_SOCKET: "By itself" }),
  choices: /** @type {Record<string, string>} */ ({ docker: "In containers", host: "On this computer, unprotected", shared: "This computer’s", own: "Its own", "api-key": "An API key", error: "Errors", warn: "Warnings", info: "The usual", debug: "Much", trace: "Everything" }),
};

export const ABOUT = {
  copy: "Copy these",
  notFound: "not found",
  checks: "Is all as it should be?",
  checksText: "Looks at all that NanoClaw needs, one thing after the other. It changes nothing.",
  check: "Check all",
  checking: "Checking",
  checked: "What was found",
  pack: "Something is wrong?",
  packText: "Packs what helps to find a fault: the log’s end, the settings, how things are. Phone numbers, names of chats and e-mail addresses are taken out. Look through it before you give it away.",
  doPack: "Pack a bundle",
  packed: "It lies here",
  made: "What it is made of",
  showMade: "Show all",
  noText: "It brings no text of its own; its licence’s usual one holds.",
  open: "NanoClaw is free software under the MIT licence, and made of free software, each part under its own.",
};

export const SETUP = {
  step: (/** @type {number} */ at, /** @type {number} */ of) => `Step ${at} of ${of}`,
  done: "done",
  begin: "Begin",
  next: "Continue",
  back: "Back",
  later: "Do this later",
  leave: "Leave for now",
  open: "Open NanoClaw",
  choose: "Use this chat",
  unfinished: "Setting up is not finished",
  unfinishedText: (/** @type {string} */ next) => `It goes on with: ${next}.`,
  goOn: "Go on",
  chosen: "Your private channel is chosen",
  show: "Show",
  showStep: (/** @type {string} */ label) => `Show the step ${label}`,
  which: "Your private channel",
  help: "Not installed yet?",
  ownText: "Best: only you read and write there",
  ready: (/** @type {string} */ name) => `${name} is ready`,
  readyText: (/** @type {string} */ name) => `Write in your private channel, or choose more chats in which ${name} listens.`,
  points: (/** @type {string} */ name, /** @type {string} */ mode) =>
    /** @type {[string, string][]} */ ([
      ["It reads only the chats that you choose", "Of all others it knows the name, and when something was last written."],
      ["It works in a box", `${name} runs in a container. It sees its own folder, those that you give it, and what it needs for Kiro.`],
      ["It thinks with Kiro", `What is said in these chats goes to Kiro. ${mode}`],
    ]),
};

/** "14 s", "3 min", "4 h 24 min", "1 day 22 h". @param {number} seconds */
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  const [m, h, d] = [Math.floor(s / 60), Math.floor(s / 3600), Math.floor(s / 86400)];
  if (s < 60) return `${s} s`;
  if (h < 1) return `${m} min`;
  if (d < 1) return m % 60 ? `${h} h ${m % 60} min` : `${h} h`;
  const days = d === 1 ? "1 day" : `${d} days`;
  return d < 3 && h % 24 ? `${days} ${h % 24} h` : days;
}

/** The first unit alone, for columns. @param {string} since @param {number} now */
export function age(since, now) {
  return span((now - Date.parse(since)) / 1000).split(" ").slice(0, 2).join(" ");
}

/** Seconds until a moment, none below zero. @param {string} at @param {number} now */
export function left(at, now) {
  return Math.max(0, Math.ceil((Date.parse(at) - now) / 1000));
}

/** "1:42". @param {number} seconds */
export function clockLeft(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

let forms = formsOf(undefined);

/** Times are told in that zone from now on: the one that tasks run by. @param {string | null} zone Nothing for this computer's. */
export function useZone(zone) {
  if ((zone ?? undefined) === forms.zone) return;
  try {
    forms = formsOf(zone ?? undefined);
  } catch {
    // One that this browser does not know.
    forms = { ...formsOf(undefined), zone: zone ?? undefined };
  }
}

/** @param {string | undefined} zone */
function formsOf(zone) {
  const form = (/** @type {Intl.DateTimeFormatOptions} */ options, locale = "en-GB") => new Intl.DateTimeFormat(locale, { ...options, timeZone: zone });
  return {
    zone,
    // 2026-05-12
    date: form({ year: "numeric", month: "2-digit", day: "2-digit" }, "en-CA"),
    day: form({ weekday: "short", day: "numeric", month: "short" }),
    whole: form({ weekday: "short", day: "numeric", month: "short", year: "numeric" }),
    minute: form({ hour: "2-digit", minute: "2-digit" }),
    second: form({ hour: "2-digit", minute: "2-digit", second: "2-digit" }),
  };
}

/** "today at 13:00", "Wed 13 May at 09:30". @param {string} at @param {number} now */
export function moment(at, now) {
  const then = Date.parse(at);
  const midnight = (/** @type {number} */ time) => Date.parse(forms.date.format(time));
  const days = (midnight(then) - midnight(now)) / 86_400_000;
  const near = { "-1": "yesterday", "0": "today", "1": "tomorrow" }[String(days)];
  return `${near ?? forms.day.format(then).replace(",", "")} at ${forms.minute.format(then)}`;
}

/** "2026-05-12". @param {number} time */
export function date(time) {
  return forms.date.format(time);
}

/** "Tue 12 May 2026". @param {string} at */
export function day(at) {
  return forms.whole.format(Date.parse(at)).replace(",", "");
}

/** A sentence with its time put in. @param {Line} line @param {number} now */
export function said(line, now) {
  if (line.at === null) return line.text;
  const at = line.at;
  const seconds = left(at, now);
  return line.text.replace(/\{(in|when|ago)\}/, (_, kind) => {
    if (kind === "ago") return ago(at, now);
    if (kind === "when") return moment(at, now);
    return seconds > 0 ? `in ${span(seconds)}` : "now";
  });
}

/** "just now", "3 min ago", "2 days ago". @param {string} at @param {number} now */
export function ago(at, now) {
  const seconds = (now - Date.parse(at)) / 1000;
  return seconds < 60 ? "just now" : `${age(at, now)} ago`;
}

/** "12:30:05". @param {string} at */
export function clock(at) {
  return forms.second.format(Date.parse(at));
}

/** "12:30:05.042": where it took long is what one looks for. @param {string} at */
export function exact(at) {
  return `${clock(at)}.${String(new Date(at).getMilliseconds()).padStart(3, "0")}`;
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/** How often a task runs: "Mon–Fri at 08:00", "every 4 h", or the expression itself. @param {{ schedule: string, value: string }} task */
export function scheduled({ schedule, value }) {
  if (schedule === "once") return "once";
  if (schedule === "interval") return `every ${span(Number(value) / 1000)}`;
  const [, minute, hour, days] = /^(\d{1,2}) (\d{1,2}) \* \* (\*|[0-6](?:[,-][0-6])*)$/.exec(value.trim()) ?? [];
  if (days === undefined) return value;
  const at = `${hour.padStart(2, "0")}:${minute.padStart(2, "0")}`;
  if (days === "*") return `every day at ${at}`;
  if (days === "1-5" || days === "1,2,3,4,5") return `Mon–Fri at ${at}`;
  const named = days.replace(/\d/g, (day) => DAYS[Number(day)]).replaceAll(",", ", ").replaceAll("-", "–");
  return `${named} at ${at}`;
}
