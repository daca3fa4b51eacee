// Starts the page: hears of each new view, draws it, and does what is pressed.

/** @import { Act, Button, Confirm, Page as PageName, WindowView } from "../types" */
/** @import { Page } from "./components.js" */
/** @import { Child } from "./dom.js" */
/** @import { Toast } from "./shell.js" */

import * as api from "./api.js";
import { Answers, PATIENCE_MS } from "./answers.js";
import { patch } from "./dom.js";
import { alone, focusMain, question, shell, toastList } from "./shell.js";
import { Tail } from "./tail.js";
import { VIEWS } from "./views.js";
import { WORDS, left, useZone } from "./words.js";

const TOAST_MS = 2600;
/** How often containers are measured on their page, and the log is read on. */
const LOOK_MS = { containers: 2000, logs: 1000 };
/** What was refused or only picked: gone with the fields that it stood in. */
const PASSING = /^(wrong |trouble setting |kiro\.mode$)/;

/** What the page knows beside the view: nothing here outlives the window. */
const ui = {
  /** @type {WindowView | null} */ view: null,
  /** @type {"quiet" | "waiting" | "lost"} */ contact: "quiet",
  /** @type {PageName} */ page: "overview",
  /** What was chosen and typed, by the place it belongs to. @type {Map<string, any>} */ memory: new Map(),
  /** @type {Set<string>} */ doing: new Set(),
  /** @type {{ confirm: Confirm, yes: () => void } | null} */ asked: null,
  /** @type {Toast[]} */ toasts: [],
  /** @type {Map<string, number>} */ wholes: new Map(),
};
const answers = new Answers(api.command, draw);
const tail = new Tail(api.command, draw);

/** The app has asked for a page other than its first. */
let turned = false;
/** The app has asked for the question before the end. */
let quits = false;

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
const toasts = /** @type {HTMLElement} */ (document.getElementById("toasts"));
const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("confirm"));

function draw() {
  const { view } = ui;
  answers.begin();
  patch(root, view ? [shell(page, view, ui.page, VIEWS[ui.page])] : before());
  answers.forget();
  patch(toasts, toastList(ui.toasts, drop));
  const confirm = ui.asked?.confirm;
  patch(dialog, confirm ? question(confirm, answer) : []);
  // How long the window takes to be of use is measured from outside.
  if (view && !performance.getEntriesByName("usable").length) performance.mark("usable");
  if (confirm && !dialog.open) dialog.showModal();
  if (!confirm && dialog.open) dialog.close();
}

/** @returns {Child[]} */
function before() {
  if (ui.contact === "lost") return [alone("unknown", WORDS.lostTitle, WORDS.lostText)];
  return ui.contact === "waiting" ? [alone("busy", WORDS.waitTitle, WORDS.waitText)] : [];
}

/** What every part may know and do. @type {Page} */
const page = {
  get now() {
    return Date.now();
  },
  isDoing: (act) => ui.doing.has(typeof act === "string" ? act : keyOf(act)),
  press,
  go,
  copy,
  whole,
  get: (key, initial) => (ui.memory.has(key) ? ui.memory.get(key) : initial),
  set(key, value) {
    ui.memory.set(key, value);
    draw();
  },
  ask: (command, args, once) => answers.get(command, args, once),
  submit,
  trouble: (key) => ui.memory.get(`trouble ${key}`) ?? null,
  confirm(confirm, yes) {
    ui.asked = { confirm, yes };
    draw();
  },
  tail,
};

/** @param {WindowView} view */
function show(view) {
  if (ui.view && view.at < ui.view.at) return;
  if (view.whatsapp.code && !ui.view?.whatsapp.code) ui.memory.set("whatsapp.way", "phone");
  if (!ui.view && !turned && view.setup.isFirst) ui.page = "setup";
  ui.view = view;
  useZone(view.zone);
  draw();
  answers.again();
  askToQuit();
}

function askToQuit() {
  if (!quits || !ui.view) return;
  quits = false;
  press(ui.view.quit);
}

/** @param {PageName} to */
function go(to) {
  if (to !== ui.page) for (const key of ui.memory.keys()) if (PASSING.test(key)) ui.memory.delete(key);
  ui.page = to;
  draw();
  focusMain();
  look();
}

/** The app chooses a page by the address; once done it is forgotten, so that the same one can be chosen again. */
function turn() {
  const to = location.hash.slice(1);
  if (to === "quit") {
    quits = true;
    history.replaceState(null, "", "#");
    return askToQuit();
  }
  if (!Object.hasOwn(VIEWS, to)) return;
  turned = to !== "overview";
  history.replaceState(null, "", "#");
  go(/** @type {PageName} */ (to));
}

/** @param {Button} button */
function press({ act }) {
  if (act.kind === "page") return go(act.page);
  if (act.confirm) return page.confirm(act.confirm, () => void perform(act));
  void perform(act);
}

/** @param {boolean} yes */
function answer(yes) {
  const asked = ui.asked;
  ui.asked = null;
  draw();
  if (yes && asked) asked.yes();
}

/** @param {Act} act */
async function perform(act) {
  if (act.kind === "page") return;
  const work = () => (act.kind === "command" ? api.command(act.command, act.args) : api.desktop(act.action));
  const { trouble } = await during(keyOf(act), work);
  if (trouble) toast({ key: `${keyOf(act)} ${trouble.code}`, mark: "note", title: trouble.message, text: trouble.cure });
}

/** Does a form's command; what is wrong stands at the form. @type {Page["submit"]} */
async function submit(key, command, args) {
  // Pressed twice, it is done once.
  const same = `${command} ${JSON.stringify(args)}`;
  if (ui.doing.has(same)) return null;
  ui.doing.add(same);
  ui.memory.delete(`trouble ${key}`);
  const { value, trouble } = await during(key, () => api.command(command, args));
  ui.doing.delete(same);
  ui.memory.set(`trouble ${key}`, trouble);
  draw();
  return trouble ? null : (value ?? {});
}

/** Remembers that something is being done for as long as it takes. @template T @param {string} key @param {() => Promise<T>} work @returns {Promise<T>} */
async function during(key, work) {
  ui.doing.add(key);
  draw();
  const done = await work();
  ui.doing.delete(key);
  answers.again(true);
  draw();
  return done;
}

/** @param {Act} act */
function keyOf(act) {
  if (act.kind === "command") return JSON.stringify([act.command, act.args]);
  return JSON.stringify(act.kind === "page" ? [act.page] : act.action);
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

/** What no event tells is looked at, only while somebody sees it. */
function look() {
  if (document.visibilityState !== "visible") return;
  if (ui.page === "containers" && ui.view?.containers.running.length) void api.command("containers.list", {});
  if (ui.page === "logs" && page.get("logs.live", true)) void tail.read();
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
  if (event.key === "q" && event.ctrlKey && !event.altKey && !event.shiftKey && !dialog.open && ui.view) {
    event.preventDefault();
    return press(ui.view.quit);
  }
  const tab = ui.view?.tabs[Number(event.key) - 1];
  if (!tab || !(event.metaKey || event.ctrlKey) || event.altKey || event.shiftKey || dialog.open) return;
  event.preventDefault();
  go(tab.page);
});
// A form whose button is off sends nothing, by Enter neither: what it was sent for is still being done.
document.addEventListener(
  "submit",
  (event) => {
    const form = /** @type {HTMLFormElement} */ (event.target);
    if (form.querySelector("[type=submit]")?.getAttribute("aria-disabled") !== "true") return;
    event.preventDefault();
    event.stopPropagation();
  },
  true,
);
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
for (const [of, every] of Object.entries(LOOK_MS)) setInterval(() => ui.page === of && look(), every);
// Ages and countdowns go on by themselves; a window that nobody sees needs none.
setInterval(() => {
  if (ui.view && document.visibilityState === "visible") draw();
}, 1000);
window.addEventListener("hashchange", turn);
document.addEventListener("visibilitychange", () => ui.view && draw());
turn();
void start();
