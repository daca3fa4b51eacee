// Starts the page: hears of each new view, draws it, and does what is pressed.

/** @import { Act, Button, Page as PageName, PhoneForm, WindowView } from "../types" */
/** @import { Trouble } from "./api.js" */
/** @import { Page } from "./components.js" */
/** @import { Child } from "./dom.js" */
/** @import { Toast } from "./shell.js" */
/** @import { Linking } from "./views/whatsapp.js" */

import * as api from "./api.js";
import { patch } from "./dom.js";
import { alone, focusMain, question, shell, toastList } from "./shell.js";
import { containers } from "./views/containers.js";
import { overview } from "./views/overview.js";
import { whatsapp } from "./views/whatsapp.js";
import { WORDS, left } from "./words.js";

/** Nothing is shown for so long before it is said that we wait. */
const PATIENCE_MS = 400;
const TOAST_MS = 2600;
/** How often containers are measured on their page. */
const LOOK_MS = 2000;

/** What the page knows beside the view: nothing here outlives the window. */
const ui = {
  /** @type {WindowView | null} */ view: null,
  /** @type {"quiet" | "waiting" | "lost"} */ contact: "quiet",
  /** @type {PageName} */ page: "overview",
  /** @type {"qr" | "phone"} */ way: "qr",
  /** @type {Set<string>} */ doing: new Set(),
  /** @type {Button | null} */ asked: null,
  /** @type {Trouble | null} */ phoneTrouble: null,
  /** @type {Toast[]} */ toasts: [],
  /** @type {Map<string, number>} */ wholes: new Map(),
};

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
const toasts = /** @type {HTMLElement} */ (document.getElementById("toasts"));
const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("confirm"));

function draw() {
  const { view } = ui;
  patch(root, view ? [shell(page(), view, ui.page, body(view))] : before());
  patch(toasts, toastList(ui.toasts, drop));
  const confirm = ui.asked?.act.kind === "command" ? ui.asked.act.confirm : null;
  patch(dialog, confirm ? question(confirm, answer) : []);
  if (confirm && !dialog.open) dialog.showModal();
  if (!confirm && dialog.open) dialog.close();
}

/** @returns {Child[]} */
function before() {
  if (ui.contact === "lost") return [alone("unknown", WORDS.lostTitle, WORDS.lostText)];
  return ui.contact === "waiting" ? [alone("busy", WORDS.waitTitle, WORDS.waitText)] : [];
}

/** @param {WindowView} view @returns {Child[]} */
function body(view) {
  if (ui.page === "whatsapp") return whatsapp(page(), view, linking());
  return ui.page === "containers" ? containers(page(), view) : overview(page(), view);
}

/** @returns {Page} */
function page() {
  return { now: Date.now(), isDoing: (act) => ui.doing.has(keyOf(act)), press, go, copy, whole };
}

/** @returns {Linking} */
function linking() {
  const choose = (/** @type {"qr" | "phone"} */ way) => {
    ui.way = way;
    draw();
  };
  return { way: ui.way, choose, asking: ui.doing.has("phone"), trouble: ui.phoneTrouble, give };
}

/** @param {WindowView} view */
function show(view) {
  if (ui.view && view.at < ui.view.at) return;
  if (view.whatsapp.code && !ui.view?.whatsapp.code) ui.way = "phone";
  ui.view = view;
  draw();
}

/** @param {PageName} to */
function go(to) {
  ui.page = to;
  draw();
  focusMain();
}

/** The app chooses a page by the address; once done it is forgotten, so that the same one can be chosen again. */
function turn() {
  const to = location.hash.slice(1);
  if (to !== "overview" && to !== "whatsapp" && to !== "containers") return;
  history.replaceState(null, "", "#");
  go(to);
}

/** @param {Button} button */
function press(button) {
  if (button.act.kind === "page") return go(button.act.page);
  if (!button.act.confirm) return void perform(button.act);
  ui.asked = button;
  draw();
}

/** @param {boolean} yes */
function answer(yes) {
  const asked = ui.asked;
  ui.asked = null;
  draw();
  if (yes && asked) void perform(asked.act);
}

/** @param {Act} act */
async function perform(act) {
  if (act.kind !== "command") return;
  const trouble = await during(keyOf(act), () => api.command(act.command, act.args));
  if (trouble) toast({ key: `${act.command} ${trouble.code}`, mark: "note", title: trouble.message, text: trouble.cure });
}

/** @param {PhoneForm} form @param {string} phone */
async function give(form, phone) {
  ui.phoneTrouble = await during("phone", () => api.command(form.command, { phone }));
  draw();
}

/** Remembers that something is being done for as long as it takes. @template T @param {string} key @param {() => Promise<T>} work @returns {Promise<T>} */
async function during(key, work) {
  ui.doing.add(key);
  draw();
  const done = await work();
  ui.doing.delete(key);
  draw();
  return done;
}

/** @param {Act} act */
function keyOf(act) {
  return JSON.stringify(act.kind === "command" ? [act.command, act.args] : [act.page]);
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast({ key: "copied", mark: null, title: WORDS.copied, text: "" });
  } catch {
    toast({ key: "copied", mark: "note", title: WORDS.notCopied, text: WORDS.copyByHand });
  }
}

/** @param {Toast} made */
function toast(made) {
  ui.toasts = [...ui.toasts.filter((other) => other.key !== made.key), made];
  draw();
  if (!made.mark) setTimeout(() => drop(made), TOAST_MS);
}

/** @param {Toast} gone */
function drop(gone) {
  ui.toasts = ui.toasts.filter((toast) => toast !== gone);
  draw();
}

/** @param {string} at */
function whole(at) {
  const known = ui.wholes.get(at) ?? Math.max(1, left(at, Date.now()));
  ui.wholes.set(at, known);
  return known;
}

async function start() {
  try {
    await api.follow(show);
  } catch {
    if (!ui.view) ui.contact = "lost";
    draw();
    setTimeout(start, 1000);
  }
}

document.addEventListener("keydown", (event) => {
  const tab = ui.view?.tabs[Number(event.key) - 1];
  if (!tab || !(event.metaKey || event.ctrlKey) || event.altKey || event.shiftKey || dialog.open) return;
  event.preventDefault();
  go(tab.page);
});
// Escape answers at once: what is told of a closed dialog comes later, when another may be open already.
dialog.addEventListener("cancel", (event) => {
  event.preventDefault();
  answer(false);
});
dialog.addEventListener("close", () => {
  if (ui.asked && !dialog.open) answer(false);
});
setTimeout(() => {
  if (ui.contact === "quiet") ui.contact = "waiting";
  if (!ui.view) draw();
}, PATIENCE_MS);
// What containers take is measured only while somebody looks.
setInterval(() => {
  if (ui.page === "containers" && ui.view?.containers.running.length && document.visibilityState === "visible") void api.command("containers.list", {});
}, LOOK_MS);
// Ages and countdowns go on by themselves; a window that nobody sees needs none.
setInterval(() => {
  if (ui.view && document.visibilityState === "visible") draw();
}, 1000);
window.addEventListener("hashchange", turn);
document.addEventListener("visibilitychange", () => ui.view && draw());
turn();
void start();
