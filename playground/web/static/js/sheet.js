// A dialog over the chat, as a Slack client has it; the panels beside it stay usable, for they are another world.
import { html, useEffect, useRef } from "./lib.js";

const FIRST = "input, select, textarea, .foot .primary, .foot .button";

export function Sheet({ labelled, leave, narrow, children }) {
  const box = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    focusIn(box.current);
    return () => before?.isConnected && before.focus();
  }, []);
  const key = (event) => {
    if (event.key === "Escape") leave();
    else if (event.key === "Tab") keepIn(event, box.current);
    else return;
    event.stopPropagation();
  };
  return html`<div class="scrim"><div class=${`sheet ${narrow ? "narrow" : ""}`} ref=${box} role="dialog" aria-modal="true" aria-labelledby=${labelled}
    tabindex="-1" onKeyDown=${key}>${children}</div></div>`;
}

export const focusIn = (box) => (shown(box, FIRST)[0] ?? box).focus();

const shown = (box, selector) => [...box.querySelectorAll(selector)].filter((one) => one.checkVisibility() && !one.disabled);

function keepIn(event, box) {
  const all = shown(box, "a[href], button, input, select, textarea, [tabindex='0']");
  const edge = event.shiftKey ? all[0] : all.at(-1);
  if (document.activeElement !== edge && document.activeElement !== box) return;
  event.preventDefault();
  (event.shiftKey ? all.at(-1) : all[0])?.focus();
}
