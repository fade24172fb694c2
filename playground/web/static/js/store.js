// What the page knows, and its two ways to the server: events in, orders out.

export const state = {
  world: null, // people, commands, MCP hosts: does not change while a playground runs
  user: "U0ALICE",
  channel: "C0OPS",
  panel: "agent", // beside the chat; on a phone instead of it
  front: "chat", // a phone shows the chat or the panel
  live: false,
  topics: { status: { bot: "starting", agent: "starting", why: "" } },
  read: {}, // per person and channel: the newest message seen
  notice: null,
  start: false, // the first screen, before anything was chosen
  typed: kept("typed", {}), // per person and channel: the commands that were typed on this page
  forms: kept("forms", []), // the forms that this page opened: a form is open where it was opened
};

// What a tab keeps over a reload.
export function kept(name, otherwise) {
  try {
    return JSON.parse(sessionStorage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export const keep = (name, value) => sessionStorage.setItem(name, JSON.stringify(value));

const listeners = new Set();
let pending = false;
let source = null;

export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function set(patch) {
  Object.assign(state, patch);
  if (pending) return;
  pending = true;
  queueMicrotask(() => {
    pending = false;
    for (const listener of listeners) listener(state);
  });
}

export async function begin() {
  const answer = await fetch("/api/world");
  set({ world: await answer.json(), start: false });
  connect();
}

export function become(user) {
  if (user === state.user) return;
  for (const view of ownModals()) if (!view.submit) slack("close", { view: view.id }, true); // it has said what it had to
  const { slack: _, ...others } = state.topics;
  set({ user, topics: others });
  connect();
}

function connect() {
  source?.close();
  const mine = new EventSource(`/api/events?user=${encodeURIComponent(state.user)}`);
  source = mine;
  mine.onopen = () => set({ live: true });
  mine.onerror = () => set({ live: false });
  for (const topic of ["status", "slack", "sent", "provider", "truth", "tools", "agent", "runs"]) {
    mine.addEventListener(topic, (event) => {
      if (source !== mine) return;
      const content = JSON.parse(event.data);
      if (topic === "slack") claim(content);
      set({ topics: { ...state.topics, [topic]: content } });
    });
  }
}

// Carries out an order; a refusal is shown to the reader, unless `quiet`. The answer's `ok` is the result.
export async function order(path, body, quiet = false) {
  let answer;
  try {
    const sent = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    answer = await (await fetch(`/api/${path}`, sent)).json();
  } catch {
    answer = { ok: false, error: "The playground does not answer. Is it still running?" };
  }
  if (!answer.ok && !quiet) tell(words(answer), true);
  return answer;
}

const TRIGGER = 4000; // milliseconds: a trigger is good for three seconds, and its form is drawn a moment later
let acted = 0;
const elsewhere = new Set(); // forms that came while nothing was done here

export async function slack(name, body, quiet = false) {
  acted = Date.now();
  const answer = await order(`slack/${name}`, { user: state.user, ...body }, quiet);
  acted = Date.now();
  return answer;
}

// A form is of this page if it came while something done here could open it, and the forms on top of it are too.
function claim(screen) {
  const fresh = screen.modals.map((view) => view.root_view_id).filter((root) => !state.forms.includes(root) && !elsewhere.has(root));
  if (!fresh.length) return;
  if (Date.now() - acted > TRIGGER) return fresh.forEach((root) => elsewhere.add(root));
  set({ forms: [...state.forms, ...fresh].slice(-20) });
  keep("forms", state.forms);
}

export const ownModals = () => (state.topics.slack?.modals ?? []).filter((view) => state.forms.includes(view.root_view_id));

export const typedIn = (channel) => state.typed[`${state.user}/${channel}`] ?? [];

export function noteTyped(channel, text) {
  const key = `${state.user}/${channel}`;
  const line = { ts: (Date.now() / 1000).toFixed(6), typed: text };
  set({ typed: { ...state.typed, [key]: [...typedIn(channel), line].slice(-40) } });
  keep("typed", state.typed);
}

// The messages of Slack's own clients when an app does not answer as it should.
const SAID = {
  operation_timeout: "The app did not answer within three seconds (operation_timeout).",
  dispatch_failed: "The app could not be reached (dispatch_failed).",
  trouble_connecting: "We had some trouble connecting. Try again?",
};

function words(answer) {
  return SAID[answer.error] ?? String(answer.error ?? "That did not work.");
}

export function tell(text, bad = false) {
  const notice = { text, bad, at: Date.now() };
  set({ notice });
  setTimeout(() => state.notice === notice && set({ notice: null }), bad ? 9000 : 4000);
}

export function show(front, panel) {
  set({ front, ...(panel ? { panel } : {}) });
}

export const person = (id) => state.world?.people.find((one) => one.id === id);
export const nameOf = (id) => person(id)?.name ?? String(id ?? "");
// The app's shortcuts of a kind, as a menu's entries.
export const offered = (type) =>
  (state.world?.shortcuts ?? []).filter((one) => one.type === type).map((one) => ({ text: { type: "plain_text", text: one.name }, value: one.callback_id }));
export const channels = () => state.topics.slack?.channels ?? [];
export const channelOf = (id) => channels().find((one) => one.id === id);
