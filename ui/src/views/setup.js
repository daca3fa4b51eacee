// The assistant of the first start. Which step is next follows from the status, so it can be left anywhere and goes on there.

/** @import { Step, WindowView } from "../../types" */
/** @import { Page } from "../components.js" */
/** @import { Child } from "../dom.js" */

import { avatar, banner, bar, buttonOf, markOf, panelOf, row, strange } from "../components.js";
import { h } from "../dom.js";
import { answered, button, search, told, toggle } from "../fields.js";
import { CHATS, SETTINGS, SETUP, ago } from "../words.js";
import { asMain, rowsOf, twinNote, whichOf } from "./chats.js";
import { signingIn } from "./kiro.js";
import { atLogin, loginRow } from "./settings.js";
import { whatsapp } from "./whatsapp.js";

/** Chats that are offered at first. */
const MOST = 6;

/** @param {Page} page @param {WindowView} view @returns {Child[]} */
export function setup(page, view) {
  const { steps } = view.setup;
  const at = current(page, view);
  const step = steps[at];
  const last = step.key === "hello";
  return [
    h("header.prog", { key: "prog" }, h("ol", { "aria-label": SETUP.step(at + 1, steps.length) }, ...steps.map((one, n) => h("li", { key: one.key, class: n < at ? "done" : n === at ? "now" : null, "aria-current": n === at && "step" }, h("span.sr", null, `${one.label}${one.done ? `, ${SETUP.done}` : ""}`))))),
    h(
      "main.mid",
      { key: "main", id: "main", tabindex: "-1", "aria-label": step.label },
      h("div.col.tight.notices", { key: "notices", role: "status" }, ...view.setup.notices.map((notice) => banner(page, notice))),
      h("div.inner", { key: step.key, class: step.key === "welcome" || (last && step.done) ? "center" : null }, step.key === "welcome" || (last && step.done) ? h("img.appicon", { src: "mark.svg", width: 72, height: 72, alt: "" }) : null, h("p.kick", { role: "status" }, `${SETUP.step(at + 1, steps.length)} · ${step.label}`), h("h1", { dir: "auto" }, last && step.done ? SETUP.ready(view.assistant) : step.title), h("p.lead", { dir: "auto" }, last && step.done ? SETUP.readyText(view.assistant) : step.text), h("div.left", null, ...body(page, view, step))),
    ),
    h("footer.foot", { key: "foot" }, ...foot(page, view, at)),
  ];
}

/** The step that is shown: the one gone back to, else the first that is left to do. @param {Page} page @param {WindowView} view */
function current(page, view) {
  const { steps } = view.setup;
  const back = page.get("setup.at", null);
  if (back !== null) return back;
  // The image is built while the person goes on.
  const passed = new Set(page.get("setup.later", []));
  const begun = page.get("setup.begun", false) || !view.setup.isFirst || view.whatsapp.signOut !== null;
  const first = steps.findIndex((step) => (step.key === "welcome" ? !begun : step.key === "hello" || (!step.done && !passed.has(step.key) && !isBuilding(step))));
  return first;
}

/** @param {Step} step */
const isBuilding = (step) => step.key === "image" && step.panel?.mark === "busy";

/** @param {Page} page @param {WindowView} view @param {Step} step @returns {Child[]} */
function body(page, view, step) {
  const panel = step.panel ? [panelOf(page, step.panel)] : [];
  const help = step.help ? [h("div.btns", { key: "help" }, h("span.small.dim", null, SETUP.help), buttonOf(page, step.help))] : [];
  const building = view.setup.progress ? bar(view.setup.progress) : null;
  switch (step.key) {
    case "welcome":
      return [points(view)];
    case "image":
      return [...panel, building];
    case "kiro":
      return [...signingIn(page, view.kiro), h("div.btns", { key: "more" }, buttonOf(page, view.kiro.login?.cancel ?? view.kiro.check))];
    case "whatsapp":
      return whatsapp(page, { ...view, whatsapp: { ...view.whatsapp, signOut: null, facts: [] } });
    case "main":
      return step.done ? [h("div.banner.good", { key: "done" }, markOf("ready"), h("div.mid", null, h("b", null, SETUP.chosen))), login(page, view)] : [...answered(page.ask("chats"), (known) => chooser(page, view, known)), proposedLogin(page, view)];
    case "hello":
      return [...panel, building, step.done ? null : rest(page, view), login(page, view)];
    default:
      return [...panel, ...help];
  }
}

/** What it may see and do. @param {WindowView} view @returns {Child} */
function points(view) {
  return h("ul.card", { key: "points" }, ...SETUP.points(view.assistant, view.kiro.modes.find((mode) => mode.on)?.text ?? "").map(([title, text]) => row({ key: title, tag: "li", lead: markOf("ready", 18), title: h("span.t", null, title), text: h("span.wrap", null, text) })));
}

/** As the system has it. @param {Page} page @param {WindowView} view @returns {Child} */
function login(page, view) {
  return view.autostart ? h("div.card", { key: "login" }, atLogin(page, view)) : null;
}

/** Proposed beside the chat, and done by the same press: what was answered is with the system then. @param {Page} page @param {WindowView} view @returns {Child} */
function proposedLogin(page, view) {
  const on = page.get("setup.login", true);
  return view.autostart ? h("div.card", { key: "login" }, loginRow(toggle({ label: SETTINGS.atLogin, on, change: (to) => page.set("setup.login", to) }))) : null;
}

/** The chats that are offered, and the one that is ticked: what is not seen is never chosen. @param {Page} page @param {WindowView} view @param {any[]} known */
function offered(page, view, known) {
  const wanted = page.get("setup.search", "").trim().toLowerCase();
  const picked = page.get("setup.chat", null);
  const rows = rowsOf(view, known).filter((one) => !wanted || one.name.toLowerCase().includes(wanted));
  rows.sort((a, b) => Number(b.isOwn) - Number(a.isOwn));
  const first = rows.slice(0, wanted ? 20 : MOST);
  const chosen = rows.find((one) => one.jid === picked) ?? first[0];
  return { shown: !chosen || first.includes(chosen) ? first : [...first, chosen], chosen };
}

/** @param {Page} page @param {WindowView} view @param {any[]} known @returns {Child[]} */
function chooser(page, view, known) {
  const { shown, chosen } = offered(page, view, known);
  const trouble = page.trouble("setup.main");
  const said = (/** @type {typeof shown[number]} */ chat) => (chat.isOwn ? SETUP.ownText : chat.twin ? whichOf(chat, page.now) : chat.lastActivity ? CHATS.last(ago(chat.lastActivity, page.now)) : CHATS.silent);
  const one = (/** @type {typeof shown[number]} */ chat) =>
    h("label.row.pick", { key: chat.jid }, h("input", { type: "radio", name: "main", value: chat.jid, checked: chat === chosen, onchange: () => page.set("setup.chat", chat.jid) }), avatar({ name: chat.name, folder: chat.jid, isGroup: chat.isGroup }), h("span.mid", null, strange(chat.name, "t"), h("span.s.trunc", null, said(chat))));
  return [
    known.length > MOST ? search(page, "setup.search", CHATS.search(known.length)) : null,
    h("div.card", { key: "chats", role: "radiogroup", "aria-label": SETUP.which }, ...shown.map(one)),
    chosen?.twin ? twinNote(chosen.jid) : null,
    trouble ? h("p.err", { key: "trouble", role: "alert" }, ...told(trouble)) : null,
  ];
}

/** What is still to be done before an answer can come. @param {Page} page @param {WindowView} view @returns {Child} */
function rest(page, view) {
  const left = view.setup.steps.filter((step) => !step.done && step.key !== "welcome" && step.key !== "hello");
  if (!left.length) return null;
  const go = (/** @type {Step} */ step) => () => page.set("setup.at", view.setup.steps.indexOf(step));
  return h("ul.card", { key: "rest" }, ...left.map((step) => row({ key: step.key, tag: "li", lead: markOf(step.panel?.mark ?? "off", 18), title: h("span.t", null, step.label), text: step.panel?.title ?? step.title, end: [button({ label: SETUP.show, name: SETUP.showStep(step.label), press: go(step) })] })));
}

/** @param {Page} page @param {WindowView} view @param {number} at @returns {Child[]} */
function foot(page, view, at) {
  const { steps, begin } = view.setup;
  const step = steps[at];
  const last = step.key === "hello";
  const on = () => {
    page.set("setup.later", [...page.get("setup.later", []), step.key]);
    page.set("setup.at", null);
  };
  const welcome = () => {
    page.set("setup.begun", true);
    page.set("setup.at", null);
    // It takes a while: it is begun here, and goes on beside the other steps.
    if (!begin) return;
    page.set("setup.later", ["image"]);
    page.press(begin);
  };
  const choose = async () => {
    const { chosen } = offered(page, view, page.ask("chats").value ?? []);
    if (!chosen) return;
    const { autostart } = view;
    if (autostart && page.get("setup.login", true) !== autostart.on) page.press(autostart.button);
    const known = chosen.group ? ["groups.move-main", { jid: chosen.jid }] : ["groups.register", asMain(view, chosen)];
    if (await page.submit("setup.main", /** @type {string} */ (known[0]), /** @type {Record<string, unknown>} */ (known[1]))) page.set("setup.at", null);
  };
  const isReady = step.key !== "main" || step.done || offered(page, view, page.ask("chats").value ?? []).chosen;
  const doing = !isReady ? null : step.key === "welcome" ? { label: SETUP.begin, press: welcome } : step.key === "main" && !step.done ? { label: SETUP.choose, press: () => void choose(), busy: page.isDoing("setup.main") } : step.done ? { label: SETUP.next, press: () => page.set("setup.at", null) } : isBuilding(step) ? { label: SETUP.next, press: on } : null;
  return [
    at > 0 ? button({ label: SETUP.back, big: true, press: () => page.set("setup.at", at - 1) }) : null,
    h("span.sp", null),
    last && step.done ? null : button({ label: last || step.key === "welcome" ? SETUP.leave : SETUP.later, look: "quiet", big: true, press: last || step.key === "welcome" ? () => page.go("overview") : on }),
    last && step.done ? button({ label: SETUP.open, look: "primary", big: true, press: () => page.go("overview") }) : doing ? button({ ...doing, look: "primary", big: true }) : null,
  ];
}
