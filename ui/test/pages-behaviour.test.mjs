// What the pages of chats, tasks, settings, logs and Kiro, and the assistant, do with what is typed and pressed.

import assert from "node:assert/strict";

import { states, tabs } from "./browser.mjs";

const all = await states();
const inTab = tabs();

const entry = (jid) => `[data-key='${jid}'] button`;
const FAMILY = "120363000000000001@g.us";
const fails = (page, message, cure) => page.get(`app.answer = () => { throw { code: "bad", message: ${JSON.stringify(message)}, cure: ${JSON.stringify(cure)} } }`);

inTab("Kiro is signed in to by a way, with what it asks for", all.needs_you_kiro, async (page) => {
  // K2
  await page.go("kiro");
  await page.click("input[value=identity-center]");
  await page.fill("#startUrl", " https://example.awsapps.com/start ");
  await page.fill("#region", "eu-central-1");
  await fails(page, "That sign-in can't be begun.", "Look again.");
  await page.press("Enter");
  await page.until("document.querySelector('form .err')");
  assert.deepEqual(await page.asked(), [{ name: "kiro.login", args: { method: "identity-center", startUrl: "https://example.awsapps.com/start", region: "eu-central-1", browser: false } }]);
  assert.equal(await page.text("form .err"), "That sign-in can't be begun. Look again.");
  assert.equal(await page.get("document.querySelector('#startUrl').value.trim()"), "https://example.awsapps.com/start");
});

inTab("a sign-in that agents are refused with is ended after a yes", all.kiro_not_in_containers, async (page) => {
  // K2
  await page.go("kiro");
  await page.click("form .btn.primary");
  await page.until("document.querySelector('dialog[open]')");
  assert.deepEqual(await page.asked(), []);
  await page.click("dialog .danger");
  assert.deepEqual(await page.asked(), [{ name: "kiro.login", args: { method: "builder-id", browser: false, yes: true } }]);
});

inTab("its code is large, copied, and gone when it has run out", all.kiro_login, async (page) => {
  // K2
  await page.go("kiro");
  assert.equal((await page.text(".bigcode")).replace(/\s/g, ""), "WDJB–MJHT");
  await page.get("Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => void (app.copied = text) } })");
  await page.click(".codecard .btn.plain");
  await page.until("app.copied === 'WDJB-MJHT'");
  await page.click(".codecard .btn.primary");
  assert.deepEqual(await page.get("app.acts"), [{ OpenWebsite: "KiroSignIn" }]);
  await page.get("app.now += 500_000");
  await page.until("!document.querySelector('.bigcode').innerText.includes('W')");
  await page.click(".head .btn");
  assert.deepEqual(await page.asked(), [{ name: "kiro.login-cancel", args: {} }]);
  await page.emit(all.ready);
  assert.equal(await page.text(".statehead h2"), "Signed in to Kiro");
});

inTab("a mode is chosen first, by arrow keys too, and asked about when it is to be used", all.ready, async (page) => {
  // K4
  await page.go("kiro");
  const on = () => page.get("document.querySelector('input[name=mode]:checked').value");
  const isAsked = () => page.get("document.querySelector('dialog').open");
  const use = ".modes .btn";
  await page.click(use);
  await page.get("document.querySelector('input[value=shared]').focus()");
  await page.press("ArrowDown");
  await page.until("document.querySelector('input[value=own]').checked");
  await page.press("ArrowDown");
  await page.until("document.querySelector('input[value=api-key]').checked");
  await page.press("ArrowUp");
  await page.until("document.querySelector('input[value=own]').checked");
  assert.equal(await isAsked(), false, "nothing is asked on the way, nor for what is in use");
  await page.press("Enter");
  await page.until("document.querySelector('dialog[open]')");
  assert.match(await page.text("#confirm-text"), /Nothing of your ~\/\.kiro/);
  await page.press("Escape");
  await page.until("!document.querySelector('dialog').open");
  assert.deepEqual(await page.asked(), []);
  await page.click(use);
  await page.until("document.querySelector('dialog[open]')");
  await page.click("dialog .danger");
  assert.deepEqual(await page.asked(), [{ name: "kiro.mode", args: { mode: "own", yes: true } }]);
  await page.emit(all.kiro_own);
  assert.equal(await on(), "own");
  // Changed elsewhere meanwhile: what was picked once is not picked again.
  await page.emit(all.kiro_key);
  assert.equal(await on(), "api-key");
});

inTab("the mode in use is named while another is picked, and what was only picked is forgotten with the page", all.ready, async (page) => {
  // K4
  const inUse = () => page.get("[...document.querySelectorAll('.choice:has(.pill)')].map((one) => `${one.querySelector('input').value}: ${one.querySelector('.pill').innerText}`)");
  await page.go("kiro");
  await page.click("input[value=own]");
  await page.until("document.querySelector('input[value=own]').checked");
  assert.deepEqual(await inUse(), ["shared: In use"]);
  await page.go("overview");
  await page.go("kiro");
  assert.equal(await page.get("document.querySelector('input[name=mode]:checked').value"), "shared");
  await page.emit(all.kiro_own);
  assert.deepEqual(await inUse(), ["own: In use"]);
});

inTab("an API key goes to its command and stays nowhere", all.kiro_key_missing, async (page) => {
  // K4
  await page.go("kiro");
  assert.equal(await page.get("document.querySelector('#key').type"), "password");
  await page.fill("#key", "planted-key");
  await page.press("Enter");
  assert.deepEqual(await page.asked(), [{ name: "kiro.key", args: { key: "planted-key" } }]);
  assert.equal(await page.get("document.querySelector('#key').value"), "");
  assert.ok(!(await page.get("document.documentElement.outerHTML")).includes("planted"));
});

inTab("a chat is registered with a folder that fits, and what is wrong is said at it", all.ready, async (page) => {
  // T4, I6
  await page.go("chats");
  await page.until("document.querySelectorAll('.list li').length === 10");
  const order = await page.get("[...document.querySelectorAll('.list .t')].map((one) => one.innerText).slice(0, 4)");
  assert.deepEqual(order.map((name) => name.split(" ")[0]), ["You", "Family", "Ops", "Kita"]);
  await page.click(entry("120363000000000024@g.us"));
  assert.equal(await page.text(".banner b"), "Another chat has the same name");
  assert.equal(await page.get("document.querySelector('#folder').value"), "book-club");
  await fails(page, "The folder book-club belongs to another chat.", "Choose another folder name.");
  await page.click(".form .btn.primary");
  await page.until("document.querySelector('.field [role=alert]')");
  assert.deepEqual(await page.asked(), [{ name: "groups.register", args: { jid: "120363000000000024@g.us", name: "Book club", folder: "book-club" } }]);
});

inTab("the own chat is offered first, and can become the private channel", all.first_start_chat, async (page) => {
  await page.go("chats");
  await page.until("document.querySelector('.list .t')");
  assert.equal(await page.text(".list .t"), "You (message yourself)");
  await page.click(entry("4915110000001@s.whatsapp.net"));
  await page.click(".card .btn");
  assert.deepEqual(await page.asked(), [{ name: "groups.register", args: { jid: "4915110000001@s.whatsapp.net", name: "You and Andy", folder: "main" } }]);
});

inTab("how a chat is answered, its folders and tools are changed one by one", all.ready, async (page) => {
  // M3, X1
  await page.go("chats");
  await page.until(`document.querySelector("${entry(FAMILY)}")`);
  await page.click(entry(FAMILY));
  await page.click("input[value=every]");
  await page.fill("#trigger", "Bob");
  await page.press("Enter");
  await page.click(".detail .btn.quiet");
  await page.fill("#hostPath", "~/Pictures");
  await page.click("input[name=write]");
  await page.click(".detail .form .btn.primary");
  await page.click(".detail .toggle");
  const set = (args) => ({ name: "groups.set", args: { target: FAMILY, ...args } });
  const asked = await page.asked();
  assert.deepEqual(asked.slice(0, 3), [set({ requiresTrigger: false }), set({ trigger: "Bob" }), set({ mounts: [{ hostPath: "~/Pictures", readonly: false }] })]);
  assert.ok(asked[3].args.tools.includes("@nanoclaw"));
  await page.click(".detail .danger");
  await page.until("document.querySelector('dialog[open]')");
  await page.click("dialog .danger");
  assert.deepEqual((await page.asked()).at(-1), { name: "groups.remove", args: { target: FAMILY } });
});

inTab("search finds a chat, and the list stays where it is", all.ready, async (page) => {
  await page.go("chats");
  await page.until("document.querySelectorAll('.list li').length === 10");
  await page.fill(".search input", "book");
  await page.until("document.querySelectorAll('.list li').length === 2");
  await page.emit(all.working);
  assert.equal(await page.get("document.activeElement.type + document.activeElement.value"), "searchbook");
});

inTab("a task is planned with its next times before, and each kind makes its schedule", all.ready, async (page) => {
  // I5
  await page.go("tasks");
  await page.until("document.querySelector('.head .btn')");
  await page.click(".head .btn");
  await page.until("document.querySelectorAll('.preview li').length === 5");
  assert.equal(await page.text(".preview b"), "Next times, in Europe/Berlin");
  await page.fill("#prompt", "List what is open");
  await page.click("[aria-label=Saturday]");
  await page.click("form > .btns .btn");
  await page.until("app.asked.length === 1 && document.querySelector('.tasks')");
  const add = (schedule, value, context = "isolated") => ({ name: "tasks.add", args: { group: "main", prompt: "List what is open", schedule, value, context } });
  assert.deepEqual(await page.asked(), [add("cron", "0 8 * * 1,2,3,4,5,6")]);
  const kinds = [
    ["once", [["#date", "2030-01-31"], ["#time", "9:30"]], add("once", "2030-01-31T09:30:00", "group")],
    ["often", [["#every", "1,5"]], add("interval", "5400000", "group")],
    ["cron", [["#cron", "5 4 * * *"]], add("cron", "5 4 * * *", "group")],
  ];
  for (const [kind, fields, expect] of kinds) {
    await page.click(".head .btn");
    await page.click(`input[value=${kind}]`);
    if (kind === "once") await page.click(".form .toggle");
    await page.fill("#prompt", "List what is open");
    for (const [field, text] of fields) await page.fill(field, text);
    await page.click("form > .btns .btn");
    await page.until("document.querySelector('.tasks')");
    assert.deepEqual((await page.asked()).at(-1), expect);
  }
});

inTab("a task is paused, run and cancelled after a question", all.ready, async (page) => {
  await page.go("tasks");
  await page.until("document.querySelector('.tasks button.row')");
  await page.click(".tasks button.row");
  await page.until("document.querySelectorAll('.history li').length === 3");
  await page.click(".taskmore .btn:nth-of-type(1)");
  await page.click(".taskmore .btn:nth-of-type(2)");
  await page.click(".taskmore .danger");
  await page.until("document.querySelector('dialog[open]')");
  assert.equal((await page.asked()).length, 2);
  await page.click("dialog .danger");
  assert.deepEqual((await page.asked()).map(({ name, args }) => `${name} ${args.id}`), ["tasks.run task-1", "tasks.pause task-1", "tasks.cancel task-1"]);
});

inTab("a setting is kept in its unit, and a bad one refused on the spot", all.ready, async (page) => {
  await page.go("settings");
  await page.until("document.querySelector('#IDLE_TIMEOUT')");
  assert.equal(await page.get("document.querySelector('#IDLE_TIMEOUT').value"), "5");
  const change = async (field, text) => {
    await page.fill(field, text);
    await page.press("Tab");
  };
  await change("#MAX_CONCURRENT_CONTAINERS", "lots");
  await page.until("document.querySelector('.setting .err')");
  assert.equal(await page.text(".setting .err"), "It can’t be “lots”. It must be from 1 to 1000.");
  assert.deepEqual(await page.asked(), []);
  await page.picture("settings-bad");
  await change("#MAX_CONCURRENT_CONTAINERS", "7");
  assert.equal(await page.text(".banner.info"), null);
  await page.get("(() => { app.known['settings.get'].find((one) => one.name === 'IDLE_TIMEOUT').pending = true; })()");
  await change("#IDLE_TIMEOUT", "2,5");
  await page.until("app.asked.length === 2 && document.querySelector('.banner.info')");
  assert.deepEqual(await page.asked(), [{ name: "settings.set", args: { key: "MAX_CONCURRENT_CONTAINERS", value: "7" } }, { name: "settings.set", args: { key: "IDLE_TIMEOUT", value: "150000" } }]);
  assert.equal(await page.text(".setting .err"), null);
  assert.ok(await page.get("document.querySelector('.banner.info .mark.ready') !== null"), "nothing is being done");
  await page.click(".banner .btn");
  assert.deepEqual(await page.get("app.acts"), ["Restart"]);
  await page.get("(() => { const field = document.querySelector('#AGENT_RUNTIME'); field.value = 'host'; field.dispatchEvent(new Event('change')); })()");
  await page.until("document.querySelector('dialog[open]')");
  assert.equal((await page.asked()).length, 2, "asked first");
});

inTab("a folder is allowed for chats, and what can't be is said at the field", all.ready, async (page) => {
  // X1
  await page.go("settings");
  await page.until("document.querySelector('ul.card .btn.quiet')");
  const [family, projects] = [{ path: "~/Pictures/Family", allowReadWrite: false, description: "shared" }, { path: "~/projects", allowReadWrite: true }];
  const said = { allowedRoots: [family, projects], blockedPatterns: ["taxes"], nonMainReadOnly: true };
  await page.click("ul.card .btn.quiet");
  await page.fill("#allowPath", "~/.ssh");
  await fails(page, "That can’t be allowed: ~/.ssh holds “.ssh”, which is blocked.", "Nothing was changed.");
  await page.press("Enter");
  await page.until("document.querySelector('#allowPath-hint.err')");
  assert.match(await page.text("#allowPath-hint"), /holds “.ssh”/);
  await page.get("app.answer = () => ({})");
  await page.fill("#allowPath", "~/recipes");
  await page.press("Enter");
  await page.until("!document.querySelector('#allowPath')");
  await page.click("[aria-label='Agents may change what is in ~/Pictures/Family']");
  await page.click("[aria-label='Allow ~/projects no more']");
  await page.fill("#blocked", "taxes, private");
  await page.press("Enter");
  await page.until("app.asked.length === 5");
  const sets = (await page.asked()).map(({ name, args }) => (assert.equal(name, "allowlist.set"), args));
  assert.deepEqual(sets.slice(1), [
    { ...said, allowedRoots: [family, projects, { path: "~/recipes", allowReadWrite: false }] },
    { ...said, allowedRoots: [{ ...family, allowReadWrite: true }, projects] },
    { ...said, allowedRoots: [family] },
    { ...said, blockedPatterns: ["taxes", "private"] },
  ]);
});

inTab("the log grows, and is held", all.ready, async (page) => {
  await page.go("logs");
  const lines = "document.querySelectorAll('.log .line').length";
  await page.until(`${lines} === 60`);
  await page.get(`app.known["logs.find"].then = { lines: ["2026-05-12T10:30:00.000Z WARN One more <b>line</b>"], more: false, mark: "1-2", goesOn: true }`);
  await page.until(`${lines} > 60`);
  assert.match(await page.text(".log .line"), /One more <b>line<\/b>/);
  await page.click(".logbar .toggle");
  await page.until("document.querySelector('.logbar .toggle').ariaChecked === 'false'");
  await page.get(`app.known["logs.find"] = { lines: ["2026-05-12T10:30:00.000Z INFO Too late"], more: false, mark: "1-3", goesOn: false }`);
  await page.fill(".logbar .search input", "late");
  await page.until(`${lines} === 1`);
  await page.click(".logbar > .btn");
  assert.deepEqual(await page.get("app.acts"), ["OpenLog"]);
});

inTab("what is wanted of the log is asked of the app: level, chat, run and text", all.ready, async (page) => {
  await page.get(`(delete app.known["logs.find"], delete app.known["logs.runs"], app.answer = ({ name }) => name === "logs.runs" ? [{ run: "ops-1778041800000", group: "ops", startedAt: "2026-05-06T04:30:00.000Z", atWork: false }] : { lines: ["2026-05-11T10:30:00.000Z INFO Of yesterday", "2026-05-12T10:30:00.000Z INFO Of today"], more: false, mark: "1-1", goesOn: false })`);
  await page.go("logs");
  const asked = (name, args) => page.until(`app.asked.some((one) => one.name === "${name}" && JSON.stringify(one.args) === ${JSON.stringify(JSON.stringify(args))})`);
  const of = "select[aria-label='Chat or run']";
  await asked("logs.find", {});
  await page.until("document.querySelector('.log .day')");
  assert.deepEqual(await page.get("[...document.querySelectorAll('.log > *')].reverse().map((one) => one.lastElementChild?.innerText ?? one.innerText)"), ["Mon 11 May 2026", "Of yesterday", "Tue 12 May 2026", "Of today"]);
  await page.choose("select[aria-label=Level]", "warn");
  await asked("logs.find", { level: "warn" });
  await page.choose(of, "chat:family");
  await asked("logs.find", { chat: "family", level: "warn" });
  await asked("logs.runs", { chat: "family" });
  await page.fill(".logbar .search input", "Photo");
  await asked("logs.find", { chat: "family", level: "warn", text: "Photo" });
  await page.until(`document.querySelector("${of} [value='run:ops-1778041800000']")`);
  assert.equal(await page.get(`document.querySelector("${of} [value='run:ops-1778041800000']").innerText`), "Ops on call, Wed 6 May at 06:30");
  await page.choose(of, "run:ops-1778041800000");
  await asked("logs.find", { run: "ops-1778041800000", text: "Photo" });
  await page.click(".logbar > .btn");
  assert.deepEqual(await page.get("app.acts"), [{ ShowLog: "ops-1778041800000" }]);
});

inTab("a chat that is listened in no more leaves the log to all", all.ready, async (page) => {
  const of = "select[aria-label='Chat or run']";
  await page.go("logs");
  await page.until(`document.querySelector("${of}")`);
  await page.choose(of, "chat:family");
  await page.get("(delete app.known['logs.find'], app.answer = () => ({ lines: [], more: false, mark: '1-1', goesOn: false }))");
  const without = structuredClone(all.ready);
  without.at = "2026-05-12T10:31:00.000Z";
  without.chats.groups = without.chats.groups.filter(({ chat }) => chat.folder !== "family");
  await page.emit(without);
  await page.until("app.asked.some(({ name, args }) => name === 'logs.find' && JSON.stringify(args) === '{}')");
  assert.equal(await page.get(`document.querySelector("${of}").selectedOptions[0].innerText`), "NanoClaw’s log");
  assert.equal(await page.get(`document.querySelector("${of}").title`), "NanoClaw’s log");
});

inTab("a run that is chosen keeps its name while the chat’s runs are asked for", all.ready, async (page) => {
  const of = "select[aria-label='Chat or run']";
  const runs = () => page.get(`[...document.querySelectorAll("${of} [value^='run:']")].map((one) => one.innerText)`);
  await page.get("(app.runs = app.known['logs.runs'], delete app.known['logs.runs'], app.answer = ({ name, args }) => name === 'logs.runs' && !args.chat ? app.runs : new Promise(() => {}))");
  await page.go("logs");
  await page.until(`document.querySelector("${of} [value^='run:family']")`);
  const named = (await runs()).filter((name) => name.startsWith("Family"));
  assert.equal(named.length, 2);
  await page.choose(of, await page.get(`document.querySelector("${of} [value^='run:family']").value`));
  await page.until("app.asked.some(({ name, args }) => name === 'logs.runs' && args.chat === 'family')");
  assert.deepEqual(await runs(), named);
});

inTab("the log’s bar is one row in the window as it first opens", all.ready, async (page) => {
  await page.look({ width: 960 });
  await page.go("logs");
  await page.until("document.querySelector(\"[value^='run:family']\")");
  const rows = await page.get("[...document.querySelectorAll('.logbar > *')].map((one) => { const { top, bottom } = one.getBoundingClientRect(); return Math.round((top + bottom) / 2); })");
  assert.ok(Math.max(...rows) - Math.min(...rows) <= 1, String(rows));
});

inTab("the assistant is walked by keys alone, in four steps", all.first_start, async (page) => {
  // T4: Docker and Kiro are there: begin, scan, choose, write.
  assert.match(await page.text(".kick"), /Step 1 of 7/);
  const focus = async (label) => {
    for (let at = 0; at < 30; at += 1) {
      if ((await page.get("document.activeElement.innerText")) === label) return;
      await page.press("Tab");
    }
    throw new Error(`no way to ${label} by keys`);
  };
  await focus("Begin");
  await page.press("Enter");
  await page.until("document.querySelector('.qr')");
  assert.deepEqual((await page.asked()).map(({ name }) => name), ["image.build"], "the image is built meanwhile");
  await page.picture("setup-scan");
  await page.emit(all.first_start_chat);
  await page.until("document.querySelector('.row.pick')");
  assert.equal(await page.text(".row.pick .t"), "You (message yourself)");
  await focus("Use this chat");
  await page.press("Enter");
  await page.until("app.asked.length === 2");
  assert.deepEqual((await page.asked())[1].args, { jid: "4915110000001@s.whatsapp.net", name: "You and Andy", folder: "main" });
  await page.emit(all.first_start_hello);
  assert.equal(await page.text("h1"), "Say hello to Andy");
  await page.picture("setup-hello");
  const answered = structuredClone(all.first_start_hello);
  answered.setup.steps.at(-1).done = true;
  await page.emit(answered);
  assert.equal(await page.text("h1"), "Andy is ready");
  await page.picture("setup-ready");
  await focus("Open NanoClaw");
  await page.press("Enter");
  assert.equal(await page.text("h1"), "All is well");
});

inTab("the assistant can be left at any step, and goes on where it was", all.first_start, async (page) => {
  await page.click(".foot .quiet");
  assert.equal(await page.text(".banner b"), "Setting up is not finished");
  await page.click(".banner .btn");
  await page.click(".foot .primary");
  await page.until("document.querySelector('.qr')");
  await page.click(".foot .plain");
  assert.match(await page.text(".kick"), /Kiro/, "back");
  await page.click(".foot .primary");
  await page.click(".foot .quiet");
  assert.match(await page.text(".kick"), /Private channel/, "WhatsApp is done later");
  await page.click(".foot .quiet");
  const ways = await page.get("[...document.querySelectorAll('.inner li .btn')].map((one) => one.ariaLabel)");
  assert.deepEqual(ways.slice(-2), ["Show the step WhatsApp", "Show the step Private channel"]);
});

inTab("the chat that is ticked is the one that is chosen", all.first_start_chat, async (page) => {
  // T4: what is not seen never gets main's powers.
  const ticked = "document.querySelector('.row.pick input:checked')?.value";
  const use = async () => {
    const before = (await page.asked()).length;
    await page.click(".foot .primary");
    await page.until(`app.asked.length === ${before + 1}`);
    return (await page.asked()).at(-1).args.jid;
  };
  await page.click(".foot .primary");
  await page.until("document.querySelector('.row.pick')");
  await page.fill(".search input", "Book club");
  await page.until("document.querySelectorAll('.row.pick').length === 2");
  const first = await page.get(ticked);
  assert.equal(await use(), first);
  const second = await page.get("[...document.querySelectorAll('.row.pick input')].find((one) => !one.checked).value");
  await page.click(".row.pick input:not(:checked)");
  await page.fill(".search input", " ");
  await page.until("document.querySelectorAll('.row.pick').length > 2");
  assert.equal(await page.get(ticked), second, "it stays in sight");
  assert.equal(await use(), second);
});

inTab("all is checked, and a bundle packed, when it is asked for", all.ready, async (page) => {
  await page.go("about");
  assert.equal(await page.get("document.querySelectorAll('[aria-label=\"What was found\"] li').length"), 0);
  await page.click(".section:nth-of-type(1) .btn");
  await page.until("document.querySelectorAll('[aria-label=\"What was found\"] li').length === 6");
  await page.click(".section:nth-of-type(2) .btn");
  await page.until("document.querySelector('.codeline')");
  assert.match(await page.text(".codeline"), /nanoclaw-diagnostics-\d+\.tar/);
});

inTab("each part that it is made of has its licence's text", all.ready, async (page) => {
  await page.go("about");
  await page.click(".section:nth-of-type(3) .btn");
  await page.until("document.querySelectorAll('.parts li').length > 100");
  assert.equal(await page.get("document.querySelectorAll('.parts pre').length"), 0);
  await page.click(".parts li:nth-of-type(2) summary");
  await page.until("document.querySelector('.parts pre')");
  assert.match(await page.text(".parts pre"), /Permission is hereby granted/);
  await page.click(".parts li:nth-of-type(2) summary");
  await page.until("!document.querySelector('.parts pre')");
});

inTab("a former sign-in is deleted after a question", all.ready, async (page) => {
  // W4
  await page.go("whatsapp");
  await page.until("document.querySelector('[aria-label^=\"Delete auth.bak\"]')");
  await page.click("[aria-label^='Delete auth.bak']");
  await page.until("document.querySelector('dialog[open]')");
  assert.deepEqual(await page.asked(), []);
  await page.click("dialog .danger");
  assert.deepEqual(await page.asked(), [{ name: "whatsapp.remove-backup", args: { name: "auth.bak.1778300000", yes: true } }]);
});

inTab("a message's way is told step by step", all.ready, async (page) => {
  await page.go("chats");
  await page.until(`document.querySelector("${entry(FAMILY)}")`);
  await page.click(entry(FAMILY));
  const message = (at) => `.detail .section:nth-of-type(2) li:nth-of-type(${at}) button`;
  await page.until(`document.querySelector("${message(5)}")`);
  assert.deepEqual(await page.get("[...document.querySelectorAll('.detail .section:nth-of-type(2) .s')].map((one) => one.innerText)"), ["The agent is at it", "Delivered to WhatsApp", "Answered", "Failed", "Kept"]);
  await page.click(message(3));
  await page.until("document.querySelectorAll('.steps li').length === 9");
  assert.match(await page.text(".steps li:nth-of-type(2)"), /Kept, before WhatsApp was told so\s+12:25:00\.004/);
});
