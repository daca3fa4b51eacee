// The Kiro page: who is signed in where, signing in by a code, and whose sign-in agents use.

/** @import { KiroView, Login, Way, WindowView } from "../../types" */
/** @import { Page } from "../components.js" */
/** @import { Child } from "../dom.js" */

import { buttonOf, heard, icon, markOf, panelOf, pill, ring, row, section } from "../components.js";
import { h } from "../dom.js";
import { button, choice, copyable, field, filled, input, told } from "../fields.js";
import { KIRO, WORDS, ago, left, span } from "../words.js";

/** @param {Page} page @param {WindowView} view */
export function kiroHead(page, view) {
  const { login, check } = view.kiro;
  return { end: [login?.cancel ? buttonOf(page, login.cancel) : buttonOf(page, check)] };
}

/** @param {Page} page @param {WindowView} view @returns {Child[]} */
export function kiro(page, view) {
  const { places, signOut } = view.kiro;
  return [
    ...signingIn(page, view.kiro),
    section(KIRO.places, null, h("ul.card", null, ...places.map((place) => row({ key: place.title, tag: "li", lead: markOf(place.mark, 18), title: h("span.t.wrap", { dir: "auto" }, place.title), text: h("span", { dir: "auto", title: place.text }, place.text), end: place.at ? [h("span.small.num", null, KIRO.looked(ago(place.at, page.now)))] : [] })))),
    section(KIRO.modes(view.assistant), null, modeForm(page, view)),
    signOut ? h("div", null, buttonOf(page, signOut)) : null,
  ];
}

/** One is chosen first, and used when that is pressed. @param {Page} page @param {WindowView} view @returns {Child} */
function modeForm(page, { assistant, kiro: { modes } }) {
  const now = modes.find((mode) => mode.on);
  const picked = page.get("kiro.mode", null);
  // What was picked before another one came into use counts no more.
  const chosen = (picked?.instead === now?.mode && modes.find((mode) => mode.mode === picked?.mode)) || now;
  const use = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (chosen && !chosen.on) page.press(chosen.choose);
  };
  const pick = (/** @type {string} */ mode) => () => page.set("kiro.mode", { mode, instead: now?.mode });
  return h(
    "form.form.modes",
    { key: "modes", onsubmit: use },
    h("div.choices", { role: "radiogroup", "aria-label": KIRO.modes(assistant) }, ...modes.map((mode) => choice({ name: "mode", value: mode.mode, on: mode === chosen, title: mode.title, text: mode.text, change: pick(mode.mode), end: mode.on ? pill({ mark: "ready", word: KIRO.inUse }) : null }))),
    h("div.btns", null, button({ label: KIRO.useMode, busy: !chosen || chosen.on || page.isDoing(chosen.choose.act) })),
  );
}

/** How agents are signed in, and the way to it; the assistant of the first start shows it too. @param {Page} page @param {KiroView} kiro @returns {Child[]} */
export function signingIn(page, kiro) {
  const { panel, login, methods, key } = kiro;
  return [login?.cancel ? underWay(page, login) : null, login && !login.cancel ? ended(login) : null, panel && !login ? panelOf(page, panel) : null, methods.length ? ways(page, kiro) : null, key ? keyForm(page, key) : null];
}

/** @param {Login} login @returns {Child} */
function ended(login) {
  return h("div.banner.note", { key: "ended", role: "alert" }, markOf("note"), h("div.mid", null, h("b", null, login.title), h("p", { dir: "auto" }, login.text)));
}

/** @param {Page} page @param {Login} login @returns {Child} */
function underWay(page, login) {
  const { code, url, expiresAt } = login;
  const over = expiresAt !== null && left(expiresAt, page.now) === 0;
  const big = (/** @type {string} */ text) => h("div.bigcode.sel", { role: "img", "aria-label": over ? WORDS.codeOver : `Code ${text.split("").join(" ")}` }, ...[...text].map((letter, at) => h("i", { key: `${at}`, class: letter === "-" ? "dash" : over ? "over" : null }, letter === "-" ? "–" : over ? "·" : letter)));
  return h(
    "div.col",
    { key: "login" },
    h("p.lead", { dir: "auto" }, login.text),
    code ? h("div.card.codecard", { key: "code" }, big(code), h("div.btns", null, login.open ? buttonOf(page, login.open, { big: true }) : null, h("button.btn.plain.big", { type: "button", "aria-disabled": over && "true", onclick: () => over || page.copy(code) }, icon("copy"), KIRO.copyCode))) : login.open ? h("div.btns", { key: "open" }, buttonOf(page, login.open, { big: true })) : null,
    url ? h("div.field.wide", { key: "url" }, h("span.label", null, KIRO.address), copyable(page, url)) : null,
    h("div.waits", { key: "waits" }, markOf(login.mark, 18), h("span.mid", { role: "status" }, login.title), expiresAt ? ring(page, expiresAt, (seconds) => (seconds ? KIRO.left(span(seconds)) : WORDS.codeOver)) : null),
    expiresAt ? heard(page, expiresAt, KIRO.shown, WORDS.codeOver) : null,
  );
}

/** @param {Page} page @param {KiroView} kiro @returns {Child} */
function ways(page, { methods, ends, browser }) {
  const usual = methods.find((way) => way.on) ?? methods[0];
  const chosen = methods.find((way) => way.method === page.get("kiro.method", usual.method)) ?? usual;
  const [trouble, busy] = [page.trouble("kiro.login"), page.isDoing("kiro.login")];
  const begin = (/** @type {Event} */ event) => {
    const { startUrl, region, browser: here } = filled(event);
    const organisation = chosen.organisation ? { startUrl: startUrl.trim(), region: region.trim() } : {};
    const send = () => void page.submit("kiro.login", "kiro.login", { method: chosen.method, ...organisation, browser: here === "on", ...(ends ? { yes: true } : {}) });
    if (ends) page.confirm(ends, send);
    else send();
  };
  return h(
    "form.section.form",
    { key: "ways", onsubmit: begin, novalidate: true },
    h("div.field.wide", { key: "how" }, h("span.label", null, KIRO.how), h("div.choices.two", { role: "radiogroup", "aria-label": KIRO.how }, ...methods.map((way) => choice({ name: "method", value: way.method, on: way === chosen, title: way.title, text: way.text, change: () => page.set("kiro.method", way.method) })))),
    chosen.organisation ? organisation(chosen) : null,
    browser ? h("label.check", { key: "browser" }, h("input", { type: "checkbox", name: "browser" }), h("span", null, KIRO.browser)) : null,
    trouble ? h("p.err", { key: "trouble", role: "alert" }, ...told(trouble)) : null,
    h("div.btns", { key: "do" }, button({ label: KIRO.begin, look: "primary", big: true, busy })),
  );
}

/** @param {Way} way @returns {Child} */
function organisation({ organisation }) {
  return h(
    "div.pair",
    { key: "organisation" },
    field({ id: "startUrl", label: KIRO.startUrl, hint: KIRO.startUrlHint }, input("startUrl", { type: "url", value: organisation?.startUrl, placeholder: "https://…awsapps.com/start", dir: "ltr" })),
    field({ id: "region", label: KIRO.region, hint: KIRO.regionHint }, input("region", { value: organisation?.region, dir: "ltr" })),
  );
}

/** The key goes straight to its command and is kept nowhere in the page. @param {Page} page @param {NonNullable<KiroView["key"]>} form @returns {Child} */
function keyForm(page, form) {
  const [trouble, busy] = [page.trouble("kiro.key"), page.isDoing("kiro.key")];
  const give = (/** @type {Event} */ event) => {
    const { key } = filled(event);
    /** @type {HTMLFormElement} */ (event.currentTarget).reset();
    if (key && !busy) void page.submit("kiro.key", form.command, { key });
  };
  return h(
    "form.section.form",
    { key: "key", onsubmit: give, novalidate: true },
    field({ id: "key", label: form.label, hint: form.hint, trouble: trouble && told(trouble) }, input("key", { type: "password", dir: "ltr" }, Boolean(trouble))),
    h("div.btns", { key: "do" }, button({ label: form.button, look: "primary", busy }), form.remove ? buttonOf(page, form.remove) : null),
  );
}
