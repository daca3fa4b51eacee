// Every named state on every page, and what pages show that was asked for, in all sizes and themes: looked at, and held to what
// must be true of all.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { DAYS, MANY, NOTHING, OF_RUN, many } from "./answers.mjs";
import { Browser, keep, states } from "./browser.mjs";
import { prepare, regard, told } from "./looks.mjs";

/** Tabs that work at once: two processors, and what one of them waits for. */
const TABS = 3;
const PAGES = ["overview", "whatsapp", "kiro", "containers", "chats", "tasks", "settings", "about", "setup"];
const all = await states();
const refuse = (page) => page.get('void (app.answer = () => { throw { code: "bad", message: "That can’t be done now.", cure: "Go on with `nanoclawctl resume`, and look again." }; })');
const later = (page) => page.get("app.now += 900_000").then(() => page.until("document.querySelector('.over')"));
const ofRun = async (page) => {
  await page.until("document.querySelector(\"[value='run:ops-1778041800000']\")");
  await page.choose("select[aria-label='Chat or run']", "run:ops-1778041800000");
};
const answered = (view) => ({ ...view, setup: { ...view.setup, steps: view.setup.steps.map((step) => ({ ...step, done: true })) } });

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
  { name: "logs-days", page: "logs", state: "ready", known: DAYS },
  { name: "logs-run", page: "logs", state: "ready", known: OF_RUN, does: [ofRun] },
  { name: "logs-none", page: "logs", state: "ready", known: NOTHING },
  { name: "settings", state: "ready" },
  { name: "settings-allow", page: "settings", state: "ready", does: ["ul.card .btn.quiet"] },
  { name: "settings-broken", page: "settings", state: "ready", known: { "allowlist.get": { path: "/home/maya/.config/nanoclaw/mount-allowlist.json", allowlist: null, always: [], problem: { text: "/home/maya/.config/nanoclaw/mount-allowlist.json can't be used, so no extra folder is mounted: EOF while parsing.", cure: "Mend the file." } } } },
  { name: "about", state: "ready", does: [".section:nth-of-type(1) .btn", ".section:nth-of-type(2) .btn"] },
  { name: "about-made", page: "about", state: "ready", does: [".section:nth-of-type(3) .btn"] },
  { name: "kiro-identity-center", page: "kiro", state: "needs_you_kiro", does: ["input[value=identity-center]"] },
  { name: "setup-main", page: "setup", state: "first_start_chat" },
  ...["overview", "containers"].map((page) => ({ name: `${page}-50`, page, view: many(all.many, 50) })),
  { name: "overview-question", page: "overview", state: "working", does: [".runs .ib.danger", (page) => page.until("document.querySelector('dialog[open]')")] },
  { name: "overview-toast", page: "overview", state: "ready", does: [refuse, ".foot .btn"] },
  { name: "overview-lost", state: "ready", start: false, does: [(page) => page.until("document.querySelector('h1')?.innerText === 'NanoClaw is not answering'")] },
  { name: "whatsapp-by-number", page: "whatsapp", state: "not_paired", does: ["input[value=phone]", refuse, ".form .btn"] },
  { name: "whatsapp-code-over", page: "whatsapp", state: "not_paired", does: [later] },
  { name: "kiro-code-over", page: "kiro", state: "kiro_login", does: [later] },
  { name: "settings-refused", page: "settings", state: "ready", does: [(page) => page.fill("#MAX_CONCURRENT_CONTAINERS", "lots"), (page) => page.press("Tab"), ".setting:has(.err) label"] },
  { name: "setup-ready", page: "setup", view: answered(all.first_start_hello) },
];

let browser;
before(async () => (browser = await Browser.start()));
after(() => browser.close());

test("every state and page is whole, reachable and calm", { timeout: 300_000 }, async () => {
  const found = [];
  const work = [...(await different()).map(([state, name]) => (page) => inspect(page, state, name, found)), ...ASKED.map((asked) => () => visit(asked, found))];
  const worker = async () => {
    const page = await browser.open(all.ready);
    await prepare(page);
    for (let next = work.shift(); next; next = work.shift()) await next(page);
    found.push(...page.complaints.map((text) => `the console: ${text}`));
  };
  await Promise.all(Array.from({ length: TABS }, worker));
  assert.equal(told(found), "");
});

/** Each state with each page, but for those that look like another's: which, is kept beside the pictures. */
async function different() {
  const page = await browser.open(all.ready);
  const seen = new Map();
  const same = {};
  for (const [state, view] of [["ready", all.ready], ...Object.entries(all)]) {
    await page.emit(view);
    for (const name of PAGES) {
      await page.go(name);
      const drawn = await page.get("document.querySelector('main').outerHTML");
      const [like] = seen.get(drawn) ?? [];
      if (like && state !== "ready") same[`${name}-${state}`] = `${name}-${like}`;
      else if (!like) seen.set(drawn, [state, name]);
    }
  }
  await page.close();
  await keep("same.json", JSON.stringify(same, null, 2));
  return [...seen.values()];
}

/** One state on one page. */
async function inspect(page, state, name, found) {
  await page.emit(all[state]);
  await page.go(name);
  await page.get("document.activeElement.blur()");
  await regard(page, `${name}-${state}`, found);
}

/** One page with what is done on it first. */
async function visit({ name, page: to = name, view, state, known, does = [], start }, found) {
  const page = await browser.open(view ?? all[state], { known, start });
  await prepare(page);
  if (start !== false) await page.go(to);
  await page.until("document.querySelector('main') && !document.querySelector('[aria-busy]')");
  for (const act of does) {
    if (typeof act === "function") await act(page);
    else {
      await page.until(`document.querySelector(${JSON.stringify(act)})`);
      await page.click(act);
    }
  }
  await page.settled();
  await page.get("document.querySelector('dialog[open]') ?? document.activeElement.blur()");
  await regard(page, name, found);
  found.push(...page.complaints.map((text) => `${name}: ${text}`));
  await page.close();
}
