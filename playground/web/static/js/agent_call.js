// One call of a tool: what was asked, what the server says meanwhile, what it asks its human, and the result.
import { html, useEffect, useRef } from "./lib.js";
import { SchemaForm } from "./schema_form.js";
import { channelOf, order, set, show, state } from "./store.js";
import { clock } from "./when.js";

const STATES = { running: "under way", asks: "asks its human", done: "answered", failed: "refused", cancelled: "given up" };

// `brief` folds the result away, for a call within a task that has gone on.
export function Call({ call, brief }) {
  const box = useRef(null);
  const waits = held(call);
  useEffect(() => {
    if (call.state !== "asks" && !waits) return;
    box.current.scrollIntoView({ block: "nearest" });
    box.current.querySelector(".question, .waiting")?.scrollIntoView({ block: "nearest" }); // where the whole call does not fit
  }, [call.state, waits?.copies.length]);
  const shown = Object.entries(call.arguments).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return html`<article class=${`call ${call.state}`} data-call=${call.number} data-state=${call.state} data-held=${Boolean(waits)} ref=${box}>
    <p class="row"><strong class="grow">${call.tool}</strong><span class="tag">${waits && call.state !== "asks" ? "waits for people" : STATES[call.state]}</span></p>
    ${!brief && html`<p class="muted">${clock(call.at)}${call.protocol && ` · MCP ${call.protocol}`}</p>`}
    ${shown.length > 0 && html`<pre class="given" tabindex="0" role="group" aria-label=${`Arguments of ${call.tool}, call ${call.number}`}>${shown.join("\n")}</pre>`}
    ${call.state === "asks" && html`<${Question} call=${call} />`}
    ${waits && call.state !== "asks" && html`<${Waiting} change=${waits} />`}
    ${call.progress.length > 0 && ["running", "asks"].includes(call.state) && html`<ul class="progress" aria-label="Progress">${call.progress.slice(-3).map((one) => html`<li>${one}</li>`)}</ul>`}
    ${call.text && (brief ? html`<details><summary>result</summary><${Result} call=${call} /></details>` : html`<${Result} call=${call} />`)}
    ${!brief && call.structured && html`<details><summary>structured content</summary><pre tabindex="0" role="group" aria-label=${`Structured content of call ${call.number}`}>${JSON.stringify(call.structured, null, 2)}</pre></details>`}
    ${["running", "asks"].includes(call.state) && html`<button type="button" class="button" onClick=${() => order("agent/cancel", { number: call.number })}>Give up</button>`}
  </article>`;
}

const Result = ({ call }) => html`<pre class="result" tabindex="0" role="group" aria-label=${`Result of ${call.tool}, call ${call.number}`}>${call.text}</pre>`;

// The change that a call waits with, while it is held for people.
export function held(call) {
  if (!["running", "asks"].includes(call.state)) return undefined;
  const asked = Date.parse(call.at);
  const open = (change) => change.state === "held" && change.actor.kind === "agent" && `vps_${change.operation}` === call.tool && Date.parse(change.created_at) >= asked;
  return (state.topics.truth?.changes ?? []).find(open);
}

// Where people decide what a call waits for.
export function Waiting({ change }) {
  const copy = change.copies.find((item) => channelOf(item.channel));
  const see = () => {
    show("chat");
    set({ channel: copy.channel });
  };
  return html`<div class="waiting row wrap" role="status"><span class="grow">${change.decision === "approve" ? "Another person must approve it in Slack." : "Its human must say yes."}</span>
    ${copy && html`<button type="button" class="button" data-see=${copy.channel} onClick=${see}>Show the card in ${channelOf(copy.channel).kind === "im" ? channelOf(copy.channel).name : `#${channelOf(copy.channel).name}`}</button>`}</div>`;
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
