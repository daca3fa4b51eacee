// The only place that knows how the page reaches the app: one event, three commands.

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
  show(await tauri().core.invoke("status"));
}

/**
 * Does a command of the control socket; `value` is what it answers.
 *
 * @param {string} name
 * @param {Record<string, unknown>} args
 */
export function command(name, args) {
  return tried(tauri().core.invoke("command", { name, args }));
}

/** Does what only the desktop can: open a file, start at login. @param {unknown} action */
export function desktop(action) {
  return tried(tauri().core.invoke("act", { action }));
}

/** @param {Promise<any>} work @returns {Promise<{ value: any, trouble: null } | { value: null, trouble: Trouble }>} */
async function tried(work) {
  try {
    return { value: await work, trouble: null };
  } catch (error) {
    const { code = "internal", message = String(error), cure = "" } = /** @type {Partial<Trouble>} */ (error ?? {});
    return { value: null, trouble: { code, message, cure } };
  }
}
