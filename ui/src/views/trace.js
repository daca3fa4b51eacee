// What became of a chat's last messages, step by step. No text is in it: only when what happened.

/** @import { Page } from "../components.js" */
/** @import { Child } from "../dom.js" */

import { empty, icon, section } from "../components.js";
import { h } from "../dom.js";
import { answered } from "../fields.js";
import { TRACE, ago, exact } from "../words.js";

/** Messages that are listed. */
const MOST = 8;
const TROUBLE = new Set(["failed", "retried", "parked", "stopped"]);

/** @typedef {{ id: string, direction: "in" | "out", at: string, state: string }} Entry */
/** @typedef {{ step: string, at: string, detail: string | null }} Taken */

/** @param {Page} page @param {string} chat @returns {Child} */
export function traceOf(page, chat) {
  const list = (/** @type {Entry[]} */ all) => [all.length ? h("ul.card", { key: "list" }, ...all.slice(0, MOST).map((one) => entry(page, one))) : h("div.card", { key: "none" }, empty("chats", { title: TRACE.none, text: "" }))];
  return section(TRACE.title, TRACE.hint, ...answered(page.ask("chats.trace", { chat }), list));
}

/** @param {Page} page @param {Entry} one @returns {Child} */
function entry(page, one) {
  const open = page.get("trace.open", null) === one.id;
  const bad = TROUBLE.has(one.state);
  return h(
    "li",
    { key: `${one.direction} ${one.id}` },
    h(
      "button.row",
      { type: "button", "aria-expanded": open ? "true" : "false", onclick: () => page.set("trace.open", open ? null : one.id) },
      h("div.mid", null, h("span.t", null, one.direction === "in" ? TRACE.in : TRACE.out), h("div.s", { class: bad && "late" }, TRACE.states[one.state] ?? one.state)),
      h("div.end", null, h("span.small.num", null, ago(one.at, page.now)), h("span.chev", { class: open && "open" }, icon("more", 14))),
    ),
    open ? way(page, one) : null,
  );
}

/** @param {Page} page @param {Entry} one @returns {Child} */
function way(page, one) {
  const line = (/** @type {Taken} */ { step, at, detail }, /** @type {number} */ n) =>
    h("li", { key: `${n}`, class: TROUBLE.has(step) ? "bad" : null }, h("div.mid", null, h("span.t", null, TRACE.steps[step] ?? step), detail ? h("p.small.dim.wrap.sel", { dir: "auto" }, detail) : null), h("time.small.dim.num", null, exact(at)));
  const taken = (/** @type {{ steps: Taken[] } | null} */ of) => [of?.steps.length ? h("ol.steps", { key: "steps" }, ...of.steps.map(line)) : h("p.small.dim", { key: "forgotten" }, TRACE.forgotten)];
  return h("div.within.way", { key: "way" }, ...answered(page.ask("chats.trace", { id: one.id }), taken));
}
