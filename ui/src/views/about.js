// The About page: what is installed here.

/** @import { WindowView } from "../../types" */
/** @import { Page } from "../components.js" */
/** @import { Child } from "../dom.js" */

import { buttonOf, row, sentence } from "../components.js";
import { h } from "../dom.js";
import { button } from "../fields.js";
import { ABOUT } from "../words.js";

/** @param {Page} page @param {WindowView} view @returns {Child[]} */
export function about(page, view) {
  const { text, facts } = view.about;
  const all = facts.map(({ title, value }) => `${title}: ${value}`).join("\n");
  return [
    h("div.hello", { key: "hello" }, h("img", { src: "mark.svg", width: 56, height: 56, alt: "" }), h("div", null, h("h2", null, "NanoClaw"), h("p.dim", null, ...sentence(text, page.now)))),
    h("ul.card", { key: "facts" }, ...facts.map((fact) => row({ key: fact.title, tag: "li", title: h("span.t", null, fact.title), end: [h("span.sel", { dir: "auto" }, fact.value)] }))),
    h("div.btns", { key: "do" }, button({ label: ABOUT.copy, picture: "copy", press: () => page.copy(all) }), buttonOf(page, view.openLog)),
    h("p.small.dim", { key: "open" }, ABOUT.open),
  ];
}
