// A log as it grows: read on from where the last read ended.

/** @import { Trouble } from "./api.js" */

/** @typedef {{ at: string, level: string, text: string, run: string, group: string, key: string }} LogLine */

/** Lines that are kept; the file has all. */
const MOST = 2000;
const LINE = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) (ERROR|WARN|INFO|DEBUG|TRACE) (.*)$/;
/** A field at a line's end: `run.id: "family-1"`. */
const OF_RUN = /(?:^| )run\.id: "([^"\\]*)"/;
const OF_GROUP = /(?:^| )(?:run\.)?group: "([^"\\]*)"/;

export class Tail {
  /** The run whose own log is read; `null` for the one log. @type {string | null} */
  run = null;
  path = "";
  /** @type {LogLine[]} */
  lines = [];
  /** @type {Trouble | null} */
  trouble = null;
  loaded = false;
  /** @type {number | null} */
  #end = null;
  #count = 0;
  #reading = false;

  /** @param {(command: string, args: Record<string, unknown>) => Promise<{ value: any, trouble: Trouble | null }>} ask */
  constructor(ask) {
    this.ask = ask;
  }

  /** Turns to another log. @param {string | null} run */
  turn(run) {
    Object.assign(this, { run, path: "", lines: [], trouble: null, loaded: false });
    this.#end = null;
  }

  /** Reads on; whether there was anything new. */
  async more() {
    if (this.#reading) return false;
    this.#reading = true;
    const [run, from] = [this.run, this.#end];
    const { value, trouble } = await this.ask("logs.tail", { ...(run === null ? {} : { run }), ...(from === null ? {} : { from }) });
    this.#reading = false;
    if (run !== this.run) return false;
    const before = [this.loaded, this.trouble?.code];
    this.loaded = true;
    this.trouble = trouble;
    if (!value) return before[0] !== true || before[1] !== trouble?.code;
    this.path = value.path;
    // Another file has taken its place.
    if (from !== null && value.from !== from) this.lines = [];
    this.#end = value.end;
    const fresh = value.text.split("\n").filter(Boolean).map((/** @type {string} */ text) => this.#line(text));
    this.lines = [...this.lines, ...fresh].slice(-MOST);
    return fresh.length > 0 || !before[0];
  }

  /** @param {string} text @returns {LogLine} */
  #line(text) {
    const [, at = "", level = "", rest = text] = LINE.exec(text) ?? [];
    const run = OF_RUN.exec(rest)?.[1] ?? "";
    return { at, level: level.toLowerCase(), text: rest, run, group: OF_GROUP.exec(rest)?.[1] ?? "", key: `${this.#count++}` };
  }
}
