// What views have asked of the app: kept while it is drawn, asked again when something has changed.

/** @import { Trouble } from "./api.js" */

/** @typedef {{ value: any, trouble: Trouble | null, since: number }} Answer Without either it is on its way. */
/** @typedef {Answer & { command: string, args: Record<string, unknown>, drawn: number, asking: boolean, again: boolean, once: boolean }} Kept */

/** The least time between two rounds of asking, however often the status changes. */
const PAUSE_MS = 1000;
/** An answer that takes longer than this is waited for in sight. */
export const PATIENCE_MS = 400;

export class Answers {
  /** @type {Map<string, Kept>} */
  #kept = new Map();
  #drawn = 0;
  #last = 0;
  /** @type {ReturnType<typeof setTimeout> | null} */
  #planned = null;

  /**
   * @param {(command: string, args: Record<string, unknown>) => Promise<{ value: any, trouble: Trouble | null }>} ask
   * @param {() => void} changed
   */
  constructor(ask, changed) {
    this.ask = ask;
    this.changed = changed;
  }

  /** The answer as far as it is known. `once`: not asked again while it is drawn. @param {string} command @param {Record<string, unknown>} [args] @param {boolean} [once] @returns {Answer} */
  get(command, args = {}, once = false) {
    const key = JSON.stringify([command, args]);
    let kept = this.#kept.get(key);
    if (!kept) {
      kept = { value: null, trouble: null, since: performance.now(), command, args, drawn: 0, asking: false, again: false, once };
      this.#kept.set(key, kept);
      void this.#learn(kept);
      setTimeout(this.changed, PATIENCE_MS);
    }
    kept.drawn = this.#drawn;
    return kept;
  }

  /** A drawing begins; `forget` after it drops what it did not ask for. */
  begin() {
    this.#drawn += 1;
  }

  forget() {
    for (const [key, kept] of this.#kept) if (kept.drawn !== this.#drawn) this.#kept.delete(key);
  }

  /** Asks again for all that is drawn: now, or when the pause is over. @param {boolean} [now] */
  again(now = false) {
    const wait = now ? 0 : this.#last + PAUSE_MS - performance.now();
    if (wait > 0) {
      this.#planned ??= setTimeout(() => this.again(true), wait);
      return;
    }
    if (this.#planned) clearTimeout(this.#planned);
    this.#planned = null;
    this.#last = performance.now();
    for (const kept of this.#kept.values()) if (!kept.once) void this.#learn(kept);
  }

  /** @param {Kept} kept */
  async #learn(kept) {
    if (kept.asking) {
      kept.again = true;
      return;
    }
    kept.asking = true;
    const { value, trouble } = await this.ask(kept.command, kept.args);
    kept.asking = false;
    const same = JSON.stringify([kept.value, kept.trouble]) === JSON.stringify([value, trouble]);
    Object.assign(kept, { value, trouble });
    if (!same) this.changed();
    if (kept.again) {
      kept.again = false;
      void this.#learn(kept);
    }
  }
}
