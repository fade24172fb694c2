// The first screen: what this is, the scenes, and the way past them.
import { html } from "./lib.js";
import { SCENES } from "./scenes.js";
import { set, state } from "./store.js";
import { beginScene, giveTask } from "./tour.js";

export function Start() {
  const next = SCENES.find((scene) => !state.tour.seen.includes(scene.id)) ?? SCENES[0];
  const some = state.tour.seen.length > 0;
  return html`<section class="start" aria-labelledby="start-title">
    <h2 id="start-title" tabindex="-1">People and AI assistants run servers from one place, and no change happens without the yes that it needs.</h2>
    <p>Everything here is the real product, on a simulated Slack and a simulated provider on your machine. Nothing you do costs anything.</p>
    <div class="row wrap">
      <button type="button" class="button primary" id="start" onClick=${() => beginScene(next)}>${some ? `Go on: ${next.title}` : "Start with the first scene"}</button>
      <button type="button" class="button" id="own-task" onClick=${giveTask}>Give the agent a task</button>
      <button type="button" class="button" id="alone" onClick=${() => set({ start: false })}>Look around on my own</button>
    </div>
    <h3>Six scenes, a minute each</h3>
    <ol class="scenes">${SCENES.map((scene) => html`<li><button type="button" class="scene" data-scene=${scene.id} onClick=${() => beginScene(scene)}>
      <strong>${scene.title}</strong><span>${scene.about}</span>${state.tour.seen.includes(scene.id) && html`<span class="tag good">✓ seen</span>`}</button></li>`)}</ol>
  </section>`;
}
