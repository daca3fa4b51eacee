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
 * The zone that times are told in; null for this computer's.
 */
zone: string | null, 
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
notices: Array<Panel>, vitals: Array<Vital>, whatsapp: WhatsAppView, kiro: KiroView, containers: ContainersView, chats: ChatsView, setup: SetupView, about: AboutView, 
/**
 * Starting at login, where it can be read.
 */
autostart: Switch | null, 
/**
 * Opens the one log with the desktop's own program.
 */
openLog: Button, 
/**
 * Ends NanoClaw and starts it again, with the settings as they are then.
 */
restart: Button, 
/**
 * Ends NanoClaw; asked about first where an agent is at work.
 */
quit: Button, };
export type Mark = "ready" | "working" | "needs-you" | "note" | "offline" | "paused" | "unknown" | "busy" | "off";
export type State = { mark: Mark, word: string, };
export type Page = "overview" | "whatsapp" | "kiro" | "containers" | "chats" | "tasks" | "logs" | "settings" | "about" | "setup";
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
export type Act = { "kind": "command", command: string, args: Record<string, unknown>, confirm: Confirm | null, } | { "kind": "page", page: Page, } | { "kind": "desktop", action: unknown, confirm: Confirm | null, };
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
export type Fact = { title: string, value: string, 
/**
 * Does something about it.
 */
button: Button | null, };
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
memory: string | null, cpu: string | null, mounts: Array<Folder>, restart: Button, stop: Button, };
export type Folder = { host: string, container: string, access: string, };
export type Waiting = { chat: Chat, text: Line, };
export type Startable = { chat: Chat, text: string, start: Button, };
export type Switch = { on: boolean, button: Button, };
export type KiroView = { 
/**
 * How agents are signed in, and what helps; `None` while a sign-in is under way.
 */
panel: Panel | null, 
/**
 * Who is signed in: on this computer, and as containers see it (K1).
 */
places: Array<Place>, check: Button, 
/**
 * The sign-in under way, or how the last one ended.
 */
login: Login | null, 
/**
 * The ways to sign in, where that is of use now (K2).
 */
methods: Array<Way>, 
/**
 * Signing in ends a sign-in that agents were refused with: asked before.
 */
ends?: Confirm, 
/**
 * Whether the sign-in can be done in this computer's browser, without a code.
 */
browser: boolean, modes: Array<Mode>, 
/**
 * A field for an API key, where agents use one (K4).
 */
key: KeyForm | null, signOut: Button | null, };
export type Place = { title: string, mark: Mark, text: string, 
/**
 * When it was looked at last.
 */
at: string | null, };
export type Login = { mark: Mark, title: string, text: string, code: string | null, url: string | null, expiresAt: string | null, open: Button | null, cancel: Button | null, };
export type Way = { method: string, title: string, text: string, 
/**
 * The one that was used last, or is the usual.
 */
on: boolean, 
/**
 * It asks for the organisation's address and its region: with what they were last.
 */
organisation: Organisation | null, };
export type Organisation = { startUrl: string, region: string, };
export type Mode = { mode: string, title: string, text: string, on: boolean, choose: Button, };
export type KeyForm = { label: string, hint: string, button: string, command: string, remove: Button | null, };
export type ChatsView = { 
/**
 * The JID of the person's chat with themselves.
 */
own: string | null, 
/**
 * What a chat without tools of its own may use, where it is not the main one.
 */
usualTools: Array<string>, groups: Array<GroupView>, };
export type GroupView = { jid: string, chat: Chat, isMain: boolean, 
/**
 * What it answers to.
 */
text: string, 
/**
 * What it is at, where it is at anything.
 */
state: State | null, 
/**
 * Its own trigger; empty for the usual one.
 */
trigger: string, usualTrigger: string, requiresTrigger: boolean, 
/**
 * The longest that a run of it may take without a result, in milliseconds; `None` for what the settings say.
 */
timeout: number | null, 
/**
 * What its agent may do.
 */
trust: string, mounts: Array<ExtraMount>, 
/**
 * `None` for those of its trust.
 */
tools: Array<string> | null, open: Button, moveMain: Button | null, remove: Button | null, };
export type ExtraMount = { hostPath: string, containerPath: string | null, readonly: boolean | null, };
export type SetupView = { 
/**
 * Nothing was set up yet: the window begins with it.
 */
isFirst: boolean, 
/**
 * Something of it is left to do: the Overview has the way back to it.
 */
isOpen: boolean, 
/**
 * Problems that none of its steps tells.
 */
notices: Array<Panel>, steps: Array<Step>, 
/**
 * What is done when it begins, as it takes a while: the image is built.
 */
begin: Button | null, progress: Progress | null, };
export type Step = { key: StepKey, 
/**
 * What it is about, in a word or two.
 */
label: string, title: string, text: string, done: boolean, 
/**
 * How it stands, with what does it.
 */
panel: Panel | null, 
/**
 * More that helps.
 */
help: Button | null, };
export type StepKey = "welcome" | "docker" | "image" | "kiro" | "whatsapp" | "main" | "hello";
export type AboutView = { text: Line, facts: Array<Fact>, };
