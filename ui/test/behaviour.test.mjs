// What the page does: what stays while the view changes, what it asks for, what it says when that fails.

import assert from "node:assert/strict";

import { states, tabs } from "./browser.mjs";

const CONTROL = 2;
const all = await states();
const inTab = tabs();

/** A copy of a view with something changed. */
const changed = (view, change) => {
  const copy = structuredClone(view);
  change(copy);
  return copy;
};

inTab("the code is whole, black on white with its quiet zone, in dark too", all.not_paired, async (page) => {
  // W1
  await page.go("whatsapp");
  const { size, path } = all.not_paired.whatsapp.qr;
  for (const dark of [false, true]) {
    await page.look({ dark });
    const drawn = await page.get(`(() => {
      const svg = document.querySelector(".qr svg"), path = svg.querySelector("path"), box = path.getBBox();
      return { viewBox: svg.getAttribute("viewBox"), d: path.getAttribute("d"), box: [box.x, box.y, box.width, box.height],
        side: svg.getBoundingClientRect().width, ink: getComputedStyle(path).fill, paper: getComputedStyle(svg.parentElement).backgroundColor };
    })()`);
    assert.equal(drawn.viewBox, `-4 -4 ${size + 8} ${size + 8}`);
    assert.equal(drawn.d, path);
    assert.deepEqual(drawn.box, [0, 0, size, size]);
    assert.equal(drawn.side % (size + 8), 0, "a module is a whole number of pixels");
    assert.deepEqual([drawn.ink, drawn.paper], ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]);
  }
});

inTab("the image is built, shown and cancelled from both pages", all.image_missing, async (page) => {
  await page.click(".hero .btn.primary");
  await page.emit(all.image_building);
  assert.equal(await page.text(".progress p"), "Step 15 of 26: fetching kiro-cli");
  await page.click(".hero .btn");
  await page.go("containers");
  const bar = await page.get("['aria-valuenow', 'aria-label'].map((name) => document.querySelector('[role=progressbar]').getAttribute(name))");
  assert.deepEqual(bar, ["54", "Building the agent image"]);
  await page.emit(all.ready);
  await page.click("[aria-label='Rebuild the agent image']");
  const asked = (await page.asked()).map(({ name }) => name);
  assert.deepEqual(asked, ["image.build", "image.cancel", "image.build"]);
});

inTab("a code that has run out is not shown, and its end is told", all.not_paired, async (page) => {
  // W1
  await page.go("whatsapp");
  const told = () => page.text(".pairing [role=status]");
  assert.equal(await page.text(".ring"), "New code in 42 s");
  assert.equal(await told(), "A code to scan is shown.");
  await page.get("app.now += 20_000");
  await page.until("document.querySelector('.ring').innerText === 'New code in 22 s'");
  assert.equal(await told(), "A code to scan is shown.", "not told each second");
  await page.get("app.now += 12_000");
  await page.until("document.querySelector('.ring').innerText === 'New code in 10 s'");
  assert.equal(await told(), "10 seconds left.");
  await page.get("app.now += 10_000");
  await page.until("!document.querySelector('.qr path')");
  assert.equal(await told(), "The next code is on its way.");
  await page.picture("whatsapp-code-over");
  const next = changed(all.not_paired, (view) => {
    view.at = "2026-05-12T10:30:43.000Z";
    view.whatsapp.qr.expiresAt = "2026-05-12T10:31:02.000Z";
  });
  await page.emit(next);
  assert.equal(await page.text(".ring"), "New code in 20 s");
  assert.ok(await page.get("document.querySelector('.qr path') !== null"));
});

inTab("typed text, choice and focus stay while the view changes", all.not_paired, async (page) => {
  await page.go("whatsapp");
  await page.get("document.querySelector('input[value=phone]').click()");
  const field = "document.querySelector('#phone')";
  await page.get(`${field}.focus()`);
  await page.type("+49 151");
  await page.get(`${field}.setSelectionRange(2, 5)`);
  const rotated = changed(all.not_paired, (view) => (view.whatsapp.qr.expiresAt = "2026-05-12T10:31:40.000Z"));
  for (const next of [rotated, all.codes_used_up, all.not_paired]) {
    await page.emit(next);
    const now = await page.get(`[${field}.value, ${field}.selectionStart, ${field}.selectionEnd, document.activeElement.id]`);
    assert.deepEqual(now, ["+49 151", 2, 5, "phone"]);
  }
  assert.ok(await page.get("document.querySelector('input[value=phone]').checked"));
});

inTab("a phone number is asked a code for, and what is wrong with it is said at the field", all.not_paired, async (page) => {
  // W2
  await page.go("whatsapp");
  await page.get("document.querySelector('input[value=phone]').click()");
  await page.get("app.answer = () => { throw { code: 'bad-phone', message: '\"0151\" is not a phone number.', cure: 'Give it with its country code.' } }");
  await page.get("document.querySelector('#phone').focus()");
  await page.type("0151");
  await page.press("Enter");
  await page.until("document.querySelector('.field [role=alert]')");
  assert.deepEqual(await page.asked(), [{ name: "pair", args: { phone: "0151" } }]);
  assert.equal(await page.text(".field [role=alert]"), '"0151" is not a phone number. Give it with its country code.');
  assert.equal(await page.get("document.querySelector('#phone').value + document.activeElement.id"), "0151phone");
  await page.picture("whatsapp-bad-phone");
  await page.emit(all.pairing_code);
  assert.equal((await page.text(".bigcode")).replace(/\s/g, ""), "ABCD–1234");
  assert.equal(await page.get("document.querySelector('.bigcode').getAttribute('aria-label')"), "Code A B C D - 1 2 3 4");
  await page.get("Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => void (app.copied = text) } })");
  await page.click(".codecard .btn");
  await page.until("app.copied === 'ABCD-1234' && document.querySelector('.toast')");
  assert.equal(await page.text(".toast[role=status]"), "Copied");
});

inTab("scroll, open details and the focused button stay while rows come and go", all.many, async (page) => {
  await page.go("containers");
  await page.get("document.querySelectorAll('.runs .fold')[7].click()");
  await page.get("document.querySelectorAll('.runs .ib.danger')[9].focus()");
  await page.get("document.querySelector('.body').scrollTop = 300");
  const kept = () => page.get("[document.activeElement.getAttribute('aria-label'), document.querySelectorAll('.mounts').length, document.querySelector('.mounts').closest('li').innerText]");
  const before = await kept();
  await page.picture("containers-folders");
  await page.emit(changed(all.many, (view) => view.containers.running.splice(15, 3)));
  await page.emit(all.many);
  assert.deepEqual(await kept(), before);
  assert.equal(await page.get("document.querySelector('.body').scrollTop"), 300);
  await page.emit(changed(all.many, (view) => view.containers.running.reverse()));
  await page.emit(changed(all.many, (view) => view.containers.running.splice(0, 3)));
  assert.deepEqual(await kept(), before);
});

inTab("work is stopped after a question with the harmless answer in focus", all.working, async (page) => {
  // T3
  await page.click(".runs .ib.danger");
  await page.until("document.querySelector('dialog[open]')");
  await page.picture("overview-question");
  assert.match(await page.text("dialog h2"), /^Stop the work for “.*Family.*”\?$/u);
  assert.equal(await page.get("document.activeElement.innerText"), "Cancel");
  await page.press("Escape");
  await page.until("!document.querySelector('dialog[open]')");
  assert.deepEqual(await page.asked(), []);
  assert.match(await page.get("document.activeElement.getAttribute('aria-label')"), /^Stop/);
  await page.press("Enter");
  await page.until("document.querySelector('dialog[open]')");
  await page.press("Tab");
  await page.press("Enter");
  await page.until("app.asked.length");
  const [run] = all.working.containers.running;
  assert.deepEqual(await page.asked(), [{ name: "containers.stop", args: { target: run.container } }]);
});

inTab("quitting is asked about where an agent is at work", all.working, async (page) => {
  // Q6
  const quit = ".row .btn:has(svg):last-child";
  await page.go("settings");
  await page.until(`document.querySelector("${quit}")?.innerText === "Quit NanoClaw"`);
  await page.click(quit);
  assert.equal(await page.text("dialog h2"), "Quit while Andy is at work?");
  assert.equal(await page.get("document.activeElement.innerText"), "Cancel");
  await page.press("Escape");
  assert.deepEqual(await page.get("app.acts"), []);
  await page.get("location.hash = 'quit'");
  await page.until("document.querySelector('dialog[open]') && !location.hash");
  await page.click("dialog .danger");
  assert.deepEqual(await page.get("app.acts"), [{ Quit: { yes: true } }]);
  await page.emit(changed(all.ready, (view) => (view.at = "2026-05-12T10:31:00.000Z")));
  await page.press("q", CONTROL);
  assert.deepEqual(await page.get("app.acts.length"), 2);
  assert.deepEqual(await page.get("app.acts[1]"), { Quit: { yes: false } });
});

inTab("a container is started by a click, once, and the button keeps the focus", all.ready, async (page) => {
  // T3
  await page.go("containers");
  await page.get("app.answer = () => new Promise((done) => (app.done = done))");
  const start = '[aria-label^="Start a container for"]';
  await page.click(start);
  await page.click(start);
  assert.deepEqual(await page.asked(), [{ name: "containers.start", args: { target: "main" } }]);
  assert.equal(await page.get("document.activeElement.getAttribute('aria-disabled')"), "true");
  await page.get("app.done(null)");
  await page.until("!document.querySelector('[aria-disabled]')");
  assert.match(await page.get("document.activeElement.getAttribute('aria-label')"), /^Start a container/);
});

inTab("what WhatsApp refused is sent again by a click, where something was refused", all.troubled, async (page) => {
  // M13
  const again = ".card .btn:not(.danger)";
  await page.go("whatsapp");
  assert.equal(await page.text(again), "Send again…");
  await page.click(again);
  assert.equal(await page.text("dialog h2"), "Send 1 answer again?");
  await page.click("dialog .danger");
  assert.deepEqual((await page.asked()).at(-1), { name: "whatsapp.resend", args: { yes: true } });
  await page.emit(changed(all.ready, (view) => (view.at = "2026-05-12T10:31:00.000Z")));
  await page.until(`!document.querySelector("${again}")`);
});

inTab("a command that could not be done is told with what helps, until it is closed", all.ready, async (page) => {
  await page.get("app.answer = () => { throw { code: 'not-running', message: 'NanoClaw is not running.', cure: 'Start the app.' } }");
  await page.click(".foot .btn");
  await page.until("document.querySelector('.toast')");
  assert.deepEqual(await page.asked(), [{ name: "pause", args: {} }]);
  assert.equal(await page.text(".toast[role=alert] .mid"), "NanoClaw is not running.\n\nStart the app.");
  await page.picture("overview-toast");
  await page.click(".toast .ib");
  assert.equal(await page.text(".toast"), null);
});

inTab("pages are reached by keys, and the focus goes with them", all.ready, async (page) => {
  // T4
  await page.press("4", CONTROL);
  assert.equal(await page.text("h1"), "Containers");
  assert.equal(await page.get("document.activeElement.id"), "main");
  await page.press("2", CONTROL);
  assert.equal(await page.text("h1"), "WhatsApp");
  await page.emit(all.working);
  assert.equal(await page.get("document.activeElement.id"), "main", "a new status moves no focus");
  await page.press("Tab");
  assert.equal(await page.text(":focus"), "Sign out of WhatsApp…");
  assert.equal(await page.get("getComputedStyle(document.activeElement).outlineStyle"), "solid");
}, { known: { "whatsapp.backups": [] } });

inTab("what strangers write stays text", all.hostile_names, async (page) => {
  const evil = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>"'&amp;`;
  const view = changed(all.hostile_names, (view) => {
    const taint = (value) => {
      for (const [key, inner] of Object.entries(value)) {
        const isText = typeof inner === "string" && !/^(at|mark|page|kind|look|command|path|expiresAt|startedAt)$/.test(key);
        if (isText) value[key] = `${evil} ${inner}`;
        else if (inner && typeof inner === "object") taint(inner);
      }
    };
    taint(view);
    view.headline.button = view.pause;
  });
  await page.emit(view);
  for (const name of ["overview", "whatsapp", "containers"]) {
    await page.go(name);
    assert.equal(await page.get("document.querySelectorAll('main img, main script, nav script, [onerror]').length"), 0);
  }
  assert.equal(await page.get("document.title"), "NanoClaw");
  assert.ok((await page.text("main")).includes(evil));
});

inTab("an older view never replaces a newer one", all.ready, async (page) => {
  await page.emit(changed(all.paused, (view) => (view.at = "2026-05-12T10:29:59.999Z")));
  assert.equal(await page.text("h1"), "All is well");
  await page.emit(all.paused);
  assert.equal(await page.text("h1"), "Paused");
});

inTab("without an answer it says so, and goes on by itself", all.ready, async (page) => {
  await page.until("document.querySelector('h1')");
  assert.equal(await page.text("h1"), "NanoClaw is not answering");
  await page.picture("overview-lost");
  await page.emit(all.ready);
  assert.equal(await page.text("h1"), "All is well");
}, { start: false });

inTab("the worst trouble is an alert, the state in the sidebar a status", all.logged_out, async (page) => {
  assert.equal(await page.text("[role=alert] h1"), all.logged_out.headline.title);
  assert.equal(await page.text(".side [role=status]"), "Needs you");
  await page.emit(all.ready);
  assert.equal(await page.get("document.querySelectorAll('[role=alert]').length"), 0);
});
