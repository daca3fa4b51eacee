// The Containers page: what runs for which chat, what waits, what can be started, and on what all that runs.

/** @import { Run, Startable, WindowView } from "../../types" */
/** @import { Page } from "../components.js" */
/** @import { Child } from "../dom.js" */

import { avatar, bar, buttonOf, empty, icon, panelOf, pill, pillWhenNarrow, row, section, strange } from "../components.js";
import { h } from "../dom.js";
import { WORDS, age } from "../words.js";
import { vitalRow, waitingRow } from "./overview.js";

/** @param {Page} page @param {WindowView} view @returns {Child[]} */
export function containers(page, view) {
  const { panel, progress, running, quiet, waiting, startable, place, rebuild } = view.containers;
  return [
    panel ? panelOf(page, panel) : null,
    progress ? bar(progress) : null,
    running.length
      ? section(WORDS.running, null, h("ul.card.runs", null, ...running.map((run) => runRow(page, run))))
      : panel
        ? null
        : section(WORDS.running, null, h("div.card", null, empty("containers", quiet))),
    waiting.length ? section(WORDS.waiting, WORDS.inThisOrder, h("ol.card", null, ...waiting.map((of) => waitingRow(page, of)))) : null,
    startable.length ? section(WORDS.start, WORDS.startHint, h("ul.card", null, ...startable.map((chat) => startRow(page, chat)))) : null,
    place.length && !panel ? section(WORDS.place, null, h("div.card", null, ...place.map((part, at) => vitalRow(page, part, at === place.length - 1 ? rebuild : null)))) : null,
  ];
}

/** @param {Page} page @param {Run} run @returns {Child} */
function runRow(page, run) {
  /** @type {string[]} */
  const opened = page.get("containers.open", []);
  const open = opened.includes(run.id);
  const fold = { type: "button", "aria-expanded": open ? "true" : "false", "aria-label": WORDS.folders(run.chat.name), title: WORDS.folders(run.chat.name), onclick: () => page.set("containers.open", open ? opened.filter((id) => id !== run.id) : [...opened, run.id]) };
  const load = (/** @type {string} */ what, /** @type {string | null} */ value) => h("span.num.load", { title: what }, value ? h("span.sr", null, `${what} `) : null, value);
  const controls = [pill(run.state), load(WORDS.cpu, run.cpu), load(WORDS.memory, run.memory), h("span.num.age", null, age(run.startedAt, page.now)), h("button.ib.fold", fold, h("span.chev", { class: open && "open" }, icon("more", 14))), buttonOf(page, run.restart, { icon: true }), buttonOf(page, run.stop, { icon: true })];
  const text = [pillWhenNarrow(run.state), h("span.when-wide.trunc", { dir: "auto", title: run.text }, run.text)];
  return h("li", { key: run.id }, row({ lead: avatar(run.chat), title: strange(run.chat.name, "t"), text, end: controls }), open ? inside(run) : null);
}

/** @param {Run} run @returns {Child} */
function inside(run) {
  const line = (/** @type {string} */ key, /** @type {Child[]} */ ...value) => h("div", { key }, ...value);
  const load = [run.cpu && `${WORDS.cpu} ${run.cpu}`, run.memory && `${WORDS.memory} ${run.memory}`].filter(Boolean).join(", ");
  return h(
    "dl.mounts",
    { key: "inside" },
    line("works", h("dt", null, WORDS.works), h("dd.wrap", { dir: "auto" }, run.text, load ? h("span.load-narrow.num", null, ` · ${load}`) : null)),
    line("name", h("dt", null, WORDS.container), h("dd.mono.sel", null, run.container)),
    ...run.mounts.map((mount) => line(mount.container, h("dt.mono.sel", null, mount.host), h("dd", null, h("span.mono.sel", null, mount.container), `, ${mount.access}`))),
  );
}

/** @param {Page} page @param {Startable} startable @returns {Child} */
function startRow(page, { chat, text, start }) {
  return row({ key: chat.folder, tag: "li", lead: avatar(chat), title: strange(chat.name, "t"), text: h("span", { dir: "auto" }, text), end: [buttonOf(page, start)] });
}
