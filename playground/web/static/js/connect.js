// The panels of the simulated workspace alone: what connects an app, and the calls that it made.
import { html } from "./lib.js";
import { order, state } from "./store.js";
import { Sent } from "./truth.js";

export function ConnectPanel() {
  const { variables, rooms, people, groups, scopes } = state.world;
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${value}`);
  return html`<div class="panel">
    <p class="lead">A stand-in for Slack. Any app can connect, by Socket Mode or over signed HTTP; these tokens open nothing else.</p>
    <h3>Variables for the app</h3>
    <pre tabindex="0" role="group" aria-label="Variables for the app">${lines.join("\n")}</pre>
    <form class="row" onSubmit=${connect}>
      <div class="input grow"><label for="request-url">Request URL, for an app over HTTP</label>
        <input id="request-url" name="url" type="url" required placeholder="http://127.0.0.1:3000/slack/events" /></div>
      <button type="submit" class="button">Send there</button>
    </form>
    <h3>Channels</h3>
    ${table(["Channel", "Id", ""], rooms.map((room) => [`#${room.name}`, room.id, [room.kind === "private" && "private", room.archived && "archived"].filter(Boolean).join(", ")]))}
    <p class="hint">The app is in those that <code>/invite @app</code> brought it into; without that it gets <code>not_in_channel</code>.</p>
    <h3>People</h3>
    ${table(["Name", "Id", ""], [...people.filter((row) => !row.bot).map((row) => [row.real, row.id, `@${row.name}`]), ...groups.map((row) => [`@${row.handle}`, row.id, "group"])])}
    <h3>Scopes of the app</h3>
    <p>${scopes.map((scope) => html`<span class="tag">${scope}</span> `)}</p>
  </div>`;
}

export function CallsPanel() {
  return html`<div class="panel"><p class="lead">What the app sent to this workspace, newest first, with Slack's errors.</p><${Sent} /></div>`;
}

function connect(event) {
  event.preventDefault();
  order("slack/connect", { request_url: event.target.elements.url.value });
}

function table(heads, rows) {
  return html`<div class="table" tabindex="0" role="group" aria-label=${heads[0]}><table><thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${row.map((cell, at) => html`<td>${at === 1 ? html`<code>${cell}</code>` : cell}</td>`)}</tr>`)}</tbody></table></div>`;
}
