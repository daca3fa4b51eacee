// What people type and choose in: each with its label, and with what is wrong beside it.

/** @import { Answer } from "./answers.js" */
/** @import { Trouble } from "./api.js" */
/** @import { Page } from "./components.js" */
/** @import { Child } from "./dom.js" */

import { PATIENCE_MS } from "./answers.js";
import { icon, markOf, sentence } from "./components.js";
import { h } from "./dom.js";
import { WORDS } from "./words.js";

/** What is wrong, in a sentence or two. @param {Trouble} trouble @returns {Child[]} */
export const told = (trouble) => sentence(`${trouble.message} ${trouble.cure}`.trim(), 0);

/** An input with its label; `id` is the input's. @param {{ id: string, label: string, hint?: Child, trouble?: Child[] | null }} of @param {Child} input @returns {Child} */
export function field({ id, label, hint, trouble }, input) {
  const note = trouble ?? hint;
  return h("div.field", { key: id }, h("label", { for: id }, label), input, note ? h("span", { id: `${id}-hint`, class: trouble ? "err" : "hint", role: trouble && "alert" }, ...[note].flat()) : null);
}

/** @param {string} id @param {Record<string, any>} [attrs] @param {boolean} [wrong] @returns {Child} */
export function input(id, attrs = {}, wrong = false) {
  return h("input.in", { id, name: id, type: "text", autocomplete: "off", spellcheck: "false", "aria-describedby": `${id}-hint`, "aria-invalid": wrong && "true", ...attrs });
}

/** @param {Record<string, any>} attrs @param {[string, string][]} options Values and what they are called. @param {string} value @returns {Child} */
export function select(attrs, options, value) {
  return h("select.in", attrs, ...options.map(([of, label]) => h("option", { key: of, value: of, selected: of === value, dir: "auto" }, label)));
}

/** `id` where a label stands for it; `about` is the id of what explains it. @param {{ label: string, on: boolean, change: (on: boolean) => void, off?: boolean, id?: string, about?: string }} of @returns {Child} */
export function toggle({ label, on, change, off, id, about }) {
  const flip = (/** @type {Event} */ event) => {
    // It turns when the app says that it has.
    event.preventDefault();
    if (!off) change(!on);
  };
  return h("button.toggle", { id, type: "button", "aria-describedby": about, role: "switch", "aria-checked": on ? "true" : "false", "aria-label": label, "aria-disabled": off && "true", onclick: flip }, h("span"));
}

/** One of a few. @param {{ name: string, label: string, value: string, change: (value: string) => void, fill?: boolean }} of @param {[string, string][]} options @returns {Child} */
export function seg({ name, label, value, change, fill }, options) {
  const one = (/** @type {[string, string]} */ [of, word]) =>
    h("label", { key: of }, h("input", { type: "radio", name, value: of, checked: of === value, onchange: () => change(of) }), h("span", null, word));
  return h("div.seg", { class: fill && "fill", role: "radiogroup", "aria-label": label }, ...options.map(one));
}

/** A choice that needs a sentence. @param {{ name: string, value: string, on: boolean, title: string, text: string, change: () => void, end?: Child }} of @returns {Child} */
export function choice({ name, value, on, title, text, change, end = null }) {
  return h("label.choice", { key: value }, h("input", { type: "radio", name, value, checked: on, onchange: change }), h("span.box", null, h("span.dot"), h("span.mid", null, h("b", null, title), h("span.p", null, text)), end));
}

/** @param {Page} page @param {string} key @param {string} label @returns {Child} */
export function search(page, key, label) {
  const find = (/** @type {Event} */ event) => page.set(key, /** @type {HTMLInputElement} */ (event.currentTarget).value);
  return h("div.search", { key }, icon("search", 15), h("input.in", { type: "search", "aria-label": label, placeholder: label, autocomplete: "off", spellcheck: "false", value: page.get(key, ""), oninput: find }));
}

/** @param {{ label: string, look?: string, busy?: boolean, big?: boolean, picture?: string, press?: () => void, name?: string, id?: string, about?: string }} of Without `press` it sends its form. @returns {Child} */
export function button({ label, look = "plain", busy, big, picture, press, name, id, about }) {
  return h("button.btn", { id, "aria-describedby": about, class: `${look}${big ? " big" : ""}`, type: press ? "button" : "submit", "aria-disabled": busy && "true", "aria-label": name, onclick: press && (() => busy || press()) }, picture ? icon(picture) : null, label);
}

/** @param {string} picture @param {string} label @param {() => void} press @param {string} [cls] @returns {Child} */
export function iconButton(picture, label, press, cls) {
  return h("button.ib", { class: cls, type: "button", "aria-label": label, title: label, onclick: press }, icon(picture));
}

/** What a form holds, by its fields' names. @param {Event} event @returns {Record<string, string>} */
export function filled(event) {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (event.currentTarget);
  return Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
}

/** A text to be taken elsewhere. @param {Page} page @param {string} text @returns {Child} */
export function copyable(page, text) {
  return h("div.codeline", null, h("span.mono.sel", null, text), iconButton("copy", WORDS.copy, () => page.copy(text)));
}

/** What is wrong with a whole part of a page. @param {string} message @param {string} cure @returns {Child} */
export function wrong(message, cure) {
  return h("div.banner.note", { key: "trouble", role: "alert" }, markOf("note"), h("div.mid", null, h("b", { dir: "auto" }, ...sentence(message, 0)), h("p", { dir: "auto" }, ...sentence(cure, 0))));
}

/** What is drawn of an answer: nothing for a moment, then that it is on its way, then itself or what is wrong. @param {Answer} answer @param {(value: any) => Child[]} draw @returns {Child[]} */
export function answered(answer, draw) {
  if (answer.value !== null) return draw(answer.value);
  if (answer.trouble) return [wrong(answer.trouble.message, answer.trouble.cure)];
  if (performance.now() - answer.since < PATIENCE_MS) return [];
  const line = (/** @type {number} */ at) => h("div.row", { key: `${at}` }, h("span.av.blank"), h("div.mid", null, h("div.skel"), h("div.skel.thin")));
  return [h("div.card", { key: "loading", "aria-busy": "true" }, h("span.sr", { role: "status" }, WORDS.loading), ...[1, 2, 3, 4].map(line))];
}
