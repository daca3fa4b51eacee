// The Settings page: every setting with its meaning. A value is kept when the field is left, and refused on the spot.

/** @import { WindowView } from "../../types" */
/** @import { Page } from "../components.js" */
/** @import { Child } from "../dom.js" */

import { buttonOf, markOf, row, section, sentence } from "../components.js";
import { h } from "../dom.js";
import { answered, button, iconButton, input, select, toggle } from "../fields.js";
import { SETTINGS } from "../words.js";
import { allowlist } from "./allowlist.js";

/** @typedef {{ name: string, value: any, source: string, default: any, allowed: string, meaning: string, choices: string[], range: [number, number] | null, pending?: boolean }} Setting */

/** @param {Page} page @param {WindowView} view @returns {Child[]} */
export function settings(page, view) {
  return answered(page.ask("settings.get"), (/** @type {Setting[]} */ all) => {
    const named = new Map(all.map((one) => [one.name, one]));
    const rest = all.filter((one) => !SETTINGS.groups.some(([, names]) => names.includes(one.name)));
    const groups = [...SETTINGS.groups, .../** @type {[string, string[]][]} */ (rest.length ? [[SETTINGS.others, rest.map((one) => one.name)]] : [])];
    const rows = (/** @type {string[]} */ names) => names.flatMap((name) => named.get(name) ?? []).map((one) => line(page, one));
    return [
      all.some((one) => one.pending) ? h("div.banner.info", { key: "restart", role: "status" }, markOf("ready"), h("div.mid", null, h("b", null, SETTINGS.saved), h("p", null, SETTINGS.savedText)), buttonOf(page, view.restart)) : null,
      section(SETTINGS.computer, null, h("div.card", null, atLogin(page, view), row({ key: "quit", title: h("span.t", null, SETTINGS.quit), text: SETTINGS.quitText, end: [buttonOf(page, view.quit)] }))),
      ...groups.map(([title, names]) => section(title, null, h("div.card", null, ...rows(names)))),
      allowlist(page),
    ];
  });
}

/** Read from the system, and done at once. @param {Page} page @param {WindowView} view @returns {Child} */
export function atLogin(page, { autostart }) {
  return loginRow(autostart ? toggle({ label: SETTINGS.atLogin, on: autostart.on, change: () => page.press(autostart.button), off: page.isDoing(autostart.button.act) }) : h("span.dim", null, SETTINGS.cantTell));
}

/** @param {Child} end @returns {Child} */
export function loginRow(end) {
  return h("div.row", { key: "login" }, h("div.mid", null, h("span.t", null, SETTINGS.atLogin), h("div.s", null, SETTINGS.atLoginText)), h("div.end", null, end));
}

/** @param {Page} page @param {Setting} one @returns {Child} */
function line(page, one) {
  const key = `setting ${one.name}`;
  const [title, help] = SETTINGS.words[one.name] ?? [one.name, one.meaning];
  const trouble = page.get(`wrong ${one.name}`, null) ?? page.trouble(key)?.message ?? null;
  const given = one.source === "environment";
  const cure = trouble ? SETTINGS.mustBe(allowed(one)) : null;
  const reset = one.source === "file" && JSON.stringify(one.value) !== JSON.stringify(one.default) ? iconButton("reconnect", SETTINGS.reset(title), () => void keep(page, one, typed(one.default))) : null;
  return h(
    "div.row.setting",
    { key: one.name },
    h("div.mid", null, h("label.t", { for: one.name }, title), h("div.s", { id: `${one.name}-help` }, help, " ", h("code", null, one.name), given ? ` ${SETTINGS.environment}` : null), trouble ? h("div.err", { id: `${one.name}-hint`, role: "alert" }, markOf("needs-you", 13), h("span", null, ...sentence(`${trouble} ${cure}`, 0))) : null),
    h("div.end", null, reset, control(page, one, title, given)),
  );
}

/** @param {Page} page @param {Setting} one @param {string} title @param {boolean} given @returns {Child} */
function control(page, one, title, given) {
  const busy = page.isDoing(`setting ${one.name}`);
  const wrong = Boolean(page.get(`wrong ${one.name}`, null) ?? page.trouble(`setting ${one.name}`));
  const about = `${one.name}-help${wrong ? ` ${one.name}-hint` : ""}`;
  if (typeof one.value === "boolean") return toggle({ id: one.name, about, label: title, on: one.value, off: busy || given, change: (on) => void keep(page, one, String(on)) });
  const changed = (/** @type {Event} */ event) => {
    const field = /** @type {HTMLInputElement} */ (event.currentTarget);
    void keep(page, one, field.value, (text) => (field.value = text));
  };
  const off = given ? { disabled: true } : {};
  if (one.name === "KIRO_MODE") return h("span.unit", null, h("span.dim", null, SETTINGS.choices[one.value]), button({ id: one.name, about, label: SETTINGS.showKiro, press: () => page.go("kiro") }));
  if (one.choices.length) {
    const options = one.choices.map((choice) => /** @type {[string, string]} */ ([choice, SETTINGS.choices[choice] ?? choice]));
    const chosen = (/** @type {Event} */ event) => {
      const list = /** @type {HTMLSelectElement} */ (event.currentTarget);
      const to = list.value;
      // It turns when the app says that it has: a question may be answered with no, and a value be refused.
      list.value = one.value;
      void keep(page, one, to);
    };
    return select({ id: one.name, "aria-describedby": about, onchange: chosen, ...off }, options, one.value);
  }
  const [unit, size] = unitOf(one);
  const shown = one.range ? amount(one.value, size) : one.value;
  return h("span.unit", null, input(one.name, { class: one.range ? "short" : "wide", value: shown, inputmode: one.range && "decimal", placeholder: SETTINGS.placeholders[one.name] ?? null, dir: "auto", "aria-describedby": about, onchange: changed, ...off }, wrong), unit ? h("span.dim", null, unit) : null);
}

/** @param {Setting} one @returns {[string, number]} */
const unitOf = (one) => SETTINGS.units[one.name] ?? ["", 1];
const typed = (/** @type {any} */ value) => (typeof value === "string" ? value : String(value));
const amount = (/** @type {number} */ value, /** @type {number} */ size) => String(Number((value / size).toFixed(4)));

/** @param {Setting} one */
function allowed(one) {
  if (!one.range) return one.allowed;
  const [unit, size] = unitOf(one);
  const [least, most] = one.range.map((bound) => amount(bound, size));
  return SETTINGS.number(least, most, unit);
}

/** Keeps a value. `show`: puts a text into the field that shows it, in its unit. @param {Page} page @param {Setting} one @param {string} text @param {(text: string) => void} [show] */
async function keep(page, one, text, show) {
  const [, size] = unitOf(one);
  let value = text.trim();
  if (show && one.range) {
    const number = Math.round(Number(value.replace(",", ".")) * size);
    if (value === "" || !Number.isFinite(number) || number < one.range[0] || number > one.range[1]) return page.set(`wrong ${one.name}`, SETTINGS.cantBe(value));
    value = String(number);
  }
  page.set(`wrong ${one.name}`, null);
  const send = () => page.submit(`setting ${one.name}`, "settings.set", { key: one.name, value });
  if (one.name === "AGENT_RUNTIME" && value === "host") return page.confirm(SETTINGS.unprotected, () => void send());
  if (one.name === "MESSAGE_RETENTION_DAYS" && isShorter(Number(value), one.value)) {
    const lost = await page.submit(`setting ${one.name}`, "settings.forgets", { days: Number(value) });
    // Until it is kept, the field says what is.
    show?.(amount(one.value, size));
    if (!lost) return;
    const yes = () => {
      show?.(text);
      void send();
    };
    if (lost.count > 0) return page.confirm(SETTINGS.forget(value, lost.count), yes);
    return yes();
  }
  await send();
}

/** Whether less is kept than before; 0 is for ever. @param {number} to @param {number} from */
const isShorter = (to, from) => to > 0 && (from === 0 || to < from);
