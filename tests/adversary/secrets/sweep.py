"""Every way in through which a secret may come, and every place where it could be found afterwards."""

import json
import re
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import types as t
from mcp.shared.exceptions import MCPError

from tests.adversary.harness import AGENT, AdversaryEnvironment
from tests.harness.internals import database_of
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.http_harness import http_client, serving
from vpsops.bot.diagnostics.workspace import CHECKS as SLACK_CHECKS
from vpsops.cli.doctor import CHECKS, examine
from vpsops.core.audit.export import record_line
from vpsops.core.audit.reader import pages
from vpsops.core.changes.model import Change
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.redaction import PART_LENGTH
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.mcp_server.auth.tokens_file import new_secret
from vpsops.mcp_server.server import ServerOptions
from vpsops.playground.slack.workspace.entities import Message, View

PLANTED = {
    "WAYSCLOUD_TOKEN": "pLt-7Qx2mNpR4tVw8Yz3bCd6",
    "SLACK_CLIENT_SECRET": "cLs-9fGh2jKl5pQr8tUv1xYz",
    "VPSOPS_STATE_KEY": "sTk-4nBv7cXz1qWe9rTy3uIo5pAs8dFg",
}
"""Beside the key, the tokens and the signing secret that a bot needs to run."""
OWN_TOKEN = new_secret()
EVERY = "\u200b\u202e\u3164 "
"""A zero width, a direction, a filler and a space, which split secrets in turn."""
STEP = 7
LOOK_LENGTH = 20
LONGEST_REASON = 480


@dataclass(slots=True)
class Sweep:
    """A world, the secrets planted in it, and its outputs."""

    here: AdversaryEnvironment
    secrets: tuple[str, ...]
    answers: list[str] = field(default_factory=list)

    @property
    def pieces(self) -> list[str]:
        """Return every secret as it is, and then every one split."""
        return [*self.secrets, *(cut(secret) for secret in self.secrets)]

    def words(self, first: int = 0) -> str:
        """Return all of them, beginning with another one each time."""
        return " ".join((*self.pieces[first:], *self.pieces[:first]))

    def parts(self) -> list[str]:
        """Return all of them in texts that are short enough for a reason."""
        texts = [""]
        for piece in self.pieces:
            if len(texts[-1]) + len(piece) >= LONGEST_REASON:
                texts.append("")
            texts[-1] += f" {piece}"
        return texts

    def found(self, text: str) -> list[str]:
        """Return the secrets of which a text holds a long part, once invisible characters are removed."""
        tight = re.sub(r"[^!-~]+", "", text)
        return [secret for secret in self.secrets if any(part in tight for part in _parts(secret))]


def cut(secret: str) -> str:
    """Return a secret with another split after every few of its characters."""
    split = EVERY.strip() if secret == OWN_TOKEN else EVERY  # it is recognised by its form, which a space ends
    pieces = [secret[at : at + STEP] for at in range(0, len(secret), STEP)]
    return "".join(piece + split[at % len(split)] for at, piece in enumerate(pieces))


def _parts(secret: str) -> list[str]:
    public = re.match(r"wayscloud_[a-z0-9]+_|x(?:ox[a-z]|app)-|vpsops_", secret)
    body = secret[public.end() if public else 0 :]
    length = LOOK_LENGTH if secret == OWN_TOKEN else PART_LENGTH
    return [body[at : at + length] for at in range(max(1, len(body) - length + 1))]


def read(text: str) -> str:
    """Return a text as it is, and once more with JSON's escapes read."""
    return text + re.sub(r"\\u([0-9a-fA-F]{4})", lambda escape: chr(int(escape[1], 16)), text)


async def held(here: AdversaryEnvironment, key: str) -> tuple[Change, Message]:
    """Have an agent ask for a reboot of db01 that waits for votes; return it and its card."""
    request = Request("reboot", {"server": "db01"}, AGENT, Origin("mcp"), key=key)
    outcome = await here.core.gate.submit(request, scope=OPERATOR)
    assert isinstance(outcome, Held), outcome
    card = await here.stage.slack.wait_for(lambda: _card_of(here, outcome.change.id))
    assert card is not None
    return outcome.change, card


def _card_of(here: AdversaryEnvironment, change_id: str) -> Message | None:
    cards = [message for message in here.stage.slack.messages("approvals") if change_id in json.dumps(message.blocks)]
    return cards[-1] if cards else None


async def by_mcp(sweep: Sweep) -> None:
    """The client's name, tools and arguments, addresses, prompts, completions, and what stands around a request."""
    words, core = sweep.words(), sweep.here.core
    async with (
        serving(core, None, ServerOptions(patience=0.1)) as (site, _),
        http_client(site.local, "legacy", name=sweep.words(first=2)) as client,
    ):
        calls: list[tuple[str, dict[str, Any]]] = [
            ("vps_reboot", {"server": words, "reason": words}),
            ("vps_create", {"hostname": words, "plan": words, words: words}),
            ("vps_changes", {"cursor": words}),
            ("vps_change_get", {"change": words}),
            ("vps_list", {}),
        ]
        for name, arguments in calls:
            result = await client.call_tool(name, arguments)
            sweep.answers.append(result.model_dump_json(by_alias=True))
        for part in sweep.parts():
            waits = await client.call_tool("vps_stop", {"server": "db01", "reason": part})  # for votes that never come
            sweep.answers.append(waits.model_dump_json(by_alias=True))
            await _withdrawn(sweep.here, part)
        reference = t.PromptReference(type="ref/prompt", name=words)
        for call in (
            lambda: client.call_tool(words, {}),
            lambda: client.read_resource(f"vps://servers/{words}"),
            lambda: client.get_prompt(words, {words: words}),
            lambda: client.get_prompt("morning_report", {words: words}),
            lambda: client.get_prompt("incident", {"server": words}),
            lambda: client.complete(reference, {"name": words, "value": words}),
            lambda: client.read_resource("vps://audit/recent"),
        ):
            try:
                sweep.answers.append((await call()).model_dump_json(by_alias=True))
            except MCPError as error:
                sweep.answers.append(f"{error} {error.error}")
        await _raw(sweep, site.local, words)


async def _withdrawn(here: AdversaryEnvironment, words: str) -> None:
    """Withdraw what an agent of Alice's asked for last."""
    change = next(
        item for item in await here.core.changes.list(open_only=True, scope=OPERATOR) if item.id != here.change
    )
    await here.core.gate.cancel(change.id, change.actor, reason=words, scope=OPERATOR)


async def _raw(sweep: Sweep, url: str, words: str) -> None:
    """Send what no client library would: secrets in the path, the query, a header and a body that is no JSON."""
    plain = "".join(char for char in words if char.isascii() and char.isprintable())
    base = url.partition("/mcp")[0]
    async with httpx.AsyncClient(trust_env=False) as http:
        for answer in (
            await http.get(f"{base}/readyz", params={"why": words}),
            await http.get(f"{base}/healthz"),
            await http.get(f"{base}/{plain}"),
            await http.post(url, content=words.encode(), headers={"Authorization": f"Bearer {plain}"}),
            await http.post(url, content=words.encode(), headers={"Mcp-Session-Id": plain, "User-Agent": plain}),
        ):
            sweep.answers.append(f"{answer.text} {dict(answer.headers)}")


async def by_slack(sweep: Sweep) -> None:
    """Commands, forms, menus, messages in channels and to the app, shortcuts and events."""
    slack, words = sweep.here.stage.slack, sweep.words()
    for text in (f"reboot {words}", f"stop db01 because {words}", words, "list", "changes"):
        await slack.command("alice", "ops", "/vps", text)
    await sweep.here.settled()
    await _withdrawn(sweep.here, words)
    message = slack.say("alice", "approvals", words)
    await slack.message_shortcut("alice", message, "vps:act_on")
    direct = {"type": "message", "channel_type": "im", "user": "U0ALICE", "channel": "D0ALICE", "text": words}
    await slack.event({**direct, "ts": message.ts})
    await slack.event({**direct, "type": words[:200], "ts": message.ts})
    await slack.mention("alice", "ops", words)
    await slack.open_home("alice")
    await _new_server(sweep)
    for verdict, who in (("vps:approve_note", "carol"), ("vps:deny", "bob")):
        for at, part in enumerate(sweep.parts()):
            change, card = await held(sweep.here, f"{verdict}{at}")
            await slack.click(who, card, verdict)
            view = await slack.wait_for(lambda who=who: _asks_why(slack.modal(who)))  # type: ignore[misc]
            assert view is not None
            await slack.submit_view(who, view, {"reason": part})
            await sweep.here.core.changes.wait(change.id, seconds=PATIENCE_SECONDS, scope=OPERATOR)
    await _typed_name(sweep, words)
    await slack.command("alice", "ops", "/vps", f"pause because {words}")


async def _new_server(sweep: Sweep) -> None:
    """Fill the form for a new server with secrets, and send it."""
    slack, words = sweep.here.stage.slack, sweep.words()
    await slack.command("alice", "ops", "/vps", "create")
    view = await slack.wait_for(lambda: _form(slack.modal("alice")))
    assert view is not None
    for name in ("plan", "region", "os_template"):
        await slack.options("alice", view, name, words[:75])
        await slack.options("alice", view, name)
    choices = {"plan": "vps-2gb-1cpu", "region": "oslo", "os_template": "debian-12"}
    for part in sweep.parts():
        await slack.submit_view(
            "alice", view, {**choices, "hostname": words[:200], "ssh_keys": words[:2000], "reason": part}
        )
        await sweep.here.settled()
        modal = slack.modal("alice")
        if modal is None:
            return
        view = modal


async def _typed_name(sweep: Sweep, words: str) -> None:
    """Send the form in which a server's name is typed, which no operation of today opens."""
    slack = sweep.here.stage.slack
    sent = deepcopy(next(delivery.payload for delivery in slack.deliveries if delivery.kind == "view_submission"))
    sent["view"] |= {"callback_id": "vps:name", "private_metadata": json.dumps({"n": "db01.example.com"})}
    sent["view"]["state"]["values"] = {"name": {"name": {"type": "plain_text_input", "value": words}}}
    await slack.deliver("view_submission", "interactive", sent, {})


def _asks_why(view: View | None) -> View | None:
    return view if view is not None and view.callback_id in {"vps:deny", "vps:approve"} else None


def _form(view: View | None) -> View | None:
    whole = view is not None and view.callback_id == "vps:create" and "Total" in json.dumps(view.blocks)
    return view if whole else None


async def by_provider(sweep: Sweep) -> None:
    """Names of servers, and the words of errors to reads and writes, which assistants, people and doctor get."""
    stage, words = sweep.here.stage, sweep.words()
    server = stage.provider.simulator.world.servers()[0]
    stage.provider.simulator.world.override(server, None, words, words)
    for name in ("get", "list", "stop"):
        stage.fault(kind="status", status=422, body=json.dumps({"detail": words}), match={"operation": name}, times=1)
    for text in ("show db01", "list", "stop db01", "list"):
        await stage.slack.command("bob", "ops", "/vps", text)
        await sweep.here.settled()
    person = Actor(ActorKind.PERSON, "U0ALICE", words, "U0ALICE")
    request = Request("reboot", {"server": "db01"}, person, Origin("slack", channel="C0OPS"), can_confirm=True)
    sweep.answers.append(str(await sweep.here.core.gate.submit(request, scope=OPERATOR)))


async def by_doctor(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what `vpsops doctor` writes while the provider answers with secrets."""
    capsys.readouterr()
    body = json.dumps({"detail": sweep.words()})
    sweep.here.stage.fault(kind="status", status=401, body=body, match={"operation": "list"})
    await examine(sweep.here.core.settings, (*CHECKS, *SLACK_CHECKS), VirtualClock())
    return capsys.readouterr().out


def stored(folder: Path) -> dict[str, str]:
    """Return the database's files as text."""
    return {file.name: file.read_bytes().decode("utf-8", "ignore") for file in folder.glob("bot.sqlite3*")}


async def places(sweep: Sweep, folder: Path) -> dict[str, str]:
    """Return everything that the set-up stored, posted, answered and exported, each as text."""
    slack, lines = sweep.here.stage.slack, list[str]()
    async for records, _ in pages(database_of(sweep.here.core), 0):
        lines += [record_line(record) for record in records]
    acks = [attempt.ack for delivery in slack.deliveries for attempt in delivery.attempts if attempt.ack]
    results = {
        "answers": "\n".join(sweep.answers),
        "calls of Slack": json.dumps([call.args for call in slack.log], default=str),
        "response addresses": json.dumps([hook.args for hook in slack.hook_log], default=str),
        "acknowledgements": json.dumps(acks, default=str),
        "export": "\n".join(lines),
        **stored(folder),
    }
    assert all(len(text) > 0 for text in results.values()), results.keys()
    return {name: read(text) for name, text in results.items()}
