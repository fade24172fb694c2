// Assembles the page and redraws it on every change.
import { AgentPanel } from "./agent.js";
import { Chat } from "./chat.js";
import { html, render, useEffect, useState } from "./lib.js";
import { ProviderPanel } from "./provider.js";
import { become, begin, set, show, state, subscribe } from "./store.js";
import { Tour, TourButton } from "./tour.js";
import { TruthPanel } from "./truth.js";

const PANELS = { agent: ["Agent", AgentPanel], provider: ["Provider", ProviderPanel], truth: ["Truth", TruthPanel] };

function App() {
  const [, redraw] = useState(0);
  useEffect(() => subscribe(() => redraw((count) => count + 1)), []);
  if (!state.world) return html`<p class="empty">Opening the playground …</p>`;
  return html`
    <header class="top">
      <h1>vpsops <span class="muted">playground</span></h1>
      <${People} /><${Status} /><${TourButton} /><${Theme} />
    </header>
    <main class=${`front-${state.front}`}>
      <${Chat} />
      <section class="side" aria-label="Behind the scenes"><${Tabs} /></section>
    </main>
    <${PhoneBar} /><${Tour} /><${Notice} />`;
}

function People() {
  const people = state.world.people.filter((one) => !one.bot);
  return html`<fieldset class="people"><legend>You are</legend>${people.map((one) => html`<button type="button" aria-pressed=${state.user === one.id} data-person=${one.id}
    onClick=${() => become(one.id)}><span class=${`avatar ${one.id}`} aria-hidden="true">${one.real[0]}</span>
    <span><strong>${one.real.split(" ")[0]}</strong><small>${one.role}</small></span></button>`)}</fieldset>`;
}

function Status() {
  const { bot, agent, why } = state.topics.status;
  const ready = bot === "ready" && agent === "ready" && state.live;
  const words = !state.live ? "not connected" : bot === "failed" || agent === "failed" ? `a part did not start: ${why}` : ready ? "everything runs" : "starting …";
  return html`<p class=${`status ${ready ? "ready" : ""}`} role="status" data-ready=${ready}><span class="light" aria-hidden="true"></span>${words}</p>`;
}

function Tabs() {
  const [, Panel] = PANELS[state.panel];
  const steer = (event) => {
    const names = Object.keys(PANELS);
    const to = names.indexOf(state.panel) + { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!Number.isInteger(to)) return;
    const name = names[(to + names.length) % names.length];
    set({ panel: name });
    document.getElementById(`tab-${name}`).focus();
  };
  return html`<div role="tablist" aria-label="Panels" onKeyDown=${steer}>${Object.entries(PANELS).map(([name, [label]]) => html`<button type="button" role="tab" id=${`tab-${name}`}
      aria-selected=${state.panel === name} aria-controls="panel" tabindex=${state.panel === name ? 0 : -1} data-panel=${name} onClick=${() => show("panel", name)}>${label}${waits(name)}</button>`)}</div>
    <div role="tabpanel" id="panel" aria-labelledby=${`tab-${state.panel}`} tabindex="0"><${Panel} /></div>`;
}

// A dot on a tab where something waits for the visitor.
function waits(name) {
  const asks = name === "agent" && (state.topics.agent?.calls ?? []).some((one) => one.state === "asks");
  return asks && html`<b class="badge" aria-label="asks you">?</b>`;
}

function PhoneBar() {
  const item = (label, front, panel) => html`<button type="button" data-bar=${panel ?? front} aria-current=${state.front === front && (!panel || state.panel === panel) ? "page" : undefined}
    onClick=${() => show(front, panel)}>${label}${panel && waits(panel)}</button>`;
  return html`<nav class="bar" aria-label="Parts of the page">${item("Chat", "chat")}${Object.entries(PANELS).map(([name, [label]]) => item(label, "panel", name))}</nav>`;
}

const THEMES = { auto: "System", light: "Light", dark: "Dark" };

function Theme() {
  const [theme, setTheme] = useState(localStorage.getItem("theme") ?? "auto");
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("theme", theme);
  }, [theme]);
  return html`<label class="theme"><span class="hidden">Colours</span><select onChange=${(event) => setTheme(event.target.value)}>
    ${Object.entries(THEMES).map(([value, label]) => html`<option value=${value} selected=${value === theme}>${label}</option>`)}</select></label>`;
}

function Notice() {
  return html`<div class="notices" role="alert">${state.notice && html`<p class=${state.notice.bad ? "bad" : ""}>${state.notice.text}</p>`}</div>`;
}

begin();
render(html`<${App} />`, document.getElementById("app"));
