// Made from crates/core/src/present/window/view.rs by its tests (UPDATE=1). Not to be edited.
export type WindowView = { 
/**
 * When this was true; an older view never replaces a newer one.
 */
at: string, 
/**
 * What the agent is called.
 */
assistant: string, 
/**
 * How all is, in a word.
 */
state: State, tabs: Array<Tab>, 
/**
 * Pause, or resume.
 */
pause: Button, 
/**
 * The worst thing that is true, with its cure.
 */
headline: Panel, 
/**
 * The other problems: never the headline's own.
 */
notices: Array<Panel>, vitals: Array<Vital>, whatsapp: WhatsAppView, containers: ContainersView, };
export type Mark = "ready" | "working" | "needs-you" | "note" | "offline" | "paused" | "unknown" | "busy" | "off";
export type State = { mark: Mark, word: string, };
export type Page = "overview" | "whatsapp" | "containers";
export type Tab = { page: Page, label: string, 
/**
 * What is wrong on the page.
 */
flag: State | null, 
/**
 * How many work there now.
 */
count: string | null, };
export type Line = { text: string, at: string | null, };
export type Panel = { mark: Mark, title: string, text: Line, button: Button | null, };
export type Button = { label: string, 
/**
 * The label with what it acts on, for those who don't see where it stands.
 */
name: string, look: Look, off: boolean, act: Act, };
export type Look = "primary" | "plain" | "quiet" | "danger";
export type Act = { "kind": "command", command: string, args: Record<string, unknown>, confirm: Confirm | null, } | { "kind": "page", page: Page, };
export type Confirm = { title: string, text: string, label: string, };
export type Vital = { title: string, mark: Mark, text: Line, page: Page | null, };
export type WhatsAppView = { 
/**
 * The link's state and its cure; `None` while codes are shown.
 */
panel: Panel | null, qr: Qr | null, code: Code | null, 
/**
 * Linking by a phone number, where that is of use now.
 */
phone: PhoneForm | null, 
/**
 * Ends the linking that is under way.
 */
cancel: Button | null, facts: Array<Fact>, details: Array<Detail>, signOut: Button | null, };
export type Qr = { 
/**
 * Modules a side, without the quiet zone.
 */
size: number, 
/**
 * The dark modules as an SVG path, a module being one unit.
 */
path: string, expiresAt: string, steps: Array<string>, };
export type Code = { code: string, expiresAt: string, 
/**
 * Whose phone it is for.
 */
text: string, steps: Array<string>, };
export type PhoneForm = { lead: string, label: string, hint: string, button: string, command: string, };
export type Fact = { title: string, value: string, };
export type Detail = { title: string, text: string, };
export type ContainersView = { 
/**
 * Why no container can run, or what is special about those that do.
 */
panel: Panel | null, progress: Progress | null, running: Array<Run>, 
/**
 * Said where nothing runs.
 */
quiet: Detail, waiting: Array<Waiting>, 
/**
 * The chats that a container can be started for.
 */
startable: Array<Startable>, 
/**
 * What they run on; the image last.
 */
place: Array<Vital>, 
/**
 * Builds an image that is there once more.
 */
rebuild: Button | null, };
export type Progress = { step: number, of: number, text: string, };
export type Chat = { name: string, folder: string, isGroup: boolean, };
export type Run = { id: string, chat: Chat, state: State, 
/**
 * What it is at work on.
 */
text: string, container: string, startedAt: string, 
/**
 * What its container takes of this computer, while the page asks for it.
 */
load: string | null, mounts: Array<Folder>, restart: Button, stop: Button, };
export type Folder = { host: string, container: string, access: string, };
export type Waiting = { chat: Chat, text: Line, };
export type Startable = { chat: Chat, text: string, start: Button, };
