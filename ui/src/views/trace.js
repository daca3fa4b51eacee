// What became of a chat's last messages, step by step. No text is in it: only when what happened.

/** @import { Page } from "../components.js" */
/** @import { Child } from "../dom.js" */

import { empty, icon, section } from "../components.js";
import { h } from "../dom.js";
import { answered, button } from "../fields.js";
import { TRACE, ago, exact } from "../words.js";

/** Messages that are listed at first, and how many more are asked for each time; the app gives no more than the last. */
const MOST = [8, 50, 200, 1000];
const TROUBLE = new Set(["failed", "retried", "parked", "stopped"]);

/** @typedef {{ id: string, direction: "in" | "out", at: string, state: string }} Entry */
/** @typedef {{ step: string, at: string, detail: string | null }} Taken */

/** @param {Page} page @param {string} chat @returns {Child} */
export function traceOf(page, chat) {
  const size = page.get(`trace.size ${chat}`, 0);
  // One more than is shown tells whether there are any.
  const ask = (/** @type {number} */ of) => page.ask("chats.trace", { chat, limit: MOST[of] + 1 });
  const answer = ask(size);
  // Those that are there stay until the others are.
  const known = answer.value === null && !answer.trouble && size > 0 ? ask(size - 1) : answer;
  const list = (/** @type {Entry[]} */ all) => {
    const older = all.length > MOST[size] && size + 1 < MOST.length;
    const more = older ? h("li", { key: "older" }, h("div.row", null, button({ label: TRACE.older, look: "quiet", picture: "plus", press: () => page.set(`trace.size ${chat}`, size + 1) }))) : null;
    return [all.length ? h("ul.card", { key: "list" }, ...[...all.slice(0, MOST[size]).map((one) => entry(page, one)), more].filter(Boolean)) : h("div.card", { key: "none" }, empty("chats", { title: TRACE.none, text: "" }))];
  };
  return section(TRACE.title, TRACE.hint, ...answered(known, list));
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
