// The line one types into: a message, or a slash command with completion from the app's manifest.
import { Menu } from "./elements.js";
import { html, useRef, useState } from "./lib.js";
import { noteTyped, offered, slack, state, tell, typedIn } from "./store.js";

export function Composer({ channel }) {
  const [words, setWords] = useState("");
  const [at, setAt] = useState(-1);
  const [open, setOpen] = useState(false);
  const [back, setBack] = useState(0); // how far back in what was typed
  const line = useRef(null);
  const offers = open ? completions(words) : [];

  const type = (text) => {
    setWords(text);
    setAt(-1);
    setOpen(true);
  };
  const take = (offer) => {
    type(offer.text);
    setOpen(offer.goesOn);
    line.current.focus();
  };
  const recall = (to) => {
    const lines = typedIn(channel.id).map((item) => item.typed);
    const far = Math.max(0, Math.min(to, lines.length));
    setBack(far);
    setWords(far ? lines.at(-far) : "");
    setOpen(false);
  };
  const send = async () => {
    const text = words.trim();
    if (!text) return;
    type("");
    setBack(0);
    setOpen(false);
    if (text.startsWith("/")) noteTyped(channel.id, text);
    await (text.startsWith("/") ? command(channel.id, text) : slack("say", { channel: channel.id, text }));
  };
  const key = (event) => {
    if (offers.length && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      setAt(event.key === "ArrowDown" ? (at + 1) % offers.length : at <= 0 ? offers.length - 1 : at - 1);
    } else if (offers.length && (event.key === "Tab" || (event.key === "Enter" && at >= 0)) && !event.shiftKey) {
      take(offers[Math.max(at, 0)]);
    } else if (event.key === "Escape" && offers.length) {
      setOpen(false);
    } else if (["ArrowUp", "ArrowDown"].includes(event.key) && (back > 0 || !words)) {
      recall(back + (event.key === "ArrowUp" ? 1 : -1));
    } else if (event.key === "Enter") {
      send();
    } else return;
    event.preventDefault();
  };

  return html`<div class="composer">
    ${offers.length > 0 && html`<ul id="offers" role="listbox" aria-label="Commands">${offers.map((one, number) => html`<li role="option" id=${`offer-${number}`}
      aria-selected=${number === at} onMouseDown=${(event) => (event.preventDefault(), take(one))}><code>${one.text}</code><span class="muted">${one.about}</span></li>`)}</ul>`}
    ${offered("global").length > 0 && html`<${Menu} options=${offered("global")} label="Shortcuts" sign="+" action="shortcuts" choose=${(one) => slack("shortcut", { callback_id: one.value })} />`}
    <label class="hidden" for="composer">Message ${channel.kind === "im" ? channel.name : `#${channel.name}`}, or a command</label>
    <input id="composer" ref=${line} type="text" role="combobox" aria-expanded=${offers.length > 0} aria-controls="offers" aria-autocomplete="list"
      aria-activedescendant=${at >= 0 ? `offer-${at}` : undefined} autocomplete="off" spellcheck="false" value=${words}
      placeholder=${`Message ${channel.kind === "im" ? channel.name : `#${channel.name}`}, or /vps …`}
      onInput=${(event) => type(event.target.value)} onKeyDown=${key} onBlur=${() => setOpen(false)} />
    <button type="button" class="button primary" id="send" onClick=${send}>Send</button>
  </div>`;
}

function completions(words) {
  if (!words.startsWith("/")) return [];
  const space = words.indexOf(" ");
  if (space < 0) {
    const fitting = state.world.commands.filter((one) => one.command.startsWith(words));
    return fitting.map((one) => ({ text: `${one.command} `, about: one.description, goesOn: true }));
  }
  const known = state.world.commands.find((one) => one.command === words.slice(0, space));
  const rest = words.slice(space + 1);
  const server = /^([a-z_]+) (\S*)$/.exec(rest);
  if (known && server && (state.world.server_words ?? []).includes(server[1])) {
    const names = (state.topics.provider?.servers ?? []).map((row) => row.hostname).filter((name) => name.startsWith(server[2]) && name !== server[2]);
    return names.map((name) => ({ text: `${known.command} ${server[1]} ${name}`, about: "", goesOn: false }));
  }
  const fitting = (known?.examples ?? []).filter((one) => one.startsWith(rest) && one !== rest);
  return fitting.map((one) => ({ text: `${known.command} ${one}`, about: "", goesOn: false }));
}

async function command(channel, text) {
  const [word, ...rest] = text.split(" ");
  if (word === "/invite") return void (await slack("invite", { channel, member: rest.join(" ").replace(/^@/, "") }));
  if (!state.world.commands.some((one) => one.command === word)) {
    tell(`${word} is not a valid command. This workspace has ${state.world.commands.map((one) => one.command).join(", ")}.`, true);
    return;
  }
  await slack("command", { channel, command: word, text: rest.join(" ") });
}
