// What the assistant and the pages do with choices that last, with many of a kind, and with what can be lost.

import assert from "node:assert/strict";

import { states, tabs } from "./browser.mjs";

const all = await states();
const inTab = tabs();

const tick = "[role=switch][aria-label='Start at login']";

inTab("start at login is chosen with the chat, and is the system's from then on", all.first_start_chat, async (page) => {
  // T5
  await page.click(".foot .primary");
  await page.until(`document.querySelector('.row.pick') && document.querySelector("${tick}")`);
  assert.equal(await page.get(`document.querySelector("${tick}").ariaChecked`), "true", "proposed");
  assert.deepEqual(await page.get("app.acts"), [], "nothing is done before it was seen");
  await page.click(tick);
  await page.click(".foot .primary");
  await page.until("app.asked.length === 2");
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
  await page.click(".foot .primary");
  await page.until("document.querySelector('.row.pick')");
  await page.click(".foot .primary");
  await page.until("app.asked.length === 2");
  assert.deepEqual(await page.get("app.acts"), [{ StartAtLogin: true }]);
});

inTab("of two chats with one name the assistant tells which is which", all.first_start_chat, async (page) => {
  await page.click(".foot .primary");
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
