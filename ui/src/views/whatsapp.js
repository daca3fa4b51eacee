// The WhatsApp page: the link's state with its cure, or the codes that link it.

/** @import { Code, Panel, PhoneForm, Qr, WindowView } from "../../types" */
/** @import { Page } from "../components.js" */
/** @import { Child } from "../dom.js" */

import { buttonOf, heard, howto, icon, more, panelOf, ring, row, section } from "../components.js";
import { h } from "../dom.js";
import { answered, told } from "../fields.js";
import { WHATSAPP, WORDS, ago, clockLeft, left, span } from "../words.js";

/** Modules of white around a QR code, without which cameras don't find it. */
const QUIET_ZONE = 4;
/** What the code should measure at most, in pixels; a module is a whole number of them, or cameras see uneven bars. */
const QR_SIDE = 272;

/** @param {Page} page @param {WindowView} view */
export function whatsappHead(page, view) {
  return { end: [view.whatsapp.cancel ? buttonOf(page, view.whatsapp.cancel) : null] };
}

/** @param {Page} page @param {WindowView} view @returns {Child[]} */
export function whatsapp(page, view) {
  const { panel, qr, code, phone, facts, details, signOut } = view.whatsapp;
  const scans = qr && wayOf(page) === "qr";
  return [
    panel ? panelOf(page, panel) : null,
    qr ? waysTo(page) : null,
    qr && scans ? scanning(page, qr) : null,
    code && !scans ? typing(page, code) : null,
    phone && !code && !scans ? byNumber(page, phone, panel) : null,
    facts.length ? h("ul.card", null, ...facts.map((fact) => row({ key: fact.title, tag: "li", title: h("span.t", null, fact.title), end: [h("span.num", null, fact.value), fact.button ? buttonOf(page, fact.button) : null] }))) : null,
    backups(page, view),
    h("div.col.tight", null, ...details.map((detail) => more(page, detail))),
    signOut ? h("div", null, buttonOf(page, signOut)) : null,
  ];
}

/** The sign-ins that were moved aside; only a person deletes one. @param {Page} page @param {WindowView} view @returns {Child} */
function backups(page, view) {
  // While a code is to be seen, nothing else is.
  if (!view.whatsapp.panel) return null;
  const answer = page.ask("whatsapp.backups");
  if (answer.trouble) return section(WHATSAPP.backups, null, ...answered(answer, () => []));
  /** @type {{ name: string, movedAt: string, bytes: number }[]} */
  const all = answer.value ?? [];
  if (!all.length) return null;
  const trouble = page.trouble("backups");
  const remove = (/** @type {string} */ name) => () => page.confirm(WHATSAPP.removeAsk(name), () => void page.submit("backups", "whatsapp.remove-backup", { name, yes: true }));
  const line = (/** @type {typeof all[number]} */ { name, movedAt, bytes }) =>
    row({ key: name, tag: "li", title: h("span.mono.sel", null, name), text: WHATSAPP.moved(ago(movedAt, page.now), bytes), end: [h("button.btn.danger", { type: "button", "aria-label": WHATSAPP.remove(name), onclick: remove(name) }, WHATSAPP.removeLabel)] });
  return section(WHATSAPP.backups, null, h("ul.card", null, ...all.map(line)), trouble ? h("p.err", { key: "wrong", role: "alert" }, ...told(trouble)) : null);
}

/** How the person links. @param {Page} page @returns {"qr" | "phone"} */
function wayOf(page) {
  return page.get("whatsapp.way", "qr");
}

/** @param {Page} page @returns {Child} */
function waysTo(page) {
  const way = (/** @type {"qr" | "phone"} */ value, /** @type {string} */ picture, /** @type {string} */ label) =>
    h("label", null, h("input", { type: "radio", name: "way", value, checked: wayOf(page) === value, onchange: () => page.set("whatsapp.way", value) }), h("span", null, icon(picture, 15), label));
  return h("div.seg", { role: "radiogroup", "aria-label": WORDS.howToLink }, way("qr", "qr", WORDS.scan), way("phone", "number", WORDS.byPhone));
}

/** @param {Page} page @param {Qr} qr @returns {Child} */
function scanning(page, qr) {
  const isOver = left(qr.expiresAt, page.now) === 0;
  const side = qr.size + 2 * QUIET_ZONE;
  const pixels = side * Math.max(2, Math.floor(QR_SIDE / side));
  const box = { width: pixels, height: pixels, viewBox: `${-QUIET_ZONE} ${-QUIET_ZONE} ${side} ${side}`, "shape-rendering": "crispEdges", "aria-hidden": "true" };
  return h(
    "div.pairing",
    null,
    // A code that has run out is not shown: a phone would take it and fail.
    h("div.qr", null, h("svg", box, isOver ? null : h("path", { d: qr.path })), h("span.sr", { role: "img", "aria-label": isOver ? WORDS.qrOver : WORDS.qr }), isOver ? h("p.over", null, WORDS.qrOver) : null),
    h("div.mid", null, howto(qr.steps), isOver ? null : ring(page, qr.expiresAt, (seconds) => `New code in ${span(seconds)}`), heard(page, qr.expiresAt, WORDS.qrShown, WORDS.qrOver)),
  );
}

/** @param {Page} page @param {Code} code @returns {Child} */
function typing(page, code) {
  const isOver = left(code.expiresAt, page.now) === 0;
  return h(
    "div.col",
    null,
    h(
      "div.card.codecard",
      null,
      h("div.bigcode.sel", { role: "img", "aria-label": isOver ? WORDS.codeOver : `Code ${code.code.split("").join(" ")}` }, ...[...code.code].map((letter, at) => h("i", { key: `${at}`, class: letter === "-" ? "dash" : isOver ? "over" : null }, letter === "-" ? "–" : isOver ? "·" : letter))),
      h("div.btns", null, ring(page, code.expiresAt, (seconds) => (seconds ? `Good for ${clockLeft(seconds)}` : WORDS.codeOver)), h("button.btn.plain", { type: "button", "aria-disabled": isOver && "true", onclick: () => isOver || page.copy(code.code) }, icon("copy"), WORDS.copy)),
      heard(page, code.expiresAt, WORDS.codeShown, WORDS.codeOver),
    ),
    howto(code.steps),
    h("p.small.dim", null, code.text),
  );
}

/** The form, under a heading where it is not the only way that is shown; what was typed outlives a code that ran out. @param {Page} page @param {PhoneForm} form @param {Panel | null} panel @returns {Child} */
function byNumber(page, form, panel) {
  const title = panel?.button ? WORDS.orByPhone : WORDS.byPhone;
  return h("section.section", { key: "phone" }, panel ? h("h2", null, title) : null, numberForm(page, form, !panel?.button));
}

/** @param {Page} page @param {PhoneForm} form @param {boolean} first Whether this is the page's first choice. @returns {Child} */
function numberForm(page, form, first) {
  const [trouble, asking] = [page.trouble("phone"), page.isDoing("phone")];
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const field = /** @type {HTMLFormElement} */ (event.currentTarget).elements.namedItem("phone");
    if (!asking) void page.submit("phone", form.command, { phone: /** @type {HTMLInputElement} */ (field).value });
  };
  return h(
    "form.form",
    { onsubmit: submit, novalidate: true },
    h("p.lead", null, form.lead),
    h(
      "div.field",
      null,
      h("label", { for: "phone" }, form.label),
      h("input.in.big", { id: "phone", name: "phone", type: "tel", inputmode: "tel", autocomplete: "off", spellcheck: "false", dir: "ltr", "aria-describedby": "phone-hint", "aria-invalid": trouble && "true" }),
      h("span", { id: "phone-hint", class: trouble ? "err" : "hint", role: trouble && "alert" }, ...(trouble ? told(trouble) : [form.hint])),
    ),
    h("div", null, h("button.btn.big", { type: "submit", class: first ? "primary" : "plain", "aria-disabled": asking && "true" }, form.button)),
  );
}
