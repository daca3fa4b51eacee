// Pictures of the window for the README, from the named states: `cargo xtask pictures`.

import { fileURLToPath } from "node:url";

import { Browser, states } from "./browser.mjs";

const FOLDER = fileURLToPath(new URL("../../docs/pictures", import.meta.url));
const SIZE = { width: 760, height: 580, scale: 2 };
const WINDOW = [
  { name: "overview", state: "two_running_one_queued", page: "overview" },
  { name: "assistant", state: "first_start", page: "setup", does: [".foot .primary"] },
];

const all = await states();
const browser = await Browser.start();
for (const { name, state, page: to, does = [] } of WINDOW) {
  for (const dark of [false, true]) {
    const page = await browser.open(all[state]);
    await page.look({ ...SIZE, dark });
    await page.go(to);
    for (const selector of does) await page.click(selector);
    await page.settled();
    // No ring around what was pressed last.
    await page.get("document.activeElement.blur()");
    await page.picture(`${name}-${dark ? "dark" : "light"}`, FOLDER);
    await page.close();
  }
}
await browser.close();
