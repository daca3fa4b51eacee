// The Overview: the worst thing that is true with its cure, then all else, smaller.

/** @import { Run, Vital, WindowView } from "../../types" */
/** @import { Page } from "../components.js" */
/** @import { Child } from "../dom.js" */

import { avatar, banner, buttonOf, empty, icon, markOf, pill, pillWhenNarrow, row, section, sentence, strange } from "../components.js";
import { h } from "../dom.js";
import { WORDS, age, said } from "../words.js";

/** More than these are shown on their own page. */
const MOST_RUNS = 5;

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
    view.notices.length ? h("div.col.tight", { key: "notices" }, ...view.notices.map((notice) => banner(page, notice))) : null,
    h("div.card", { key: "vitals" }, h("div.vitals", null, ...view.vitals.map((vital) => vitalRow(page, vital)))),
    section(
      WORDS.runningNow,
      null,
      running.length
        ? h("ul.card.runs", null, ...running.slice(0, MOST_RUNS).map((run) => runRow(page, run)), ...moreRuns(page, running))
        : h("div.card", null, empty("quiet", containers.quiet)),
    ),
    waiting.length ? waitingList(page, view) : null,
  ];
}

/** @param {Page} page @param {Vital} vital @returns {Child} */
export function vitalRow(page, vital) {
  const text = said(vital.text, page.now);
  const title = h("span.t", null, vital.title);
  const inner = { key: vital.title, lead: markOf(vital.mark, 18), title, text: h("span", { dir: "auto", title: text }, text) };
  const to = vital.page;
  if (to === null) return row(inner);
  return row({ ...inner, tag: "button", attrs: { type: "button", onclick: () => page.go(to) }, end: [h("span.chev", null, icon("more", 14))] });
}

/** @param {Page} page @param {Run} run @returns {Child} */
function runRow(page, run) {
  const text = [pillWhenNarrow(run.state), `${run.text} · ${age(run.startedAt, page.now)}`];
  return row({ key: run.id, tag: "li", lead: avatar(run.chat), title: strange(run.chat.name, "t"), text, end: [pill(run.state), buttonOf(page, run.stop, { icon: true })] });
}

/** @param {Page} page @param {Run[]} running @returns {Child[]} */
function moreRuns(page, running) {
  if (running.length <= MOST_RUNS) return [];
  const all = `Show all ${running.length} containers`;
  return [h("li", { key: "more" }, row({ tag: "button", attrs: { type: "button", onclick: () => page.go("containers") }, title: h("span.t", null, all), end: [h("span.chev", null, icon("more", 14))] }))];
}

/** @param {Page} page @param {WindowView} view @returns {Child} */
export function waitingList(page, view) {
  const rows = view.containers.waiting.map((waiting) =>
    row({ key: waiting.chat.folder, tag: "li", lead: avatar(waiting.chat), title: strange(waiting.chat.name, "t"), text: said(waiting.text, page.now) }),
  );
  return section(WORDS.waiting, WORDS.inThisOrder, h("ol.card", null, ...rows));
}
