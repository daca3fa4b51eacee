// Which folders of this computer chats may be given at all: a part of the Settings page. What can't be is refused on the spot.

/** @import { Page } from "../components.js" */
/** @import { Child } from "../dom.js" */

import { icon, row, section, strange } from "../components.js";
import { h } from "../dom.js";
import { answered, button, copyable, field, filled, iconButton, input, toggle, told, wrong } from "../fields.js";
import { ALLOW, WORDS } from "../words.js";

/** @typedef {{ path: string, allowReadWrite: boolean }} Root */
/** @typedef {{ allowedRoots: Root[], blockedPatterns: string[], nonMainReadOnly: boolean }} Allowlist */

/** @param {Page} page @returns {Child} */
export function allowlist(page) {
  const answer = page.ask("allowlist.get");
  if (!answer.value) return section(ALLOW.title, ALLOW.hint, ...answered(answer, () => []));
  /** @type {{ path: string, allowlist: Allowlist | null, always: string[], problem: { text: string, cure: string } | null }} */
  const shown = answer.value;
  const { problem } = shown;
  if (problem) {
    return section(ALLOW.title, ALLOW.hint, wrong(problem.text, problem.cure), copyable(page, shown.path));
  }
  const now = shown.allowlist ?? { allowedRoots: [], blockedPatterns: [], nonMainReadOnly: true };
  const busy = page.isDoing("allow");
  const keep = (/** @type {Partial<Allowlist>} */ change) => page.submit("allow", "allowlist.set", { ...now, ...change });
  const block = (/** @type {Event} */ event) => void keep({ blockedPatterns: filled(event).blocked.split(/[\s,]+/).filter(Boolean) });
  return section(
    ALLOW.title,
    ALLOW.hint,
    roots(page, now.allowedRoots, (allowedRoots) => keep({ allowedRoots })),
    h(
      "div.card.above",
      null,
      row({ key: "others", title: h("span.t", null, ALLOW.others), text: ALLOW.othersText, end: [toggle({ label: ALLOW.others, on: now.nonMainReadOnly, off: busy, change: (on) => void keep({ nonMainReadOnly: on }) })] }),
      h("form.row.setting", { key: "never", onsubmit: block }, h("div.mid", null, h("label.t", { for: "blocked" }, ALLOW.never), h("div.s", { id: "blocked-hint" }, ALLOW.neverText)), h("div.end", null, input("blocked", { class: "mid", value: now.blockedPatterns.join(" "), dir: "auto" }), button({ label: WORDS.save, busy }))),
    ),
    h("p.small.dim.under.wrap", null, ALLOW.always(shown.always.join(" "))),
  );
}

/** @param {Page} page @param {Root[]} all @param {(roots: Root[]) => Promise<any>} keep @returns {Child} */
function roots(page, all, keep) {
  const [adding, trouble] = [page.get("allow.add", false), page.trouble("allow")];
  const write = (/** @type {Root} */ root) => toggle({ label: ALLOW.mayWrite(root.path), on: root.allowReadWrite, off: page.isDoing("allow"), change: (on) => void keep(all.map((one) => (one === root ? { ...one, allowReadWrite: on } : one))) });
  const remove = (/** @type {Root} */ root) => iconButton("close", ALLOW.disallow(root.path), () => void keep(all.filter((one) => one !== root)));
  const line = (/** @type {Root} */ root) => row({ key: root.path, tag: "li", lead: icon("folder"), title: strange(root.path, "t"), text: root.allowReadWrite ? ALLOW.write : ALLOW.read, end: [write(root), remove(root)] });
  const add = async (/** @type {Event} */ event) => {
    const { allowPath, write } = filled(event);
    if (allowPath.trim() && (await keep([...all, { path: allowPath.trim(), allowReadWrite: write === "on" }]))) page.set("allow.add", false);
  };
  const form = h(
    "form.form.within",
    { key: "add", onsubmit: add },
    field({ id: "allowPath", label: ALLOW.path, hint: ALLOW.pathHint, trouble: trouble && told(trouble) }, input("allowPath", { dir: "ltr", placeholder: "~/Documents" }, Boolean(trouble))),
    h("label.check", null, h("input", { type: "checkbox", name: "write" }), h("span", null, ALLOW.write)),
    h("div.btns", null, button({ label: ALLOW.allow, look: "primary", busy: page.isDoing("allow") }), button({ label: WORDS.cancel, press: () => page.set("allow.add", false) })),
  );
  const open = h("div.row", null, button({ label: ALLOW.add, look: "quiet", picture: "plus", press: () => page.set("allow.add", true) }));
  const failed = trouble && !adding ? h("p.err", { role: "alert", key: "wrong" }, ...told(trouble)) : null;
  return h("div", null, h("ul.card", null, ...all.map(line), h("li", { key: "" }, adding ? form : open)), failed);
}
