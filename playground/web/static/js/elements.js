// Block Kit's interactive elements: native controls, so that keyboards and screen readers know them.
import { External } from "./combobox.js";
import { confirmed } from "./confirm.js";
import { html, useEffect, useRef, useState } from "./lib.js";
import { text } from "./mrkdwn.js";
import { state } from "./store.js";

// What an element shows at first, in the form the workspace takes values in.
const FIRST = {
  selected_option: (one) => one.initial_option?.value,
  selected_options: (one) => one.initial_options?.map((each) => each.value),
  value: (one) => one.initial_value,
};
const FIRST_OF = {
  static_select: FIRST.selected_option,
  external_select: FIRST.selected_option,
  radio_buttons: FIRST.selected_option,
  checkboxes: FIRST.selected_options,
  multi_static_select: FIRST.selected_options,
  multi_external_select: FIRST.selected_options,
  datepicker: (one) => one.initial_date,
  timepicker: (one) => one.initial_time,
  datetimepicker: (one) => one.initial_date_time,
  users_select: (one) => one.initial_user,
  channels_select: (one) => one.initial_channel,
  conversations_select: (one) => one.initial_conversation,
  multi_users_select: (one) => one.initial_users,
};

export function Element({ block, element, surface, id, about, wrong }) {
  const [value, keep] = useState(() => surface.held?.(block, element) ?? (FIRST_OF[element?.type] ?? FIRST.value)(element ?? {}));
  const draw = ELEMENTS[element?.type];
  if (!draw) return unknown(element);
  const pick = (next, quiet = false) => {
    keep(next);
    surface.pick(block, element, next, quiet);
  };
  const name = id ? undefined : text(element.placeholder) || element.action_id;
  const aria = { id, "aria-describedby": about, "aria-invalid": wrong || undefined, "aria-label": name };
  return draw({ block, element, surface, value, pick, aria, needed: Boolean(id) && !block.optional });
}

export function unknown(block) {
  return html`<details class="unknown" open><summary>${block?.type ?? "nothing"}: drawn as it came</summary>
    <pre>${JSON.stringify(block, null, 2)}</pre></details>`;
}

// Nothing is loaded from elsewhere, so a picture shows as its words and its address.
export function picture(image) {
  const inside = String(image.image_url ?? "");
  if (inside.startsWith("data:image/")) return html`<img src=${inside} alt=${image.alt_text ?? ""} />`;
  return html`<span class="picture" role="img" aria-label=${image.alt_text ?? ""} title=${inside}>${image.alt_text || "image"}</span>`;
}

function button({ block, element, surface }) {
  if (element.visible_to_user_ids && !element.visible_to_user_ids.includes(state.user)) return null;
  const label = html`${text(element.text)}`;
  if (element.url) return html`<a class="button" href=${safe(element.url)} target="_blank" rel="noopener noreferrer">${label}</a>`;
  const press = async () => (await confirmed(element.confirm)) && surface.press(block, element);
  return html`<${Pressed} press=${press}>${(busy, go) => html`<button type="button" class=${`button ${element.style ?? ""}`}
    data-action=${element.action_id} aria-label=${element.accessibility_label} aria-busy=${busy} onClick=${go}>${label}</button>`}<//>`;
}

const safe = (url) => (/^https?:\/\//i.test(url) ? url : undefined);

// Shows that a press is on its way, as Slack's clients do.
function Pressed({ press, children }) {
  const [busy, setBusy] = useState(false);
  const there = useRef(true);
  useEffect(() => () => void (there.current = false), []);
  const go = async () => {
    if (busy) return;
    setBusy(true);
    await press();
    if (there.current) setBusy(false);
  };
  return children(busy, go);
}

function overflow({ block, element, surface }) {
  const choose = async (option) => (await confirmed(element.confirm)) && surface.choose(block, element, option.value);
  return html`<${Menu} options=${element.options} label=${`More for ${rowName(block)}`} choose=${choose} action=${element.action_id} />`;
}

// The first words of a row, without markup: they tell its menu from the others.
const rowName = (block) => String(block.text?.text ?? "").split("\n")[0].replace(/[*_`~]|:[a-z_]+:|[●○]/g, "").trim().slice(0, 60) || "this row";

export function Menu({ options, label, choose, action, sign = "⋯" }) {
  const [open, setOpen] = useState(false);
  const box = useRef(null);
  useEffect(() => open && box.current.querySelector("[role=menuitem]")?.focus(), [open]);
  const shut = () => {
    setOpen(false);
    box.current?.querySelector("button")?.focus();
  };
  return html`<div class="menu" ref=${box} onKeyDown=${(event) => open && steer(event, box.current, shut)}
      onFocusOut=${(event) => open && !box.current.contains(event.relatedTarget) && setOpen(false)}>
    <button type="button" class="button" aria-haspopup="menu" aria-expanded=${open} aria-label=${label} data-action=${action}
      onClick=${() => setOpen(!open)}>${sign}</button>
    ${open && html`<div role="menu" aria-label=${label}>${options.map((option) => html`<button type="button" role="menuitem" tabindex="-1"
      data-value=${option.value} onClick=${() => (shut(), choose(option))}>${text(option.text)}</button>`)}</div>`}
  </div>`;
}

function steer(event, box, shut) {
  const items = [...box.querySelectorAll("[role=menuitem]")];
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (to !== undefined) items[(to + items.length) % items.length].focus();
  else if (event.key === "Escape") shut();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function select({ element, value, pick, aria, needed }, options = groups(element), several = false) {
  const change = (event) => pick(several ? [...event.target.selectedOptions].map((one) => one.value) : event.target.value || null);
  return html`<select ...${aria} data-action=${element.action_id} multiple=${several} required=${needed} onChange=${change}>
    ${!several && html`<option value="" selected=${!value} disabled=${needed}>${text(element.placeholder) || "Choose …"}</option>`}
    ${options.map((group) => (group.label ? html`<optgroup label=${group.label}>${group.options.map(one)}</optgroup>` : group.options.map(one)))}
  </select>`;

  function one(option) {
    const chosen = several ? (value ?? []).includes(option.value) : option.value === value;
    const more = option.description ? `: ${text(option.description)}` : "";
    return html`<option value=${option.value} selected=${chosen}>${text(option.text)}${more}</option>`;
  }
}

function groups(element) {
  if (element.option_groups) return element.option_groups.map((one) => ({ label: text(one.label), options: one.options }));
  return [{ options: element.options ?? [] }];
}

const listed = (rows) => [{ options: rows.map(([value, label]) => ({ value, text: label })) }];
const users = () => listed(state.world.people.filter((one) => !one.bot).map((one) => [one.id, one.real]));
const rooms = () => listed(state.topics.slack.channels.filter((one) => one.kind === "public").map((one) => [one.id, `#${one.name}`]));

function typed(type) {
  return ({ block, element, pick, value, aria, needed }) => {
    const held = { ...aria, required: needed, placeholder: text(element.placeholder), maxlength: element.max_length, minlength: element.min_length };
    const change = (event) => pick(event.target.value || null, true);
    const enter = (event) => event.key === "Enter" && block.dispatch_action && (event.preventDefault(), pick(event.target.value || null));
    if (element.multiline) return html`<textarea ...${held} rows="3" data-action=${element.action_id} onInput=${change}>${value ?? ""}</textarea>`;
    return html`<input ...${held} type=${type} step=${type === "number" && element.is_decimal_allowed ? "any" : undefined} value=${value ?? ""}
      min=${element.min_value} max=${element.max_value} data-action=${element.action_id} autocomplete="off" onInput=${change} onKeyDown=${enter} />`;
  };
}

function dated(type, parse = (entered) => entered || null, shown = (value) => value ?? "") {
  return ({ element, value, pick, aria, needed }) =>
    html`<input ...${aria} type=${type} required=${needed} value=${shown(value)} data-action=${element.action_id}
      onChange=${(event) => pick(parse(event.target.value))} />`;
}

function boxes(type) {
  return ({ block, element, surface, value, pick, aria }) => {
    const several = type === "checkbox";
    const has = (option) => (several ? (value ?? []).includes(option.value) : value === option.value);
    const change = (option, on) => pick(several ? toggled(value ?? [], option.value, on) : option.value);
    return html`<div class="boxes" aria-describedby=${aria["aria-describedby"]}>${element.options.map((option) => html`<label>
      <input type=${type} name=${`${surface.key}-${block.block_id}-${element.action_id}`} checked=${has(option)}
        onChange=${(event) => change(option, event.target.checked)} />
      <span>${text(option.text)}${option.description && html`<small>${text(option.description)}</small>`}</span></label>`)}</div>`;
  };
}

const toggled = (values, value, on) => (on ? [...values, value] : values.filter((one) => one !== value));

function feedback({ block, element, surface }) {
  return ["positive_button", "negative_button"].map((name) => element[name] && html`<button type="button" class="button"
    onClick=${() => surface.press(block, element)}>${text(element[name].text)}</button>`);
}

const localTime = (seconds) => (seconds ? new Date(seconds * 1000 - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 16) : "");
const epoch = (entered) => (entered ? Math.floor(new Date(entered).getTime() / 1000) : null);

export const ELEMENTS = {
  button,
  overflow,
  workflow_button: button,
  icon_button: button,
  feedback_buttons: feedback,
  image: ({ element }) => picture(element),
  static_select: (given) => select(given),
  multi_static_select: (given) => select(given, groups(given.element), true),
  external_select: (given) => html`<${External} ...${given} />`,
  multi_external_select: (given) => html`<${External} ...${{ ...given, pick: (value) => given.pick([value]) }} />`,
  users_select: (given) => select(given, users()),
  multi_users_select: (given) => select(given, users(), true),
  channels_select: (given) => select(given, rooms()),
  multi_channels_select: (given) => select(given, rooms(), true),
  conversations_select: (given) => select(given, rooms()),
  multi_conversations_select: (given) => select(given, rooms(), true),
  plain_text_input: typed("text"),
  email_text_input: typed("email"),
  url_text_input: typed("url"),
  number_input: typed("number"),
  datepicker: dated("date"),
  timepicker: dated("time"),
  datetimepicker: dated("datetime-local", epoch, localTime),
  checkboxes: boxes("checkbox"),
  radio_buttons: boxes("radio"),
};
