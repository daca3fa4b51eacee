// Plays the phones. Texts are put in as text; all that happens comes from the server, all that is done goes to it.

const $ = (selector) => document.querySelector(selector);
const phone = $(".phone");

let state = { screen: false, people: [], groups: [] };
let me = null; // whose phone it is, a number
let open = null; // the chat that is shown, a key of `keyOf`
let scanning = false;
const texts = []; // {key, from, text}, in order
const known = new Set(); // ids that are shown already
const typing = new Map(); // chat and reader → when it was said

// One conversation has one key, whoever looks at it.
const keyOf = (a, b) => (b.endsWith("@g.us") ? b : [a, b].sort().join("+"));
const owner = () => state.people[0]?.pn;
const nameOf = (pn) => state.people.find((person) => person.pn === pn)?.name ?? pn;

function chats() {
  const others = state.people.filter((person) => person.pn !== me);
  const own = me === owner() ? [{ to: me, key: keyOf(me, me), name: "Note to self" }] : [];
  return [
    ...own,
    ...state.groups.filter((group) => group.members.includes(me)).map((group) => ({ to: group.jid, key: group.jid, name: group.subject })),
    ...others.map((person) => ({ to: person.pn, key: keyOf(me, person.pn), name: person.name })),
  ];
}

function element(name, text, properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  made.textContent = text;
  if (text) made.dir = "auto";
  return made;
}

function draw() {
  const mine = state.people[0];
  $(".people").replaceChildren(...state.people.map((person) => {
    const button = element("button", person.name, { type: "button", onclick: () => become(person.pn) });
    button.setAttribute("role", "radio");
    button.setAttribute("aria-checked", String(person.pn === me));
    return button;
  }));
  $(".state").textContent = scanning ? "Linking…"
    : mine?.linked ? (mine.online ? "NanoClaw is linked and connected." : "NanoClaw is linked, and not connected.")
    : state.screen ? "NanoClaw shows a code. Hold your phone to it." : "NanoClaw shows no code yet.";
  $("#scan").hidden = Boolean(mine?.linked);
  $("#scan").disabled = !state.screen || scanning;
  $("#drop").hidden = $("#revoke").hidden = !mine?.linked;
  $("#drop").disabled = !mine?.online;
  drawChats();
  drawTexts();
}

function drawChats() {
  $("nav").replaceChildren(...chats().map((chat) => {
    const last = texts.findLast((text) => text.key === chat.key);
    const button = element("button", "", { type: "button", onclick: () => show(chat.key) });
    button.append(element("b", chat.name), element("span", last?.text ?? ""));
    button.setAttribute("aria-current", String(chat.key === open));
    return button;
  }));
}

function drawTexts() {
  const chat = chats().find((chat) => chat.key === open);
  phone.classList.toggle("open", Boolean(chat));
  $(".chat h2 span").textContent = chat?.name ?? "";
  $(".chat form").hidden = !chat;
  const shown = texts.filter((text) => text.key === open);
  const rows = shown.map((text) => {
    const row = element("li", "", { className: text.from === me ? "mine" : "" });
    if (text.key.endsWith("@g.us") && text.from !== me) row.append(element("b", nameOf(text.from)));
    row.append(element("span", text.text));
    return row;
  });
  const list = $(".texts");
  list.replaceChildren(...(rows.length ? rows : [element("li", chat ? "Nothing said yet" : "Choose a chat", { className: "none" })]));
  list.scrollTop = list.scrollHeight;
  drawTyping();
}

function drawTyping() {
  const since = typing.get(`${open} ${me}`);
  $(".typing").textContent = since && Date.now() - since < 25_000 ? "typing…" : "";
}

function become(pn) {
  if (me === pn) return;
  me = pn;
  open = matchMedia("(max-width: 599px)").matches ? null : chats()[0]?.key ?? null;
  draw();
}

function show(key) {
  open = key;
  drawChats();
  drawTexts();
  if (key) $("#text").focus();
}

async function call(path, body) {
  const options = body === undefined ? {} : { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) };
  const answer = await fetch(path, options);
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error);
  return value;
}

// A deed of the person at the panel: what goes wrong is said.
async function act(deed) {
  try {
    await deed();
    $("#trouble").textContent = "";
  } catch (trouble) {
    $("#trouble").textContent = trouble.message;
  }
}

$("#scan").onclick = () => act(async () => {
  scanning = true;
  draw();
  try {
    await call(`/panel/scan?pn=${owner()}`, "");
  } finally {
    scanning = false;
  }
});
$("#drop").onclick = () => act(() => call(`/admin/drop?pn=${owner()}`, ""));
$("#revoke").onclick = () => act(() => call(`/admin/revoke?pn=${owner()}`, ""));
$("#back").onclick = () => show(null);
$("form").onsubmit = (event) => {
  event.preventDefault();
  const text = $("#text").value.trim();
  const chat = chats().find((chat) => chat.key === open);
  if (!text || !chat) return;
  $("#text").value = "";
  const from = me;
  act(async () => {
    // A note to self, and what the owner writes anywhere, comes from the owner's phone.
    const sent = from === owner()
      ? await call("/admin/own-phone", { owner: from, chat: chat.to, text })
      : await call("/admin/send", { from, to: chat.to, text });
    known.add(sent.id);
    texts.push({ key: chat.key, from, text });
    drawChats();
    drawTexts();
  });
};

function take(item) {
  const chat = item.chat.endsWith("@g.us") ? item.chat : item.to;
  const key = keyOf(item.from, chat);
  if (item.kind === "chatstate") {
    if (item.type === "composing") typing.set(`${key} ${item.to}`, Date.now());
    else typing.delete(`${key} ${item.to}`);
  }
  if (item.kind === "text") {
    typing.delete(`${key} ${item.to}`);
    // A text to a group comes once for each of its members.
    if (!known.has(item.id)) texts.push({ key, from: item.from, text: item.text });
    known.add(item.id);
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function listen() {
  for (let since = 0; ;) {
    try {
      const page = await call(`/admin/received?since=${since}&wait=25000`);
      since = page.next;
      page.items.forEach(take);
      drawChats();
      if (page.items.some((item) => item.kind === "text")) drawTexts();
      else drawTyping();
    } catch {
      await pause(1000);
    }
  }
}

// Who is linked and what is on the screen is known at the server alone, and it tells nobody: it is looked at once a second.
async function look() {
  for (let before = ""; ; await pause(1000)) {
    try {
      state = await call("/panel/state");
      me ??= owner() ?? null;
      open ??= matchMedia("(max-width: 599px)").matches ? null : chats()[0]?.key ?? null;
      const now = JSON.stringify(state) + scanning;
      if (now !== before) draw();
      before = now;
    } catch {
      $(".state").textContent = "The demo has ended.";
    }
  }
}

look();
listen();
