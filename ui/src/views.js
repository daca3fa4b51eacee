// The pages by their names: what stands in the head beside the title, and the body.

/** @import { Page as PageName, WindowView } from "../types" */
/** @import { Page } from "./components.js" */
/** @import { Child } from "./dom.js" */

import { about } from "./views/about.js";
import { chats } from "./views/chats.js";
import { containers } from "./views/containers.js";
import { kiro, kiroHead } from "./views/kiro.js";
import { logs } from "./views/logs.js";
import { overview } from "./views/overview.js";
import { settings } from "./views/settings.js";
import { setup } from "./views/setup.js";
import { taskHead, tasks } from "./views/tasks.js";
import { whatsapp, whatsappHead } from "./views/whatsapp.js";

/**
 * @typedef {object} View
 * @property {(page: Page, view: WindowView) => Child[]} body
 * @property {(page: Page, view: WindowView) => { title?: string, end: Child[] }} [head]
 * @property {"column" | "panes" | "alone"} [layout] One column if not said; panes scroll by themselves; alone has no sidebar.
 */

/** @type {Record<PageName, View>} */
export const VIEWS = {
  overview: { body: overview },
  whatsapp: { body: whatsapp, head: whatsappHead },
  kiro: { body: kiro, head: kiroHead },
  containers: { body: containers },
  chats: { body: chats, layout: "panes" },
  tasks: { body: tasks, head: taskHead },
  logs: { body: logs, layout: "panes" },
  settings: { body: settings },
  about: { body: about },
  setup: { body: setup, layout: "alone" },
};
