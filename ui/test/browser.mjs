// A headless Chromium with the page in it, and a stand-in for the app behind the page: it records, it does not assert.
//
// Spoken to by its debugging pipe, so that neither a driver nor a library is needed. The page's files come by that pipe too:
// with a network of the machine that comes or goes, such as a container's, Chromium ends what it is loading.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { answers } from "./answers.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const ARTEFACTS = here("../../target/artefacts/ui");
/** What the app itself lets the page do. */
const CSP = JSON.parse(await readFile(here("../../tauri.conf.json"), "utf8")).app.security.csp;
/** How long a busy machine may take for anything that is waited for. */
const PATIENCE_MS = 20_000;
/** Nobody answers there: see `serve`. A secure context, as the app's own is. */
const ADDRESS = "http://localhost/";
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

/** All named states, as the app would give them. */
export async function states() {
  const files = (await readdir(here("states"))).sort();
  const read = async (file) => [file.replace(".json", ""), JSON.parse(await readFile(here(`states/${file}`), "utf8"))];
  return Object.fromEntries(await Promise.all(files.map(read)));
}

/** A browser for the tests of a file, and the test in a tab of its own that must not complain of anything. */
export function tabs() {
  let browser;
  before(async () => (browser = await Browser.start()));
  after(() => browser.close());
  return (name, view, body, options) =>
    test(name, { timeout: 60_000 }, async () => {
      const page = await browser.open(view, options);
      await body(page);
      assert.deepEqual(page.complaints, []);
      await page.close();
    });
}

/** Puts a file where those who look at the tests find it. */
export async function keep(name, content, folder = ARTEFACTS) {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), content);
}

export class Browser {
  #process;
  #profile;
  #next = 0;
  #answers = new Map();
  #listeners = [];

  static async start() {
    const browser = new Browser();
    browser.#profile = await mkdtemp(join(tmpdir(), "nanoclaw-ui-"));
    const args = ["--headless", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--force-color-profile=srgb", `--user-data-dir=${browser.#profile}`];
    // Chromium refuses its sandbox to root, which is what containers of CI run as.
    if (process.getuid?.() === 0) args.push("--no-sandbox");
    browser.#process = spawn(process.env.CHROMIUM ?? "chromium", args, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    browser.#process.on("error", (error) => browser.#fail(error));
    browser.#process.on("exit", () => browser.#fail(new Error("Chromium has ended")));
    browser.#hear(browser.#process.stdio[4]);
    return browser;
  }

  #hear(pipe) {
    let rest = "";
    pipe.setEncoding("utf8").on("data", (data) => {
      const messages = (rest + data).split("\0");
      rest = messages.pop();
      for (const text of messages) {
        const message = JSON.parse(text);
        const answer = this.#answers.get(message.id);
        this.#answers.delete(message.id);
        if (answer) message.error ? answer.reject(new Error(message.error.message)) : answer.resolve(message.result);
        else for (const listener of this.#listeners) listener(message);
      }
    });
  }

  #fail(error) {
    for (const { reject } of this.#answers.values()) reject(error);
    this.#answers.clear();
  }

  call(method, params = {}, sessionId) {
    const id = ++this.#next;
    this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#answers.set(id, { resolve, reject }));
  }

  /** A tab with the page, which starts with `view`. `start: false` leaves the app silent; `known`: what commands answer. */
  async open(view, { start = true, known = {} } = {}) {
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank", newWindow: true });
    const { sessionId } = await this.call("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, sessionId, targetId);
    this.#listeners.push((message) => message.sessionId === sessionId && page.hear(message));
    await Promise.all([
      ...["Page.enable", "Runtime.enable", "Log.enable", "Fetch.enable"].map((method) => page.call(method)),
      page.call("Emulation.setTimezoneOverride", { timezoneId: "Europe/Berlin" }),
      page.call("Page.addScriptToEvaluateOnNewDocument", { source: `(${app})(${JSON.stringify(start ? view : null)}, ${Date.parse(view.at)}, ${JSON.stringify({ ...(await answers()), ...known })})` }),
    ]);
    await page.look({});
    await page.call("Page.navigate", { url: ADDRESS });
    if (start) await page.until("document.querySelector('h1')");
    return page;
  }

  async close() {
    this.#process.removeAllListeners("exit");
    const ended = new Promise((done) => this.#process.once("exit", done));
    this.call("Browser.close").catch(() => {});
    await ended;
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class Page {
  /** Errors and refusals that the page has put on its console. */
  complaints = [];

  constructor(browser, session, target) {
    this.browser = browser;
    this.session = session;
    this.target = target;
  }

  call(method, params) {
    return this.browser.call(method, params, this.session);
  }

  hear({ method, params }) {
    if (method === "Fetch.requestPaused") void this.serve(params);
    if (method === "Runtime.exceptionThrown") this.complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Log.entryAdded" && params.entry.level !== "info") this.complaints.push(params.entry.text);
    if (method === "Runtime.consoleAPICalled" && params.type === "error") this.complaints.push(params.args.map((arg) => arg.value).join(" "));
  }

  /** Answers for a file of the page, as the app would. */
  async serve({ requestId, request }) {
    const path = new URL(request.url).pathname;
    const file = here(`../src${path === "/" ? "/index.html" : path}`);
    const body = await readFile(file, "base64").catch(() => null);
    const headers = { "content-type": TYPES[extname(file)] ?? "text/plain", "content-security-policy": CSP };
    const responseHeaders = Object.entries(headers).map(([name, value]) => ({ name, value }));
    await this.call("Fetch.fulfillRequest", { requestId, responseCode: body === null ? 404 : 200, responseHeaders, body: body ?? "" }).catch(() => {});
  }

  /** What an expression is in the page; a promise is awaited. */
  async get(expression) {
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  async until(expression) {
    const found = await this.get(`new Promise((done) => {
      const end = performance.now() + ${PATIENCE_MS};
      const look = () => ((${expression}) ? done(true) : performance.now() > end ? done(false) : setTimeout(look, 10));
      look();
    })`);
    if (!found) throw new Error(`never came true: ${expression}`);
  }

  /** All that was asked for is answered and drawn. */
  settled() {
    return this.get("new Promise((done) => setTimeout(() => requestAnimationFrame(() => setTimeout(done, 0)), 50))");
  }

  close() {
    return this.browser.call("Target.closeTarget", { targetId: this.target });
  }

  async look({ width = 900, height = 640, scale = 1, dark = false, features = [] }) {
    await this.call("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: scale, mobile: false });
    const scheme = { name: "prefers-color-scheme", value: dark ? "dark" : "light" };
    // Without motion, two pictures of one state are the same.
    const named = new Map([scheme, { name: "prefers-reduced-motion", value: "reduce" }, ...features].map((feature) => [feature.name, feature]));
    await this.call("Emulation.setEmulatedMedia", { features: [...named.values()] });
  }

  /** Tells the page a new status, as the app does. */
  emit(view) {
    return this.get(`app.emit(${JSON.stringify(view)})`);
  }

  /** Shows a page: by its entry in the sidebar, or as the app does. */
  async go(name) {
    if (await this.get(`Boolean(document.querySelector('.nav [data-page="${name}"]'))`)) return this.click(`.nav [data-page="${name}"]`);
    await this.get(`location.hash = "${name}"`);
    await this.until("!location.hash");
  }

  click(selector) {
    return this.get(`(() => { const found = document.querySelector(${JSON.stringify(selector)}); if (!found) throw new Error("no " + ${JSON.stringify(selector)}); found.focus(); found.click(); })()`);
  }

  async press(key, modifiers = 0) {
    const codes = { Enter: 13, Tab: 9, Escape: 27, " ": 32, ArrowUp: 38, ArrowRight: 39, ArrowDown: 40 };
    const event = { key, modifiers, windowsVirtualKeyCode: codes[key] ?? key.charCodeAt(0), text: key === "Enter" ? "\r" : key.length === 1 && !modifiers ? key : undefined };
    await this.call("Input.dispatchKeyEvent", { type: event.text ? "keyDown" : "rawKeyDown", ...event });
    await this.call("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  /** Goes on by keys until what is called so has the focus. */
  async reach(name) {
    const focused = "((one) => one.tabIndex < 0 ? '' : one.ariaLabel ?? (one.labels?.[0] ?? one).innerText)(document.activeElement)";
    for (let at = 0; at < 60; at += 1) {
      if ((await this.get(focused)).includes(name)) return;
      await this.press("Tab");
    }
    throw new Error(`no way to ${name} by keys`);
  }

  /** Types into a field as a person does, in place of what stands there. */
  async fill(selector, text) {
    await this.get(`(() => { const field = document.querySelector(${JSON.stringify(selector)}); field.focus(); field.select(); })()`);
    await this.type(text);
  }

  type(text) {
    return this.call("Input.insertText", { text });
  }

  /** Chooses in a list. */
  choose(selector, value) {
    return this.get(`(() => { const list = document.querySelector(${JSON.stringify(selector)}); list.value = ${JSON.stringify(value)}; list.dispatchEvent(new Event("change")); })()`);
  }

  text(selector) {
    return this.get(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? null`);
  }

  /** The commands that the page has asked for. */
  asked() {
    return this.get("app.asked");
  }

  async picture(name, folder = ARTEFACTS) {
    const { data } = await this.call("Page.captureScreenshot", { format: "png", optimizeForSpeed: true });
    await keep(`${name}.png`, Buffer.from(data, "base64"), folder);
  }
}

/** Stands in for the app, within the page: one event, three commands, and a clock that stands still. */
function app(view, at, known) {
  // What is only asked for is answered from `known`, and not recorded.
  const stand = { asked: [], acts: [], view, known, answer: () => null, now: at };
  let tell = () => {};
  stand.emit = (next) => {
    stand.view = next;
    tell({ payload: next });
  };
  const RealDate = Date;
  window.Date = class extends RealDate {
    constructor(...given) {
      super(...(given.length ? given : [stand.now]));
    }
    static now() {
      return stand.now;
    }
  };
  window.app = stand;
  window.__TAURI__ = {
    event: { listen: async (name, handler) => void (name === "status" && (tell = handler)) },
    core: {
      async invoke(name, args) {
        if (name === "status" && stand.view) return stand.view;
        if (name === "act") return void stand.acts.push(args.action);
        if (name === "command" && args.name in stand.known) {
          const answer = stand.known[args.name];
          // Where it depends on what was asked for: by the argument's name, or what has come since.
          if (answer?.byArgument) return answer.byArgument[Object.keys(args.args)[0]];
          return "since" in args.args ? answer.then : answer;
        }
        if (name !== "command") throw { code: "not-running", message: "NanoClaw is not running.", cure: "Start the app." };
        stand.asked.push(args);
        return stand.answer(args);
      },
    },
  };
}
