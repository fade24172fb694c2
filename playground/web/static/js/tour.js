// The guided tour: scenes with steps that notice by themselves when they are done.
import { go } from "./hands.js";
import { html, useEffect, useRef } from "./lib.js";
import { baseline, looking } from "./look.js";
import { SCENES } from "./scenes.js";
import { order, set, slack, state, subscribe, tell } from "./store.js";

state.tour = { open: false, scene: null, step: 0, base: null, passed: {}, busy: null };
const change = (patch) => set({ tour: { ...state.tour, ...patch } });
const sceneOf = () => SCENES.find((one) => one.id === state.tour.scene);

subscribe(() => {
  const { base, step } = state.tour;
  const scene = sceneOf();
  if (!scene || !base || step >= scene.steps.length || !state.topics.slack) return;
  if (!scene.steps[step].done(looking(base))) return;
  const next = step + 1;
  if (next < scene.steps.length) {
    change({ step: next });
    go(scene.steps[next].where);
  } else finish(scene);
});

// The last step is done: the scene's claim is checked now, and again if the state arrives a moment later.
function finish(scene) {
  if (scene.proof(looking(state.tour.base))) change({ step: scene.steps.length, passed: { ...state.tour.passed, [scene.id]: true } });
}

async function begin(scene) {
  change({ scene: scene.id, step: 0, base: null, busy: null, passed: { ...state.tour.passed, [scene.id]: false } });
  await prepare(scene);
  change({ base: baseline() });
  await go(scene.steps[0].where);
}

// Sets the scene: nothing goes wrong, its servers run, and nothing older waits on them.
async function prepare(scene) {
  await order("provider/calm", {});
  for (const view of [...(state.topics.slack?.modals ?? [])].reverse()) await slack("close", { view: view.id }, true);
  const waiting = (state.topics.truth?.changes ?? []).filter((one) => one.state === "held");
  for (const one of waiting) {
    await order("slack/command", { user: "U0ALICE", channel: "C0OPS", command: "/vps", text: `cancel ${one.id} because the tour begins anew` });
  }
  for (const server of state.topics.provider?.servers ?? []) {
    if (scene.needs.includes(server.hostname) && server.state !== "running") {
      await order("provider/change", { server: server.id, status: "running" });
    }
  }
  await settled(() => (state.topics.truth?.changes ?? []).every((one) => one.state !== "held"));
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
    await go(step.where);
    await step.act?.(looking(state.tour.base));
  } catch (error) {
    tell(`The tour could not do it: ${error.message}`, true);
  }
  if (state.tour.busy === at) change({ busy: null });
}

export function TourButton() {
  const { open, passed } = state.tour;
  const count = Object.values(passed).filter(Boolean).length;
  return html`<button type="button" class="button tour-button" id="tour" aria-expanded=${open} aria-controls="tour-panel" onClick=${() => change({ open: !open })}>
    Tour${count > 0 ? ` ${count}/${SCENES.length}` : ""}</button>`;
}

export function Tour() {
  const { open, scene } = state.tour;
  if (!open) return null;
  const now = sceneOf();
  return html`<aside class="tour" id="tour-panel" aria-label="Guided tour">
    <div class="row"><h2 class="grow">${now ? now.title : "Six scenes, five minutes"}</h2>${" "}
      ${scene && html`<button type="button" class="button" id="all-scenes" onClick=${() => change({ scene: null })}>All scenes</button>`}
      <button type="button" class="button" aria-label="Close the tour" onClick=${() => change({ open: false })}>✕</button></div>
    ${now ? html`<${Scene} scene=${now} />` : html`<${List} />`}
  </aside>`;
}

function List() {
  return html`<ol class="scenes">${SCENES.map((one) => html`<li><button type="button" class="button" data-scene=${one.id} onClick=${() => begin(one)}>
    <span class="grow">${one.title}</span>${state.tour.passed[one.id] && html`<span class="tag good">✓ seen</span>`}</button></li>`)}</ol>`;
}

function Scene({ scene }) {
  const { step, base, passed, busy } = state.tour;
  const done = Boolean(passed[scene.id]);
  const look = base && looking(base);
  const here = useRef(null);
  useEffect(() => here.current?.scrollIntoView({ block: "nearest" }), [step]);
  return html`<p class="muted">${scene.about}</p>
    <ol class="steps" aria-live="polite" data-scene-state=${done ? "passed" : base ? "running" : "setting"} data-step=${step}>
      ${base && scene.steps.map((one, at) => html`<li data-number=${at + 1} class=${at < step ? "done" : at === step ? "now" : "later"} ref=${at === step ? here : undefined}
        aria-current=${at === step ? "step" : undefined}>${typeof one.say === "string" ? one.say : one.say(look)}</li>`)}
    </ol>
    ${!done && base && html`<div class="foot">${scene.steps[step]?.act
      ? html`<button type="button" class="button primary" id="do-it" aria-busy=${busy === step} onClick=${help}>Do it for me</button>`
      : html`<p class="muted" role="status">Watching …</p>`}</div>`}
    ${done && html`<p class="passed" role="status"><strong>Checked.</strong> ${scene.checked}</p><div class="foot"><${Next} scene=${scene} /></div>`}`;
}

function Next({ scene }) {
  const next = SCENES[SCENES.indexOf(scene) + 1];
  if (!next) return html`<button type="button" class="button primary" onClick=${() => change({ scene: null })}>That was the tour</button>`;
  return html`<button type="button" class="button primary" data-scene=${next.id} onClick=${() => begin(next)}>Next: ${next.title}</button>`;
}
