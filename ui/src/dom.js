// What the page should look like, as plain values, and one function that makes it so in place.
//
// Elements that stay are never made anew, so that focus, scroll, selection and typed text stay too. Text is only ever
// inserted as text nodes; nothing here can parse markup.

/**
 * @typedef {string | number | null | undefined | false} Nothing A text, or a place that is empty now.
 * @typedef {{ tag: string, attrs: Record<string, any>, children: Child[], key: string | null }} Element_
 * @typedef {Element_ | Nothing} Child
 */

const SVG = "http://www.w3.org/2000/svg";

/** What an element was last made to look like. @type {WeakMap<Node, Element_>} */
const known = new WeakMap();
/** The events that an element has a listener for. @type {WeakMap<Node, Set<string>>} */
const heard = new WeakMap();

/**
 * An element: `h("div.card", { key, role: "status", onclick }, …)`. A child that is null keeps its place. A list has an
 * element of its own, and each of its members a `key`.
 *
 * @param {string} selector
 * @param {Record<string, any> | null} [attrs] `false` and `null` leave an attribute out; `on…` are handlers.
 * @param {...(Child | Child[])} children
 * @returns {Element_}
 */
export function h(selector, attrs, ...children) {
  const [tag, ...classes] = selector.split(".");
  const { key = null, ...rest } = attrs ?? {};
  const names = [...classes, rest.class].filter(Boolean).join(" ");
  if (names) rest.class = names;
  return { tag: tag || "div", attrs: rest, children: children.flat(), key };
}

/**
 * Makes `parent` hold `wanted`, moving as little as possible.
 *
 * @param {Element} parent
 * @param {Child[]} wanted
 */
export function patch(parent, wanted) {
  const focused = document.activeElement;
  reconcile(parent, wanted);
  // A row that was moved has lost the focus.
  if (focused instanceof HTMLElement && focused !== document.activeElement && focused.isConnected && parent.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}

/** @param {Element} parent @param {Child[]} wanted */
function reconcile(parent, wanted) {
  const isList = wanted.length > 0 && wanted.every((child) => isElement(child) && child.key !== null);
  if (isList) return reconcileList(parent, /** @type {Element_[]} */ (wanted));
  wanted.forEach((child, at) => {
    const node = parent.childNodes[at];
    if (node && fits(node, child)) update(node, child);
    else if (node) node.replaceWith(make(child));
    else parent.append(make(child));
  });
  while (parent.childNodes.length > wanted.length) parent.lastChild?.remove();
}

/** @param {Element} parent @param {Element_[]} wanted */
function reconcileList(parent, wanted) {
  const keys = new Set(wanted.map((child) => child.key));
  /** @type {Map<string, ChildNode>} */
  const kept = new Map();
  for (const node of [...parent.childNodes]) {
    const key = known.get(node)?.key ?? null;
    if (key !== null && keys.has(key) && !kept.has(key)) kept.set(key, node);
    else node.remove();
  }
  let next = parent.firstChild;
  for (const child of wanted) {
    let node = kept.get(child.key ?? "");
    if (node && fits(node, child)) update(node, child);
    else {
      const fresh = /** @type {ChildNode} */ (make(child));
      if (node) {
        if (node === next) next = fresh;
        node.replaceWith(fresh);
      }
      node = fresh;
    }
    if (node === next) next = next.nextSibling;
    else parent.insertBefore(node, next);
  }
}

/** @param {Child} child @returns {child is Element_} */
function isElement(child) {
  return typeof child === "object" && child !== null;
}

/** @param {Nothing} text */
function textOf(text) {
  return text === null || text === undefined || text === false ? "" : String(text);
}

/** @param {Node} node @param {Child} child */
function fits(node, child) {
  if (!isElement(child)) return node.nodeType === Node.TEXT_NODE;
  const was = known.get(node);
  return was !== undefined && was.tag === child.tag && was.key === child.key;
}

/** @param {Child} child @param {boolean} [svg] whether it stands within an SVG @returns {Node} */
function make(child, svg = false) {
  if (!isElement(child)) return document.createTextNode(textOf(child));
  const within = svg || child.tag === "svg";
  const node = within ? document.createElementNS(SVG, child.tag) : document.createElement(child.tag);
  for (const [name, value] of Object.entries(child.attrs)) set(node, name, undefined, value);
  known.set(node, child);
  node.append(...child.children.map((inner) => make(inner, within)));
  return node;
}

/** @param {Node} node @param {Child} child */
function update(node, child) {
  if (!isElement(child)) {
    const text = textOf(child);
    if (node.nodeValue !== text) node.nodeValue = text;
    return;
  }
  const element = /** @type {Element} */ (node);
  const before = known.get(node)?.attrs ?? {};
  known.set(node, child);
  for (const name of Object.keys(before)) if (!(name in child.attrs)) set(element, name, before[name], null);
  for (const [name, value] of Object.entries(child.attrs)) set(element, name, before[name], value);
  if (element.namespaceURI === SVG) reconcileSvg(element, child.children);
  else reconcile(element, child.children);
}

/** Drawings are small and hold no state: one of another shape is drawn anew. @param {Element} parent @param {Child[]} wanted */
function reconcileSvg(parent, wanted) {
  const same = parent.childNodes.length === wanted.length && wanted.every((child, at) => fits(parent.childNodes[at], child));
  if (same) wanted.forEach((child, at) => update(parent.childNodes[at], child));
  else parent.replaceChildren(...wanted.map((child) => make(child, true)));
}

/** @param {Element} node @param {string} name @param {any} before @param {any} value */
function set(node, name, before, value) {
  if (name.startsWith("on")) {
    // One listener for good, which calls the handler of the moment.
    const names = heard.get(node) ?? new Set();
    if (value === null || value === undefined || names.has(name)) return;
    heard.set(node, names.add(name));
    node.addEventListener(name.slice(2), (event) => known.get(node)?.attrs[name]?.(event));
    return;
  }
  if (before === value) return;
  // The attribute alone no longer moves a choice or a field that a person has touched.
  if (node instanceof HTMLInputElement && name === "checked") node.checked = Boolean(value);
  if (node instanceof HTMLOptionElement && name === "selected") node.selected = Boolean(value);
  // What is being typed stays.
  if (node instanceof HTMLInputElement && name === "value" && node !== document.activeElement) node.value = textOf(value);
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : String(value));
}
