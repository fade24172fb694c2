// The live state for a scene, and its changes since the scene began.
import { ownModals, state } from "./store.js";

const board = () => state.topics.provider ?? { effects: [], armed: [], servers: [] };
const truth = () => state.topics.truth ?? { changes: [], chain: null };
const calls = () => state.topics.agent?.calls ?? [];
const all = () => (state.topics.slack?.channels ?? []).flatMap((one) => one.messages.map((message) => ({ ...message, channel: one.id })));

export function baseline() {
  return {
    ts: `${(Date.now() / 1000).toFixed(6)}`,
    changes: new Set(truth().changes.map((one) => one.id)),
    effect: Math.max(0, ...board().effects.map((one) => one.seq)),
    call: Math.max(0, ...calls().map((one) => one.number)),
    fresh: freshName(),
  };
}

function freshName() {
  const taken = new Set(board().servers.map((one) => one.hostname));
  for (let number = 7; ; number += 1) {
    const name = `app${String(number).padStart(2, "0")}.example.com`;
    if (!taken.has(name)) return name;
  }
}

export function looking(base) {
  const since = (channel) => all().filter((one) => one.channel === channel && one.ts > base.ts);
  const effects = () => board().effects.filter((one) => one.seq > base.effect);
  return {
    user: state.user,
    fresh: base.fresh,
    board,
    mine: (channel, user = state.user) => since(channel).filter((one) => one.shown_to === user),
    shared: (channel) => since(channel).filter((one) => !one.shown_to),
    modal: () => ownModals().at(-1),
    change: (operation) => truth().changes.find((one) => one.operation === operation && !base.changes.has(one.id)),
    call: (tool) => calls().findLast((one) => one.tool === tool && one.number > base.call),
    effects: (operation, hostname) =>
      operation === undefined ? effects() : effects().filter((one) => one.operation === operation && one.hostname === hostname).length,
    chainWhole: () => truth().chain?.faults.length === 0,
  };
}
