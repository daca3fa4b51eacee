// The only place that knows how the page reaches the app: one event, two commands.

/** @import { WindowView } from "../types" */

/**
 * @typedef {{ code: string, message: string, cure: string }} Trouble What a command answers when it could not be done.
 * @typedef {{
 *   core: { invoke(name: string, args?: Record<string, unknown>): Promise<any> },
 *   event: { listen(name: string, handler: (event: { payload: any }) => void): Promise<() => void> },
 * }} Tauri
 */

/** @returns {Tauri} */
function tauri() {
  return /** @type {any} */ (window).__TAURI__;
}

/**
 * Gives each new view to `show`. Listens first and asks then, so that no change falls between.
 *
 * @param {(view: WindowView) => void} show
 */
export async function follow(show) {
  await tauri().event.listen("status", (event) => show(event.payload));
  await ask(show);
}

/** @param {(view: WindowView) => void} show */
export async function ask(show) {
  show(await tauri().core.invoke("status"));
}

/**
 * Does a command of the control socket.
 *
 * @param {string} name
 * @param {Record<string, unknown>} args
 * @returns {Promise<Trouble | null>}
 */
export async function command(name, args) {
  try {
    await tauri().core.invoke("command", { name, args });
    return null;
  } catch (error) {
    const { code = "internal", message = String(error), cure = "" } = /** @type {Partial<Trouble>} */ (error ?? {});
    return { code, message, cure };
  }
}
