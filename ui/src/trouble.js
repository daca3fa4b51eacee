// The window of a start that could not be: what is wrong and what helps, given by the app before the page runs.

import { patch } from "./dom.js";
import { alone } from "./shell.js";

const { text, cure } = /** @type {{ trouble: { text: string, cure: string } }} */ (/** @type {unknown} */ (window)).trouble;
const root = /** @type {HTMLElement} */ (document.getElementById("app"));
patch(root, [alone("needs-you", text.replace(/\.$/, ""), cure)]);
