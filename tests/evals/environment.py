"""What a scenario is played in: a provider, a core with its policy, people in Slack, and the client's own human."""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import mcp.types as t
from mcp import Client
from mcp.client import ClientRequestContext

from tests.fakes.accounts import EVERYBODY
from tests.fakes.timing import QUICK
from tests.harness.internals import database_of
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from vpsops.core.app import Core, open_core
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.limits.access import EVERYTHING, AccessScope, Restriction
from vpsops.mcp_server.server import ServerOptions, build_server
from vpsops.playground.wayscloud.faults import parse
from vpsops.playground.wayscloud.hardware.model import SimulatedServer
from vpsops.playground.wayscloud.serve import SimulatorHandle

CHANNEL: Final = "C0APPROVE"
ANN: Final = "ann@example.com"
KEY: Final = "wayscloud_vps_test1_SECRET"
ERA: Final = "2026-07-28"
BOB: Final = Actor(ActorKind.PERSON, "U0BOB", "bob", "U0BOB", groups=(CHANNEL,))
CAROL: Final = Actor(ActorKind.PERSON, "U0CAROL", "carol", "U0CAROL", groups=(CHANNEL,))
ALICE: Final = Actor(ActorKind.PERSON, "U0ALICE", "alice", "U0ALICE")
YES: Final = t.ElicitResult(action="accept", content={"confirm": True})
NO: Final = t.ElicitResult(action="decline")


@dataclass
class EvalEnvironment:
    """Everything a scenario's people can touch and its graders look at."""

    core: Core
    provider: SimulatorHandle
    client: Client
    called: list[str] = field(default_factory=list)
    """The tools that the agent has called, so that people can wait for it."""
    asked: list[str] = field(default_factory=list)
    """The questions that the client's own human was asked."""

    def server(self, hostname: str) -> SimulatedServer:
        """Return a server of the provider's."""
        return next(item for item in self.provider.simulator.world.servers() if item.hostname == hostname)

    async def held(self) -> Change:
        """Wait for a change that is held for votes and return it."""
        while True:
            mark = database_of(self.core).signals.mark()
            changes = [
                change
                for change in await self.core.changes.list(open_only=True, scope=OPERATOR)
                if change.state is State.HELD
            ]
            if changes:
                return changes[0]
            await database_of(self.core).signals.wait(1.0, since=mark)

    async def calls(self, tool: str) -> None:
        """Wait until the agent has called a tool."""
        while tool not in self.called:
            await self.core.clock.sleep(0.01)


People = Callable[[EvalEnvironment], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a scenario starts from. Without `approvals` there is no Slack: the client's own human confirms."""

    approvals: bool = True
    rules: str = ""
    """A vpsops.toml in place of the built-in rules."""
    answer: t.ElicitResult | None = None
    """What the client's human answers; without one the client cannot ask."""
    faults: Sequence[Mapping[str, Any]] = ()
    arrange: People | None = None
    """What happened before the agent came."""
    people: People | None = None
    """What people do meanwhile."""
    patience: float = 4.0
    key: str = KEY
    toolsets: tuple[str, ...] = ()
    """The toolsets that the server is started with, where they are not the usual ones."""


@asynccontextmanager
async def world_of(setting: Setting, provider: SimulatorHandle, directory: Path) -> AsyncIterator[EvalEnvironment]:
    """Open a world on a provider that is put back to its start."""
    provider.simulator.reset()
    settings = _settings(setting, provider, directory)
    asked: list[str] = []

    async def human(context: ClientRequestContext, params: t.ElicitRequestParams) -> t.ElicitResult:
        del context
        asked.append(params.message)
        return setting.answer or NO

    async with open_core(settings, front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as core:
        server = build_server(core, ServerOptions(human=ANN, patience=setting.patience, reach=_reach(setting)))
        info = t.Implementation(name="agent", version="1")
        may_ask = human if setting.answer else None
        async with Client(
            server, mode=ERA, client_info=info, elicitation_callback=may_ask, read_timeout_seconds=PATIENCE_SECONDS
        ) as client:
            world = EvalEnvironment(core, provider, client, asked=asked)
            if setting.arrange is not None:
                await setting.arrange(world)
            provider.simulator.faults.add(parse([dict(fault) for fault in setting.faults]))
            yield world


def _reach(setting: Setting) -> AccessScope:
    named = Restriction("--toolsets", toolsets=frozenset(setting.toolsets))
    return AccessScope((named,)) if setting.toolsets else EVERYTHING


def _settings(setting: Setting, provider: SimulatorHandle, directory: Path) -> Settings:
    arguments = {
        "WAYSCLOUD_API_URL": provider.url,
        "WAYSCLOUD_API_KEY": setting.key,
        "VPSOPS_DATABASE_URL": f"sqlite:///{directory / 'vpsops.sqlite3'}",
        "VPSOPS_APPROVAL_CHANNEL": CHANNEL if setting.approvals else "",
    }
    if setting.rules:
        path = directory / "vpsops.toml"
        path.write_text(setting.rules, encoding="utf-8")
        arguments["VPSOPS_CONFIG"] = str(path)
    return Settings.model_validate({name: value for name, value in arguments.items() if value})


def votes(*votes_text: tuple[Actor, Verdict, str], after: str = "") -> People:
    """Return people who vote on the first change that is held, once the agent has called a tool where one is named."""

    async def people(world: EvalEnvironment) -> None:
        if after:
            await world.calls(after)
        change = await world.held()
        for voter, verdict, reason in votes_text:
            await world.core.gate.vote(
                change.id, voter, verdict, change.digest, reason=reason, evidence="Slack", scope=OPERATOR
            )

    return people


def approve(*voters: Actor, after: str = "") -> People:
    """Return people who approve."""
    return votes(*((voter, Verdict.APPROVE, "") for voter in voters or (BOB,)), after=after)


def deny(reason: str) -> People:
    """Return bob, who denies with a reason."""
    return votes((BOB, Verdict.DENY, reason))
