// The chat: channels, messages, threads, the home tab, and the line one types into.
import { Blocks } from "./blocks.js";
import { Composer } from "./composer.js";
import { ConfirmHost } from "./confirm.js";
import { Menu } from "./elements.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "./lib.js";
import { ModalHost } from "./modal.js";
import { mrkdwn } from "./mrkdwn.js";
import { channelOf, channels, offered, ownModals, person, set, slack, state, typedIn } from "./store.js";
import { onHome, onMessage } from "./surfaces.js";
import { clock, ofStamp, precise } from "./when.js";

const HOME = "home";

export function Chat() {
  const channel = channelOf(state.channel) ?? channels()[0];
  const covered = Boolean(state.confirm || ownModals().length);
  return html`<section class="chat" aria-label="The simulated Slack workspace">
    <${Rooms} inert=${covered} />
    <div class="room" inert=${covered}>
      ${state.channel === HOME ? html`<${Home} />` : channel ? html`<${Room} key=${`${state.user} ${channel.id}`} channel=${channel} />` : html`<p class="empty">Opening the workspace …</p>`}
    </div>
    <${ModalHost} /><${ConfirmHost} />
  </section>`;
}

function Rooms({ inert }) {
  const open = (id) => set({ channel: id });
  const item = (id, label, unread) => html`<li><button type="button" data-channel=${id} aria-current=${state.channel === id ? "page" : undefined}
    onClick=${() => open(id)}><span>${label}</span>${unread > 0 && html`<b class="badge" aria-label=${`${unread} new`}>${unread}</b>`}</button></li>`;
  const rooms = channels();
  return html`<nav class="rooms" aria-label="Channels" inert=${inert}>
    <h2>${state.world.team}</h2>
    <ul>${rooms.filter((one) => one.kind !== "im").map((one) => item(one.id, `# ${one.name}`, unread(one)))}</ul>
    <h2>Apps</h2>
    <ul>
      ${state.world.home && item(HOME, "vpsops home", 0)}
      ${rooms.filter((one) => one.kind === "im").map((one) => item(one.id, one.name, unread(one)))}
    </ul>
  </nav>`;
}

const seenKey = (channel) => `${state.user}/${channel.id}`;
const unread = (channel) =>
  channel.id === state.channel ? 0 : channel.messages.filter((one) => one.ts > (state.read[seenKey(channel)] ?? "")).length;

function Home() {
  useEffect(() => void slack("home", {}), [state.user]);
  const view = state.topics.slack?.home;
  return html`<div class="messages home" id="home" tabindex="0" role="region" aria-label="Home of vpsops">
    ${view ? html`<${Blocks} blocks=${view.blocks ?? []} surface=${onHome(view)} />` : html`<p class="empty">The app has not shown a home tab yet.</p>`}
  </div>`;
}

function Room({ channel }) {
  const box = useRef(null);
  const below = useRef(true);
  const newest = channel.messages.at(-1)?.ts ?? "";
  useLayoutEffect(() => {
    if (below.current) box.current.scrollTop = box.current.scrollHeight;
  });
  useEffect(() => void (state.read[seenKey(channel)] = newest), [newest]);
  useEffect(() => {
    // a keyboard or the tour takes room: what stood at the foot stays there
    const watch = new ResizeObserver(() => below.current && (box.current.scrollTop = box.current.scrollHeight));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const threads = withTyped(grouped(channel.messages), typedIn(channel.id));
  return html`<header class="room-head"><h2>${channel.kind === "im" ? channel.name : `#${channel.name}`}</h2>
      <span class="muted">${channel.kind === "im" ? "Messages with the app" : channel.purpose}</span></header>
    <div class="messages" ref=${box} role="log" aria-live="polite" aria-label=${`Messages in ${channel.name}`} tabindex="0"
        onScroll=${() => (below.current = box.current.scrollHeight - box.current.scrollTop - box.current.clientHeight < 60)}>
      ${channel.messages.length === 0 && html`<p class="empty">Nothing here yet. Type <kbd>/vps list</kbd> below.</p>`}
      ${threads.map(([first, replies]) => first.typed ? html`<p key=${first.ts} class="typed"><span class="muted">You typed</span> <code>${first.typed}</code></p>` : html`<${Message} key=${first.ts} channel=${channel.id} message=${first} replies=${replies} />`)}
    </div>
    <${Composer} channel=${channel} />`;
}

// One's own commands, which Slack shows to the one who typed them, between the messages by their time.
const withTyped = (threads, typed) => [...threads, ...typed.map((line) => [line, []])].sort(([one], [other]) => Number(one.ts) - Number(other.ts));

// Messages with the replies to each; a reply shown to the channel too stands there once more, as in Slack.
function grouped(messages) {
  const first = messages.filter((one) => !one.thread_ts || one.thread_ts === one.ts || one.broadcast);
  const known = new Set(messages.map((one) => one.ts));
  const lost = messages.filter((one) => one.thread_ts && !known.has(one.thread_ts));
  return [...first, ...lost].map((one) => [one, messages.filter((each) => each.thread_ts === one.ts && each.ts !== one.ts)]);
}

function Message({ channel, message, replies = [] }) {
  const by = person(message.user);
  const mine = message.shown_to !== null;
  return html`<article class=${`message ${mine ? "private" : ""}`} data-ts=${message.ts} aria-label=${`${by?.name ?? message.user}, ${clock(ofStamp(message.ts))}`}>
    <div class=${`avatar ${by?.bot ? "bot" : message.user}`} aria-hidden="true">${(by?.real ?? "?").slice(0, 1).toUpperCase()}</div>
    ${!mine && html`<${Shortcuts} channel=${channel} message=${message} />`}
    <div class="grow">
      ${mine && html`<p class="only">Only visible to you</p>`}
      <p class="by"><strong>${by?.real ?? message.user}</strong>${by?.bot && html` <span class="app">APP</span>`}
        <time class="muted">${clock(ofStamp(message.ts))}</time>${message.edited && html` <span class="muted">(edited)</span>`}</p>
      ${message.blocks?.length
        ? html`<${Blocks} blocks=${message.blocks} surface=${onMessage(channel, message)} />`
        : html`<div class="text">${mrkdwn(message.text)}</div>`}
      ${replies.length > 0 && html`<${Thread} channel=${channel} first=${message} replies=${replies} />`}
    </div>
  </article>`;
}

// What the app offers for a message; of one that only its reader sees, Slack has no such menu.
function Shortcuts({ channel, message }) {
  const options = offered("message");
  const use = (option) => slack("shortcut", { channel, ts: message.ts, callback_id: option.value });
  const name = `More actions for the message of ${precise(ofStamp(message.ts))} (${message.ts.slice(-4)})`;
  return options.length > 0 && html`<${Menu} options=${options} label=${name} choose=${use} action="message-shortcuts" />`;
}

function Thread({ channel, first, replies }) {
  const [words, setWords] = useState("");
  const reply = async (event) => {
    event.preventDefault();
    if (words.trim() && (await slack("say", { channel, text: words.trim(), thread: first.ts })).ok) setWords("");
  };
  return html`<details class="thread" open><summary>${replies.length} ${replies.length === 1 ? "reply" : "replies"}</summary>
    ${replies.map((one) => html`<${Message} key=${one.ts} channel=${channel} message=${one} />`)}
    <form onSubmit=${reply}><input type="text" aria-label="Reply in the thread" placeholder="Reply …" value=${words} onInput=${(event) => setWords(event.target.value)} /></form>
  </details>`;
}
