// The Chats page: where the agent listens and how, and all the other chats that it could listen in.

/** @import { GroupView, WindowView } from "../../types" */
/** @import { Page } from "../components.js" */
/** @import { Child } from "../dom.js" */

import { avatar, buttonOf, empty, icon, markOf, row, section, strange } from "../components.js";
import { h } from "../dom.js";
import { answered, button, field, filled, iconButton, input, search, seg, told, toggle, wrong } from "../fields.js";
import { CHATS, SETTINGS, WORDS, ago } from "../words.js";
import { traceOf } from "./trace.js";

/** Chats without the agent that are listed; more are found by searching. */
const MOST = 200;
/** Minutes that a run may be given at least and at most: what the app takes. */
const LIMITS = [1, 1440];

/** A chat as the list shows it. @typedef {{ jid: string, name: string, isGroup: boolean, lastActivity: string, group: GroupView | null, isOwn: boolean, twin: boolean }} Row */

/** @param {Page} page @param {WindowView} view @returns {Child[]} */
export function chats(page, view) {
  const all = page.ask("chats");
  const rows = rowsOf(view, all.value ?? []);
  const chosen = rows.find((one) => one.jid === page.get("chats.chosen", null));
  return [
    h("div.list", { class: chosen ? "left" : null }, ...list(page, view, rows, all)),
    h("div.detail", { class: chosen ? null : "left" }, chosen ? detail(page, view, chosen) : h("div.col", { key: "none" }, empty("chats", { title: CHATS.none, text: CHATS.noneText(view.assistant) }))),
  ];
}

/** Those that are listened in, then the others, the person's own first. @param {WindowView} view @param {any[]} known @returns {Row[]} */
export function rowsOf(view, known) {
  const { own, groups } = view.chats;
  const latest = new Map(known.map((chat) => [chat.jid, chat]));
  const registered = new Set(groups.map((group) => group.jid));
  const listened = groups.map((group) => ({ ...latest.get(group.jid), jid: group.jid, name: group.chat.name, isGroup: group.chat.isGroup, group }));
  const others = known.filter((chat) => !registered.has(chat.jid)).map((chat) => ({ ...chat, group: null }));
  const rows = [...listened, ...others].map((chat) => ({ lastActivity: "", ...chat, isOwn: chat.jid === own, twin: false, name: chat.jid === own && !chat.group ? CHATS.own : plainName(chat) }));
  if (own && !rows.some((chat) => chat.isOwn)) rows.push({ jid: own, name: CHATS.own, isGroup: false, lastActivity: "", group: null, isOwn: true, twin: false });
  const count = new Map();
  for (const { name } of rows) count.set(name, (count.get(name) ?? 0) + 1);
  for (const one of rows) one.twin = count.get(one.name) > 1;
  return rows.sort((a, b) => Number(!a.group) - Number(!b.group) || (a.group ? 0 : Number(b.isOwn) - Number(a.isOwn)));
}

/** @param {{ jid: string, name: string }} chat */
function plainName({ jid, name }) {
  // Marks that turn the direction of what stands around them.
  const shown = name.replace(/[\p{Cc}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]/gu, " ").replace(/\s+/g, " ").trim();
  return shown || (jid.endsWith("@s.whatsapp.net") ? `+${jid.split("@")[0]}` : CHATS.nameless);
}

/** @param {Page} page @param {WindowView} view @param {Row[]} rows @param {import("../answers.js").Answer} all @returns {Child[]} */
function list(page, view, rows, all) {
  const wanted = page.get("chats.search", "").trim().toLowerCase();
  const found = rows.filter((one) => !wanted || one.name.toLowerCase().includes(wanted) || one.jid.includes(wanted));
  const part = (/** @type {boolean} */ listened) => found.filter((one) => Boolean(one.group) === listened);
  const [listened, others] = [part(true), part(false)];
  const block = (/** @type {string} */ title, /** @type {Row[]} */ of) => (of.length ? h("section", { key: title }, h("h2.listhead", null, title), h("ul", null, ...of.map((one) => entry(page, one)))) : null);
  return [
    h("div.listtop", null, search(page, "chats.search", CHATS.search(rows.length))),
    h(
      "div.scroll",
      null,
      block(CHATS.listens(view.assistant), listened),
      block(CHATS.others, others.slice(0, MOST)),
      others.length > MOST ? h("p.more.small.dim", null, CHATS.more(others.length - MOST)) : null,
      found.length || !wanted ? null : empty("search", { title: CHATS.noMatch, text: "" }),
      rows.length ? null : h("div", null, ...answered(all, () => [empty("chats", { title: CHATS.empty, text: CHATS.emptyText })])),
    ),
  ];
}

/** @param {Page} page @param {Row} one @returns {Child} */
function entry(page, one) {
  const on = one.jid === page.get("chats.chosen", null);
  const text = one.group?.state ? one.group.state.word : one.twin ? whichOf(one, page.now) : one.group && !one.lastActivity ? one.group.text : one.lastActivity ? ago(one.lastActivity, page.now) : one.isOwn ? CHATS.ownText : CHATS.silent;
  return h(
    "li",
    { key: one.jid, "data-key": one.jid },
    row({
      tag: "button",
      attrs: { type: "button", "aria-current": on && "true", class: "pick", onclick: () => choose(page, one.jid) },
      lead: avatar({ name: one.name, folder: one.group?.chat.folder ?? one.jid, isGroup: one.isGroup }),
      title: strange(one.name, "t"),
      text: h("span", { dir: "auto", title: text }, text),
      end: one.group?.state ? [markOf(one.group.state.mark)] : [],
    }),
  );
}

/** Which of the chats of one name. @param {Row} one @param {number} now */
export const whichOf = ({ jid, lastActivity }, now) => `${tail(jid)} · ${lastActivity ? CHATS.last(ago(lastActivity, now)) : CHATS.silent}`;

/** What tells two chats of one name apart. @param {string} jid */
const tail = (jid) => (jid.endsWith("@s.whatsapp.net") ? `+${jid.split("@")[0]}` : `…${jid.split("@")[0].slice(-4)}`);

/** @param {Page} page @param {string | null} jid */
function choose(page, jid) {
  page.set("chats.add", false);
  page.set("wrong limit", null);
  page.set("chats.chosen", jid);
}

/** @param {Page} page @param {WindowView} view @param {Row} one @returns {Child} */
function detail(page, view, one) {
  const kind = one.group?.isMain ? CHATS.main : one.isGroup ? CHATS.group : one.isOwn ? CHATS.self : CHATS.direct;
  const text = [kind, one.lastActivity ? CHATS.last(ago(one.lastActivity, page.now)) : null].filter(Boolean).join(" · ");
  return h(
    "div.col",
    { key: one.jid },
    h(
      "div.chathead",
      null,
      h("button.ib.back", { type: "button", "aria-label": CHATS.back, onclick: () => choose(page, null) }, icon("back")),
      avatar({ name: one.name, folder: one.group?.chat.folder ?? one.jid, isGroup: one.isGroup }),
      h("div.mid", null, h("h2", { dir: "auto" }, one.name), h("p.small.dim", null, text)),
    ),
    one.twin ? twinNote(one.jid) : null,
    ...(one.group ? listening(page, view, one.group) : offered(page, view, one)),
  );
}

/** @param {string} jid @returns {Child} */
export function twinNote(jid) {
  return h("div.banner.note", { key: "twin", role: "status" }, markOf("note"), h("div.mid", null, h("b", null, CHATS.twinTitle), h("p", null, CHATS.twinText(tail(jid)))));
}

/** What is wrong with a chat, or chosen for it, is kept under its own address: another one knows nothing of it. @param {string} jid */
const setting = (jid) => `chats.set ${jid}`;

/** @param {Page} page @param {WindowView} view @param {GroupView} group @returns {Child[]} */
function listening(page, view, group) {
  const set = (/** @type {Record<string, unknown>} */ args) => page.submit(setting(group.jid), "groups.set", { target: group.jid, ...args });
  const trouble = page.trouble(setting(group.jid));
  const every = { name: "chats.every", label: CHATS.answers, value: group.requiresTrigger ? "called" : "every", fill: true, change: (/** @type {string} */ to) => void set({ requiresTrigger: to === "called" }) };
  const trigger = (/** @type {Event} */ event) => void set({ trigger: filled(event).trigger });
  return [
    trouble ? wrong(trouble.message, trouble.cure) : null,
    h(
      "div.card",
      { key: "how" },
      group.isMain ? null : h("div.row.stack", { key: "every" }, h("span.t", null, CHATS.answers), seg(every, [["called", CHATS.called], ["every", CHATS.every]])),
      group.requiresTrigger
        ? h("form.row", { key: "trigger", onsubmit: trigger }, h("label.t.mid", { for: "trigger" }, CHATS.calledBy), h("div.end", null, input("trigger", { class: "mid", value: group.trigger, placeholder: group.usualTrigger, dir: "auto" }), button({ label: WORDS.save, busy: page.isDoing(setting(group.jid)) })))
        : null,
      row({ key: "folder", title: h("span.t", null, CHATS.folder), end: [h("span.mono.sel", null, `groups/${group.chat.folder}`), buttonOf(page, group.open, { icon: true })] }),
      timeLimit(page, group, set),
      h("div.row.stack", { key: "trust" }, h("span.t", null, CHATS.trust), h("span.s", null, group.trust)),
    ),
    folders(page, group, set),
    traceOf(page, group.jid),
    group.isMain ? null : tools(page, view.chats.usualTools, group, set),
    h("div.btns", { key: "end" }, ...(group.moveMain ? [buttonOf(page, group.moveMain)] : []), ...(group.remove ? [buttonOf(page, group.remove)] : [])),
  ];
}

/** Typed in minutes, and refused where it stands. @param {Page} page @param {GroupView} group @param {(args: Record<string, unknown>) => Promise<any>} set @returns {Child} */
function timeLimit(page, { jid, timeout }, set) {
  const wrong = page.get("wrong limit", null);
  const keep = (/** @type {Event} */ event) => {
    const typed = filled(event).limit.trim();
    const minutes = Number(typed.replace(",", "."));
    const isGood = typed === "" || (minutes >= LIMITS[0] && minutes <= LIMITS[1]);
    page.set("wrong limit", isGood ? null : typed);
    if (isGood) void set({ timeout: Math.round(minutes * 60_000) });
  };
  return h(
    "form.row",
    { key: "limit", onsubmit: keep, novalidate: true },
    h("div.mid", null, h("label.t", { for: "limit" }, CHATS.limit), h("div", { id: "limit-hint", class: wrong === null ? "s" : "err", role: wrong !== null && "alert" }, wrong === null ? CHATS.limitText : `${SETTINGS.cantBe(wrong)} ${SETTINGS.mustBe(CHATS.limitAllowed(LIMITS[0], LIMITS[1]))}`)),
    h("div.end", null, h("span.unit", null, input("limit", { class: "short", inputmode: "decimal", value: timeout === null ? "" : String(Number((timeout / 60_000).toFixed(2))), placeholder: CHATS.limitUsual }, wrong !== null), h("span.dim", null, CHATS.minutes)), button({ label: WORDS.save, name: CHATS.keepLimit, busy: page.isDoing(setting(jid)) })),
  );
}

/** @param {Page} page @param {GroupView} group @param {(args: Record<string, unknown>) => Promise<any>} set @returns {Child} */
function folders(page, group, set) {
  const asked = group.mounts.map(({ hostPath, containerPath, readonly }) => ({ hostPath, containerPath, readonly }));
  const add = async (/** @type {Event} */ event) => {
    const { hostPath, write } = filled(event);
    if (hostPath.trim() && (await set({ mounts: [...asked, { hostPath: hostPath.trim(), readonly: write !== "on" }] }))) page.set("chats.add", false);
  };
  const line = (/** @type {typeof asked[number]} */ mount, /** @type {number} */ at) =>
    row({ key: `${mount.hostPath} ${at}`, tag: "li", lead: icon("folder"), title: strange(mount.hostPath, "t"), text: mount.readonly === false ? CHATS.write : CHATS.read, end: [iconButton("close", CHATS.takeAway(mount.hostPath), () => void set({ mounts: asked.filter((_, other) => other !== at) }))] });
  const form = h(
    "form.form.within",
    { key: "add", onsubmit: add },
    field({ id: "hostPath", label: CHATS.path, hint: CHATS.pathHint }, input("hostPath", { dir: "ltr", placeholder: "~/Documents" })),
    h("label.check", null, h("input", { type: "checkbox", name: "write" }), h("span", null, CHATS.mayWrite)),
    h("div.btns", null, button({ label: CHATS.add, look: "primary", busy: page.isDoing(setting(group.jid)) }), button({ label: WORDS.cancel, press: () => page.set("chats.add", false) })),
  );
  const adding = page.get("chats.add", false);
  return section(
    CHATS.folders,
    null,
    h("ul.card", null, ...asked.map(line), h("li", { key: "" }, adding ? form : h("div.row", null, button({ label: CHATS.addFolder, look: "quiet", picture: "plus", press: () => page.set("chats.add", true) })))),
    h("p.small.dim.under", null, CHATS.foldersHint),
  );
}

/** @param {Page} page @param {string[]} usual @param {GroupView} group @param {(args: Record<string, unknown>) => Promise<any>} set @returns {Child} */
function tools(page, usual, group, set) {
  const own = group.tools !== null;
  const isUsual = JSON.stringify([...(group.tools ?? [])].sort()) === JSON.stringify([...usual].sort());
  const change = (/** @type {boolean} */ on) => {
    if (on) return void set({ tools: usual });
    // A list that somebody has typed would be gone.
    if (own && !isUsual) return page.confirm(CHATS.dropTools(group.chat.name), () => void set({ defaultTools: true }));
    void set({ defaultTools: true });
  };
  const save = (/** @type {Event} */ event) => void set({ tools: filled(event).tools.split(/[\s,]+/).filter(Boolean) });
  return section(
    CHATS.tools,
    null,
    h(
      "div.card",
      null,
      row({ key: "own", title: h("span.t", null, CHATS.ownTools), text: CHATS.ownToolsText, end: [toggle({ label: CHATS.ownTools, on: own, change, off: page.isDoing(setting(group.jid)) })] }),
      own ? h("form.form.within", { key: "list", onsubmit: save }, field({ id: "tools", label: CHATS.toolList, hint: CHATS.toolHint }, h("textarea.in", { id: "tools", name: "tools", rows: 3, spellcheck: "false", dir: "ltr", "aria-describedby": "tools-hint" }, (group.tools ?? []).join(" "))), h("div", null, button({ label: WORDS.save, busy: page.isDoing(setting(group.jid)) }))) : null,
    ),
  );
}

/** A chat that the agent does not listen in. @param {Page} page @param {WindowView} view @param {Row} one @returns {Child[]} */
function offered(page, view, one) {
  const [asGroup, asOwn, answers] = [`chats.register ${one.jid}`, `chats.main ${one.jid}`, `chats.new-every ${one.jid}`];
  const [trouble, failed, busy] = [page.trouble(asGroup), page.trouble(asOwn), page.isDoing(asGroup) || page.isDoing(asOwn)];
  const hasMain = view.chats.groups.some((group) => group.isMain);
  const every = page.get(answers, "called");
  const register = (/** @type {Event} */ event) => {
    const { folder, trigger = "" } = filled(event);
    const called = every === "called" ? { ...(trigger.trim() ? { trigger: trigger.trim() } : {}) } : { noTrigger: true };
    void page.submit(asGroup, "groups.register", { jid: one.jid, name: one.name, folder: folder.trim(), ...called });
  };
  const main = () => void page.submit(asOwn, "groups.register", asMain(view, one));
  const move = () => page.confirm(CHATS.moveMain(one.name, view.assistant), () => void page.submit(asOwn, "groups.move-main", { jid: one.jid }));
  return [
    h("p.lead", { key: "lead" }, CHATS.notHere(view.assistant)),
    h(
      "form.form",
      { key: "form", onsubmit: register, novalidate: true },
      h("div.field", { key: "every" }, h("span.label", null, CHATS.answers), seg({ name: "chats.new-every", label: CHATS.answers, value: every, fill: true, change: (to) => page.set(answers, to) }, [["called", CHATS.called], ["every", CHATS.every]])),
      every === "called" ? field({ id: "trigger", label: CHATS.calledBy, hint: CHATS.calledHint }, input("trigger", { placeholder: `@${view.assistant}`, dir: "auto" })) : null,
      field({ id: "folder", label: CHATS.folder, hint: CHATS.folderHint, trouble: trouble && told(trouble) }, input("folder", { value: proposed(one, view), dir: "ltr", maxlength: 63 }, Boolean(trouble))),
      h("div.btns", { key: "do" }, button({ label: CHATS.listen(view.assistant), look: "primary", big: true, busy })),
    ),
    h("div.card.pad", { key: "main" }, h("b", null, CHATS.mainTitle), h("p.dim", null, CHATS.mainText(view.assistant)), h("div.btns.above", null, button({ label: hasMain ? CHATS.moveHere : CHATS.makeMain, press: hasMain ? move : main, busy })), failed ? h("p.err.above", { key: "wrong", role: "alert" }, ...told(failed)) : null),
  ];
}

/** The chat as the private channel. @param {WindowView} view @param {Row} one */
export function asMain(view, { jid, name, isOwn }) {
  return { jid, name: isOwn ? CHATS.ownName(view.assistant) : name, folder: "main" };
}

/** A folder's name made of the chat's. @param {Row} one @param {WindowView} view */
function proposed(one, view) {
  const plain = one.name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 40);
  const taken = new Set([...view.chats.groups.map((group) => group.chat.folder), "main", "global", "extra", "errors"]);
  const base = plain || `chat-${one.jid.split("@")[0].replace(/[^a-z0-9]/g, "").slice(-6)}`;
  if (!taken.has(base)) return base;
  for (let n = 2; ; n += 1) if (!taken.has(`${base}-${n}`)) return `${base}-${n}`;
}
