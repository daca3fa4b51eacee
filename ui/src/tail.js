// What is looked for in the logs, as it grows: the app finds it, and reads on from where it read last.

/** @import { Trouble } from "./api.js" */

/** @typedef {{ at: string, level: string, text: string, key: string }} LogLine */
/** @typedef {{ run?: string, chat?: string, level?: string, text?: string }} Wanted What is not said is not asked for. */

/** Lines that are kept; the app gives no more at once. */
const MOST = 2000;
const LINE = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) (ERROR|WARN|INFO|DEBUG|TRACE) (.*)$/;

export class Tail {
  /** The newest that fit, the oldest of them first. @type {LogLine[]} */
  lines = [];
  /** Others fit too, and are older. */
  more = false;
  /** @type {Trouble | null} */
  trouble = null;
  loaded = false;
  /** @type {Wanted | null} */
  wanted = null;
  /** @type {string | null} */
  #mark = null;
  #count = 0;
  #reading = false;
  #again = false;

  /** @param {(command: string, args: Record<string, unknown>) => Promise<{ value: any, trouble: Trouble | null }>} ask @param {() => void} changed */
  constructor(ask, changed) {
    this.ask = ask;
    this.changed = changed;
  }

  /** Looks for something else from now on. What was found stays until the answer is there. @param {Wanted} wanted */
  turn(wanted) {
    this.wanted = wanted;
    this.#mark = null;
    void this.read();
  }

  /** Reads on. One at a time: a large log takes its while. */
  async read() {
    if (this.#reading) {
      this.#again ||= this.#mark === null;
      return;
    }
    this.#reading = true;
    const [wanted, mark] = [this.wanted, this.#mark];
    const { value, trouble } = await this.ask("logs.find", { ...wanted, ...(mark === null ? {} : { since: mark }) });
    this.#reading = false;
    if (wanted === this.wanted) this.#take(value, trouble);
    if (this.#again) {
      this.#again = false;
      void this.read();
    }
  }

  /** @param {any} found @param {Trouble | null} trouble */
  #take(found, trouble) {
    const same = this.loaded && this.trouble?.code === trouble?.code && (found ? found.goesOn && !found.lines.length : true);
    this.loaded = true;
    this.trouble = trouble;
    this.#mark = found?.mark ?? null;
    if (found && !same) {
      const all = [...(found.goesOn ? this.lines : []), ...found.lines.map((/** @type {string} */ text) => this.#line(text))];
      this.more = found.more || (found.goesOn && this.more) || all.length > MOST;
      this.lines = all.slice(-MOST);
    }
    if (!same) this.changed();
  }

  /** @param {string} text @returns {LogLine} */
  #line(text) {
    const [, at = "", level = "", rest = text] = LINE.exec(text) ?? [];
    return { at, level: level.toLowerCase(), text: rest, key: `${this.#count++}` };
  }
}
