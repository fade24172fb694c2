// A menu fed by the app: what is typed goes to it, and what it offers is chosen as the ARIA pattern of a combobox says.
import { html, useEffect, useRef, useState } from "./lib.js";
import { text } from "./mrkdwn.js";

const PAUSE = 250; // milliseconds without a key before the app is asked

export function External({ block, element, surface, value, pick, aria, needed }) {
  const [offered, setOffered] = useState([]);
  const [at, setAt] = useState(-1);
  const [asked, setAsked] = useState(""); // what the app is being asked, or has no answer to
  const [typed, setTyped] = useState(element.initial_option ? text(element.initial_option.text) : "");
  const waiting = useRef(null);
  const box = useRef(null);
  const least = element.min_query_length ?? 3;
  const listId = `${surface.key}-${block.block_id}-${element.action_id}-offered`;
  useEffect(() => () => clearTimeout(waiting.current), []);
  useEffect(() => void box.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" }), [at]);

  const leave = () => {
    clearTimeout(waiting.current);
    setOffered([]);
    setAt(-1);
    setAsked("");
  };
  const ask = (words) => {
    setTyped(words);
    clearTimeout(waiting.current);
    if (words.length < least) return leave();
    setAsked("Asking the app …");
    const mine = (waiting.current = setTimeout(async () => {
      const found = (await surface.options(block, element, words)).options ?? [];
      if (waiting.current !== mine || !box.current?.contains(document.activeElement)) return;
      setOffered(found);
      setAt(-1);
      setAsked(found.length ? "" : "Nothing found");
    }, PAUSE));
  };
  const choose = (option) => {
    setTyped(text(option.text));
    leave();
    pick(option.value);
  };
  const move = (to) => setAt((to + offered.length) % offered.length);
  const key = (event) => {
    const open = offered.length > 0;
    if (event.key === "ArrowDown") open ? move(at + 1) : ask(least === 0 ? "" : typed);
    else if (event.key === "ArrowUp" && open) move(at < 0 ? offered.length - 1 : at - 1);
    else if (event.key === "Enter" && open && at >= 0) choose(offered[at]);
    else if (event.key === "Escape" && (open || asked)) leave();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<div class="external" ref=${box} onFocusOut=${(event) => event.currentTarget.contains(event.relatedTarget) || leave()} onKeyDown=${key}>
    <input ...${aria} type="text" role="combobox" aria-expanded=${offered.length > 0} aria-controls=${listId} aria-autocomplete="list" autocomplete="off" value=${typed}
      aria-activedescendant=${at >= 0 ? `${listId}-${at}` : undefined}
      data-action=${element.action_id} required=${needed && !value} placeholder=${text(element.placeholder) || `Type ${least} letters …`}
      onClick=${() => least === 0 && ask("")} onInput=${(event) => ask(event.target.value)} />
    <ul id=${listId} role="listbox" aria-label="Offered by the app" hidden=${offered.length === 0}>${offered.map((option, number) => html`<li role="option" id=${`${listId}-${number}`}
      aria-selected=${number === at} data-value=${option.value} onMouseDown=${(event) => event.preventDefault()} onClick=${() => choose(option)}>${text(option.text)}${option.description && html`<small>${text(option.description)}</small>`}</li>`)}</ul>
    ${asked && html`<p class="asked muted" role="status">${asked}</p>`}
  </div>`;
}
