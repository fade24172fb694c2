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
};

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
  set({ world: await answer.json() });
  connect();
}

export function become(user) {
  if (user === state.user) return;
  const { slack, ...others } = state.topics;
  set({ user, topics: others });
  connect();
}

function connect() {
  source?.close();
  const mine = new EventSource(`/api/events?user=${encodeURIComponent(state.user)}`);
  source = mine;
  mine.onopen = () => set({ live: true });
  mine.onerror = () => set({ live: false });
  for (const topic of ["status", "slack", "sent", "provider", "truth", "tools", "agent"]) {
    mine.addEventListener(topic, (event) => {
      if (source === mine) set({ topics: { ...state.topics, [topic]: JSON.parse(event.data) } });
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

export function slack(name, body, quiet = false) {
  return order(`slack/${name}`, { user: state.user, ...body }, quiet);
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
