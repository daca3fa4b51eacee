// The Tasks page: what is planned, when it is next due, what came of it, and a form for a new one.

/** @import { WindowView } from "../../types" */
/** @import { Page } from "../components.js" */
/** @import { Child } from "../dom.js" */

import { avatar, empty, icon, markOf, more, pill, section, strange } from "../components.js";
import { h } from "../dom.js";
import { answered, button, field, filled, input, select, seg, told, toggle } from "../fields.js";
import { TASKS, WORDS, ago, moment, scheduled, span } from "../words.js";

/** A task as the command tells it. @typedef {{ id: string, group: string, prompt: string, schedule: string, value: string, context: string, status: string, nextRun: string | null, lastRun: string | null, lastResult: string | null }} Task */

/** @param {Page} page @param {WindowView} view */
export function taskHead(page, view) {
  if (page.get("tasks.new", false)) return { title: TASKS.newTitle, end: [button({ label: WORDS.cancel, look: "quiet", press: () => page.set("tasks.new", false) })] };
  const can = view.chats.groups.length > 0;
  return { end: can ? [button({ label: TASKS.add, look: "primary", picture: "plus", press: () => page.set("tasks.new", true) })] : [] };
}

/** @param {Page} page @param {WindowView} view @returns {Child[]} */
export function tasks(page, view) {
  if (page.get("tasks.new", false)) return [form(page, view)];
  return answered(page.ask("tasks.list"), (/** @type {Task[]} */ all) => {
    if (!all.length) return [h("div.card", { key: "none" }, empty("tasks", { title: TASKS.empty, text: TASKS.emptyText(view.assistant) })), more(page, { title: TASKS.howTitle, text: TASKS.howText(view.assistant) })];
    const part = (/** @type {string[]} */ states) => all.filter((task) => states.includes(task.status));
    const block = (/** @type {string} */ title, /** @type {Task[]} */ of) => (of.length ? section(title, null, h("ul.card.tasks", null, ...of.map((task) => entry(page, view, task)))) : null);
    return [block(TASKS.planned, part(["active"])), block(TASKS.paused, part(["paused"])), block(TASKS.done, part(["completed"]))];
  });
}

/** @param {Page} page @param {WindowView} view @param {Task} task @returns {Child} */
function entry(page, view, task) {
  const chat = view.chats.groups.find((group) => group.chat.folder === task.group)?.chat ?? { name: task.group, folder: task.group, isGroup: true };
  const open = page.get("tasks.open", null) === task.id;
  const when = task.status === "active" && task.nextRun ? moment(task.nextRun, page.now) : scheduled(task);
  const failed = /^Error/.test(task.lastResult ?? "");
  return h(
    "li",
    { key: task.id },
    h(
      "button.row",
      { type: "button", "aria-expanded": open ? "true" : "false", onclick: () => page.set("tasks.open", open ? null : task.id) },
      avatar(chat),
      h("div.mid", null, strange(task.prompt, "t"), h("div.s.trunc", null, h("span", { dir: "auto" }, chat.name), ` · ${scheduled(task)}`)),
      h("div.end", null, failed ? markOf("note") : null, task.status === "active" ? h("span.when-wide.num", null, when) : pill({ mark: task.status === "paused" ? "paused" : "ready", word: task.status === "paused" ? TASKS.isPaused : TASKS.isDone }), h("span.chev", { class: open && "open" }, icon("more", 14))),
    ),
    open ? about(page, task, when) : null,
  );
}

/** @param {Page} page @param {Task} task @param {string} when @returns {Child} */
function about(page, task, when) {
  const act = (/** @type {string} */ command) => void page.submit(`task ${task.id}`, command, { id: task.id });
  const [trouble, busy] = [page.trouble(`task ${task.id}`), page.isDoing(`task ${task.id}`)];
  const active = task.status === "active";
  const [end, ask] = task.status === "completed" ? [TASKS.remove, TASKS.removeAsk] : [TASKS.cancel, TASKS.cancelAsk];
  return h(
    "div.within.taskmore",
    { key: "about" },
    h("p.sel.wrap", { dir: "auto" }, task.prompt),
    h("p.small.dim", null, [active ? TASKS.next(when) : null, task.context === "group" ? TASKS.remembers : TASKS.fresh].filter(Boolean).join(" ")),
    h(
      "div.btns",
      null,
      active ? button({ label: TASKS.run, press: () => act("tasks.run"), busy }) : null,
      active ? button({ label: TASKS.pause, press: () => act("tasks.pause"), busy }) : null,
      task.status === "paused" ? button({ label: TASKS.resume, press: () => act("tasks.resume"), busy }) : null,
      button({ label: end, look: "danger", busy, press: () => page.confirm(ask(task.prompt), () => act("tasks.cancel")) }),
    ),
    trouble ? h("p.err", { role: "alert" }, ...told(trouble)) : null,
    h("h3", null, TASKS.history),
    ...answered(page.ask("tasks.history", { id: task.id }), (/** @type {any[]} */ runs) => [runs.length ? h("ol.history", null, ...runs.slice(0, 20).map((run) => ran(page, run))) : h("p.small.dim", { key: "never" }, TASKS.never)]),
  );
}

/** @param {Page} page @param {any} run @returns {Child} */
function ran(page, run) {
  const ok = run.status === "success";
  const text = ok ? (run.result ?? TASKS.silent) : (run.error ?? TASKS.failed);
  return h(
    "li",
    { key: run.runAt },
    markOf(ok ? "ready" : "note", 14),
    h("div.mid", null, h("span.t", null, moment(run.runAt, page.now), h("span.dim", null, ` · ${ok ? TASKS.took(span(run.durationMs / 1000)) : TASKS.failed}`)), run.late ? h("span.late", null, ` ${TASKS.late}`) : null, h("p.small.dim.clamp.sel", { dir: "auto" }, text)),
    h("span.small.dim.num.when-wide", null, ago(run.runAt, page.now)),
  );
}

/** @param {Page} page @param {WindowView} view @returns {Child} */
function form(page, view) {
  const kind = page.get("tasks.kind", "days");
  const planned = planOf(page);
  const [trouble, busy] = [page.trouble("tasks.add"), page.isDoing("tasks.add")];
  const remember = page.get("tasks.remember", false);
  const create = async (/** @type {Event} */ event) => {
    const { prompt, group } = filled(event);
    if (!planned) return;
    const done = await page.submit("tasks.add", "tasks.add", { group, prompt, ...planned, context: remember ? "group" : "isolated" });
    if (done) page.set("tasks.new", false);
  };
  const chats = view.chats.groups.map(({ chat }) => /** @type {[string, string]} */ ([chat.folder, chat.name]));
  return h(
    "form.form.whole",
    { key: "form", onsubmit: create, novalidate: true },
    field({ id: "prompt", label: TASKS.what(view.assistant), trouble: trouble && told(trouble) }, h("textarea.in", { id: "prompt", name: "prompt", rows: 3, dir: "auto", placeholder: TASKS.whatHint, "aria-describedby": "prompt-hint", "aria-invalid": trouble && "true" })),
    field({ id: "group", label: TASKS.where }, select({ id: "group", name: "group", onchange: (/** @type {Event} */ event) => page.set("tasks.group", /** @type {HTMLSelectElement} */ (event.currentTarget).value) }, chats, page.get("tasks.group", chats[0]?.[0] ?? ""))),
    h("div.field.wide", { key: "when" }, h("span.label", null, TASKS.when), seg({ name: "tasks.kind", label: TASKS.when, value: kind, fill: true, change: (to) => page.set("tasks.kind", to) }, TASKS.kinds)),
    times(page, kind),
    preview(page, planned),
    h("div.card", { key: "remember" }, h("div.row", null, h("div.mid", null, h("span.t", null, TASKS.remember), h("div.s", null, TASKS.rememberText(view.assistant))), h("div.end", null, toggle({ label: TASKS.remember, on: remember, change: (on) => page.set("tasks.remember", on) })))),
    h("div.btns", { key: "do" }, button({ label: TASKS.create, look: "primary", big: true, busy: busy || !planned })),
  );
}

/** @param {Page} page @param {string} kind @returns {Child} */
function times(page, kind) {
  const typed = (/** @type {string} */ key) => (/** @type {Event} */ event) => page.set(key, /** @type {HTMLInputElement} */ (event.currentTarget).value);
  const text = (/** @type {string} */ id, /** @type {string} */ label, /** @type {string} */ hint) => field({ id, label, hint }, input(id, { value: page.get(`tasks.${id}`, usual[id]), oninput: typed(`tasks.${id}`), dir: "ltr" }));
  if (kind === "once") return h("div.pair", { key: kind }, text("date", TASKS.date, TASKS.dateHint), text("time", TASKS.time, TASKS.timeHint));
  if (kind === "cron") return h("div", { key: kind }, text("cron", TASKS.cron, TASKS.cronHint));
  if (kind === "often") return h("div.pair", { key: kind }, text("every", TASKS.every, TASKS.everyHint), field({ id: "unit", label: TASKS.unit }, select({ id: "unit", name: "unit", onchange: typed("tasks.unit") }, TASKS.units, page.get("tasks.unit", "h"))));
  const days = page.get("tasks.days", [1, 2, 3, 4, 5]);
  const flip = (/** @type {number} */ day) => page.set("tasks.days", days.includes(day) ? days.filter((/** @type {number} */ one) => one !== day) : [...days, day]);
  return h(
    "div.days",
    { key: kind },
    h("div.dayset", { role: "group", "aria-label": TASKS.days }, ...TASKS.dayNames.map(([short, long], at) => h("button", { key: long, type: "button", "aria-pressed": days.includes((at + 1) % 7) ? "true" : "false", "aria-label": long, onclick: () => flip((at + 1) % 7) }, short))),
    text("time", TASKS.time, TASKS.timeHint),
  );
}

/** What stands in the fields before anything was typed. @type {Record<string, string>} */
const usual = { date: "", time: "08:00", cron: "0 8 * * 1-5", every: "4" };
const UNIT_MS = /** @type {Record<string, number>} */ ({ min: 60_000, h: 3_600_000, day: 86_400_000 });

/** The schedule that the fields say; `null` while they say none. @param {Page} page @returns {{ schedule: string, value: string } | null} */
function planOf(page) {
  const text = (/** @type {string} */ id) => page.get(`tasks.${id}`, usual[id]).trim();
  const kind = page.get("tasks.kind", "days");
  if (kind === "cron") return text("cron") ? { schedule: "cron", value: text("cron") } : null;
  if (kind === "often") {
    const millis = Math.round(Number(text("every").replace(",", ".")) * UNIT_MS[page.get("tasks.unit", "h")]);
    return millis > 0 ? { schedule: "interval", value: String(millis) } : null;
  }
  const [, hour, minute] = /^(\d{1,2})[:.](\d\d)$/.exec(text("time")) ?? [];
  if (!hour || Number(hour) > 23 || Number(minute) > 59) return null;
  if (kind === "once") {
    const date = text("date");
    return /^\d{4}-\d\d-\d\d$/.test(date) ? { schedule: "once", value: `${date}T${hour.padStart(2, "0")}:${minute}:00` } : null;
  }
  const days = [...page.get("tasks.days", [1, 2, 3, 4, 5])].sort();
  if (!days.length) return null;
  return { schedule: "cron", value: `${Number(minute)} ${Number(hour)} * * ${days.length === 7 ? "*" : days.join(",")}` };
}

/** The next times, before it is kept. @param {Page} page @param {{ schedule: string, value: string } | null} planned @returns {Child} */
function preview(page, planned) {
  const answer = planned && page.ask("tasks.preview", planned);
  const known = answer?.value;
  // What was shown stays until the next is known: nothing jumps.
  if (known) page.get("tasks.shown") === known || queueMicrotask(() => page.get("tasks.shown") === known || page.set("tasks.shown", known));
  const shown = known ?? (answer && !answer.trouble ? page.get("tasks.shown", null) : null);
  const title = shown ? (shown.zone ? TASKS.nextTimesIn(shown.zone) : TASKS.nextTimes) : TASKS.noTimes;
  const text = answer?.trouble ? told(answer.trouble) : [TASKS.incomplete];
  const lines = shown ? shown.times.map((/** @type {any} */ time) => h("li", { key: time.at }, time.text.replace(/^./, (/** @type {string} */ c) => c.toUpperCase()))) : [h("li", { key: "" }, ...text)];
  return h("div.preview", { key: "preview", class: !shown && answer?.trouble ? "wrong" : null, role: "status" }, icon("tasks"), h("div.mid", null, h("b", null, title), h("ol", null, ...lines)));
}
