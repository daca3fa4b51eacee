// Every named state on every page, narrow and wide, light and dark: looked at, and held to what must be true of all.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import { Browser, states } from "./browser.mjs";

const axe = await readFile(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const PAGES = ["overview", "whatsapp", "containers"];
/** Narrowest and widest, and where the layout changes. */
const SIZES = [
  { name: "narrow", width: 480, height: 640, themes: ["light", "dark"] },
  { name: "column", width: 599, height: 640, themes: [] },
  { name: "sidebar", width: 700, height: 640, themes: [] },
  { name: "wide", width: 1200, height: 800, themes: ["dark", "light"] },
];
/** States pictured in every size and theme; of the others one theme a size will do. */
const WHOLE = new Set(["ready", "two_running_one_queued", "not_paired", "many"]);

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
  const lookFor = async (what, where) => found.push(...(await page.get(`(${what})()`)).map((fault) => `${where}: ${fault}`));
  for (const [state, view] of share) {
    await page.emit(view);
    for (const name of PAGES) {
      await page.go(name);
      const drawn = await page.get("document.querySelector('main').outerHTML");
      if (seen.has(drawn)) continue;
      seen.add(drawn);
      for (const size of SIZES) {
        await page.look(size);
        const where = `${state} ${name} ${size.name}`;
        await lookFor(faults, where);
        if (size.name === "wide") await lookFor(barriers, where);
        for (const theme of WHOLE.has(state) ? size.themes : size.themes.slice(0, 1)) {
          await page.look({ ...size, dark: theme === "dark" });
          await page.picture(`${name}-${state}-${size.name}-${theme}`);
        }
      }
    }
  }
  assert.deepEqual([...found, ...page.complaints], []);
}

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
  if (document.querySelectorAll("[style], main script, main img").length) out.add("markup or style from nowhere");
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
