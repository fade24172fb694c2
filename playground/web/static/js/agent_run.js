// Tasks for the agent: each thought, call, result and question as it happens, with the way to stop it.
import { Call, held } from "./agent_call.js";
import { html, useEffect, useRef, useState } from "./lib.js";
import { keep, kept, order, state, tell } from "./store.js";
import { clock } from "./when.js";

const STATES = { running: "at work", done: "finished", failed: "ended early", stopped: "stopped" };
const TONES = { done: "good", failed: "bad" };

const running = () => (state.topics.runs?.runs ?? []).find((run) => run.state === "running");
export const runCalls = () => (state.topics.runs?.runs ?? []).flatMap((run) => run.steps.map((step) => step.call).filter(Boolean));

export function Tasks() {
  const board = state.topics.runs;
  const [task, setTask] = useState(kept("task", ""));
  if (!board) return null;
  const write = (text) => {
    setTask(text);
    keep("task", text);
  };
  const give = async (text) => {
    const words = text.trim();
    if (!words) return document.getElementById("task").focus();
    if (running()) return tell("The agent has a task already: wait for its end, or stop it.", true);
    write(words);
    await order("agent/task", { task: words });
  };
  return html`<section class="tasks" aria-labelledby="tasks-title">
    <h3 id="tasks-title">Give the agent a task</h3>
    <p class="about">${board.program
      ? html`<span class="tag" data-player="program">${board.program}</span> plays the agent: the program that this playground was started with. What it writes is shown as it is.`
      : html`<span class="tag" data-player="script">scripted</span> No model is configured, so a script plays the agent: it reads simple words, thinks aloud and never guesses. <code>--agent-model</code> puts a model of yours in its place.`}</p>
    <form class="row" onSubmit=${(event) => (event.preventDefault(), give(task))}>
      <label class="hidden" for="task">Task</label>
      <input class="grow" id="task" type="text" maxlength=${board.longest} autocomplete="off" value=${task} placeholder="restart web01, it hangs" onInput=${(event) => write(event.target.value)} />
      <button type="submit" class="button primary" id="give-task">Give task</button>
    </form>
    <ul class="samples" aria-label="Sample tasks">${board.samples.map((sample) => html`<li><button type="button" class="button" data-sample=${sample} onClick=${() => give(sample)}>${sample}</button></li>`)}</ul>
    ${[...board.runs].reverse().map((run, at) => html`<${Run} key=${run.number} run=${run} newest=${at === 0} most=${board.most} />`)}
  </section>`;
}

function Run({ run, newest, most }) {
  const end = useRef(null);
  const calls = run.steps.filter((step) => step.call).length;
  const asks = run.steps.at(-1)?.call?.state === "asks";
  const drawn = useRef(false); // a run that was over when the page opened moves nothing
  useEffect(() => {
    if (newest && (drawn.current || run.state === "running")) end.current?.scrollIntoView({ block: "nearest" });
    drawn.current = true;
  }, [run.steps.length, run.state, asks]);
  const head = html`<strong class="grow">${run.task}</strong><span class=${`tag ${TONES[run.state] ?? ""}`}>${word(run)}</span>
    ${run.state === "running" && html`<button type="button" class="button danger" id="stop-task" aria-label=${`Stop: ${run.task}`} onClick=${() => order("agent/stop", { number: run.number })}>Stop</button>`}`;
  const body = html`<ol class="run-steps" aria-live=${newest ? "polite" : undefined}>
      ${run.steps.map((step, at) => html`<li key=${at} class=${`step-${step.kind}`} data-step=${step.kind}>${step.call ? html`<${Call} call=${step.call} brief=${at < run.steps.length - 1 || run.state === "done"} />` : html`<span class="by-line">${NAMES[step.kind]}</span><p class="text">${step.text}</p>`}</li>`)}
      ${run.state === "running" && !run.steps.at(-1)?.call?.state?.match(/running|asks/) && html`<li class="muted">thinking …</li>`}
      ${run.state === "stopped" && html`<li class="muted">You stopped it. What it had asked people for may still be open: Truth shows it.</li>`}
    </ol>
    <p class="muted" ref=${end}>${clock(run.at)} · ${calls} of at most ${most} calls</p>`;
  if (newest) return html`<article class=${`run ${run.state}`} data-run=${run.number} data-state=${run.state}><p class="row">${head}</p>${body}</article>`;
  return html`<details class=${`run ${run.state}`} data-run=${run.number} data-state=${run.state}><summary class="row">${head}</summary>${body}</details>`;
}

const NAMES = { thought: "thinks", final: "answers", error: "error" };

function word(run) {
  const call = run.state === "running" && run.steps.at(-1)?.call;
  if (call?.state === "asks") return "asks you";
  return call && held(call) ? "waits for people" : STATES[run.state];
}
