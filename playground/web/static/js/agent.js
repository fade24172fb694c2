// The agent's panel: the real server's tools, a form for each, and what becomes of the calls.
import { html, useState } from "./lib.js";
import { SchemaForm } from "./schema_form.js";
import { order, state, tell } from "./store.js";
import { clock } from "./when.js";

const STATES = { running: "under way", asks: "asks its human", done: "answered", failed: "refused", cancelled: "given up" };

export function AgentPanel() {
  const { tools = [], protocol } = state.topics.tools ?? {};
  const calls = state.topics.agent?.calls ?? [];
  const [chosen, choose] = useState("vps_stop");
  const [era, setEra] = useState("auto");
  const tool = tools.find((one) => one.name === chosen) ?? tools[0];
  const call = (given) => order("agent/call", { tool: tool.name, arguments: given, era });
  return html`<div class="panel">
    <p class="lead">An assistant connected to the real MCP server, on behalf of Alice. What it asks for is held as a real host's would be.</p>
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

function Call({ call }) {
  const shown = Object.entries(call.arguments).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return html`<article class=${`call ${call.state}`} data-call=${call.number} data-state=${call.state}>
    <p class="row"><strong class="grow">${call.tool}</strong><span class="tag">${STATES[call.state]}</span></p>
    <p class="muted">${clock(call.at)}${call.protocol && ` · MCP ${call.protocol}`}</p>
    ${shown.length > 0 && html`<pre>${shown.join("\n")}</pre>`}
    ${call.state === "asks" && html`<${Question} call=${call} />`}
    ${call.progress.length > 0 && html`<ul class="progress" aria-label="Progress">${call.progress.slice(-3).map((one) => html`<li>${one}</li>`)}</ul>`}
    ${call.text && html`<pre class="result">${call.text}</pre>`}
    ${call.structured && html`<details><summary>structured content</summary><pre>${JSON.stringify(call.structured, null, 2)}</pre></details>`}
    ${["running", "asks"].includes(call.state) && html`<button type="button" class="button" onClick=${() => order("agent/cancel", { number: call.number })}>Give up</button>`}
  </article>`;
}

function Question({ call }) {
  const answer = (action, content = {}) => order("agent/answer", { number: call.number, action, content });
  return html`<div class="question" role="group" aria-label="The server asks the agent's human">
    <p class="text">${call.question.message}</p>
    <${SchemaForm} id=${`answer-${call.number}`} schema=${call.question.schema} submit=${(content) => answer("accept", content)} label="Send answer">
      <button type="button" class="button" onClick=${() => answer("decline")}>Decline</button>
    <//>
  </div>`;
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
