"""The conversations: an agent asks for a change, and people decide."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.fakes.accounts import EVERYBODY
from tests.fakes.timing import QUICK
from tests.harness.virtual_time import VirtualClock
from tests.transcripts import incident
from tests.transcripts.held_terminal import terminal_page
from tests.transcripts.record import Json, Record, page
from tests.transcripts.setup import setup_page
from tests.transcripts.wire_recorder import NEW, OLD, Speaker, Wire, begin, pipes, posts
from tests.unit.mcp_server.http_harness import ANN_TOKEN, BOB_TOKEN, serving, with_tokens
from vpsops.core.app import Core, open_core
from vpsops.core.changes.model import Change, Verdict
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.mcp_server.protocol.tasks import EXTENSION
from vpsops.mcp_server.server import ServerOptions, build_server
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

ANN: Final = "ann@example.com"
CHANNEL: Final = "C0APPROVE"
BOB: Final = Actor(ActorKind.PERSON, "U0BOB", "bob", "U0BOB", groups=(CHANNEL,))
KEY: Final = "wayscloud_vps_test1_SECRET"
STOP: Final = {"server": "web01", "reason": "Nobody needs it at night."}
FORMS: Final[Mapping[str, Json]] = {"elicitation": {"form": {}}}
YES: Final[Json] = {"action": "accept", "content": {"confirm": True}}
ERAS: Final = {OLD: "the handshake's era (2025-11-25)", NEW: "the stateless era (2026-07-28)"}
TRANSPORTS: Final = {"stdio": "standard input and output", "http": "Streamable HTTP"}
Play = Callable[[Wire, Core, Record], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A way in which a change is decided."""

    title: str
    about: str
    approvals: bool
    play: Play
    capabilities: Mapping[str, Json]
    eras: tuple[str, ...] = (OLD, NEW)


async def held(core: Core) -> Change:
    """Return the one change there is, which is held."""
    (change,) = await core.changes.list(open_only=True, scope=OPERATOR)
    return change


def voter(core: Core, record: Record, verdict: Verdict, reason: str = "") -> Callable[[Json], Awaitable[Json]]:
    """Return what bob does once the call says that it waits."""

    async def vote(message: Json) -> Json:
        if message.get("method") != "notifications/progress" or not await core.changes.list(
            open_only=True, scope=OPERATOR
        ):
            return
        change = await held(core)
        if change.votes:
            return
        word = "approves" if verdict is Verdict.APPROVE else f"denies, and writes “{reason}”"
        record.happened(f"In Slack, bob presses a button on the card of {change.id}: he {word}.")
        await core.gate.vote(change.id, BOB, verdict, change.digest, reason=reason, scope=OPERATOR)

    return vote


async def call(wire: Wire) -> Json:
    """Ask for the stop and for progress notifications."""
    return await wire.ask("tools/call", name="vps_stop", arguments=STOP, _meta={"progressToken": "stop"})


async def approved(wire: Wire, core: Core, record: Record) -> None:
    wire.hook = voter(core, record, Verdict.APPROVE)
    await begin(wire)
    await call(wire)


async def denied(wire: Wire, core: Core, record: Record) -> None:
    wire.hook = voter(core, record, Verdict.DENY, "not while the sale is on")
    await begin(wire)
    await call(wire)


async def confirmed(wire: Wire, core: Core, record: Record) -> None:
    del core

    async def answer(message: Json) -> Json:
        if "id" in message:
            record.happened("The client shows the question to its human, who says yes.")
        return YES

    wire.hook = answer
    await begin(wire)
    asked = await wire.ask("tools/call", name="vps_stop", arguments=STOP)
    if wire.speaker.era == NEW:
        record.happened("The client shows the question to its human, who says yes. It calls again with the answer.")
        answers = {"inputResponses": {"confirm": YES}, "requestState": asked["requestState"]}
        await wire.ask("tools/call", name="vps_stop", arguments=STOP, **answers)


async def as_task(wire: Wire, core: Core, record: Record) -> None:
    await begin(wire)
    task = await wire.ask("tools/call", name="vps_stop", arguments=STOP)
    await wire.ask("tasks/get", taskId=task["taskId"])
    change = await held(core)
    record.happened(f"In Slack, bob presses a button on the card of {change.id}: he approves.")
    await core.gate.vote(change.id, BOB, Verdict.APPROVE, change.digest, scope=OPERATOR)
    await core.changes.wait(change.id, seconds=5, scope=OPERATOR)
    await wire.ask("tasks/get", taskId=task["taskId"])


KINDS: Final[Mapping[str, Kind]] = {
    "approved": Kind(
        "An agent's change, approved in Slack",
        "The call waits while bob decides, and ends with what became of the change.",
        True,
        approved,
        {},
    ),
    "denied": Kind(
        "An agent's change, denied in Slack",
        "Bob denies with a reason; nothing reaches the provider, and the agent reads why.",
        True,
        denied,
        {},
    ),
    "confirmed": Kind(
        "An agent's change, confirmed by its own human",
        "Without an approval channel the client's human is asked: by a request of the server in the handshake's era, by"
        " a result in the stateless one.",
        False,
        confirmed,
        FORMS,
    ),
    "task": Kind(
        "An agent's change as a task",
        "The client declares the tasks extension, so the call is answered at once and the client looks again later.",
        True,
        as_task,
        {"extensions": {EXTENSION: {}}},
        (NEW,),
    ),
}


@asynccontextmanager
async def core_of(provider: SimulatorHandle, *, approvals: bool) -> AsyncIterator[tuple[Core, Path]]:
    """Open a core on a database of its own."""
    provider.simulator.reset()
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings.model_validate(
            {
                "WAYSCLOUD_API_KEY": KEY,
                "WAYSCLOUD_API_URL": provider.url,
                "VPSOPS_DATABASE_URL": f"sqlite:///{Path(directory) / 'vpsops.sqlite3'}",
                "VPSOPS_APPROVAL_CHANNEL": CHANNEL if approvals else "",
            }
        )
        async with open_core(settings, front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as core:
            yield core, Path(directory)


async def transcript_page(kind: Kind, era: str, transport: str, provider: SimulatorHandle) -> str:
    """Hold one conversation and return its page."""
    record, speaker, options = Record(), Speaker(era, kind.capabilities), ServerOptions(human=ANN)
    async with core_of(provider, approvals=kind.approvals) as (core, _):
        if transport == "stdio":
            async with pipes(build_server(core, options), speaker, record) as wire:
                await kind.play(wire, core, record)
        else:
            async with serving(core, None, options) as (site, _served), posts(site.url, speaker, record) as post:
                await kind.play(post, core, record)
    where = f"{TRANSPORTS[transport]}, {ERAS[era]}."
    return page(kind.title, f"Over {where} {kind.about}", record)


async def two_clients(provider: SimulatorHandle) -> str:
    """Hold two conversations at once, each with a token of its own, and return their page."""
    record = Record()
    async with core_of(provider, approvals=True) as (core, directory):
        settings = with_tokens(core.settings, directory)
        async with (
            serving(core, settings) as (site, _),
            posts(site.url, Speaker(OLD, {}), record, ANN_TOKEN) as ann,
            posts(site.url, Speaker(NEW, {}), record, BOB_TOKEN) as reports,
            posts(site.url, Speaker(NEW, {}), record) as anonymous,
        ):
            record.happened("Ann's assistant has a token with vps:write, and speaks the older revision.")
            await begin(ann)
            record.happened("Bob's reports have a token with vps:read, and speak the newer one: fewer tools.")
            await reports.ask("tools/list")
            record.happened("Both call the same tool.")
            await reports.ask("tools/call", name="vps_stop", arguments=STOP)
            vote = voter(core, record, Verdict.APPROVE)

            async def look_and_vote(message: Json) -> Json:
                if len(await core.changes.list(open_only=True, scope=OPERATOR)) == 1 and not (await held(core)).votes:
                    record.happened("While ann's call waits, the reports look at what is open.")
                    await reports.ask("tools/call", name="vps_changes", arguments={})
                await vote(message)

            ann.hook = look_and_vote
            await call(ann)
            record.happened("Somebody without a token gets no further.")
            await anonymous.ask("tools/list")
    return page(
        "Two clients at once, with different identities and scopes",
        "Over Streamable HTTP, one process, one server object: each request is whose token it carries.",
        record,
    )


async def pages() -> dict[str, str]:
    """Return all pages by their file's name."""
    results: dict[str, str] = {}
    async with running_simulator(SimulatorConfig(seed=7, speed=600.0), clock=VirtualClock()) as provider:
        for name, kind in KINDS.items():
            for era in kind.eras:
                for transport in TRANSPORTS:
                    results[f"{name}-{transport}-{era}.md"] = await transcript_page(kind, era, transport, provider)
        results["two-clients-http.md"] = await two_clients(provider)
    with tempfile.TemporaryDirectory() as folder:
        results["incident.md"] = (await incident.play(Path(folder))).page
    with tempfile.TemporaryDirectory() as folder:
        results["init.md"] = await setup_page(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        results["terminal.md"] = await terminal_page(Path(folder))
    return {**results, "README.md": index(results)}


def index(results: Mapping[str, str]) -> str:
    """Return the list of the pages."""
    lines = [f"- [{text.splitlines()[0].removeprefix('# ')}]({name}): {_where(name)}" for name, text in results.items()]
    return (
        "# Transcripts\n\nWhat goes over the wire when an agent asks for a change, message by message, as the server"
        " sent and got it. `python -m tests.transcripts` holds the conversations and writes these pages; `--check` says"
        " whether they are current.\n\nIds, times, ports and seals are replaced by fixed ones; of the list of tools one"
        " is shown without its schemas, and of several words of progress the first. Votes are cast through the gate, as"
        " the Slack bot does."
        "\n\n" + "\n".join(lines) + "\n"
    )


ELSEWHERE: Final = {"incident.md": "Slack", "init.md": "a terminal", "terminal.md": "a terminal and Slack"}


def _where(name: str) -> str:
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    parts: list[Any] = [TRANSPORTS[key] for key in TRANSPORTS if f"-{key}" in name]
    parts += [era for era in ERAS if era in name] or ["both revisions"]
    return ", ".join(parts)
