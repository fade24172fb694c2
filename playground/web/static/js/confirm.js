// The dialog that an element may ask for before it acts.
import { html } from "./lib.js";
import { text } from "./mrkdwn.js";
import { Sheet } from "./sheet.js";
import { set, state } from "./store.js";

// Asks, and returns whether the person agreed; without a dialog to show they did.
export function confirmed(dialog) {
  if (!dialog) return Promise.resolve(true);
  return new Promise((answer) => set({ confirm: { dialog, answer } }));
}

export function ConfirmHost() {
  const asked = state.confirm;
  if (!asked) return null;
  const end = (yes) => {
    set({ confirm: null });
    asked.answer(yes);
  };
  const { title, text: words, confirm, deny, style } = asked.dialog;
  return html`<${Sheet} narrow labelled="confirm-title" leave=${() => end(false)}>
    <h2 id="confirm-title">${text(title)}</h2>
    <div class="body text">${text(words)}</div>
    <div class="foot">
      <button type="button" class="button" onClick=${() => end(false)}>${text(deny)}</button>
      <button type="button" class=${`button ${style ?? "primary"}`} data-confirm="yes" onClick=${() => end(true)}>${text(confirm)}</button>
    </div>
  <//>`;
}
