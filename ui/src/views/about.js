// The About page: what is installed here, whether all of it is as it should be, and what helps to find a fault.

/** @import { WindowView } from "../../types" */
/** @import { Page } from "../components.js" */
/** @import { Child } from "../dom.js" */
/** @import { Part } from "../licences.js" */

import { buttonOf, icon, markOf, row, section, sentence } from "../components.js";
import { h } from "../dom.js";
import { button, copyable, told } from "../fields.js";
import { ABOUT } from "../words.js";

/** @typedef {{ id: string, outcome: "good" | "warning" | "bad", text: string, problem: { cure: string } | null }} Check */

/** @param {Page} page @param {WindowView} view @returns {Child[]} */
export function about(page, view) {
  const { text } = view.about;
  const facts = [...view.about.facts.slice(0, -1), ...installed(page), ...view.about.facts.slice(-1)];
  const all = facts.map(({ title, value }) => `${title}: ${value}`).join("\n");
  return [
    h("div.hello", { key: "hello" }, h("img", { src: "mark.svg", width: 56, height: 56, alt: "" }), h("div", null, h("h2", null, "NanoClaw"), h("p.dim", null, ...sentence(text, page.now)))),
    h("ul.card", { key: "facts" }, ...facts.map((fact) => row({ key: fact.title, tag: "li", title: h("span.t", null, fact.title), end: [h("span.sel", { dir: "auto" }, fact.value)] }))),
    h("div.btns", { key: "do" }, button({ label: ABOUT.copy, picture: "copy", press: () => page.copy(all) }), buttonOf(page, view.openLog)),
    doctor(page),
    bundle(page),
    madeOf(page),
  ];
}

/** What is beside NanoClaw; kiro-cli has to be asked, so it is asked once. @param {Page} page @returns {{ title: string, value: string }[]} */
function installed(page) {
  const { value, trouble } = page.ask("versions", {}, true);
  const version = (/** @type {string | null | undefined} */ of) => of ?? (value || trouble ? ABOUT.notFound : "…");
  return [{ title: "kiro-cli", value: version(value?.kiroCli) }, { title: "WebKit", value: version(value?.webKit) }];
}

/** Read only when it is asked for: it is long. @param {Page} page @returns {Child} */
function madeOf(page) {
  /** @type {{ LICENCES: Part[], TEXTS: string[] } | null} */
  const all = page.get("about.licences", null);
  const show = async () => page.set("about.licences", await import("../licences.js"));
  return section(
    ABOUT.made,
    null,
    h("p.dim", null, ABOUT.open),
    all
      ? h("ul.card.parts.above", { "aria-label": ABOUT.made }, ...all.LICENCES.map((part) => partRow(page, part, all.TEXTS)))
      : h("div.btns.above", null, button({ label: ABOUT.showMade, press: () => void show() })),
  );
}

/** Its licence's text is there once it is opened. @param {Page} page @param {Part} part @param {string[]} texts @returns {Child} */
function partRow(page, [name, version, licence, text], texts) {
  const key = `${name} ${version}`;
  const open = page.get(`about.licence ${key}`, false);
  const toggled = (/** @type {Event} */ event) => page.set(`about.licence ${key}`, /** @type {HTMLDetailsElement} */ (event.currentTarget).open);
  const read = text === null ? h("p.dim", null, ABOUT.noText) : h("pre.mono.sel", { tabindex: 0 }, texts[text]);
  return h("li", { key }, h("details.more", { open, ontoggle: toggled }, h("summary", null, icon("more", 12), h("span.mono", null, key), h("span.dim", null, licence)), open ? read : null));
}

/** @param {Page} page @returns {Child} */
function doctor(page) {
  const [busy, trouble] = [page.isDoing("about.doctor"), page.trouble("about.doctor")];
  /** @type {Check[] | null} */
  const checks = page.get("about.checks", null);
  const check = async () => {
    const found = await page.submit("about.doctor", "doctor", {});
    if (found) page.set("about.checks", found);
  };
  const marks = /** @type {const} */ ({ good: "ready", warning: "note", bad: "needs-you" });
  const line = (/** @type {Check} */ one, /** @type {number} */ at) => row({ key: `${one.id} ${at}`, tag: "li", lead: markOf(marks[one.outcome], 18), title: h("span.wrap", { dir: "auto" }, one.text), text: one.problem ? h("span.wrap", { dir: "auto" }, ...sentence(one.problem.cure, page.now)) : null });
  return section(
    ABOUT.checks,
    null,
    h("p.dim", null, ABOUT.checksText),
    h("div.btns.above", null, button({ label: busy ? ABOUT.checking : ABOUT.check, busy, press: () => void check() })),
    trouble ? h("p.err", { role: "alert" }, ...told(trouble)) : null,
    checks ? h("ul.card.above", { "aria-label": ABOUT.checked }, ...checks.map(line)) : null,
  );
}

/** @param {Page} page @returns {Child} */
function bundle(page) {
  const [busy, trouble, path] = [page.isDoing("about.pack"), page.trouble("about.pack"), page.get("about.packed", null)];
  const pack = async () => {
    const done = await page.submit("about.pack", "diagnostics", {});
    if (done) page.set("about.packed", done.path);
  };
  return section(
    ABOUT.pack,
    null,
    h("p.lead", null, ABOUT.packText),
    h("div.btns.above", null, button({ label: ABOUT.doPack, busy, press: () => void pack() })),
    trouble ? h("p.err", { role: "alert" }, ...told(trouble)) : null,
    path ? h("div.field.wide.above", null, h("span.label", { role: "status" }, ABOUT.packed), copyable(page, path)) : null,
  );
}
