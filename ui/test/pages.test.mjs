// Every named state on every page, narrow and wide, light and dark: looked at, and held to what must be true of all.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import { MANY, NOTHING } from "./answers.mjs";
import { Browser, states } from "./browser.mjs";

const axe = await readFile(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const PAGES = ["overview", "whatsapp", "kiro", "containers", "setup"];
/** Pages that show what was asked for, in which state, with what answers, and what is done on them first. */
const ASKED = [
  { name: "chats", state: "ready" },
  { name: "chats-chosen", page: "chats", state: "ready", does: ["[data-key='120363000000000001@g.us'] button"] },
  { name: "chats-main", page: "chats", state: "working", does: ["[data-key='4915110000001@s.whatsapp.net'] button"] },
  { name: "chats-trace", page: "chats", state: "ready", does: ["[data-key='120363000000000001@g.us'] button", ".detail .section:nth-of-type(2) li:nth-of-type(3) button"] },
  { name: "chats-new", page: "chats", state: "ready", does: ["[data-key='120363000000000024@g.us'] button"] },
  { name: "chats-folder", page: "chats", state: "ready", does: ["[data-key='120363000000000001@g.us'] button", ".detail .btn.quiet", ".detail .toggle"] },
  { name: "chats-none", page: "chats", state: "nothing_registered", known: NOTHING },
  { name: "chats-many", page: "chats", state: "many", known: MANY },
  { name: "chats-hostile", page: "chats", state: "hostile_names" },
  { name: "tasks", state: "ready" },
  { name: "tasks-open", page: "tasks", state: "ready", does: [".tasks button.row"] },
  { name: "tasks-none", page: "tasks", state: "nothing_registered", known: NOTHING },
  { name: "tasks-new", page: "tasks", state: "ready", does: [".head .btn.primary"] },
  ...["once", "often", "cron"].map((kind) => ({ name: `tasks-new-${kind}`, page: "tasks", state: "ready", does: [".head .btn.primary", `input[value=${kind}]`] })),
  { name: "logs", state: "ready" },
  { name: "logs-problems", page: "logs", state: "ready", does: ["input[value=problems]"] },
  { name: "logs-none", page: "logs", state: "ready", known: NOTHING },
  { name: "settings", state: "ready" },
  { name: "settings-allow", page: "settings", state: "ready", does: ["ul.card .btn.quiet"] },
  { name: "settings-broken", page: "settings", state: "ready", known: { "allowlist.get": { path: "/home/maya/.config/nanoclaw/mount-allowlist.json", allowlist: null, always: [], problem: { text: "/home/maya/.config/nanoclaw/mount-allowlist.json can't be used, so no extra folder is mounted: EOF while parsing.", cure: "Mend the file." } } } },
  { name: "about", state: "ready", does: [".section:nth-of-type(1) .btn", ".section:nth-of-type(2) .btn"] },
  { name: "about-made", page: "about", state: "ready", does: [".section:nth-of-type(3) .btn"] },
  { name: "kiro-identity-center", page: "kiro", state: "needs_you_kiro", does: ["input[value=identity-center]"] },
  { name: "setup-main", page: "setup", state: "first_start_chat" },
];
/** Narrowest and widest, and where the layout changes. */
const SIZES = [
  { name: "narrow", width: 480, height: 640, themes: ["light", "dark"] },
  { name: "column", width: 599, height: 640, themes: [] },
  { name: "sidebar", width: 700, height: 640, themes: [] },
  { name: "wide", width: 1200, height: 800, themes: ["dark", "light"] },
];
/** States looked at in every size and theme; of the others the narrowest and the widest will do, in one theme. */
const WHOLE = new Set(["ready", "two_running_one_queued", "not_paired", "many", "hostile_names", "kiro_login", "first_start"]);

let browser;
before(async () => (browser = await Browser.start()));
after(() => browser.close());

const all = await states();

test("every state is whole, reachable and calm", { concurrency: true, timeout: 180_000 }, async (t) => {
  const shares = [0, 1].map((share) => Object.entries(all).filter((_, at) => at % 2 === share));
  const seen = new Set();
  await Promise.all(shares.map((share, at) => t.test(`share ${at + 1}`, () => inspect(share, seen))));
});

/** @param seen What needs no second look, because another state looks the same there. */
async function inspect(share, seen) {
  const page = await browser.open(share[0][1]);
  await page.get(axe);
  const found = [];
  for (const [state, view] of share) {
    await page.emit(view);
    for (const name of PAGES) {
      await page.go(name);
      const drawn = await page.get("document.querySelector('main').outerHTML");
      if (seen.has(drawn)) continue;
      seen.add(drawn);
      await regard(page, `${name}-${state}`, WHOLE.has(state), found);
    }
  }
  assert.deepEqual([...found, ...page.complaints], []);
}

/** Looks at what is shown, in every size and theme that it is to be seen in. */
async function regard(page, where, whole, found) {
  const lookFor = async (what, size) => found.push(...(await page.get(`(${what})()`)).map((fault) => `${where} ${size}: ${fault}`));
  for (const size of SIZES.filter(({ themes }) => whole || themes.length)) {
    await page.look(size);
    await lookFor(faults, size.name);
    if (size.name === "wide") await lookFor(barriers, size.name);
    for (const theme of whole ? size.themes : size.themes.slice(0, 1)) {
      await page.look({ ...size, dark: theme === "dark" });
      await page.picture(`${where}-${size.name}-${theme}`);
    }
  }
}

test("pages of what was asked for are whole, reachable and calm", { timeout: 180_000 }, async () => {
  const found = [];
  for (const { name, page: to = name, state, known, does = [] } of ASKED) {
    const page = await browser.open(all[state], { known });
    await page.get(axe);
    await page.go(to);
    await page.until("document.querySelector('main') && !document.querySelector('[aria-busy]')");
    for (const selector of does) {
      await page.until(`document.querySelector(${JSON.stringify(selector)})`);
      await page.click(selector);
    }
    await page.settled();
    await regard(page, name, true, found);
    found.push(...page.complaints);
    await page.close();
  }
  assert.deepEqual(found, []);
});

test("high contrast and forced colours show the same", async () => {
  const page = await browser.open(all.two_running_one_queued);
  for (const [name, value] of [["prefers-contrast", "more"], ["forced-colors", "active"]]) {
    await page.look({ features: [{ name, value }] });
    assert.deepEqual(await page.get(`(${faults})()`), []);
    await page.picture(`overview-${name}`);
  }
});

/** In the page: what is cut off, spills over, can't be named or hit. */
function faults() {
  const out = new Set();
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth || root.scrollHeight > innerHeight) out.add("the window scrolls");
  if (document.querySelectorAll("[style], main script, main img:not([src='mark.svg'])").length) out.add("markup or style from nowhere");
  if (document.querySelectorAll("h1").length !== 1) out.add("not one h1");
  for (const element of document.querySelectorAll("nav *, main *")) {
    const box = element.getBoundingClientRect();
    if (element.closest("svg, .sr") || !box.width) continue;
    const style = getComputedStyle(element);
    const what = `${element.tagName}.${element.className} ${element.textContent.slice(0, 30)}`;
    if (element.matches(".runs .s") && element.scrollWidth > element.clientWidth) out.add(`cut: ${what}`);
    if (box.right > innerWidth + 1) out.add(`outside: ${what}`);
    if (/auto|scroll/.test(style.overflowX) && element.scrollWidth > element.clientWidth + 1) out.add(`scrolls sideways: ${what}`);
    const spills = style.overflowX === "visible" && style.display !== "inline" && element.clientWidth && element.scrollWidth > element.clientWidth + 2;
    if (spills) out.add(`spills: ${what}`);
    if (/^(BUTTON|SUMMARY)$/.test(element.tagName) && (box.width < 20 || box.height < 16)) out.add(`tiny: ${what}`);
  }
  return [...out];
}

/** In the page: what axe calls serious or worse. */
async function barriers() {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).slice(0, 3).join(" | ")}`);
}
