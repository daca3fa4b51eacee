// Nothing jumps, moves or gets lost: while values change, with much to show, with names of all kinds, and as the desktop asks for it.

import assert from "node:assert/strict";

import { MANY, many } from "./answers.mjs";
import { states, tabs } from "./browser.mjs";
import { barriers, faults, prepare } from "./looks.mjs";

const all = await states();
const inTab = tabs();
const PAGES = ["overview", "whatsapp", "kiro", "containers", "chats", "tasks", "logs", "settings", "about", "setup"];

/** Where all stands that must not move: the width of a text is its own. */
const places = (page) =>
  page.get(`[...document.querySelectorAll(".row, .av, .btn, .ib, .pill, .chev, h1, h2")].map((one) => {
    const { left, top, width, height } = one.getBoundingClientRect();
    return [one.className || one.tagName, left, top, width, height].join(" ");
  })`);

inTab("nothing jumps while ages, loads and counts change", all.two_running_one_queued, async (page) => {
  for (const width of [480, 700, 1200]) {
    await page.look({ width, height: 640 });
    for (const name of ["overview", "containers", "chats", "tasks"]) {
      await page.go(name);
      const view = structuredClone(all.two_running_one_queued);
      const before = await places(page);
      for (const [hours, cpu, memory] of [[3, "104 %", "1.9 GB"], [50, null, null], [12, "0 %", "12 MB"]]) {
        await page.get(`app.now = ${Date.parse(view.at)} + ${hours} * 3_600_000`);
        view.containers.running.forEach((run) => Object.assign(run, { cpu, memory }));
        await page.emit(view);
        assert.deepEqual(await places(page), before, `${name} ${width}`);
      }
      await page.get(`app.now = ${Date.parse(view.at)}`);
    }
  }
});

inTab("200 chats and 50 containers are shown whole, one row as high as the other", many(all.many, 50), async (page) => {
  const rows = { containers: [".runs > li", 50], chats: [".list li", 400] };
  for (const width of [480, 1200]) {
    await page.look({ width, height: 640 });
    for (const [name, [selector, count]] of Object.entries(rows)) {
      await page.go(name);
      await page.until(`document.querySelectorAll("${selector}").length >= ${count}`);
      const heights = await page.get(`[...new Set([...document.querySelectorAll("${selector}")].map((one) => one.getBoundingClientRect().height))]`);
      assert.ok(Math.max(...heights) - Math.min(...heights) <= 1, `${name} ${width}: ${heights}`);
      assert.deepEqual(await page.get(`(${faults})()`), []);
    }
    await page.go("overview");
    assert.match(await page.text(".runs li:last-child"), /Show all 50 containers/);
  }
}, { known: MANY });

inTab("names that are written from right to left begin where all others do", all.hostile_names, async (page) => {
  for (const width of [480, 1200]) {
    await page.look({ width, height: 640 });
    for (const name of ["overview", "containers", "chats", "tasks", "setup"]) {
      await page.go(name);
      await page.until("!document.querySelector('[aria-busy]')");
      const astray = await page.get(`[...document.querySelectorAll(".row .t[dir=auto]")].filter((one) => {
        const text = document.createRange();
        text.selectNodeContents(one);
        return one.scrollWidth <= one.clientWidth && Math.abs(text.getBoundingClientRect().left - one.parentElement.getBoundingClientRect().left) > 2;
      }).map((one) => one.textContent)`);
      assert.deepEqual(astray, [], `${name} ${width}`);
    }
  }
});

inTab("what moves stands still where less motion is asked for", all.image_building, async (page) => {
  const moving = () => page.get("document.getAnimations().length");
  for (const [state, name] of [["image_building", "containers"], ["working", "overview"], ["kiro_login", "kiro"]]) {
    await page.emit(all[state]);
    await page.go(name);
    await page.look({ features: [{ name: "prefers-reduced-motion", value: "no-preference" }] });
    assert.ok((await moving()) > 0, `${name}: ${state} is at work`);
    await page.look({});
    assert.equal(await moving(), 0, `${name}: ${state}`);
  }
  assert.equal(await page.get("getComputedStyle(document.querySelector('.btn')).transitionDuration"), "0s");
});

inTab("more contrast and forced colours are served on every page", all.two_running_one_queued, async (page) => {
  await prepare(page);
  for (const name of PAGES) {
    await page.go(name);
    await page.until("!document.querySelector('[aria-busy]')");
    for (const dark of [false, true]) {
      await page.look({ dark, features: [{ name: "prefers-contrast", value: "more" }] });
      assert.deepEqual([...(await page.get(`(${faults})()`)), ...(await page.get(`(${barriers})()`))], [], name);
      const pale = await page.get("[...document.querySelectorAll('.dim, .s, .hint, .lead')].filter((one) => getComputedStyle(one).color !== getComputedStyle(document.body).color).map((one) => one.outerHTML.slice(0, 80))");
      assert.deepEqual(pale.filter((html) => !/late|err/.test(html)), [], name);
      await page.picture(`contrast-${name}-${dark ? "dark" : "light"}`);
    }
    await page.look({ features: [{ name: "forced-colors", value: "active" }] });
    assert.deepEqual(await page.get(`(${faults})()`), [], name);
    await page.picture(`forced-${name}`);
  }
});
