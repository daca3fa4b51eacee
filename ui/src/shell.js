// What stands around every page: the sidebar, the toasts, the question before something is lost.

/** @import { Confirm, Mark, Page as PageName, WindowView } from "../types" */
/** @import { Page } from "./components.js" */
/** @import { Child } from "./dom.js" */
/** @import { View } from "./views.js" */

import { buttonOf, icon, markOf, sentence } from "./components.js";
import { h } from "./dom.js";
import { WORDS } from "./words.js";

/** Before these the sidebar leaves a gap. @type {Set<PageName>} */
const GAPS = new Set(["whatsapp", "containers", "logs"]);

/** @typedef {{ key: string, mark: Mark | null, title: string, text: string }} Toast Those with a mark stay until they are closed. */

/** @param {Page} page @param {WindowView} view @param {PageName} current @param {View} what @returns {Child} */
export function shell(page, view, current, what) {
  if (what.layout === "alone") return h("div.app.first", { key: current }, ...what.body(page, view));
  const label = view.tabs.find((tab) => tab.page === current)?.label ?? "";
  const head = what.head?.(page, view) ?? { end: [] };
  const skip = (/** @type {Event} */ event) => {
    event.preventDefault();
    focusMain();
  };
  return h(
    "div.app",
    { key: "app" },
    h("a.skip", { href: "#main", onclick: skip }, WORDS.skip),
    h(
      "nav.side",
      { "aria-label": WORDS.pages },
      h(
        "div.who",
        null,
        h("img", { src: "mark.svg", width: 32, height: 32, alt: "" }),
        h("div.txt", null, h("b.trunc", { dir: "auto", title: view.assistant }, view.assistant), h("span.state", { role: "status" }, markOf(view.state.mark, 13), h("span", null, view.state.word))),
      ),
      h("div.nav", null, ...view.tabs.map((tab) => entry(page, tab, tab.page === current))),
      h("div.foot", null, buttonOf(page, view.pause)),
    ),
    h(
      "main.main",
      { id: "main", tabindex: "-1", key: current, "aria-label": label },
      current === "overview" ? null : h("header.head", null, h("h1", null, head.title ?? label), ...head.end),
      what.layout === "panes" ? h("div.panes", { class: current }, ...what.body(page, view)) : h("div.body", null, h("div.col", null, ...what.body(page, view))),
    ),
  );
}

/** @param {Page} page @param {WindowView["tabs"][number]} tab @param {boolean} isCurrent @returns {Child} */
function entry(page, { page: to, label, flag, count }, isCurrent) {
  return h(
    "button",
    { key: to, class: GAPS.has(to) && "gap", "data-page": to, type: "button", "aria-current": isCurrent && "page", onclick: () => page.go(to) },
    icon(to, 17),
    h("span.lbl", null, label),
    flag ? h("span.flag", null, markOf(flag.mark, 14), h("span.sr", null, ` ${flag.word}`)) : count ? h("span.count", null, count, h("span.sr", null, ` ${WORDS.runningCount}`)) : null,
  );
}

export function focusMain() {
  document.getElementById("main")?.focus({ preventScroll: true });
}

/** Before the first view, and when there is none to be had. @param {Mark} mark @param {string} title @param {string} text @returns {Child} */
export function alone(mark, title, text) {
  return h("main.main.alone", { key: title, "aria-label": title }, h("div.body", null, h("div.col", null, h("div.hero", { role: mark === "busy" ? "status" : "alert" }, markOf(mark, 44), h("div.mid", null, h("h1", null, title), h("p", null, text))))));
}

/** @param {Toast[]} toasts @param {(toast: Toast) => void} close @returns {Child[]} */
export function toastList(toasts, close) {
  return toasts.map((toast) =>
    h(
      "div.toast",
      { key: toast.key, class: toast.mark && "stays", role: toast.mark ? "alert" : "status" },
      toast.mark ? markOf(toast.mark) : null,
      h("div.mid", null, h("b", { dir: "auto" }, ...sentence(toast.title, 0)), toast.text ? h("p", { dir: "auto" }, ...sentence(toast.text, 0)) : null),
      toast.mark ? h("button.ib", { type: "button", "aria-label": WORDS.close, title: WORDS.close, onclick: () => close(toast) }, icon("close")) : null,
    ),
  );
}

/** The question, with the harmless answer first. @param {Confirm} confirm @param {(yes: boolean) => void} answer @returns {Child[]} */
export function question(confirm, answer) {
  return [
    h("h2", { id: "confirm-title", dir: "auto" }, confirm.title),
    h("p", { id: "confirm-text" }, confirm.text),
    h("div.btns.end", null, h("button.btn.plain", { type: "button", autofocus: true, onclick: () => answer(false) }, WORDS.cancel), h("button.btn.danger.solid", { type: "button", onclick: () => answer(true) }, confirm.label)),
  ];
}
