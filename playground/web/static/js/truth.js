// The truth: changes, votes, the audit chain and the messages sent, read from the product's own database.
import { html, useEffect, useRef } from "./lib.js";
import { channelOf, nameOf, state } from "./store.js";
import { precise } from "./when.js";

const GOOD = ["succeeded"];
const BAD = ["failed", "denied", "needs_person", "unknown"];
const tone = (name) => (GOOD.includes(name) ? "good" : BAD.includes(name) ? "bad" : "");

export function TruthPanel() {
  const truth = state.topics.truth;
  if (!truth?.chain) return html`<div class="panel"><p class="empty">The database is being opened …</p></div>`;
  return html`<div class="panel">
    <p class="lead">Read from the product's own database as it happens. No message can change it.</p>
    <h3>Changes</h3>
    <div aria-live="polite">${truth.changes.length === 0 && html`<p class="empty">Nothing was asked for yet.</p>`}</div>
    ${truth.changes.map((one, at) => html`<${Change} key=${one.id} change=${one} open=${at === 0} />`)}
    <h3>Audit chain</h3>
    <${Chain} chain=${truth.chain} />
    <h3>Messages, as Slack received them</h3>
    <${Sent} />
  </div>`;
}

function Change({ change, open }) {
  const by = change.actor.kind === "agent" ? `the agent that calls itself “${change.actor.name}” for ${nameOf(String(change.actor.human ?? "").replace(/^slack:/, ""))}` : change.actor.name;
  return html`<details class="change" open=${open} data-change=${change.id} data-state=${change.state}>
    <summary><strong>${change.operation} ${change.hostname}</strong> <span class=${`tag ${tone(change.state)}`}>${change.state.replace("_", " ")}</span></summary>
    <${Trail} change=${change} newest=${open} />
    <dl>
      ${fact("Asked by", by)}
      ${fact("Reason", change.reason)}
      ${fact("Policy", `${change.decision}: ${change.rules.join(", ")}`)}
      ${fact("Votes", change.decision === "approve" ? `${change.approvals} of ${change.needed}` : "")}
      ${change.votes.map((one) => fact(`${one.verdict} by ${one.who}`, [one.reason, one.evidence].filter(Boolean).join(" · ")))}
      ${fact("Cost", change.cost)}
      ${fact("Note", change.note)}
      ${fact("Took", change.seconds === null ? "" : `${change.seconds.toFixed(1)} s`)}
      ${fact("Id", change.id)}
      ${fact("Digest", change.digest.slice(0, 16))}
      ${fact("Messages", change.copies.map((one) => `${purpose(one.purpose)} in ${place(one.channel)}`).join(", "))}
    </dl>
  </details>`;
}

// The events that a reader has to understand at once, in words.
const MEANINGS = {
  outcome_unknown: "No clear answer came. It is looked up at the provider, and not sent again.",
  adopted: "Found at the provider: it took effect once.",
};

// A change's audit trail. While a scene runs, the newest step of the newest change is kept in view.
function Trail({ change, newest }) {
  const last = useRef(null);
  const count = change.trail.length;
  useEffect(() => {
    if (newest && state.tour?.scene) last.current?.scrollIntoView({ block: "nearest" });
  }, [newest, count]);
  return html`<ol class="trail" aria-label=${`Audit trail of ${change.id}`}>${change.trail.map((one, at) => html`<li ref=${at === count - 1 ? last : undefined} data-event=${one.event}
    class=${MEANINGS[one.event] ? "moment" : at === count - 1 ? "latest" : ""}><time class="muted">${precise(one.at * 1000)}</time>${" "}<strong>${one.event.replaceAll("_", " ")}</strong>${one.body.state && one.body.state !== one.event && !MEANINGS[one.event] && html` → ${one.body.state.replaceAll("_", " ")}`}${one.body.by && html` by ${one.body.by.name || one.body.by.id}`}
    ${MEANINGS[one.event] && html`<span class="meaning">${MEANINGS[one.event]}</span>`}</li>`)}</ol>`;
}

// What a stored message is for, in words.
const purpose = (name) => name.replace(/^told:dm:/, "direct message: ").replace(/^told:/, "notice: ").replaceAll("_", " ");

const fact = (label, value) => value && html`<div><dt>${label}</dt><dd>${value}</dd></div>`;
const place = (id) => (channelOf(id)?.name ? `#${channelOf(id).name}` : id);

function Chain({ chain }) {
  const whole = chain.faults.length === 0;
  return html`<p><span class=${`tag ${whole ? "good" : "bad"}`} data-chain=${whole ? "whole" : "broken"}>${whole ? "unbroken" : "broken"}</span>
      ${` ${chain.count} ${chain.count === 1 ? "record" : "records"}, ending in `}<code>${chain.head.slice(0, 12)}</code></p>
    ${chain.faults.map((one) => html`<p class="error">${one}</p>`)}
    <div class="chain-box" tabindex="0" role="group" aria-label="Audit chain"><ol class="chain" reversed>${[...chain.records].reverse().map((one) => html`<li key=${one.seq} value=${one.seq}><time class="muted">${precise(one.at * 1000)}</time>${" "}<strong>${one.event}</strong> <span class="muted">${one.change_id ?? ""}</span> <code>${one.previous.slice(0, 6)}→${one.hash.slice(0, 6)}</code></li>`)}</ol></div>`;
}

export function Sent() {
  const sent = [...(state.topics.sent?.sent ?? [])].reverse();
  if (!sent.length) return html`<p class="empty">None yet.</p>`;
  return html`<div class="sent-box" tabindex="0" role="group" aria-label="Messages"><ol class="sent">${sent.map((one) => html`<li><time class="muted">${precise(one.at)}</time> <code>${one.what}</code>
    <span class="muted"> ${one.channel && place(one.channel)}</span>${!one.ok && html` <span class="tag bad">${one.error}</span>`}
    <span class="words">${one.text}</span></li>`)}</ol></div>`;
}
