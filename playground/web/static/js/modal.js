// The modals open before a person: up to three on each other, the top one shown, each keeping what was entered.
import { Blocks } from "./blocks.js";
import { html, useEffect, useMemo, useRef, useState } from "./lib.js";
import { text } from "./mrkdwn.js";
import { slack, state } from "./store.js";
import { entered, onModal } from "./surfaces.js";

export function ModalHost() {
  const stack = state.topics.slack?.modals ?? [];
  const box = useRef(null);
  const open = stack.length > 0;
  useEffect(() => {
    if (open && !box.current.open) box.current.showModal();
    if (!open && box.current?.open) box.current.close();
  }, [open]);
  const top = stack.at(-1);
  const leave = (event) => {
    event.preventDefault();
    if (top) slack("close", { view: top.id });
  };
  return html`<dialog class="modal" ref=${box} aria-labelledby=${top ? `title-${top.id}` : undefined} onCancel=${leave}>
    ${stack.map((view, at) => html`<${Modal} key=${view.id} view=${view} front=${at === stack.length - 1} depth=${at} />`)}
  </dialog>`;
}

function Modal({ view, front, depth }) {
  const values = useMemo(() => new Map(), []);
  const [busy, setBusy] = useState(false);
  const surface = onModal(view, values);
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    await slack("submit", { view: view.id, values: entered(values) });
    setBusy(false);
  };
  return html`<form hidden=${!front} onSubmit=${submit} data-callback=${view.callback_id} aria-busy=${busy}>
    <h2 id=${`title-${view.id}`}>${depth > 0 && html`<span class="muted">${"›".repeat(depth)} </span>`}${text(view.title)}</h2>
    <div class="body"><${Blocks} blocks=${view.blocks ?? []} surface=${surface} /></div>
    <div class="foot">
      <button type="button" class="button" onClick=${() => slack("close", { view: view.id })}>${text(view.close) || "Close"}</button>
      ${view.submit && html`<button type="submit" class="button primary" data-submit=${view.callback_id}>${text(view.submit)}</button>`}
    </div>
  </form>`;
}
