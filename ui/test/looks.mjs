// Looks at a page as people do, narrow and wide, light and dark: takes its pictures, and finds what must be true of none.

import { readFile } from "node:fs/promises";

const axe = await readFile(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

/** Narrowest and widest, with a picture in both themes; between them, where the layout changes and as the window opens. */
const SIZES = [
  { name: "narrow", width: 480, height: 640, themes: ["light", "dark"] },
  { name: "column", width: 599, height: 640, themes: [] },
  { name: "window", width: 700, height: 520, themes: [] },
  { name: "pane", width: 820, height: 640, themes: [] },
  { name: "first", width: 960, height: 640, themes: [] },
  { name: "wide", width: 1200, height: 800, themes: ["dark", "light"] },
];

/** What was found, each once with where: empty if all is well. @param {string[]} found */
export function told(found) {
  const places = new Map();
  for (const one of found) {
    const [where, ...fault] = one.split(": ");
    const known = places.get(fault.join(": ")) ?? [];
    places.set(fault.join(": "), [...known, where]);
  }
  return [...places].map(([fault, at]) => `${fault} – ${at.slice(0, 3).join(", ")}${at.length > 3 ? ` and ${at.length - 3} more` : ""}`).join("\n");
}

/** Lists of hundreds are not seen to their end. */
const TALLEST = 2400;

/** To be called once in each tab. */
export const prepare = (page) => page.get(axe);

/** Looks at what is shown; what is wrong with it is added to `found`, and its pictures are called after `where`. */
export async function regard(page, where, found) {
  // The sidebar is the same on every page: axe looks at it on the first.
  const part = where.startsWith("overview") ? "document" : "{ exclude: [['.side']] }";
  const look = async (what, at) => found.push(...(await page.get(`(${what})(${part})`)).map((fault) => `${where} ${at}: ${fault}`));
  for (const size of SIZES) {
    await page.look(size);
    await look(faults, size.name);
    if (!size.themes.length) continue;
    await look(unseen, size.name);
    // What is scrolled away is neither pictured nor seen by axe.
    const height = Math.min(size.height + (await page.get(`(${hidden})()`)), TALLEST);
    for (const [at, theme] of size.themes.entries()) {
      await page.look({ ...size, height, dark: theme === "dark" });
      // But for its colours, a page is the same to axe in both themes.
      await look(at ? faint : barriers, `${size.name} ${theme}`);
      await page.picture(`${where}-${size.name}-${theme}`);
    }
  }
}

/** In the page: what is cut off, spills over, can't be named or hit. */
export function faults() {
  const out = new Set();
  const root = document.documentElement;
  const pen = document.createElement("canvas").getContext("2d");
  if (root.scrollWidth > innerWidth || root.scrollHeight > innerHeight) out.add("the window scrolls");
  if (document.querySelectorAll("[style], main script, main img:not([src='mark.svg'])").length) out.add("markup or style from nowhere");
  if (document.querySelectorAll("h1").length !== 1) out.add("not one h1");
  for (const element of document.querySelectorAll("nav *, main *, footer *, dialog *, .toasts *")) {
    const box = element.getBoundingClientRect();
    if (element.closest("svg, .sr") || !box.width) continue;
    const style = getComputedStyle(element);
    const what = `${element.tagName}.${element.className} ${String(element.value || element.textContent).slice(0, 30)}`;
    const wider = element.scrollWidth - element.clientWidth;
    if (box.right > innerWidth + 1 || box.left < -1) out.add(`outside: ${what}`);
    if (/auto|scroll/.test(style.overflowX) && wider > 1 && element.tagName !== "TEXTAREA") out.add(`scrolls sideways: ${what}`);
    if (style.overflowX === "visible" && style.display !== "inline" && element.clientWidth && wider > 2) out.add(`spills: ${what}`);
    // What has no room may end in an ellipsis where its whole text can be had.
    const isCut = wider > 1 || (style.overflowY !== "auto" && element.scrollHeight > element.clientHeight + 1);
    if (/hidden|clip/.test(style.overflowX) && isCut && !element.closest("[title]") && !element.querySelector("[title]")) out.add(`cut: ${what}`);
    if (element.matches("input.in") && wider > 1 && element !== document.activeElement) out.add(`cut: ${what}`);
    pen.font = style.font;
    if (element.matches("select") && pen.measureText(element.selectedOptions[0]?.text ?? "").width + 32 > element.clientWidth && !element.title) out.add(`cut: ${what}`);
    if (/^(BUTTON|SUMMARY|INPUT|SELECT)$/.test(element.tagName) && (box.width < 16 || box.height < 16)) out.add(`tiny: ${what}`);
  }
  return [...out];
}

/** In the page: by how much something is taller than what is seen of it. */
function hidden() {
  const scrolled = [...document.querySelectorAll("main, main *")].filter((one) => /auto|scroll/.test(getComputedStyle(one).overflowY));
  return Math.max(0, ...scrolled.map((one) => one.scrollHeight - one.clientHeight));
}

/** In the page: whatever axe finds. */
export async function barriers(part = document) {
  const { violations } = await axe.run(part, { resultTypes: ["violations"], preload: false });
  return violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map((node) => node.html.slice(0, 120)).slice(0, 3).join(" | ")}`);
}

/** In the page: texts without enough contrast. */
async function faint(part) {
  const { violations } = await axe.run(part, { runOnly: ["color-contrast"], resultTypes: ["violations"], preload: false });
  return violations.flatMap(({ nodes }) => nodes.map((node) => `faint: ${node.html.slice(0, 120)}`));
}

/** In the page: what can have the focus and does not show it whole. */
export function unseen() {
  const out = new Set();
  const scrolled = [...document.querySelectorAll("*")].map((one) => [one, one.scrollTop]);
  const within = document.querySelector("dialog[open]") ?? document;
  for (const element of within.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")) {
    if (element.disabled || !element.getBoundingClientRect().width) continue;
    const what = `${element.tagName}.${element.className} ${(element.ariaLabel || element.id || element.textContent).slice(0, 30)}`;
    element.focus();
    if (document.activeElement !== element) out.add(`takes no focus: ${what}`);
    // A choice shows it around its label.
    const shown = element.matches(".seg input, .choice input") ? element.nextElementSibling : element;
    const style = getComputedStyle(shown);
    const [width, offset] = [parseFloat(style.outlineWidth), parseFloat(style.outlineOffset)];
    if (style.outlineStyle === "none" || width < 2) out.add(`no focus to be seen: ${what}`);
    const ring = shown.getBoundingClientRect();
    for (let around = shown.parentElement; around; around = around.parentElement) {
      if (getComputedStyle(around).overflowX === "visible") continue;
      const box = around.getBoundingClientRect();
      const [left, top] = [box.left + around.clientLeft, box.top + around.clientTop];
      const reach = width + offset - 0.5;
      const isWhole = ring.left - reach >= left && ring.right + reach <= left + around.clientWidth && ring.top - reach >= top && ring.bottom + reach <= top + around.clientHeight;
      if (!isWhole && ring.height < around.clientHeight) out.add(`focus cut by ${around.tagName}.${around.className}: ${what}`);
      break;
    }
  }
  document.activeElement?.blur();
  document.querySelector("dialog[open] [autofocus]")?.focus();
  for (const [one, top] of scrolled) if (one.scrollTop !== top) one.scrollTop = top;
  return [...out];
}
