// The parts that pages are made of. A state is told by a shape and a word before it is told by a colour.

/** @import { Act, Button, Chat, Confirm, Detail, Line, Mark, Page as PageName, Panel, Progress, State } from "../types" */
/** @import { Answer } from "./answers.js" */
/** @import { Trouble } from "./api.js" */
/** @import { Child } from "./dom.js" */
/** @import { Tail } from "./tail.js" */

import { h } from "./dom.js";
import { WORDS, left, said } from "./words.js";

/**
 * What every part may know and do.
 * @typedef {object} Page
 * @property {number} now Milliseconds since 1970.
 * @property {(act: Act | string) => boolean} isDoing Whether a command, or a form's, has not answered yet.
 * @property {(button: Button) => void} press
 * @property {(page: PageName) => void} go
 * @property {(text: string) => void} copy
 * @property {(at: string) => number} whole How many seconds there were until a moment when it was first heard of.
 * @property {(key: string, initial?: any) => any} get What was chosen or typed in some place.
 * @property {(key: string, value: any) => void} set
 * @property {(command: string, args?: Record<string, unknown>, once?: boolean) => Answer} ask What a command answers; asked again when something changes, unless `once` does.
 * @property {(key: string, command: string, args: Record<string, unknown>) => Promise<any>} submit Does a form's command; `null` where that went wrong.
 * @property {(key: string) => Trouble | null} trouble What was wrong with a form's command.
 * @property {(confirm: Confirm, yes: () => void) => void} confirm
 * @property {Tail} tail
 */

const ICONS = {
  overview: "M2.5 7.2 8 2.8l5.5 4.4M4 6.5v6.7h8V6.5M6.7 13.2V9.6h2.6v3.6",
  whatsapp: "M5.2 1.8h5.6a1.2 1.2 0 0 1 1.2 1.2v10a1.2 1.2 0 0 1-1.2 1.2H5.2A1.2 1.2 0 0 1 4 13V3a1.2 1.2 0 0 1 1.2-1.2ZM7 12h2",
  containers: "M8 1.8 13.5 4.8v6.4L8 14.2l-5.5-3V4.8ZM2.7 4.9 8 7.8l5.3-2.9M8 7.8v6.2",
  kiro: "M10.3 9.3a3.6 3.6 0 1 0-3.5-2.7L2 11.4V14h2.6v-1.7h1.7v-1.6l1.6-1.6a3.6 3.6 0 0 0 2.4.2ZM11 5.3v.01",
  chats: "M8 2.5c3.3 0 6 2.2 6 5s-2.7 5-6 5a7 7 0 0 1-2-.3L3 13.5l.4-2.6A4.5 4.5 0 0 1 2 7.5c0-2.8 2.7-5 6-5Z",
  tasks: "M8 2.2a5.8 5.8 0 1 1 0 11.6A5.8 5.8 0 0 1 8 2.2ZM8 4.8V8l2.2 1.6",
  logs: "M3 4h10M3 8h10M3 12h6",
  settings: "M2.5 4.5h6M12 4.5h1.5M2.5 11.5H4M7.5 11.5h6M10.2 2.7a1.8 1.8 0 1 1 0 3.6 1.8 1.8 0 0 1 0-3.6ZM5.8 9.7a1.8 1.8 0 1 1 0 3.6 1.8 1.8 0 0 1 0-3.6Z",
  about: "M8 2.2a5.8 5.8 0 1 1 0 11.6A5.8 5.8 0 0 1 8 2.2ZM8 7.4v3.4M8 5.2v.01",
  setup: "M8 1.9 13 3.8v4c0 3-2 5.1-5 6.3-3-1.2-5-3.3-5-6.3v-4Z",
  back: "M10 3.5 5.5 8l4.5 4.5",
  plus: "M8 3v10M3 8h10",
  open: "M9.2 2.8h4v4M13 3 7.6 8.4M11.5 9.2v4H2.8V4.5h4",
  search: "M7 2.6a4.4 4.4 0 1 1 0 8.8 4.4 4.4 0 0 1 0-8.8ZM10.3 10.3l3.4 3.4",
  folder: "M2 4.2h4.2l1.3 1.5H14v7H2Z",
  laptop: "M3.5 3.5h9v6.8h-9ZM1.8 12.6h12.4",
  more: "m6 3.5 4.5 4.5L6 12.5",
  close: "m4 4 8 8M12 4l-8 8",
  quiet: "M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8Z",
  copy: "M5.5 5.5h7.7v8H5.5ZM3.4 10.4H2.8v-8h7.7V3",
  qr: "M2.5 2.5h4v4h-4ZM9.5 2.5h4v4h-4ZM2.5 9.5h4v4h-4ZM9.5 9.5h1.6v1.6M13.5 9.5v4h-4",
  number: "M3.5 6h9M3.5 10h9M6.8 2.8l-1.3 10.4M10.5 2.8 9.2 13.2",
  pause: "M5.4 3.5v9M10.6 3.5v9",
  resume: "M5 3.2v9.6L12.6 8Z",
  reconnect: "M13 8a5 5 0 1 1-1.6-3.7M13.2 2.2v3h-3",
  quit: "M8 2v5.4M5 3.9a5.4 5.4 0 1 0 6 0",
  stop: "M4.6 3.8h6.8a.8.8 0 0 1 .8.8v6.8a.8.8 0 0 1-.8.8H4.6a.8.8 0 0 1-.8-.8V4.6a.8.8 0 0 1 .8-.8Z",
};

/** The icon of a command's button. @type {Record<string, keyof typeof ICONS>} */
const COMMAND_ICONS = {
  pause: "pause",
  resume: "resume",
  reconnect: "reconnect",
  pair: "qr",
  "containers.stop": "stop",
  "containers.restart": "reconnect",
  "image.build": "containers",
  "image.cancel": "close",
  "kiro.check": "reconnect",
  "kiro.login": "kiro",
};

/** @type {Record<string, keyof typeof ICONS>} */
const DESKTOP_ICONS = { OpenFolder: "folder", OpenLog: "open", ShowLog: "open", OpenWebsite: "open", Restart: "reconnect", Quit: "quit" };

/** @param {Act} act @returns {keyof typeof ICONS | undefined} */
function pictureOf(act) {
  if (act.kind === "command") return COMMAND_ICONS[act.command];
  if (act.kind === "page") return undefined;
  const [what] = typeof act.action === "string" ? [act.action] : Object.keys(/** @type {object} */ (act.action));
  return DESKTOP_ICONS[what];
}

/** @param {string} name @param {number} [size] @returns {Child} */
export function icon(name, size = 16) {
  const line = { fill: "none", stroke: "currentColor", "stroke-width": 1.4, "stroke-linecap": "round", "stroke-linejoin": "round" };
  const d = ICONS[/** @type {keyof typeof ICONS} */ (name)];
  return h("svg", { width: size, height: size, viewBox: "0 0 16 16", "aria-hidden": "true", ...line }, h("path", { d }));
}

/** @param {Mark} mark @param {number} [size] @returns {Child} */
export function markOf(mark, size = 16) {
  const box = { width: size, height: size, viewBox: "0 0 16 16", "aria-hidden": "true", key: mark, class: `mark ${mark}` };
  const disc = h("circle", { cx: 8, cy: 8, r: 7, fill: "currentColor" });
  const stroke = { fill: "none", "stroke-linecap": "round", "stroke-linejoin": "round" };
  const hole = (/** @type {string} */ d) => h("path", { d, class: "hole", "stroke-width": 1.6, ...stroke });
  const line = (/** @type {string} */ d) => h("path", { d, stroke: "currentColor", "stroke-width": 1.6, ...stroke });
  const ring = h("circle", { cx: 8, cy: 8, r: 6.2, fill: "none", stroke: "currentColor", "stroke-width": 1.6 });
  const warning = "M6.7 1.9a1.5 1.5 0 0 1 2.6 0l5.5 9.8a1.5 1.5 0 0 1-1.3 2.2h-11a1.5 1.5 0 0 1-1.3-2.2Z";
  /** @type {Record<Mark, Child[]>} */
  const shapes = {
    ready: [disc, hole("m5 8.3 2.1 2.1L11.1 6")],
    working: [disc, ...[4.8, 8, 11.2].map((cx) => h("circle", { cx, cy: 8, r: 1.15, class: "beat" }))],
    "needs-you": [h("path", { d: warning, fill: "currentColor" }), hole("M8 5.8v3.1M8 11.4v.01")],
    note: [h("path", { d: warning, fill: "currentColor" }), hole("M8 5.8v3.1M8 11.4v.01")],
    offline: [ring, line("m3.8 3.8 8.4 8.4")],
    paused: [disc, hole("M6.2 5.6v4.8M9.8 5.6v4.8")],
    unknown: [ring, line("M6.2 6.3A1.9 1.9 0 1 1 8 8.6v.5M8 11.2v.01")],
    busy: [line("M8 1.8A6.2 6.2 0 1 1 1.8 8")],
    off: [ring],
  };
  return h("svg", box, ...shapes[mark]);
}

/**
 * A button of the view. While its command has not answered it stays where it is, with the focus, and does nothing.
 *
 * @param {Page} page @param {Button} button @param {{ big?: boolean, icon?: boolean }} [how] `icon`: without its label.
 * @returns {Child}
 */
export function buttonOf(page, button, { big, icon: bare } = {}) {
  const off = button.off || page.isDoing(button.act);
  const picture = button.look === "quiet" ? undefined : pictureOf(button.act);
  const attrs = { type: "button", "aria-disabled": off && "true", onclick: () => off || page.press(button) };
  if (bare && picture) {
    const look = button.look === "danger" && "danger";
    return h("button.ib", { ...attrs, class: look, "aria-label": button.name, title: button.name }, icon(picture));
  }
  const named = button.name !== button.label ? button.name : null;
  return h("button.btn", { ...attrs, class: `${button.look}${big ? " big" : ""}`, "aria-label": named }, picture ? icon(picture) : null, button.label);
}

/** A sentence: `code` in backticks, times put in. @param {Line | string} line @param {number} now @returns {Child[]} */
export function sentence(line, now) {
  const text = typeof line === "string" ? line : said(line, now);
  return text.split("`").map((part, at) => (at % 2 ? h("code.sel", { key: `${at}` }, part) : h("span", { key: `${at}` }, part)));
}

/** Somebody else's text: never markup, cut by an ellipsis, its own direction. @param {string} text @param {string} [cls] @returns {Child} */
export function strange(text, cls) {
  return h("span.trunc", { class: cls, dir: "auto", title: text }, text);
}

// Costly to make.
const LETTERS = new Intl.Segmenter();

/** @param {Chat} chat @returns {Child} */
export function avatar(chat) {
  const start = chat.name.search(/[\p{L}\p{N}\p{Extended_Pictographic}]/u);
  const [first] = start < 0 ? [] : LETTERS.segment(chat.name.slice(start));
  const tint = ([...chat.folder].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 6) + 1;
  // A tower of accents is one character too.
  const shown = (first?.segment ?? "·").normalize("NFC").slice(0, 12).toUpperCase();
  return h("span.av", { class: `c${tint}${chat.isGroup ? " g" : ""}`, "aria-hidden": "true" }, shown);
}

/** @param {State} state @returns {Child} */
export function pill(state) {
  return h("span.pill", { class: state.mark }, markOf(state.mark, 13), state.word);
}

/** The pill's words for the row's own line, where there is no room for it. @param {State} state @returns {Child} */
export function pillWhenNarrow(state) {
  return h("span.when-narrow", null, markOf(state.mark, 12), state.word);
}

/**
 * A row: lead, title, one sentence, then value or controls at the right.
 *
 * @param {{ key?: string, tag?: string, attrs?: Record<string, any>, lead?: Child, title: Child, text?: Child | Child[], end?: Child[] }} of
 * @returns {Child}
 */
export function row({ key, tag = "div", attrs, lead, title, text, end }) {
  return h(`${tag}.row`, { key, ...attrs }, lead, h("div.mid", null, title, text ? h("div.s.trunc", null, ...[text].flat()) : null), end?.length ? h("div.end", null, ...end) : null);
}

/** @param {string} title @param {string | null} hint @param {...Child} children @returns {Child} */
export function section(title, hint, ...children) {
  return h("section.section", { key: title }, h("h2", null, title, hint ? h("span.hint", null, hint) : null), ...children);
}

/** The commands of a sentence that a person is to type elsewhere, each to be copied. @param {Page} page @param {Line | string} line @returns {Child[]} */
function commandsIn(page, line) {
  const texts = (typeof line === "string" ? line : line.text).split("`").filter((_, at) => at % 2);
  return texts.filter((text) => text.includes(" ")).map((text) => h("div.codeline.above", { key: text }, h("span.mono.sel", null, text), h("button.ib", { type: "button", "aria-label": WORDS.copy, title: WORDS.copy, onclick: () => page.copy(text) }, icon("copy"))));
}

/** A page's state, with what cures it. @param {Page} page @param {Panel} panel @returns {Child} */
export function panelOf(page, panel) {
  return h(
    "div.card.pad.statehead",
    { key: "panel" },
    markOf(panel.mark, 30),
    h("div.mid", null, h("h2", { dir: "auto" }, panel.title), h("p", null, ...sentence(panel.text, page.now)), h("div", null, ...commandsIn(page, panel.text)), panel.button ? h("div.btns", null, buttonOf(page, panel.button, { big: true })) : null),
  );
}

/** A problem beside the worst one. @param {Page} page @param {Panel} panel @returns {Child} */
export function banner(page, panel) {
  return h(
    "div.banner",
    { key: panel.title, class: panel.mark },
    markOf(panel.mark),
    h("div.mid", null, h("b", { dir: "auto" }, panel.title), h("p", { dir: "auto" }, ...sentence(panel.text, page.now))),
    panel.button ? buttonOf(page, panel.button) : null,
  );
}

/** @param {Page} page @param {Detail} detail @returns {Child} */
export function more(page, detail) {
  return h("details.more", { key: detail.title }, h("summary", null, icon("more", 12), detail.title), h("p.dim", null, ...sentence(detail.text, page.now)));
}

/** @param {string} picture @param {Detail} detail @returns {Child} */
export function empty(picture, detail) {
  return h("div.empty", { key: "empty" }, icon(picture, 28), h("b", null, detail.title), detail.text ? h("p", null, detail.text) : null);
}

/** How much of a time is left, as a ring and in words. @param {Page} page @param {string} at @param {(seconds: number) => string} words @returns {Child} */
export function ring(page, at, words) {
  const [seconds, around] = [left(at, page.now), 2 * Math.PI * 8];
  const circle = { cx: 10, cy: 10, r: 8, fill: "none", "stroke-width": 2.5 };
  const run = { "stroke-linecap": "round", "stroke-dasharray": around, "stroke-dashoffset": around * (1 - seconds / page.whole(at)), transform: "rotate(-90 10 10)" };
  return h(
    "div.ring",
    { class: seconds < 6 ? "low" : "" },
    h("svg", { width: 20, height: 20, viewBox: "0 0 20 20", "aria-hidden": "true" }, h("circle", { ...circle, class: "track" }), h("circle", { ...circle, ...run, class: "run" })),
    h("span.num", null, words(seconds)),
  );
}

/** What a countdown tells those who hear it: at its start, at 10 s and at its end. @param {Page} page @param {string} at @param {string} what @param {string} over @returns {Child} */
export function heard(page, at, what, over) {
  const seconds = left(at, page.now);
  const text = seconds === 0 ? over : seconds <= 10 ? WORDS.tenSeconds : what;
  return h("p.sr", { role: "status" }, text);
}

/** @param {string[]} steps @returns {Child} */
export function howto(steps) {
  return h("ol.howto", null, ...steps.map((step) => h("li", null, h("span", null, step))));
}

/** How far the making of the image is. @param {Progress} progress @returns {Child} */
export function bar(progress) {
  const done = Math.min(100, (100 * (progress.step - 1)) / Math.max(1, progress.of));
  const told = `Step ${progress.step} of ${progress.of}: ${progress.text}`;
  return h(
    "div.progress",
    { key: "progress" },
    h("div.bar", { role: "progressbar", "aria-label": WORDS.building, "aria-valuenow": Math.round(done), "aria-valuemin": 0, "aria-valuemax": 100 }, h("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" }, h("rect", { width: done, height: 6 }))),
    h("p.small.dim", null, told),
  );
}
