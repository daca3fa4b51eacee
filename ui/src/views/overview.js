// The Overview: the worst thing that is true with its cure, then all else, smaller.

/** @import { Button, Run, Vital, Waiting, WindowView } from "../../types" */
/** @import { Page } from "../components.js" */
/** @import { Child } from "../dom.js" */

import { avatar, banner, bar, buttonOf, empty, icon, markOf, pill, pillWhenNarrow, row, section, sentence, strange } from "../components.js";
import { h } from "../dom.js";
import { button } from "../fields.js";
import { SETUP, WORDS, age, said } from "../words.js";

/** More of a kind than these are shown on the Containers page. */
const MOST = 5;

/** @param {Page} page @param {WindowView} view @returns {Child[]} */
export function overview(page, view) {
  const { headline, containers } = view;
  const { running, waiting } = containers;
  return [
    h(
      "div.hero",
      { key: "hero", role: headline.mark === "needs-you" ? "alert" : null },
      markOf(headline.mark, 44),
      h("div.mid", null, h("h1", { dir: "auto" }, headline.title), h("p", null, ...sentence(headline.text, page.now)), headline.button ? h("div.btns", null, buttonOf(page, headline.button, { big: true })) : null),
    ),
    containers.progress ? bar(containers.progress) : null,
    view.setup.isOpen ? unfinished(page, view) : null,
    view.notices.length ? h("div.col.tight", { key: "notices" }, ...view.notices.map((notice) => banner(page, notice))) : null,
    h("div.card", { key: "vitals" }, h("div.vitals", null, ...view.vitals.map((vital) => vitalRow(page, vital)))),
    section(
      WORDS.runningNow,
      null,
      running.length
        ? h("ul.card.runs", null, ...running.slice(0, MOST).map((run) => runRow(page, run)), ...others(page, running.length, "containers"))
        : h("div.card", null, empty("quiet", containers.quiet)),
    ),
    waiting.length ? section(WORDS.waiting, WORDS.inThisOrder, h("ol.card", null, ...waiting.slice(0, MOST).map((of) => waitingRow(page, of)), ...others(page, waiting.length, "chats"))) : null,
  ];
}

/** @param {Page} page @param {WindowView} view @returns {Child} */
function unfinished(page, view) {
  const next = view.setup.steps.find((step) => !step.done && step.key !== "welcome");
  return h("div.banner.info", { key: "setup" }, markOf("off"), h("div.mid", null, h("b", null, SETUP.unfinished), next ? h("p", { dir: "auto" }, SETUP.unfinishedText(next.title)) : null), button({ label: SETUP.goOn, press: () => page.go("setup") }));
}

/** @param {Page} page @param {Vital} vital @param {Button | null} [button] @returns {Child} */
export function vitalRow(page, vital, button = null) {
  const text = said(vital.text, page.now);
  const title = h("span.t", null, vital.title);
  const to = vital.page;
  const inner = { key: vital.title, lead: markOf(vital.mark, 18), title, text: h(to === null ? "span.wrap" : "span", { dir: "auto", title: text }, text) };
  if (to === null) return row({ ...inner, end: button ? [buttonOf(page, button)] : [] });
  return row({ ...inner, tag: "button", attrs: { type: "button", onclick: () => page.go(to) }, end: [h("span.chev", null, icon("more", 14))] });
}

/** @param {Page} page @param {Run} run @returns {Child} */
function runRow(page, run) {
  const text = [pillWhenNarrow(run.state), h("span.when-wide.trunc", { dir: "auto", title: run.text }, run.text), h("span.num", null, `· ${age(run.startedAt, page.now)}`)];
  return row({ key: run.id, tag: "li", lead: avatar(run.chat), title: strange(run.chat.name, "t"), text, end: [pill(run.state), buttonOf(page, run.stop, { icon: true })] });
}

/** @param {Page} page @param {Waiting} waiting @returns {Child} */
export function waitingRow(page, { chat, text }) {
  return row({ key: chat.folder, tag: "li", lead: avatar(chat), title: strange(chat.name, "t"), text: said(text, page.now) });
}

/** The way to those that have no room here. @param {Page} page @param {number} count @param {string} what @returns {Child[]} */
function others(page, count, what) {
  if (count <= MOST) return [];
  const attrs = { type: "button", onclick: () => page.go("containers") };
  return [h("li", { key: "" }, row({ tag: "button", attrs, title: h("span.t", null, `Show all ${count} ${what}`), end: [h("span.chev", null, icon("more", 14))] }))];
}
