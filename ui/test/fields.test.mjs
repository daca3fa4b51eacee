// What stands in fields, and what is said beside them: what is set is what is shown, each at the place that it belongs to.

import assert from "node:assert/strict";

import { states, tabs } from "./browser.mjs";

const all = await states();
const inTab = tabs();

const entry = (jid) => `[data-key='${jid}'] button`;
const fails = (page, message, cure) => page.get(`app.answer = () => { throw { code: "bad", message: ${JSON.stringify(message)}, cure: ${JSON.stringify(cure)} } }`);
/** Another answer to what is asked for, which is asked for again. */
const known = async (page, command, change) => {
  await page.get(`(() => { const known = structuredClone(app.known[${JSON.stringify(command)}]); (${change})(known); app.known[${JSON.stringify(command)}] = known; })()`);
};

inTab("a list of settings shows what is set: after a no, a refusal, and when it is set back", all.ready, async (page) => {
  await page.go("settings");
  await page.until("document.querySelector('#AGENT_RUNTIME')");
  const shown = (name) => page.get(`document.querySelector("#${name}").value`);
  await page.choose("#AGENT_RUNTIME", "host");
  await page.until("document.querySelector('dialog[open]')");
  await page.press("Escape");
  await page.until("!document.querySelector('dialog[open]')");
  assert.equal(await shown("AGENT_RUNTIME"), "docker");
  await fails(page, "The settings can’t be written.", "Make room.");
  await page.choose("#LOG_LEVEL", "debug");
  await page.until("document.querySelector('.setting .err')");
  assert.equal(await shown("LOG_LEVEL"), "info");
  const set = (name, value, source) => known(page, "settings.get", `(all) => Object.assign(all.find((one) => one.name === "${name}"), { value: "${value}", source: "${source}" })`);
  await set("LOG_LEVEL", "debug", "file");
  await page.get("app.answer = () => ({})");
  await page.choose("#LOG_LEVEL", "debug");
  await page.until("document.querySelector('#LOG_LEVEL').value === 'debug'");
  await set("LOG_LEVEL", "info", "default");
  await page.click("[aria-label^='How much is logged: back']");
  await page.until("document.querySelector('#LOG_LEVEL').value === 'info'");
});

inTab("a field that was typed in shows the usual value when it is set back, and keeps what is being typed", all.ready, async (page) => {
  await page.go("settings");
  await page.until("document.querySelector('#ASSISTANT_NAME')");
  const set = (value, source) => known(page, "settings.get", `(all) => Object.assign(all.find((one) => one.name === "ASSISTANT_NAME"), { value: "${value}", source: "${source}" })`);
  await page.fill("#ASSISTANT_NAME", "Bob");
  await set("Bob", "file");
  await page.press("Tab");
  await page.until("document.querySelector('[aria-label^=\"Name: back\"]')");
  await set("Andy", "default");
  await page.click("[aria-label^='Name: back']");
  await page.until("document.querySelector('#ASSISTANT_NAME').value === 'Andy'");
  await page.fill("#ASSISTANT_NAME", "Car");
  await set("Dora", "file");
  const next = structuredClone(all.ready);
  next.at = "2026-05-12T10:31:00.000Z";
  await page.emit(next);
  await page.until("document.querySelector('#ASSISTANT_NAME').getAttribute('value') === 'Dora'");
  assert.equal(await page.get("document.querySelector('#ASSISTANT_NAME').value"), "Car");
});

inTab("what is wrong in a chat, and what was chosen for it, stays with that chat", all.ready, async (page) => {
  const [one, other] = ["120363000000000024@g.us", "120363000000000023@g.us"];
  await page.go("chats");
  await page.until(`document.querySelector("${entry(one)}")`);
  await page.click(entry(one));
  await page.click("input[value=every]");
  await fails(page, "The folder book-club belongs to another chat.", "Choose another folder name.");
  await page.click(".form .btn.primary");
  await page.until("document.querySelector('.field [role=alert]')");
  await page.click(entry(other));
  assert.equal(await page.text(".detail [role=alert]"), null);
  assert.equal(await page.get("document.querySelector('.detail .seg input:checked').value"), "called");
  await page.click(entry(one));
  assert.match(await page.text(".detail [role=alert]"), /book-club belongs/);
  assert.equal(await page.get("document.querySelector('.detail .seg input:checked').value"), "every");
  const [family, ops] = ["120363000000000001@g.us", "120363000000000002@g.us"];
  await page.click(entry(family));
  await page.click(".detail .toggle");
  await page.until("document.querySelector('.detail .banner[role=alert]')");
  await page.click(entry(ops));
  assert.equal(await page.text(".detail [role=alert]"), null);
});

inTab("what is searched for stands in its box on coming back", all.ready, async (page) => {
  for (const [name, text] of [["logs", "Message"], ["chats", "book"]]) {
    await page.go(name);
    await page.fill(".search input", text);
    await page.go("overview");
    await page.go(name);
    assert.equal(await page.get("document.querySelector('.search input').value"), text);
  }
});

inTab("what was refused is gone with the text that it was said of", all.ready, async (page) => {
  const [family, ops] = ["120363000000000001@g.us", "120363000000000002@g.us"];
  const limit = async (text) => {
    await page.fill("#limit", text);
    await page.press("Enter");
    await page.until("document.querySelector('#limit-hint.err')");
  };
  const calm = async () => assert.deepEqual(await page.get("[document.querySelectorAll('main .err').length, document.querySelectorAll('main [aria-invalid]').length]"), [0, 0]);
  await page.go("chats");
  await page.until(`document.querySelector("${entry(family)}")`);
  await page.click(entry(family));
  await limit("1441");
  await page.click(entry(ops));
  await page.click(entry(family));
  await calm();
  await limit("1441");
  await page.go("settings");
  await page.until("document.querySelector('#IDLE_TIMEOUT')");
  await page.fill("#IDLE_TIMEOUT", "lots");
  await page.press("Tab");
  await page.until("document.querySelector('.setting .err')");
  await fails(page, "The settings can’t be written.", "Make room.");
  await page.choose("#LOG_LEVEL", "debug");
  await page.until("document.querySelectorAll('.setting .err').length === 2");
  await page.go("chats");
  await page.until("document.querySelector('#limit')");
  await calm();
  await page.go("settings");
  await page.until("document.querySelector('#IDLE_TIMEOUT')");
  await calm();
});

inTab("what the environment sets looks like it can’t be changed here, in both themes", all.ready, async (page) => {
  await known(page, "settings.get", "(all) => { for (const one of all) if (['LOG_LEVEL', 'ASSISTANT_NAME'].includes(one.name)) one.source = 'environment'; }");
  await page.go("settings");
  await page.until("document.querySelector('#LOG_LEVEL:disabled')");
  const look = (name) => page.get(`(({ color, backgroundColor, borderTopColor }) => [color, backgroundColor, borderTopColor])(getComputedStyle(document.querySelector("#${name}")))`);
  for (const dark of [false, true]) {
    await page.look({ dark });
    const [list, field, open] = [await look("LOG_LEVEL"), await look("ASSISTANT_NAME"), await look("AGENT_RUNTIME")];
    assert.deepEqual(list, field);
    for (const [at, colour] of open.entries()) assert.notEqual(list[at], colour);
  }
});

inTab("what is wrong with a private channel is said where it is made, not at the folder", all.ready, async (page) => {
  await page.go("chats");
  const chat = entry("120363000000000023@g.us");
  await page.until(`document.querySelector("${chat}")`);
  await page.click(chat);
  await fails(page, "The private channel can’t be moved now.", "Try again when its agent is done.");
  await page.click(".card.pad .btn");
  await page.until("document.querySelector('dialog[open]')");
  await page.click("dialog .danger");
  await page.until("document.querySelector('.card.pad [role=alert]')");
  assert.equal(await page.text(".card.pad [role=alert]"), "The private channel can’t be moved now. Try again when its agent is done.");
  assert.equal(await page.text(".field [role=alert]"), null);
});

inTab("what could not be read or deleted is told with what helps", all.ready, async (page) => {
  const refuse = (name) => page.get(`void Object.defineProperty(app.known, ${JSON.stringify(name)}, { configurable: true, get() { throw { code: "bad", message: "That can’t be read.", cure: "Look at the disk." }; } })`);
  const said = async (selector) => {
    await page.until(`document.querySelector(${JSON.stringify(selector)})`);
    assert.match(await page.text(selector), /can’t be read\.\s+Look at the disk\./);
  };
  await page.go("whatsapp");
  await page.until("document.querySelector('[aria-label^=\"Delete auth.bak\"]')");
  await fails(page, "That sign-in can’t be deleted.", "Look at the disk.");
  await page.click("[aria-label^='Delete auth.bak']");
  await page.until("document.querySelector('dialog[open]')");
  await page.click("dialog .danger");
  await page.until("document.querySelector('main .err[role=alert]')");
  assert.equal(await page.text("main .err"), "That sign-in can’t be deleted. Look at the disk.");
  await page.go("overview");
  for (const name of ["whatsapp.backups", "allowlist.get", "chats.trace"]) await refuse(name);
  await page.go("whatsapp");
  await said("main .banner[role=alert] .mid");
  await page.go("settings");
  await said("main .section .banner[role=alert] .mid");
  await page.go("chats");
  await page.until(`document.querySelector("${entry("120363000000000001@g.us")}")`);
  await page.click(entry("120363000000000001@g.us"));
  await said(".detail .section .banner[role=alert] .mid");
});

inTab("a list of tools that was typed is removed after a question, the usual one without", all.ready, async (page) => {
  const family = all.ready.chats.groups.find(({ jid }) => jid === "120363000000000001@g.us");
  const listed = (tools, at) => {
    const view = structuredClone(all.ready);
    view.at = at;
    view.chats.groups.find(({ jid }) => jid === family.jid).tools = tools;
    return page.emit(view);
  };
  await listed(["fs_read", "@mine"], "2026-05-12T10:31:00.000Z");
  await page.go("chats");
  await page.until(`document.querySelector("${entry(family.jid)}")`);
  await page.click(entry(family.jid));
  await page.click(".detail .toggle");
  await page.until("document.querySelector('dialog[open]')");
  assert.deepEqual(await page.asked(), []);
  await page.click("dialog .danger");
  const off = { name: "groups.set", args: { target: family.jid, defaultTools: true } };
  assert.deepEqual(await page.asked(), [off]);
  await listed([...all.ready.chats.usualTools].reverse(), "2026-05-12T10:32:00.000Z");
  await page.click(".detail .toggle");
  assert.deepEqual(await page.asked(), [off, off]);
});

inTab("a command that helps is shown as one, and copied where it is to be typed", all.docker_forbidden, async (page) => {
  await page.go("about");
  await page.click(".section:nth-of-type(1) .btn");
  await page.until("document.querySelectorAll('[aria-label=\"What was found\"] li').length === 6");
  assert.equal(await page.text("[aria-label='What was found'] code"), "nanoclawctl groups set");
  await page.get("Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => void (app.copied = text) } })");
  await page.go("containers");
  await page.click(".statehead .codeline .ib");
  await page.until("app.copied === 'sudo usermod -aG docker $USER'");
});

inTab("a command in what is told of a failure is shown as one, in a toast and at a field", all.ready, async (page) => {
  await fails(page, "That needs `docker`.", "Start it with `systemctl start docker`.");
  const codes = (within) => page.get(`[...document.querySelectorAll("${within} code")].map((one) => one.innerText)`);
  await page.click(".foot .btn");
  await page.until("document.querySelector('.toast')");
  assert.deepEqual(await codes(".toast"), ["docker", "systemctl start docker"]);
  await page.go("tasks");
  await page.click(".head .btn");
  await page.until("document.querySelectorAll('.preview li').length === 5");
  await page.fill("#prompt", "List what is open");
  await page.click("form > .btns .btn");
  await page.until("document.querySelector('#prompt-hint')");
  assert.deepEqual(await codes("#prompt-hint"), ["docker", "systemctl start docker"]);
});

inTab("each setting's label reaches its control, which names what explains it", all.ready, async (page) => {
  await page.go("settings");
  await page.until("document.querySelector('#AGENT_ONE_SHOT')");
  const lost = await page.get(`[...document.querySelectorAll(".setting label")].filter((label) => {
    const about = label.control?.getAttribute("aria-describedby")?.split(" ") ?? [];
    return !about.length || !about.every((id) => document.getElementById(id));
  }).map((label) => label.htmlFor)`);
  assert.deepEqual(lost, []);
  await page.get("document.querySelector('label[for=AGENT_ONE_SHOT]').click()");
  await page.until("app.asked.length === 1");
  assert.deepEqual(await page.asked(), [{ name: "settings.set", args: { key: "AGENT_ONE_SHOT", value: "true" } }]);
});

inTab("a task that is done is removed, not cancelled", all.ready, async (page) => {
  await page.go("tasks");
  await page.until("document.querySelectorAll('.tasks').length === 3");
  await page.click(".section:last-child .tasks button.row");
  await page.until("document.querySelector('.taskmore .danger')");
  assert.equal(await page.text(".taskmore .danger"), "Remove the task…");
  await page.click(".taskmore .danger");
  assert.equal(await page.text("dialog h2"), "Remove this task?");
});
