// What can be done without a pointer: the whole assistant, with all that it asks for, left and gone on with.

import assert from "node:assert/strict";

import { states, tabs } from "./browser.mjs";

const all = await states();
const inTab = tabs();

/** The first start with some steps as other states have them. */
function beginning(from, steps = {}, parts = {}) {
  const view = { ...structuredClone(all[from]), ...parts };
  view.setup.steps = view.setup.steps.map((step) => steps[step.key] ?? step);
  return view;
}
const stepOf = (state, key) => all[state].setup.steps.find((step) => step.key === key);
const done = (key) => stepOf("ready", key);
const nothing = { docker: stepOf("docker_down", "docker"), image: stepOf("docker_down", "image"), kiro: stepOf("needs_you_kiro", "kiro") };

/** Without Docker, nothing is begun by itself. */
function bare(steps, parts) {
  const view = beginning("first_start", { ...nothing, ...steps }, parts);
  view.setup.begin = null;
  return view;
}
const signedOut = { kiro: all.needs_you_kiro.kiro };

inTab("all seven steps of the assistant are walked by keys alone", bare({}, signedOut), async (page) => {
  // T4
  const at = async (step) => assert.match(await page.text(".kick"), new RegExp(`Step ${step} of 7`));
  const press = async (name, key = "Enter") => {
    await page.reach(name);
    await page.press(key);
  };
  const asked = async () => (await page.asked()).at(-1);

  await at(1);
  await press("Leave for now");
  assert.equal(await page.text(".banner b"), "Setting up is not finished");
  await press("Go on");
  await at(1);
  await press("Begin");

  await at(2);
  await press("Get Docker");
  await press("Start Docker");
  assert.deepEqual([await page.get("app.acts"), (await asked()).name], [[{ OpenWebsite: "Docker" }], "engine.start"]);
  await press("Do this later");
  await at(3);
  await press("Back");
  await at(2);
  await page.emit(bare({ docker: done("docker"), image: stepOf("first_start", "image") }, signedOut));
  await press("Continue");

  await at(3);
  await press("Build the image");
  assert.equal((await asked()).name, "image.build");
  const building = { docker: done("docker"), image: stepOf("first_start_chat", "image") };
  await page.emit(bare(building, signedOut));

  await at(4);
  await page.reach("Builder ID");
  await page.press("ArrowDown");
  await page.until("document.querySelector('#startUrl')");
  await page.reach("Start URL");
  await page.type("https://example.awsapps.com/start");
  await press("Sign in");
  assert.deepEqual(await asked(), { name: "kiro.login", args: { method: "identity-center", startUrl: "https://example.awsapps.com/start", region: "us-east-1", browser: false } });
  await page.emit(bare(building, { kiro: all.kiro_login.kiro }));
  await page.reach("Copy the code");
  await page.emit(beginning("first_start", building));

  await at(5);
  await page.reach("Scan");
  await page.press("ArrowRight");
  await page.until("document.querySelector('#phone')");
  await page.reach("Your phone number");
  await page.type("+49 151 10000001");
  await page.press("Enter");
  assert.deepEqual(await asked(), { name: "pair", args: { phone: "+49 151 10000001" } });
  await page.emit(beginning("first_start", building, { whatsapp: all.pairing_code.whatsapp }));
  await page.reach("Copy");
  await page.emit(all.first_start_chat);

  await at(6);
  await page.until("document.querySelector('.row.pick')");
  await page.reach("You (message yourself)");
  await page.press("ArrowDown");
  assert.match(await page.get("document.querySelector('.row.pick input:checked').labels[0].innerText"), /^.?\s*Family/);
  await press("Start at login", " ");
  assert.equal(await page.get("document.activeElement.ariaChecked"), "false");
  await page.press(" ");
  await press("Use this chat");
  await page.until("app.acts.length === 2");
  assert.deepEqual([(await page.get("app.acts"))[1], (await asked()).args.jid], [{ StartAtLogin: true }, "120363000000000001@g.us"]);
  await page.emit(beginning("first_start_chat", { main: done("main") }));

  await at(7);
  await press("Show");
  await at(3);
  await press("Continue");
  await at(7);
  await press("Leave for now");
  await press("Go on");
  await at(7);
  const answered = structuredClone(all.first_start_hello);
  answered.setup.steps.at(-1).done = true;
  await page.emit(answered);
  await press("Open NanoClaw");
  assert.equal(await page.text("h1"), "All is well");
});

inTab("the assistant goes on where it was when the window was closed", bare({}, signedOut), async (page) => {
  // T4: which step is next follows from what is done, not from what the page remembers.
  await page.call("Page.addScriptToEvaluateOnNewDocument", { source: `app.view = ${JSON.stringify(all.first_start_chat)}` });
  await page.call("Page.reload");
  await page.until("document.querySelector('.row.pick')");
  assert.match(await page.text(".kick"), /Step 6 of 7/);
  await page.reach("Use this chat");
});

inTab("a question is answered by keys, and the focus is where it was", all.working, async (page) => {
  await page.reach("Stop");
  const was = await page.get("document.activeElement.ariaLabel");
  await page.press("Enter");
  await page.until("document.querySelector('dialog[open]')");
  await page.reach("Cancel");
  await page.press(" ");
  await page.until("!document.querySelector('dialog[open]')");
  assert.equal(await page.get("document.activeElement.ariaLabel"), was);
});

inTab("every page is reached and left by the tab key", all.two_running_one_queued, async (page) => {
  const order = "[...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex=\"0\"]')].filter((one) => one.offsetParent && !one.disabled && !(one.type === 'radio' && !one.checked)).length";
  for (const name of ["overview", "whatsapp", "kiro", "containers", "chats", "tasks", "settings", "about"]) {
    await page.go(name);
    await page.until("!document.querySelector('[aria-busy]')");
    const count = await page.get(order);
    await page.get("(document.body.tabIndex = -1, document.body.focus(), window.tabbed = new Set(), addEventListener('focusin', ({ target }) => tabbed.add(target)))");
    for (let at = 0; at <= count; at += 1) await page.press("Tab");
    assert.ok((await page.get("tabbed.size")) >= count, `${name}: ${await page.get("tabbed.size")} of ${count}`);
  }
});
