// Slack's mrkdwn as elements. Three entities are decoded last, so escaped text can never become markup.
import { html } from "./lib.js";
import { nameOf, state } from "./store.js";
import { slackDate } from "./when.js";

const INLINE = new RegExp(
  [
    "`(?<code>[^`\\n]+)`",
    "<(?<entity>[^<>\\n]*)>",
    "(?<![\\w*])\\*(?<bold>[^\\s*](?:[^*\\n]*[^\\s*])?)\\*(?![\\w*])",
    "(?<![\\w_])_(?<italic>[^\\s_](?:[^_\\n]*[^\\s_])?)_(?![\\w_])",
    "(?<![\\w~])~(?<strike>[^\\s~](?:[^~\\n]*[^\\s~])?)~(?![\\w~])",
  ].join("|"),
  "g",
);

export function mrkdwn(text) {
  return String(text).split("```").map((part, at) => (at % 2 ? html`<pre>${plain(part.replace(/^\n|\n$/g, ""))}</pre>` : lines(part)));
}

function lines(text) {
  const drawn = [];
  text.split("\n").forEach((line, at) => {
    if (at) drawn.push("\n");
    const quoted = line.match(/^(?:&gt;|>)\s?(.*)$/);
    drawn.push(quoted ? html`<q>${inline(quoted[1])}</q>` : inline(line));
  });
  return drawn;
}

function inline(text) {
  const drawn = [];
  let end = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index > end) drawn.push(circles(plain(text.slice(end, found.index))));
    drawn.push(piece(found.groups));
    end = found.index + found[0].length;
  }
  if (end < text.length) drawn.push(circles(plain(text.slice(end))));
  return drawn;
}

function piece({ code, entity, bold, italic, strike }) {
  if (code !== undefined) return html`<code>${plain(code)}</code>`;
  if (entity !== undefined) return entityOf(entity);
  if (bold !== undefined) return html`<strong>${inline(bold)}</strong>`;
  if (italic !== undefined) return html`<em>${inline(italic)}</em>`;
  return html`<s>${inline(strike)}</s>`;
}

function entityOf(text) {
  const [target, label] = split(text, "|");
  if (target.startsWith("@")) return mention(nameOf(target.slice(1)));
  if (target.startsWith("#")) return html`<span class="mention">#${channelName(target.slice(1), label)}</span>`;
  if (target.startsWith("!date^")) return date(target, label);
  if (target.startsWith("!subteam^")) return mention(groupName(target.slice(9), label));
  if (target.startsWith("!")) return html`<span class="mention loud">@${plain(target.slice(1))}</span>`;
  return link(plain(target), plain(label || target));
}

export const mention = (name) => html`<span class="mention">@${plain(name)}</span>`;

function date(target, fallback) {
  const [, seconds, format] = target.split("^");
  return html`<time title=${plain(fallback)}>${slackDate(seconds, format ?? "", plain(fallback))}</time>`;
}

// Only what leads to a page or a mailbox is a link; anything else stays text.
export function link(target, label) {
  if (!/^(https?:\/\/|mailto:)/i.test(target)) return html`<span>${label}</span>`;
  return html`<a href=${target} target="_blank" rel="noopener noreferrer">${label}</a>`;
}

const channelName = (id, label) =>
  state.topics.slack?.channels.find((one) => one.id === id)?.name ?? (plain(label) || plain(id));
const groupName = (id, label) =>
  state.world?.groups.find((one) => one.id === id)?.handle ?? (plain(label).replace(/^@/, "") || plain(id));

function split(text, at) {
  const found = text.indexOf(at);
  return found < 0 ? [text, ""] : [text.slice(0, found), text.slice(found + 1)];
}

export const plain = (text) =>
  String(text ?? "").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

// The circles of a change's state. Slack draws them as its own emoji; here they need no font that has them.
const CIRCLES = { "🟡": "yellow", "🔵": "blue", "🟢": "green", "🔴": "red", "🟠": "orange", "⚪": "white" };

function circles(text) {
  const parts = text.split(/([🟡🔵🟢🔴🟠⚪])/u);
  if (parts.length === 1) return text;
  return parts.map((part) => (CIRCLES[part] ? html`<span class=${`circle ${CIRCLES[part]}`}>${part}</span>` : part));
}

// A text object: plain_text as it is but for circles, mrkdwn drawn.
export function text(object) {
  if (!object || typeof object === "string") return object || "";
  return object.type === "mrkdwn" ? mrkdwn(object.text) : circles(String(object.text ?? ""));
}
