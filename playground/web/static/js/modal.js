// The modals open before a person: up to three on each other, the top one shown, each keeping what was entered.
import { Blocks } from "./blocks.js";
import { html, useEffect, useMemo, useRef, useState } from "./lib.js";
import { text } from "./mrkdwn.js";
import { focusIn, Sheet } from "./sheet.js";
import { ownModals, slack } from "./store.js";
import { entered, onModal } from "./surfaces.js";

export function ModalHost() {
  const stack = ownModals();
  const top = stack.at(-1);
  if (!top) return null;
  return html`<${Sheet} labelled=${`title-${top.id}`} leave=${() => slack("close", { view: top.id }, true)}>
    ${stack.map((view, at) => html`<${Modal} key=${view.id} view=${view} front=${view === top} depth=${at} />`)}
  <//>`;
}

function Modal({ view, front, depth }) {
  const values = useMemo(() => new Map(), []);
  const [busy, setBusy] = useState(false);
  const form = useRef(null);
  const shape = (view.blocks ?? []).map((one) => one.block_id).join(" ");
  // what is drawn into an open form, or pushed over it, takes the focus, for what had it may be gone
  useEffect(() => {
    const here = document.activeElement;
    const strayed = !form.current.contains(here) || Boolean(here.closest(".foot") && form.current.querySelector(".body input, .body select, .body textarea"));
    if (front && strayed) focusIn(form.current);
  }, [front, shape]);
  const surface = onModal(view, values);
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    await slack("submit", { view: view.id, values: entered(values) });
    setBusy(false);
  };
  return html`<form ref=${form} hidden=${!front} onSubmit=${submit} data-callback=${view.callback_id} aria-busy=${busy}>
    <h2 id=${`title-${view.id}`}>${depth > 0 && html`<span class="muted">${"›".repeat(depth)} </span>`}${text(view.title)}</h2>
    <div class="body"><${Blocks} blocks=${view.blocks ?? []} surface=${surface} /></div>
    <div class="foot">
      <button type="button" class="button" onClick=${() => slack("close", { view: view.id }, true)}>${text(view.close) || "Close"}</button>
      ${view.submit && html`<button type="submit" class="button primary" data-submit=${view.callback_id}>${text(view.submit)}</button>`}
    </div>
  </form>`;
}
