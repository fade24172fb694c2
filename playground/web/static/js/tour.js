// The guided tour: scenes with steps that notice by themselves when they are done, and when another way was taken.
import { begin as beginAddress, quietly } from "./address.js";
import { go } from "./hands.js";
import { html, useEffect, useRef } from "./lib.js";
import { baseline, looking } from "./look.js";
import { SCENES } from "./scenes.js";
import { keep, kept, order, ownModals, set, show, slack, state, subscribe } from "./store.js";

const GRACE = 1200; // milliseconds: what looks like another way may be the middle of a step

state.tour = { scene: null, step: 0, base: null, seen: [], busy: null, astray: null };
const change = (patch) => set({ tour: { ...state.tour, ...patch } });
const sceneOf = () => SCENES.find((scene) => scene.id === state.tour.scene);
let waiting = null; // the timer of a suspicion

subscribe(() => {
  const { base, step } = state.tour;
  const scene = sceneOf();
  if (!scene || !base || step >= scene.steps.length || !state.topics.slack || !state.topics.truth) return;
  const look = looking(base);
  if (scene.steps[step].done(look)) return step + 1 < scene.steps.length ? reach(scene, step + 1) : finish(scene);
  suspect(() => scene.astray(looking(base), state.tour.step));
});

function reach(scene, step) {
  calm();
  change({ step, astray: null });
  quietly(() => go(scene.steps[step].where));
}

// The last step is done: the scene's claim is checked now, and again if the state arrives a moment later.
function finish(scene) {
  if (!scene.proof(looking(state.tour.base))) {
    return suspect(() => !scene.proof(looking(state.tour.base)) && { why: "Something else happened as well, so that the scene cannot show what it is for." });
  }
  calm();
  change({ step: scene.steps.length, astray: null, seen: [...new Set([...state.tour.seen, scene.id])] });
}

// Shows that another way was taken once it is still so after a moment.
function suspect(find) {
  if (!find()) return state.tour.astray && !state.tour.astray.kept ? (calm(), change({ astray: null })) : calm();
  if (waiting || state.tour.astray) return;
  waiting = setTimeout(() => {
    waiting = null;
    const found = find();
    if (found) change({ astray: found });
  }, GRACE);
}

function calm() {
  clearTimeout(waiting);
  waiting = null;
}

export async function beginScene(scene) {
  calm();
  set({ start: false });
  change({ scene: scene.id, step: 0, base: null, busy: null, astray: null });
  await prepare(scene);
  if (state.tour.scene !== scene.id) return;
  const base = baseline();
  keep("base", { scene: scene.id, ...base, changes: [...base.changes] });
  change({ base });
  await quietly(() => go(scene.steps[0].where));
}

// Returns to what the address says: a scene that this tab began stands where it was, any other one begins.
function restore({ scene, step, seen }) {
  if (seen.length > state.tour.seen.length) change({ seen });
  if (scene === state.tour.scene) return;
  const known = SCENES.find((item) => item.id === scene);
  const base = kept("base", null);
  calm();
  if (!known) return change({ scene: null, astray: null });
  if (base?.scene !== known.id) return void beginScene(known);
  change({ scene: known.id, step: Math.min(step, known.steps.length), astray: null, busy: null, base: { ...base, changes: new Set(base.changes) } });
}

export const openAddress = () => beginAddress(restore);

// Sets the scene: nothing goes wrong, its servers run, and nothing older waits on them.
async function prepare(scene) {
  await order("provider/calm", {});
  for (const view of [...ownModals()].reverse()) await slack("close", { view: view.id }, true);
  const waits = (state.topics.truth?.changes ?? []).filter((item) => item.state === "held");
  for (const item of waits) {
    await order("slack/command", { user: "U0ALICE", channel: "C0OPS", command: "/vps", text: `cancel ${item.id} because the tour begins again` });
  }
  for (const server of state.topics.provider?.servers ?? []) {
    if (scene.needs.includes(server.hostname) && server.state !== "running") {
      await order("provider/change", { server: server.id, status: "running" });
    }
  }
  await settled(() => (state.topics.truth?.changes ?? []).every((item) => item.state !== "held"));
}

function settled(so, limit = 4000) {
  return new Promise((resolve) => {
    const end = setTimeout(finishNow, limit);
    const stop = subscribe(() => so() && finishNow());
    if (so()) finishNow();
    function finishNow() {
      clearTimeout(end);
      stop?.();
      setTimeout(resolve, 300); // late answers of what was cancelled belong before the scene
    }
  });
}

async function help() {
  const scene = sceneOf();
  const at = state.tour.step;
  const step = scene.steps[at];
  if (state.tour.busy === at || !step) return; // a second press of the same step, not the first of the next
  change({ busy: at });
  try {
    await quietly(() => go(step.where));
    await step.act?.(looking(state.tour.base));
  } catch {
    if (state.tour.step === at) change({ astray: { why: "What this step uses is not on the page: something else happened first.", kept: true } });
  }
  if (state.tour.busy === at) change({ busy: null });
}

export function TourButton() {
  const { seen } = state.tour;
  return html`<button type="button" class="button tour-button" id="tour" aria-pressed=${state.start} onClick=${() => leave({ start: true })}>
    Tour${seen.length > 0 ? ` ${seen.length}/${SCENES.length}` : ""}</button>`;
}

function leave(patch) {
  calm();
  set({ ...patch });
  change({ scene: null, astray: null });
}

export function Tour() {
  const now = sceneOf();
  if (!now || state.start) return null;
  return html`<aside class="tour" id="tour-panel" aria-label="Guided tour">
    <div class="row"><h2 class="grow">${now.title}</h2>${" "}
      <button type="button" class="button" id="all-scenes" onClick=${() => leave({ start: true })}>All scenes</button>
      <button type="button" class="button" aria-label="Close the tour" onClick=${() => leave({})}>✕</button></div>
    <${Scene} scene=${now} />
  </aside>`;
}

function Scene({ scene }) {
  const { step, base, busy, astray } = state.tour;
  const done = Boolean(base) && step >= scene.steps.length;
  const look = base && looking(base);
  const here = useRef(null);
  useEffect(() => here.current?.scrollIntoView({ block: "nearest" }), [step]);
  return html`<p class="muted">${scene.about}</p>
    <ol class="steps" aria-live="polite" data-scene-state=${done ? "passed" : astray ? "astray" : base ? "running" : "setting"} data-step=${step}>
      ${base && scene.steps.map((item, at) => html`<li data-number=${at + 1} class=${at < step ? "done" : at === step ? "now" : "later"} ref=${at === step ? here : undefined}
        aria-current=${at === step ? "step" : undefined}>${typeof item.say === "string" ? item.say : item.say(look)}</li>`)}
    </ol>
    ${astray && !done && html`<${Astray} scene=${scene} astray=${astray} />`}
    ${!done && base && !astray && html`<div class="foot">${scene.steps[step]?.act
      ? html`<button type="button" class="button primary" id="do-it" aria-busy=${busy === step} onClick=${help}>Do it for me</button>`
      : html`<p class="muted" role="status">Watching …</p>`}</div>`}
    ${done && html`<p class="passed" role="status"><strong>Checked.</strong> ${scene.checked}</p><${Next} scene=${scene} />`}`;
}

function Astray({ scene, astray }) {
  return html`<div class="astray" role="alert"><p><strong>This went another way.</strong> ${astray.why}</p>
    <div class="foot">${astray.step !== undefined && html`<button type="button" class="button" id="go-on" onClick=${() => reach(scene, astray.step)}>Go on from there</button>`}
      <button type="button" class="button primary" id="again" onClick=${() => beginScene(scene)}>Begin the scene again</button></div></div>`;
}

function Next({ scene }) {
  const next = SCENES[SCENES.indexOf(scene) + 1];
  if (next) return html`<div class="foot"><button type="button" class="button primary" data-scene=${next.id} onClick=${() => beginScene(next)}>Next: ${next.title}</button></div>`;
  return html`<div class="onward"><h3>That was the tour. What next?</h3>
    <ul>
      <li><button type="button" class="button" id="own-task" onClick=${giveTask}>Give the agent a task of your own</button></li>
      <li><button type="button" class="button" id="own-assistant" onClick=${connectOwn}>Connect your own assistant to this playground</button></li>
      <li>Your servers and your Slack: <code>vpsops init</code> asks, tries each answer, and writes the configuration. <code>vpsops slack-simulator</code> stands in for a workspace.</li>
      <li>Who may do what: <code>vpsops policy explain --as agent --operation stop --server db01</code></li>
    </ul></div>`;
}

export function giveTask() {
  leave({ start: false });
  show("panel", "agent");
  setTimeout(() => document.getElementById("task")?.focus(), 100);
}

function connectOwn() {
  show("panel", "agent");
  setTimeout(() => {
    const hosts = document.querySelector(".hosts");
    hosts.open = true;
    hosts.querySelector("summary").focus();
  }, 100);
}
