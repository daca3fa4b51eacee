// What the assistant and the pages do with choices that last, with many of a kind, and with what can be lost.

import assert from "node:assert/strict";

import { states, tabs } from "./browser.mjs";

const all = await states();
const inTab = tabs();

const entry = (jid) => `[data-key='${jid}'] button`;
const FAMILY = "120363000000000001@g.us";
const OPS = "120363000000000002@g.us";
const NOW = Date.parse(all.ready.at);
const tick = "[role=switch][aria-label='Start at login']";

inTab("start at login is chosen with the chat, and is the system's from then on", all.first_start_chat, async (page) => {
  // T5
  await page.until(`document.querySelector('.row.pick') && document.querySelector("${tick}")`);
  assert.equal(await page.get(`document.querySelector("${tick}").ariaChecked`), "true", "proposed");
  assert.deepEqual(await page.get("app.acts"), [], "nothing is done before it was seen");
  await page.click(tick);
  await page.click(".foot .primary");
  await page.until("app.asked.length === 1");
  assert.deepEqual(await page.get("app.acts"), [], "no is no");
  // The window is closed and opened again: nothing asks a second time, and what is shown is what is.
  const chosen = structuredClone(all.first_start_hello);
  chosen.autostart = all.first_start_chat.autostart;
  await page.emit(chosen);
  await page.until("document.querySelector('h1').innerText === 'Say hello to Andy'");
  assert.equal(await page.get(`document.querySelector("${tick}").ariaChecked`), "false");
  await page.click(tick);
  assert.deepEqual(await page.get("app.acts"), [{ StartAtLogin: true }]);
});

inTab("left as proposed, it is turned on with the chat", all.first_start_chat, async (page) => {
  // T5
  await page.until("document.querySelector('.row.pick')");
  await page.click(".foot .primary");
  await page.until("app.asked.length === 1");
  assert.deepEqual(await page.get("app.acts"), [{ StartAtLogin: true }]);
});

inTab("of two chats with one name the assistant tells which is which", all.first_start_chat, async (page) => {
  await page.until("document.querySelector('.row.pick')");
  await page.fill(".search input", "Book club");
  await page.until("document.querySelectorAll('.row.pick').length === 2");
  assert.deepEqual(await page.get("[...document.querySelectorAll('.row.pick .s')].map((one) => one.innerText)"), ["…0023 · last message 4 h ago", "…0024 · last message 1 day ago"]);
  assert.equal(await page.text(".banner.note b"), "Another chat has the same name");
  assert.match(await page.text(".banner.note p"), /…0023/);
  await page.picture("setup-twins");
});

inTab("the greeting can be left and come back to, and troubles are seen beside it", all.first_start_troubled, async (page) => {
  await page.until("document.querySelector('.banner')");
  assert.match(await page.text(".banner"), /Say hello to Andy/);
  await page.click(".banner .btn");
  assert.equal(await page.text("h1"), "Say hello to Andy");
  assert.equal(await page.get("document.querySelectorAll('.notices .banner').length"), 2);
  await page.picture("setup-troubled");
});

inTab("a chat's longest work is set in minutes, and a bad one refused on the spot", all.ready, async (page) => {
  // R5
  await page.go("chats");
  await page.until(`document.querySelector("${entry(OPS)}")`);
  await page.click(entry(OPS));
  assert.equal(await page.get("document.querySelector('#limit').value"), "90");
  for (const bad of ["soon", "0", "-5", "1441"]) {
    await page.fill("#limit", bad);
    await page.press("Enter");
    await page.until("document.querySelector('#limit-hint.err')");
    assert.equal(await page.text("#limit-hint"), `It can’t be “${bad}”. It must be empty, or from 1 to 1440 minutes.`);
  }
  await page.picture("chats-limit-bad");
  assert.deepEqual(await page.asked(), []);
  const set = async (text, timeout) => {
    await page.fill("#limit", text);
    await page.press("Enter");
    await page.until("!document.querySelector('#limit-hint.err')");
    assert.deepEqual((await page.asked()).at(-1), { name: "groups.set", args: { target: OPS, timeout } });
  };
  await set("2,5", 150_000);
  await page.get("document.querySelector('#limit').value = ''");
  await page.press("Enter");
  await page.until("app.asked.length === 2");
  assert.equal((await page.asked()).at(-1).args.timeout, 0, "empty is the usual one");
});

/** A state with that many registered chats. */
const withGroups = (count) => {
  const view = structuredClone(all.many);
  const [one] = view.chats.groups;
  view.chats.groups = Array.from({ length: count }, (_, at) => ({ ...one, jid: `1203639${String(at).padStart(11, "0")}@g.us`, chat: { ...one.chat, name: `Group ${at + 1}`, folder: `group-${at + 1}` } }));
  return view;
};

inTab("each of 500 registered chats is listed, found and set", withGroups(500), async (page) => {
  await page.go("chats");
  await page.until("document.querySelectorAll('.list li').length >= 500");
  const last = "1203639" + "499".padStart(11, "0") + "@g.us";
  await page.get(`document.querySelector("${entry(last)}").scrollIntoView()`);
  await page.click(entry(last));
  assert.equal(await page.text(".chathead h2"), "Group 500");
  await page.picture("chats-500");
  const took = await page.get("(() => { const from = performance.now(); app.emit(app.view); return performance.now() - from; })()");
  console.log(`500 chats are drawn again in ${took.toFixed(1)} ms`);
  await page.fill(".search input", "Group 499");
  await page.until("document.querySelectorAll('.list li').length === 1");
});

inTab("older messages of a chat are shown when they are asked for", all.ready, async (page) => {
  const trace = Array.from({ length: 400 }, (_, at) => ({ id: `3A${at}`, direction: "in", at: new Date(NOW - at * 60_000).toISOString(), state: "acked" }));
  await page.get(`void (app.known["chats.trace"] = undefined, delete app.known["chats.trace"], app.trace = ${JSON.stringify(trace)}, app.answer = ({ args }) => app.trace.slice(0, args.limit))`);
  await page.go("chats");
  await page.until(`document.querySelector("${entry(FAMILY)}")`);
  await page.click(entry(FAMILY));
  const rows = ".detail .section li > button.row";
  const older = ".detail .section li .btn.quiet";
  const shown = async (count) => page.until(`document.querySelectorAll("${rows}").length === ${count}`);
  await shown(8);
  for (const count of [50, 200, 400]) {
    await page.get(`[...document.querySelectorAll("${older}")].find((one) => one.innerText === "Show older ones").click()`);
    await shown(count);
  }
  assert.equal(await page.get(`[...document.querySelectorAll("${older}")].some((one) => one.innerText === "Show older ones")`), false, "those are all");
});

inTab("a container tells what it works on, what it takes, and from which image", all.two_running_one_queued, async (page) => {
  await page.look({ width: 1200, height: 800 });
  await page.go("containers");
  await page.until("document.querySelector('.runs .fold')");
  assert.match(await page.text(".runs li:nth-of-type(2) .s"), /Does the task “.?Read yesterday’s messages/);
  assert.match(await page.text(".runs li:nth-of-type(1) .load:nth-of-type(3)"), /148 MB/);
  await page.click(".runs li:nth-of-type(2) .fold");
  assert.match(await page.text(".mounts"), /nanoclaw-family-[\s\S]+\/workspace\/group/);
  assert.match(await page.text("main"), /nanoclaw-agent:latest · 0a1b2c3d4e5f · made 3 days ago/);
  await page.picture("containers-open-wide");
  await page.look({ width: 480, height: 640, dark: true });
  await page.picture("containers-open-narrow");
});

inTab("messages are kept for a shorter time after a question that says what is lost", all.ready, async (page) => {
  const days = "#MESSAGE_RETENTION_DAYS";
  const shown = () => page.get(`document.querySelector("${days}").value`);
  const kept = async () => (await page.asked()).filter(({ name }) => name === "settings.set").map(({ args }) => args.value);
  const type = async (text) => {
    await page.fill(days, text);
    await page.press("Enter");
  };
  await page.get("void (app.lost = 1234, app.answer = ({ name }) => (name === 'settings.forgets' ? { count: app.lost } : {}))");
  await page.go("settings");
  await page.until(`document.querySelector("${days}")`);
  await type("30");
  await page.until("document.querySelector('dialog[open]')");
  assert.deepEqual(await page.asked(), [{ name: "settings.forgets", args: { days: 30 } }]);
  assert.equal(await page.text("#confirm-title"), "Keep messages for 30 days only?");
  assert.match(await page.text("#confirm-text"), /the texts of 1,234 older messages are forgotten for good/);
  await page.picture("settings-forget");
  await page.press("Escape");
  await page.until("!document.querySelector('dialog').open");
  assert.equal(await shown(), "0", "as it was");
  await type("30");
  await page.until("document.querySelector('dialog[open]')");
  await page.click("dialog .danger");
  await page.until("app.asked.some(({ name }) => name === 'settings.set')");
  assert.deepEqual([await kept(), await shown()], [["30"], "30"]);
  // Longer, for ever, or with nothing to lose: no question.
  await page.get("void (app.known['settings.get'].find((one) => one.name === 'MESSAGE_RETENTION_DAYS').value = 30)");
  await page.emit(all.working);
  await page.until(`document.querySelector("${days}").getAttribute("value") === "30"`);
  for (const [text, lost] of [["60", 5], ["0", 5], ["7", 0]]) {
    await page.get(`void (app.lost = ${lost})`);
    await type(text);
    await page.until(`app.asked.some(({ name, args }) => name === 'settings.set' && args.value === '${text}')`);
    assert.equal(await page.get("document.querySelector('dialog').open"), false, text);
  }
});

inTab("a form that is being done sends nothing more, whatever is typed meanwhile", all.ready, async (page) => {
  await page.get("void (app.answer = () => new Promise((done) => (app.done = done)))");
  await page.go("tasks");
  await page.until("document.querySelector('.head .btn')");
  await page.click(".head .btn");
  await page.until("document.querySelectorAll('.preview li').length === 5");
  await page.fill("#prompt", "List what is open");
  const send = "form > .btns .btn";
  await page.click(send);
  await page.until("app.done");
  await page.fill("#prompt", "List what is open, once more");
  await page.click(send);
  await page.get("document.querySelector('form').requestSubmit()");
  assert.equal((await page.asked()).length, 1);
  await page.get("app.done({})");
  await page.until("document.querySelector('.tasks')");
  assert.equal((await page.asked()).length, 1);
});

inTab("what is installed is told with its versions", all.ready, async (page) => {
  await page.go("about");
  await page.until("document.querySelector('main').innerText.includes('2.13.0')");
  const facts = await page.text("main ul.card");
  for (const fact of ["NanoClaw\n0.1.0", "Docker\nDocker 29.0.1", "kiro-cli\n2.13.0", "WebKit\n2.50.1"]) assert.ok(facts.replace(/\s*\n\s*/g, "\n").includes(fact), `${fact} in ${facts}`);
});
