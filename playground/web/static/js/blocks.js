// Block Kit, one function per block. A block not known here shows as itself, never silently.
import { Element, picture, unknown } from "./elements.js";
import { html } from "./lib.js";
import { mrkdwn, text } from "./mrkdwn.js";
import { richText } from "./rich_text.js";

// `surface` is where the blocks stand: who acts there, and with what effect (see surfaces.js).
export function Blocks({ blocks, surface }) {
  return blocks.map((block, at) => html`<${Block} key=${block.block_id ?? at} block=${block} surface=${surface} />`);
}

function Block({ block, surface }) {
  const draw = BLOCKS[block.type] ?? unknown;
  return draw(block, surface);
}

function section(block, surface) {
  return html`<div class="section">
    <div class="grow">
      ${block.text && html`<div class="text">${text(block.text)}</div>`}
      ${block.fields && html`<div class="fields">${block.fields.map((one) => html`<div class="text">${text(one)}</div>`)}</div>`}
    </div>
    ${block.accessory && html`<div class="accessory">${element(block, block.accessory, surface)}</div>`}
  </div>`;
}

const header = (block) => html`<h3 class="header">${text(block.text)}</h3>`;
const divider = () => html`<hr />`;
const context = (block, surface) => html`<div class="context">${block.elements.map((one) => small(block, one, surface))}</div>`;
const small = (block, one, surface) =>
  one.type === "image" ? element(block, one, surface) : html`<span class="text">${text(one)}</span>`;
const actions = (block, surface) => html`<div class="actions">${block.elements.map((one) => element(block, one, surface))}</div>`;

const image = (block) => html`<figure>${block.title && html`<figcaption>${text(block.title)}</figcaption>`}${picture(block)}</figure>`;

function input(block, surface) {
  const id = `${surface.key}-${block.block_id}`;
  const error = surface.errors?.[block.block_id];
  const group = ["checkboxes", "radio_buttons"].includes(block.element?.type);
  const label = html`${text(block.label)}${block.optional && html` <span class="muted">(optional)</span>`}`;
  const about = [block.hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  const control = html`<${Element} block=${block} element=${block.element} surface=${surface} id=${id} about=${about} wrong=${Boolean(error)} />`;
  return html`<div class="input ${error ? "wrong" : ""}">
    ${group ? html`<fieldset><legend>${label}</legend>${control}</fieldset>` : html`<label for=${id}>${label}</label>${control}`}
    ${block.hint && html`<p class="hint" id=${`${id}-hint`}>${text(block.hint)}</p>`}
    ${error && html`<p class="error" role="alert" id=${`${id}-error`}>${error}</p>`}
  </div>`;
}

function table(block, surface) {
  const [head, ...rows] = block.rows ?? [];
  const align = (at) => `align-${block.column_settings?.[at]?.align ?? "left"}`;
  return html`<div class="table" tabindex="0" role="group" aria-label=${caption(block) || "Table"}><table>
    ${caption(block) && html`<caption>${caption(block)}</caption>`}
    ${head && html`<thead><tr>${head.map((one, at) => html`<th scope="col" class=${align(at)}>${cell(one, block, surface)}</th>`)}</tr></thead>`}
    <tbody>${rows.map((row) => html`<tr>${row.map((one, at) => html`<td class=${align(at)}>${cell(one, block, surface)}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

const caption = (block) => (typeof block.caption === "string" ? block.caption : text(block.caption));

function cell(one, block, surface) {
  if (one?.type === "rich_text") return richText(one);
  if (one?.type === "button") return element(block, one, surface);
  return String(one?.text ?? one?.value ?? one ?? "");
}

function element(block, one, surface) {
  return html`<${Element} key=${one.action_id} block=${block} element=${one} surface=${surface} />`;
}

function card(block, surface) {
  return html`<div class="card">
    ${["title", "subtitle", "body"].map((name) => block[name] && html`<div class=${`text ${name}`}>${text(block[name])}</div>`)}
    ${block.actions && actions({ ...block, elements: block.actions }, surface)}
  </div>`;
}

function container(block, surface) {
  const inside = block.type === "carousel" ? block.elements : block.child_blocks;
  return html`<div class=${block.type}>${block.title && html`<h4>${text(block.title)}</h4>`}<${Blocks} blocks=${inside ?? []} surface=${surface} /></div>`;
}

const MARKS = { complete: "✓", in_progress: "…", error: "✗" };

function task(block) {
  return html`<div class="task"><span>${MARKS[block.status] ?? "·"} ${text(block.title)}</span>
    ${["details", "output"].map((name) => block[name] && richText(block[name]))}</div>`;
}

export const BLOCKS = {
  section,
  header,
  divider,
  context,
  actions,
  image,
  input,
  table,
  card,
  container,
  data_table: table,
  context_actions: actions,
  carousel: container,
  rich_text: richText,
  task_card: task,
  plan: (block) => html`<div class="plan"><h4>${text(block.title)}</h4>${(block.tasks ?? []).map(task)}</div>`,
  alert: (block) => html`<div class=${`alert ${block.level ?? ""}`} role="note">${text(block.text)}</div>`,
  markdown: (block) => html`<div class="text">${mrkdwn(block.text)}</div>`,
};
