// The agent's panel: a task for it, the real server's tools with a form for each, and what becomes of the calls.
import { Call } from "./agent_call.js";
import { Tasks } from "./agent_run.js";
import { html, useState } from "./lib.js";
import { SchemaForm } from "./schema_form.js";
import { order, state, tell } from "./store.js";

export function AgentPanel() {
  const { tools = [], protocol } = state.topics.tools ?? {};
  const calls = state.topics.agent?.calls ?? [];
  const [chosen, choose] = useState("vps_stop");
  const [era, setEra] = useState("auto");
  const tool = tools.find((one) => one.name === chosen) ?? tools[0];
  const call = (given) => order("agent/call", { tool: tool.name, arguments: given, era });
  return html`<div class="panel">
    <p class="lead">An assistant connected to the real MCP server, on behalf of Alice. What it asks for is held as a real host's would be.</p>
    <${Tasks} />
    <h3>Or call a tool yourself</h3>
    ${tool
      ? html`<div class="row">
          <div class="input grow"><label for="tool">Tool</label><select id="tool" onChange=${(event) => choose(event.target.value)}>
            ${tools.map((one) => html`<option value=${one.name} selected=${one.name === tool.name}>${one.name}</option>`)}</select></div>
          <div class="input"><label for="era">Protocol</label><select id="era" onChange=${(event) => setEra(event.target.value)}>
            <option value="auto" selected=${era === "auto"}>${protocol || "newest"}</option>
            <option value="legacy" selected=${era === "legacy"}>older (handshake)</option></select></div>
        </div>
        <p class="about">${tool.description} ${hints(tool.annotations)}</p>
        <${SchemaForm} key=${tool.name} id=${tool.name} schema=${tool.inputSchema} submit=${call} label=${`Call ${tool.name}`} />`
      : html`<p class="empty">${state.topics.status.agent === "failed" ? "The MCP server did not start." : "The MCP server is starting …"}</p>`}
    <h3>Calls</h3>
    <div aria-live="polite" class="calls">
      ${calls.length === 0 && html`<p class="empty">None yet.</p>`}
      ${[...calls].reverse().map((one) => html`<${Call} key=${one.number} call=${one} />`)}
    </div>
    <${Hosts} />
  </div>`;
}

function hints(given = {}) {
  const said = given.readOnlyHint ? "reads only" : given.destructiveHint ? "interrupts" : "changes something";
  return html`<span class=${`tag ${given.destructiveHint ? "bad" : ""}`}>${said}</span>`;
}

function Hosts() {
  const copy = async (text) => {
    await navigator.clipboard.writeText(text);
    tell("Copied.");
  };
  return html`<details class="hosts"><summary>Connect a real MCP host to this playground</summary>
    <p>The address is <code>${state.world.mcp}</code>, for as long as this playground runs. It serves this machine only.</p>
    ${state.world.hosts.map((one) => {
      const text = typeof one.config === "string" ? one.config : JSON.stringify(one.config, null, 2);
      return html`<h4>${one.host}</h4><p class="muted">${one.where}</p>
        <pre tabindex="0">${text}</pre><button type="button" class="button" onClick=${() => copy(text)}>Copy for ${one.host}</button>`;
    })}
  </details>`;
}
