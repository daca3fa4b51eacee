// Contrast of the tokens that carry text or controls, on everything they stand on, in both themes (WCAG AA).

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

const read = (path) => readFile(new URL(`../src/${path}`, import.meta.url), "utf8");
const css = await read("tokens.css");
const themes = {
  light: tokens(css.slice(0, css.indexOf("@media"))),
  dark: tokens(css.slice(css.indexOf("prefers-color-scheme: dark"), css.indexOf("prefers-contrast"))),
};

const TEXT = 4.5;
const SHAPE = 3;
const on = (names, backs, least) => names.flatMap((name) => backs.map((back) => [name, back, least]));
const SOFT = ["bad-soft", "warn-soft", "accent-soft", "ok-soft"];
const PAIRS = [
  ...on(["text"], ["bg", "side-bg", "surface", "well", "hover", "press", "raised", "nav-on", "seg-on", ...SOFT], TEXT),
  ...on(["text-2"], ["bg", "side-bg", "surface", "well", "hover", "press", "raised", "seg-bg", ...SOFT], TEXT),
  ...on(["text-3"], ["bg", "surface", "well", "hover", "raised"], TEXT),
  ...["accent", "bad", "warn", "ok"].flatMap((name) => on([name], ["bg", "surface", `${name}-soft`], TEXT)),
  ...on(["on-accent"], ["accent", "accent-hover", "accent-press"], TEXT),
  ...on(["on-bad"], ["bad", "bad-hover"], TEXT),
  ...on(["accent"], ["raised"], TEXT),
  ...on(["line-strong"], ["bg", "surface"], SHAPE),
  ...on(["focus"], ["bg", "surface", "side-bg", "raised", ...SOFT], SHAPE),
  ...on(["ok", "accent", "bad"], ["side-bg"], SHAPE),
  ...on(["bad"], ["nav-on"], SHAPE),
  ...[1, 2, 3, 4, 5, 6].map((tint) => [`av-${tint}`, `av-${tint}-bg`, TEXT]),
];

for (const [theme, colours] of Object.entries(themes)) {
  test(`${theme}: every text can be read`, () => {
    const faint = PAIRS.filter(([name, back, least]) => !(contrast(colours[name], colours[back]) >= least));
    assert.deepEqual(faint.map(([name, back]) => `${name} on ${back}: ${contrast(colours[name], colours[back]).toFixed(2)}`), []);
  });
}

test("both themes name the same colours", () => {
  assert.deepEqual(Object.keys(themes.dark), Object.keys(themes.light));
});

test("rules use tokens alone", async () => {
  const rules = `${await read("style.css")}${await read("pages.css")}`.replace(/\/\*.*?\*\//gs, "");
  const named = new Set([...css.matchAll(/--[\w-]+(?=:)/g)].map(([name]) => name));
  assert.deepEqual([...rules.matchAll(/var\((--[\w-]+)\)/g)].map(([, name]) => name).filter((name) => !named.has(name)), []);
  const colours = rules.split("\n").filter((line) => /#[0-9a-f]{3,8}\b|\brgba?\(|\bhsl/i.test(line) && !line.startsWith(".qr"));
  assert.deepEqual(colours, []);
});

test("space is a scale of 4, but for hairlines and a pixel or two for the eye", async () => {
  const rules = `${await read("style.css")}${await read("pages.css")}`;
  const spaces = [...rules.matchAll(/\b(?:padding|margin|gap)[\w-]*: ([^;]+);/g)].flatMap(([rule, value]) => [...value.matchAll(/(-?[\d.]+)px/g)].map(([, pixels]) => [rule, Math.abs(Number(pixels))]));
  assert.deepEqual(spaces.filter(([, pixels]) => pixels > 2 && pixels % 4).map(([rule]) => rule), []);
});

function tokens(text) {
  return Object.fromEntries([...text.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6})\b/g)].map(([, name, value]) => [name, value]));
}

function contrast(one, other) {
  const [light, dark] = [one, other].map(luminance).sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(hex) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255).map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
