// A form from a JSON Schema: for a tool's arguments, and for what a server asks an agent's human.
import { html, useState } from "./lib.js";

export function SchemaForm({ id, schema, submit, label, children }) {
  const fields = Object.entries(schema?.properties ?? {});
  const [values, setValues] = useState(() => defaults(fields));
  const [wrong, setWrong] = useState("");
  const send = (event) => {
    event.preventDefault();
    const read = readAll(fields, values);
    setWrong(read.wrong ?? "");
    if (!read.wrong) submit(read.content);
  };
  return html`<form class="schema" onSubmit=${send} data-form=${id}>
    ${fields.map(([name, field]) => html`<${Field} key=${name} id=${`${id}-${name}`} name=${name} field=${field} value=${values[name]}
      needed=${(schema.required ?? []).includes(name)} change=${(value) => setValues({ ...values, [name]: value })} />`)}
    ${wrong && html`<p class="error" role="alert">${wrong}</p>`}
    <div class="foot">${children}<button type="submit" class="button primary">${label}</button></div>
  </form>`;
}

function Field({ id, name, field, value, needed, change }) {
  const hint = [field.description, limits(field)].filter(Boolean).join("; ");
  const common = { id, name, "aria-describedby": hint ? `${id}-hint` : undefined };
  const label = html`<label for=${id}>${field.title ?? name}${needed ? html`<span class="muted"> needed</span>` : ""}</label>`;
  const note = hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`;
  if (kind(field) === "boolean") {
    return html`<div class="input tick"><input ...${common} type="checkbox" checked=${value === true} onChange=${(event) => change(event.target.checked)} />${label}${note}</div>`;
  }
  return html`<div class="input">${label}${control(field, common, value, needed, change)}${note}</div>`;
}

function control(field, common, value, needed, change) {
  const typed = { ...common, required: needed, value: value ?? "", onInput: (event) => change(event.target.value) };
  if (field.enum) {
    return html`<select ...${common} required=${needed} onChange=${(event) => change(event.target.value)}>
      <option value="" selected=${!value}>Choose …</option>
      ${field.enum.map((one) => html`<option value=${one} selected=${one === value}>${one}</option>`)}</select>`;
  }
  if (kind(field) === "array") return html`<textarea ...${typed} rows="2" placeholder="one a line"></textarea>`;
  if (kind(field) === "object") return html`<textarea ...${typed} rows="3" placeholder="JSON"></textarea>`;
  if (["integer", "number"].includes(kind(field))) {
    return html`<input ...${typed} type="number" min=${field.minimum} max=${field.maximum} step=${kind(field) === "integer" ? 1 : "any"} />`;
  }
  return html`<input ...${typed} type="text" maxlength=${field.maxLength} pattern=${field.pattern} autocomplete="off" />`;
}

const kind = (field) => (Array.isArray(field.type) ? field.type.find((one) => one !== "null") : (field.type ?? "object"));

function limits(field) {
  const said = [];
  if (field.minimum !== undefined || field.maximum !== undefined) said.push(`${field.minimum ?? ""} to ${field.maximum ?? ""}`);
  if (kind(field) === "array") said.push("a list");
  return said.join(", ");
}

const defaults = (fields) => Object.fromEntries(fields.map(([name, field]) => [name, field.default ?? (kind(field) === "boolean" ? false : "")]));

// What is left empty is left out, so that the tool's own defaults hold.
function readAll(fields, values) {
  const content = {};
  for (const [name, field] of fields) {
    const value = values[name];
    if (kind(field) === "boolean") content[name] = value === true;
    else if (value !== "" && value !== undefined) {
      try {
        content[name] = convert(field, value);
      } catch {
        return { wrong: `${name}: that is not JSON.` };
      }
    }
  }
  return { content };
}

function convert(field, value) {
  if (["integer", "number"].includes(kind(field))) return Number(value);
  if (kind(field) === "array") return String(value).split("\n").map((one) => one.trim()).filter(Boolean);
  return kind(field) === "object" ? JSON.parse(value) : value;
}
