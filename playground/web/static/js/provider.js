// The provider's panel: what the servers really do, and what the world may do to them.
import { Menu } from "./elements.js";
import { html } from "./lib.js";
import { order, state } from "./store.js";

const BEHIND = [
  { value: "running", text: "Set to running" },
  { value: "stopped", text: "Set to stopped" },
  { value: "error", text: "Set to error" },
  { value: "vanish", text: "Let it vanish" },
];

export function ProviderPanel() {
  const board = state.topics.provider;
  if (!board) return html`<div class="panel"><p class="empty">Looking …</p></div>`;
  return html`<div class="panel">
    <p class="lead">A simulated provider that speaks the real API. It does not ask the product: things happen to it, as they do to a real one.</p>
    <div class="row wrap">
      <fieldset class="choice"><legend>Speed of its time</legend>${board.speeds.map((one) => html`<button type="button" class="button" aria-pressed=${board.speed === one}
        data-speed=${one} onClick=${() => order("provider/speed", { speed: one })}>×${one}</button>`)}</fieldset>
      <div class="input"><label for="dialect">API dialect (starts again)</label><select id="dialect" onChange=${(event) => order("provider/speak", { dialect: event.target.value })}>
        ${board.dialects.map((one) => html`<option value=${one} selected=${one === board.dialect}>${one}</option>`)}</select></div>
    </div>
    <h3>Servers</h3>
    <ul class="servers">${board.servers.map(server)}</ul>
    <h3>What can go wrong</h3>
    <div class="troubles">${board.troubles.map((one) => html`<button type="button" class="button" data-trouble=${one.name}
      onClick=${() => order("provider/cause", { trouble: one.name })}>${one.says}</button>`)}</div>
    <div aria-live="polite">${board.armed.length > 0 && html`<ul class="armed">${board.armed.map((one) => html`<li class=${one.spent ? "muted" : ""}>
        ${one.says}: ${one.spent ? "over" : "in force"}, struck ${one.fired} of ${one.matched}</li>`)}</ul>
      <button type="button" class="button" data-trouble="none" onClick=${() => order("provider/calm", {})}>End all faults</button>`}</div>
    <h3>Latest requests it received</h3>
    <div class="table" tabindex="0" role="group" aria-label="Latest requests"><table><thead><tr><th scope="col">Request</th><th scope="col">Answer</th></tr></thead>
      <tbody>${[...board.requests].reverse().map((one) => html`<tr key=${one.seq}><td><code>${one.method} ${short(one.path)}</code>${one.effect && html` <span class="tag good">effect</span>`}</td>
        <td>${one.outcome === "answered" ? one.status : one.outcome}${one.faults.length > 0 && html` <span class="tag bad">${one.faults.join(", ")}</span>`}</td></tr>`)}</tbody></table></div>
  </div>`;
}

const short = (path) => path.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, (id) => `${id.slice(0, 8)}…`);

function server(one) {
  const act = (value) => order("provider/change", { server: one.id, ...(value === "vanish" ? { vanish: true } : { status: value }) });
  return html`<li key=${one.id} data-server=${one.hostname} data-state=${one.state}>
    <span class=${`light ${one.state}`} aria-hidden="true"></span>
    <span class="grow"><strong>${one.hostname}</strong><span class="muted"> ${one.address || "no address yet"}</span></span>
    <span class="tag">${one.state}${one.settles !== null ? ` ${one.settles} s` : ""}</span>
    <${Menu} options=${BEHIND} label=${`Change ${one.hostname} behind everybody's back`} choose=${(option) => act(option.value)} action="behind" />
  </li>`;
}
