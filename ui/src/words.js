// Times in words, and the few words that belong to the page itself. What is said about a state comes with the view.

/** @import { Line } from "../types" */

export const WORDS = {
  skip: "Skip to the content",
  pages: "Pages",
  waitTitle: "Starting…",
  waitText: "NanoClaw is looking at WhatsApp, Kiro and Docker.",
  lostTitle: "NanoClaw is not answering",
  lostText: "This window has lost contact with the part that works. It tries again each second.",
  runningNow: "Running now",
  waiting: "Waiting",
  inThisOrder: "in this order",
  running: "Running",
  runningCount: "running",
  start: "Start one by hand",
  startHint: "the next message is then answered at once",
  place: "Where they run",
  folders: "Container and folders",
  container: "Container",
  howToLink: "How to link",
  scan: "Scan a code",
  byPhone: "Use a phone number",
  orByPhone: "Or use a phone number",
  qr: "QR code to scan with WhatsApp on your phone",
  qrOver: "The next code is on its way.",
  codeOver: "This code has run out.",
  building: "Building the agent image",
  qrShown: "A code to scan is shown.",
  codeShown: "A code to type on your phone is shown.",
  tenSeconds: "10 seconds left.",
  copy: "Copy",
  copied: "Copied",
  notCopied: "This could not be copied",
  copyByHand: "Select it and copy it by hand.",
  cancel: "Cancel",
  close: "Close",
};

/** "14 s", "3 min", "4 h 24 min", "1 day 22 h". @param {number} seconds */
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  const [m, h, d] = [Math.floor(s / 60), Math.floor(s / 3600), Math.floor(s / 86400)];
  if (s < 60) return `${s} s`;
  if (h < 1) return `${m} min`;
  if (d < 1) return m % 60 ? `${h} h ${m % 60} min` : `${h} h`;
  const days = d === 1 ? "1 day" : `${d} days`;
  return d < 3 && h % 24 ? `${days} ${h % 24} h` : days;
}

/** The first unit alone, for columns. @param {string} since @param {number} now */
export function age(since, now) {
  return span((now - Date.parse(since)) / 1000).split(" ").slice(0, 2).join(" ");
}

/** Seconds until a moment, none below zero. @param {string} at @param {number} now */
export function left(at, now) {
  return Math.max(0, Math.ceil((Date.parse(at) - now) / 1000));
}

/** "1:42". @param {number} seconds */
export function clockLeft(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** "today at 13:00", "Wed 13 May at 09:30", in this computer's zone. @param {string} at @param {number} now */
export function moment(at, now) {
  const [then, today] = [new Date(at), new Date(now)];
  const midnight = (/** @type {Date} */ day) => Date.UTC(day.getFullYear(), day.getMonth(), day.getDate());
  const days = (midnight(then) - midnight(today)) / 86_400_000;
  const near = { "-1": "yesterday", "0": "today", "1": "tomorrow" }[String(days)];
  const day = near ?? then.toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short" }).replace(",", "");
  return `${day} at ${then.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}`;
}

/** A sentence with its time put in. @param {Line} line @param {number} now */
export function said(line, now) {
  if (line.at === null) return line.text;
  const at = line.at;
  const seconds = left(at, now);
  return line.text.replace(/\{(in|when)\}/, (_, kind) => {
    if (kind === "when") return moment(at, now);
    return seconds > 0 ? `in ${span(seconds)}` : "now";
  });
}
