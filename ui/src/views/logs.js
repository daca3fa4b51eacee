// The Logs page: the one log as it grows, or the log of a run that has ended; by level, chat and text.

/** @import { WindowView } from "../../types" */
/** @import { Page } from "../components.js" */
/** @import { Child } from "../dom.js" */
/** @import { LogLine } from "../tail.js" */

import { buttonOf, empty } from "../components.js";
import { h } from "../dom.js";
import { search, seg, select, toggle } from "../fields.js";
import { LOGS, clock } from "../words.js";

/** Lines that are drawn: the newest. */
const MOST = 400;
const TROUBLE = new Set(["warn", "error"]);

/** @param {Page} page @param {WindowView} view @returns {Child[]} */
export function logs(page, view) {
  const { tail } = page;
  const wanted = page.get("logs.search", "").trim().toLowerCase();
  const [level, chat, live] = [page.get("logs.level", "all"), page.get("logs.chat", ""), page.get("logs.live", true)];
  const lines = live ? tail.lines : page.get("logs.held", tail.lines);
  const fits = (/** @type {LogLine} */ line) => (level === "all" || TROUBLE.has(line.level)) && (!chat || line.group === chat || line.run.replace(/-\d+$/, "") === chat) && (!wanted || line.text.toLowerCase().includes(wanted));
  const found = lines.filter(fits);
  const chats = view.chats.groups.map((group) => /** @type {[string, string]} */ ([group.chat.folder, group.chat.name]));
  const runs = [...new Set(tail.run === null ? tail.lines.map((line) => line.run).filter(Boolean) : page.get("logs.runs", []))].slice(-30).reverse();
  const turn = (/** @type {string} */ run) => {
    if (tail.run === null) page.set("logs.runs", [...runs].reverse());
    tail.turn(run || null);
    void tail.more().then(() => page.set("logs.live", true));
  };
  const hold = (/** @type {boolean} */ on) => {
    page.set("logs.held", tail.lines);
    page.set("logs.live", on);
  };
  const chosen = (/** @type {Event} */ event) => /** @type {HTMLSelectElement} */ (event.currentTarget).value;
  return [
    h(
      "div.logbar",
      null,
      search(page, "logs.search", LOGS.search),
      seg({ name: "logs.level", label: LOGS.level, value: level, change: (to) => page.set("logs.level", to) }, [["all", LOGS.all], ["problems", LOGS.problems]]),
      select({ "aria-label": LOGS.chat, onchange: (/** @type {Event} */ event) => page.set("logs.chat", chosen(event)) }, [["", LOGS.everyChat], ...chats], chat),
      select({ "aria-label": LOGS.run, onchange: (/** @type {Event} */ event) => turn(chosen(event)) }, [["", LOGS.everyRun], ...runs.map((run) => /** @type {[string, string]} */ ([run, run]))], tail.run ?? ""),
      h("div.inline", null, toggle({ label: LOGS.live, on: live, change: hold }), h("span.small.dim", { "aria-hidden": "true" }, LOGS.live)),
      buttonOf(page, view.openLog),
    ),
    h("div.log", { role: "log", tabindex: "0", "aria-label": LOGS.lines, "aria-live": "off" }, ...body(page, found)),
  ];
}

/** The newest at the bottom, where the view stays while it is there. @param {Page} page @param {LogLine[]} found @returns {Child[]} */
function body(page, found) {
  const { tail } = page;
  if (tail.trouble) return [empty("logs", { title: tail.trouble.message, text: tail.trouble.cure })];
  if (!found.length) return tail.loaded ? [empty("search", { title: LOGS.none, text: "" })] : [];
  const line = (/** @type {LogLine} */ one) =>
    h("div.line", { key: one.key, class: one.level }, h("time.num", null, one.at ? clock(one.at) : ""), h("span.lv", null, LOGS.levels[one.level] ?? ""), h("span.tx.sel", { dir: "auto" }, one.text));
  // Drawn from the newest on, in a column that is turned over: so it stays at its end by itself.
  return found.slice(-MOST).reverse().map(line);
}
