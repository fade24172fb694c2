// The rich_text block: sections, lists, quotes, preformatted text, and what stands in them.
import { html } from "./lib.js";
import { link, mention } from "./mrkdwn.js";
import { nameOf, state } from "./store.js";
import { slackDate } from "./when.js";

const PARTS = {
  rich_text_section: (part) => html`<p>${part.elements.map(piece)}</p>`,
  rich_text_quote: (part) => html`<blockquote>${part.elements.map(piece)}</blockquote>`,
  rich_text_preformatted: (part) => html`<pre>${part.elements.map(piece)}</pre>`,
  rich_text_list: (part) => {
    const items = part.elements.map((one) => html`<li>${one.elements.map(piece)}</li>`);
    const deep = `indent-${Math.min(part.indent ?? 0, 5)}`;
    return part.style === "ordered"
      ? html`<ol class=${deep} start=${(part.offset ?? 0) + 1}>${items}</ol>`
      : html`<ul class=${deep}>${items}</ul>`;
  },
};

const PIECES = {
  text: (one) => styled(String(one.text), one.style),
  link: (one) => styled(link(String(one.url), String(one.text ?? one.url)), one.style),
  user: (one) => mention(nameOf(one.user_id)),
  usergroup: (one) => mention(state.world?.groups.find((group) => group.id === one.usergroup_id)?.handle ?? one.usergroup_id),
  channel: (one) =>
    html`<span class="mention">#${state.topics.slack?.channels.find((each) => each.id === one.channel_id)?.name ?? one.channel_id}</span>`,
  broadcast: (one) => html`<span class="mention loud">@${one.range}</span>`,
  emoji: (one) => (one.unicode ? String.fromCodePoint(...one.unicode.split("-").map((hex) => parseInt(hex, 16))) : `:${one.name}:`),
  date: (one) => html`<time>${slackDate(one.timestamp, one.format ?? "{date} {time}", one.fallback ?? "")}</time>`,
  color: (one) => html`<code>${one.value}</code>`,
};

function styled(drawn, style = {}) {
  if (style.code) drawn = html`<code>${drawn}</code>`;
  if (style.bold) drawn = html`<strong>${drawn}</strong>`;
  if (style.italic) drawn = html`<em>${drawn}</em>`;
  if (style.strike) drawn = html`<s>${drawn}</s>`;
  return drawn;
}

const piece = (one) => (PIECES[one.type] ? PIECES[one.type](one) : html`<code class="unknown">${JSON.stringify(one)}</code>`);
const part = (one) => (PARTS[one.type] ? PARTS[one.type](one) : html`<pre class="unknown">${JSON.stringify(one)}</pre>`);

export const richText = (block) => html`<div class="rich">${(block.elements ?? []).map(part)}</div>`;
