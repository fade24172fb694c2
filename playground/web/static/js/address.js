// The place in the page's address: person, channel, panel, scene. Reload and Back return to it.
import { become, set, state, subscribe } from "./store.js";

const NAMES = { user: "as", channel: "in", panel: "beside", front: "front" };
let guided = false; // the tour moves the visitor: no entry of the history for that
let applying = false;

export function place() {
  const read = new URLSearchParams(location.hash.slice(1));
  const found = {};
  for (const [name, short] of Object.entries(NAMES)) if (read.get(short)) found[name] = read.get(short);
  return { ...found, scene: read.get("scene"), step: Number(read.get("step") ?? 0), seen: (read.get("seen") ?? "").split(",").filter(Boolean) };
}

function written() {
  if (state.start) return state.tour?.seen?.length ? `#seen=${state.tour.seen.join(",")}` : "";
  const said = new URLSearchParams();
  for (const [name, short] of Object.entries(NAMES)) said.set(short, state[name]);
  if (state.tour?.scene) {
    said.set("scene", state.tour.scene);
    said.set("step", state.tour.step);
  }
  if (state.tour?.seen?.length) said.set("seen", state.tour.seen.join(","));
  return `#${said}`;
}

const spot = (hash) => hash.replace(/&?(step|seen)=[^&]*/g, "");

function sync() {
  const now = written();
  if (applying || now === location.hash) return;
  const moved = spot(now) !== spot(location.hash) && !guided;
  history[moved ? "pushState" : "replaceState"](null, "", now || location.pathname);
}

// What is done meanwhile moves the visitor without an entry of its own.
export async function quietly(work) {
  guided = true;
  try {
    return await work();
  } finally {
    guided = false;
  }
}

export function begin(restore) {
  apply(restore);
  addEventListener("popstate", () => apply(restore));
  subscribe(sync);
}

function apply(restore) {
  applying = true;
  const { user, scene, step, seen, ...rest } = place();
  const known = state.world.people.some((row) => row.id === user && !row.bot);
  const alone = state.world.kind === "workspace";
  set({ ...rest, start: !alone && !known });
  if (known) become(user);
  restore?.({ scene: known ? scene : null, step, seen });
  applying = false;
}
