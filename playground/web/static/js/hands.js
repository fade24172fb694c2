// The tour's hands: they use the page's own controls, as a visitor would.
import { become, set, show } from "./store.js";

const PAUSE = 70; // milliseconds, for the page to be drawn before the next touch
const PATIENCE = 5000;

export const pause = (time = PAUSE) => new Promise((resume) => setTimeout(resume, time));

export async function go({ user, channel, panel, front }) {
  if (user) become(user);
  if (channel) set({ channel });
  if (panel) show("panel", panel);
  if (channel || front === "chat") show("chat");
  await pause();
}

// Waits for a control to be there: what is answered over the network is drawn a moment later.
export async function find(selector) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const found = [...document.querySelectorAll(selector)].at(-1);
    if (found) return found;
    if (Date.now() > end) throw new Error("it is not on the page");
    await pause(40);
  }
}

export async function enter(selector, value) {
  const control = await find(selector);
  control.value = value;
  control.dispatchEvent(new Event(control.tagName === "SELECT" ? "change" : "input", { bubbles: true }));
  await pause();
}

// Opens a menu that the app fills, and takes one of its entries.
export async function choose(selector, value) {
  const field = await find(selector);
  field.focus();
  field.click();
  const list = document.getElementById(field.getAttribute("aria-controls"));
  const end = Date.now() + PATIENCE;
  for (;;) {
    const entry = [...list.querySelectorAll("[role=option]")].find((one) => one.dataset.value === value);
    if (entry) return entry.click(), await pause();
    if (Date.now() > end) throw new Error("it is not offered");
    await pause(40);
  }
}

export async function press(selector) {
  (await find(selector)).click();
  await pause();
}

export async function type(text) {
  await enter("#composer", text);
  await press("#send");
}

// Presses what a card offers, on the newest card of the channel that offers it.
export const pressOnCard = (action) => press(`.messages [data-action="${action}"]`);

export async function callTool(tool, given) {
  await enter("#tool", tool);
  for (const [name, value] of Object.entries(given)) await enter(`#${tool}-${name}`, value);
  await press(`[data-form="${tool}"] button[type=submit]`);
}
