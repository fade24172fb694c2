// Assembles the page and redraws it on every change.
import { AgentPanel } from "./agent.js";
import { runCalls } from "./agent_run.js";
import { Chat } from "./chat.js";
import { CallsPanel, ConnectPanel } from "./connect.js";
import { html, render, useEffect, useState } from "./lib.js";
import { ProviderPanel } from "./provider.js";
import { Start } from "./start.js";
import { become, begin, set, show, state, subscribe } from "./store.js";
import { openAddress, Tour, TourButton } from "./tour.js";
import { TruthPanel } from "./truth.js";

const PLAYGROUND = { agent: ["Agent", AgentPanel], provider: ["Provider", ProviderPanel], truth: ["Truth", TruthPanel] };
const WORKSPACE = { connect: ["Connect", ConnectPanel], calls: ["Calls", CallsPanel] };
const alone = () => state.world.kind === "workspace"; // the simulated workspace without the product
const panels = () => (alone() ? WORKSPACE : PLAYGROUND);
const front = () => (panels()[state.panel] ? state.panel : Object.keys(panels())[0]);

function App() {
  const [, redraw] = useState(0);
  useEffect(() => subscribe(() => redraw((count) => count + 1)), []);
  if (!state.world) return html`<p class="empty">Opening the playground …</p>`;
  if (state.start) return html`${head()}<main class="first"><${Start} /></main><${Notice} />`;
  return html`
    <a class="skip" href=${`#${target()}`} onClick=${skip}>${target() === "home" ? "Skip to Home" : "Skip to the message line"}</a>
    ${head()}
    <main class=${`front-${state.front}`}>
      <${Chat} />
      <section class="side" aria-label="Behind the scenes"><${Tabs} /></section>
    </main>
    <${PhoneBar} /><${Tour} /><${Notice} />`;
}

// The address of the page is the visitor's place, so that a link within the page moves the focus alone.
function skip(event) {
  event.preventDefault();
  show("chat");
  setTimeout(() => document.getElementById(target())?.focus(), 50);
}

const target = () => (state.channel === "home" ? "home" : "composer");

function head() {
  return html`<header class="top">
      <h1>vpsops <span class="muted">${alone() ? "slack-simulator" : "playground"}</span></h1>
      ${!state.start && html`<${People} />`}<${Status} />${!alone() && html`<${TourButton} />`}<${Theme} />
    </header>`;
}

function People() {
  const people = state.world.people.filter((one) => !one.bot);
  return html`<fieldset class="people"><legend>You are</legend>${people.map((one) => html`<button type="button" aria-pressed=${state.user === one.id} data-person=${one.id}
    onClick=${() => become(one.id)}><span class=${`avatar ${one.id}`} aria-hidden="true">${one.real[0]}</span>
    <span><strong>${one.real.split(" ")[0]}</strong><small>${one.role}</small></span></button>`)}</fieldset>`;
}

function Status() {
  const { bot, agent, why, words: said } = state.topics.status;
  const ready = bot === "ready" && agent === "ready" && state.live;
  const words = !state.live ? "not connected" : bot === "failed" || agent === "failed" ? `a part did not start: ${why}` : said ? said : ready ? worldWords() : "starting …";
  return html`<p class=${`status ${ready ? "ready" : ""}`} role="status" data-ready=${ready}><span class="light" aria-hidden="true"></span>${words}</p>`;
}

// The processes are up; what is wrong in their world is said as well.
function worldWords() {
  const wrong = (state.topics.provider?.armed ?? []).filter((row) => !row.spent).length;
  return wrong ? `everything runs, ${wrong} ${wrong === 1 ? "fault is" : "faults are"} set at the provider` : "everything runs";
}

function Tabs() {
  const all = panels();
  const open = front();
  const [, Panel] = all[open];
  const steer = (event) => {
    const names = Object.keys(all);
    const to = names.indexOf(open) + { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!Number.isInteger(to)) return;
    const name = names[(to + names.length) % names.length];
    set({ panel: name });
    document.getElementById(`tab-${name}`).focus();
  };
  return html`<div role="tablist" aria-label="Panels" onKeyDown=${steer}>${Object.entries(all).map(([name, [label]]) => html`<button type="button" role="tab" id=${`tab-${name}`}
      aria-selected=${open === name} aria-controls="panel" tabindex=${open === name ? 0 : -1} data-panel=${name} onClick=${() => show("panel", name)}>${label}${waits(name)}</button>`)}</div>
    <div role="tabpanel" id="panel" key=${open} aria-labelledby=${`tab-${open}`} tabindex="0"><h2 class="hidden">${all[open][0]}</h2><${Panel} /></div>`;
}

// A dot on a tab where something waits for the visitor.
function waits(name) {
  const asks = name === "agent" && [...(state.topics.agent?.calls ?? []), ...runCalls()].some((call) => call.state === "asks");
  return asks && html`<b class="badge" aria-label="asks you">?</b>`;
}

function PhoneBar() {
  const open = front();
  const item = (label, side, panel) => html`<button type="button" data-bar=${panel ?? side} aria-current=${state.front === side && (!panel || open === panel) ? "page" : undefined}
    onClick=${() => show(side, panel)}>${label}${panel && waits(panel)}</button>`;
  return html`<nav class="bar" aria-label="Parts of the page">${item("Chat", "chat")}${Object.entries(panels()).map(([name, [label]]) => item(label, "panel", name))}</nav>`;
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

begin().then(openAddress);
render(html`<${App} />`, document.getElementById("app"));
