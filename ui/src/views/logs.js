// The Logs page: NanoClaw's log as it grows, by level, chat and text, or what it has of one run.

/** @import { Button, WindowView } from "../../types" */
/** @import { Page } from "../components.js" */
/** @import { Child } from "../dom.js" */
/** @import { LogLine, Wanted } from "../tail.js" */

import { buttonOf, empty } from "../components.js";
import { h } from "../dom.js";
import { search, select, toggle } from "../fields.js";
import { LOGS, clock, date, day, moment } from "../words.js";

/** Lines that are drawn: the newest. */
const MOST = 400;
/** Where what a line says ends, and its details begin: ` group: "family"`. */
const FIELD = / [a-z_][a-z_.]*: (?:"|-?\d|true|false)/;

/** @typedef {{ run: string, group: string, startedAt: string, atWork: boolean }} Run */

/** @param {Page} page @param {WindowView} view @returns {Child[]} */
export function logs(page, view) {
  const [text, level, of, live] = [page.get("logs.search", "").trim(), page.get("logs.level", ""), chosen(page, view), page.get("logs.live", true)];
  const [kind, about] = [of.slice(0, of.indexOf(":")), of.slice(of.indexOf(":") + 1)];
  const run = kind === "run" ? about : null;
  const chat = kind === "chat" ? about : (run?.replace(/-\d+$/, "") ?? null);
  look(page, { ...(run ? { run } : chat ? { chat } : {}), ...(level && !run ? { level } : {}), ...(text ? { text } : {}) });
  const set = (/** @type {string} */ key) => (/** @type {Event} */ event) => page.set(key, /** @type {HTMLSelectElement} */ (event.currentTarget).value);
  return [
    h(
      "div.logbar",
      null,
      search(page, "logs.search", LOGS.search),
      places(page, view, chat, of, set("logs.of")),
      // A run's own log has no levels.
      run ? null : select({ "aria-label": LOGS.level, onchange: set("logs.level") }, LOGS.least, level),
      h("div.inline", null, toggle({ label: LOGS.live, on: live, change: (on) => page.set("logs.live", on) }), h("span.small.dim", { "aria-hidden": "true" }, LOGS.live)),
      buttonOf(page, fileOf(view, run)),
    ),
    h("div.log", { role: "log", tabindex: "0", "aria-label": LOGS.lines, "aria-live": "off" }, ...body(page)),
  ];
}

/** What is looked at; a chat that is listened in no more has no log of its own. @param {Page} page @param {WindowView} view @returns {string} */
function chosen(page, view) {
  const of = page.get("logs.of", "");
  return of.startsWith("chat:") && !view.chats.groups.some((group) => `chat:${group.chat.folder}` === of) ? "" : of;
}

/** Turns to what is wanted now, if that is something else than before. @param {Page} page @param {Wanted} wanted */
function look({ tail }, wanted) {
  const same = JSON.stringify(tail.wanted) === JSON.stringify(wanted);
  if (!same) tail.turn(wanted);
}

/** All, the chats, and the runs of the chosen one. @param {Page} page @param {WindowView} view @param {string | null} chat @param {string} of @param {(event: Event) => void} onchange @returns {Child} */
function places(page, view, chat, of, onchange) {
  const names = new Map(view.chats.groups.map((group) => [group.chat.folder, group.chat.name]));
  // There may be no room for its name.
  let title = LOGS.all;
  const option = (/** @type {string} */ value, /** @type {string} */ label) => {
    if (value === of) title = label;
    return h("option", { key: value, value, selected: value === of, dir: "auto" }, label);
  };
  // Until those of the chat are told, they are among all.
  /** @type {() => Run[]} */
  const every = () => page.ask("logs.runs").value ?? [];
  /** @type {Run[]} */
  const runs = chat && names.has(chat) ? (page.ask("logs.runs", { chat }).value ?? every().filter(({ group }) => group === chat)) : every();
  const named = runs.map(({ run, group, startedAt, atWork }) => option(`run:${run}`, LOGS.ofRun(names.get(group) ?? group, atWork ? LOGS.atWork : moment(startedAt, page.now))));
  // One that is shown may be older than those that are listed.
  if (of.startsWith("run:") && !runs.some(({ run }) => `run:${run}` === of)) named.unshift(option(of, of.slice(4)));
  const chats = [...names].map(([folder, name]) => option(`chat:${folder}`, name));
  const groups = [h("optgroup", { key: "chats", label: LOGS.chats }, ...chats), named.length ? h("optgroup", { key: "runs", label: LOGS.runs }, ...named) : null];
  return h("select.in", { "aria-label": LOGS.of, title, onchange }, option("", LOGS.all), ...groups);
}

/** Opens the file that is shown. @param {WindowView} view @param {string | null} run @returns {Button} */
function fileOf({ openLog }, run) {
  return run === null ? openLog : { ...openLog, act: { kind: "desktop", action: { ShowLog: run }, confirm: null } };
}

/** The newest at the bottom, where the view stays while it is there. @param {Page} page @returns {Child[]} */
function body(page) {
  const { tail } = page;
  if (tail.trouble) return [empty("logs", { title: tail.trouble.message, text: tail.trouble.cure })];
  if (!tail.lines.length) return tail.loaded ? [empty("search", { title: LOGS.none, text: "" })] : [];
  const line = (/** @type {LogLine} */ { key, at, level, text }) => {
    const fields = at ? text.search(FIELD) : -1;
    const said = h("span.tx.sel", { dir: "auto" }, h("span", null, fields < 0 ? text : text.slice(0, fields)), fields < 0 ? null : h("span.dim", null, text.slice(fields)));
    return h("div.line", { key, class: level }, at ? h("time.num", null, clock(at)) : null, at ? h("span.lv", null, LOGS.levels[level] ?? "") : null, said);
  };
  const shown = tail.lines.slice(-MOST);
  /** @type {Child[]} */
  const drawn = tail.more || tail.lines.length > MOST ? [h("div.day", { key: "more" }, LOGS.more)] : [];
  let last = date(page.now);
  for (const one of shown) {
    const on = one.at ? date(Date.parse(one.at)) : last;
    if (on !== last) drawn.push(h("div.day", { key: `day ${on}` }, day(one.at)));
    last = on;
    drawn.push(line(one));
  }
  // From the newest on, in a column that is turned over: so it stays at its end by itself.
  return drawn.reverse();
}
