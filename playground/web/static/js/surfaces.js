// Where blocks stand, and what acting there means: a message, a modal, or the home tab.
import { slack } from "./store.js";

export function onMessage(channel, message) {
  return acting({ channel, ts: message.ts }, `m${message.ts.replace(".", "-")}`);
}

export function onHome(view) {
  return acting({ view: view.id }, view.id);
}

// A modal keeps what is entered until it is submitted; `values` goes by block.
export function onModal(view, values) {
  const at = { view: view.id };
  return {
    ...acting(at, view.id),
    errors: view.errors,
    held: (block, element) => values.get(block.block_id)?.[element.action_id],
    pick: async (block, element, value, quiet) => {
      values.set(block.block_id, { ...values.get(block.block_id), [element.action_id]: value });
      if (quiet || (block.type === "input" && !block.dispatch_action)) return;
      await slack("fill", { view: view.id, values: entered(values) });
      await slack("select", { ...at, ...named(block, element), value: value ?? null });
    },
  };
}

// What was entered, by the name the workspace knows an input under.
export function entered(values) {
  const found = {};
  for (const [block, elements] of values) {
    for (const [action, value] of Object.entries(elements)) {
      found[Object.keys(elements).length > 1 ? action : block] = typeof value === "number" ? String(value) : value;
    }
  }
  return found;
}

function acting(at, key) {
  return {
    key,
    press: (block, element) => slack("click", { ...at, ...named(block, element) }),
    choose: (block, element, value) => slack("select", { ...at, ...named(block, element), value }),
    pick: (block, element, value, quiet) => !quiet && slack("select", { ...at, ...named(block, element), value: value ?? null }),
    options: (block, element, text) => slack("options", { ...at, ...named(block, element), text }),
  };
}

const named = (block, element) => ({ action_id: element.action_id, block: block.block_id });
