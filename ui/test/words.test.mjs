// Times in words.

import assert from "node:assert/strict";
import { test } from "node:test";

process.env.TZ = "Europe/Berlin";
const words = await import("../src/words.js");
const { SETTINGS, age, clock, clockLeft, left, moment, said, span, useZone } = words;

const NOW = Date.parse("2026-05-12T10:30:00.000Z");

test("spans", () => {
  const check = (seconds, expect) => assert.equal(span(seconds), expect);
  check(-3, "0 s");
  check(59, "59 s");
  check(60, "1 min");
  check(3599, "59 min");
  check(3600, "1 h");
  check(15840, "4 h 24 min");
  check(86400, "1 day");
  check(165600, "1 day 22 h");
  check(400000, "4 days");
});

test("ages show their first unit, countdowns end at nothing", () => {
  assert.equal(age("2026-05-12T06:06:00.000Z", NOW), "4 h");
  assert.equal(left("2026-05-12T10:30:00.001Z", NOW), 1);
  assert.equal(left("2026-05-12T10:29:00.000Z", NOW), 0);
  assert.equal(clockLeft(140), "2:20");
});

test("moments by day, in the zone that tasks run by", () => {
  const check = (at, expect) => assert.equal(moment(at, NOW), expect);
  check("2026-05-12T13:00:00.000Z", "today at 15:00");
  check("2026-05-12T22:30:00.000Z", "tomorrow at 00:30");
  check("2026-05-15T14:30:00.000Z", "Fri 15 May at 16:30");
  useZone("Asia/Tokyo");
  check("2026-05-12T14:00:00.000Z", "today at 23:00");
  check("2026-05-12T15:00:00.000Z", "tomorrow at 00:00");
  assert.equal(clock("2026-05-12T15:00:05.000Z"), "00:00:05");
  useZone("Nowhere/Atall");
  check("2026-05-12T13:00:00.000Z", "today at 15:00");
  useZone(null);
  check("2026-05-12T13:00:00.000Z", "today at 15:00");
});

test("sentences with their time", () => {
  const check = (text, at, expect) => assert.equal(said({ text, at }, NOW), expect);
  check("Plain, with {in} as it is.", null, "Plain, with {in} as it is.");
  check("Again {in}.", "2026-05-12T10:30:14.000Z", "Again in 14 s.");
  check("Again {in}.", "2026-05-12T10:29:14.000Z", "Again now.");
  check("Next {when}", "2026-05-12T13:00:00.000Z", "Next today at 15:00");
});

test("the setting of the log names its choices as they are called", () => {
  const [, help] = SETTINGS.words.LOG_LEVEL;
  for (const choice of ["debug", "trace"]) assert.ok(help.includes(`“${SETTINGS.choices[choice]}”`), help);
});

test("apostrophes are typographic", () => {
  const straight = (value) => (typeof value === "string" ? (/\w'\w/.test(value) ? [value] : []) : value && typeof value === "object" ? Object.values(value).flatMap(straight) : []);
  assert.deepEqual(straight({ ...words }), []);
});
