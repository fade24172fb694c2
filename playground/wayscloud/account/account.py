"""The provider's account: its servers, what changes them, and a count of every effect."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any

from vpsops.core.common.clock import Clock
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.hardware.catalogue import Catalogue
from vpsops.playground.wayscloud.hardware.fleet import DAY, Start, fleet, habits, identity, ipv4, ipv6
from vpsops.playground.wayscloud.hardware.model import (
    DURATIONS,
    MOVES,
    UP,
    Power,
    ServerState,
    SimulatedServer,
    already,
    begin,
    refusal,
    settle,
)
from vpsops.playground.wayscloud.hardware.simulated_clock import Timeline

EFFECTS_KEPT = 100_000
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """A valid request for a server; codes are known and fit together."""

    hostname: str
    display_name: str
    plan: str
    location: str
    template: str


@dataclass(frozen=True, slots=True)
class Item:
    """Something that belongs to a server, a snapshot for example; `ready` is in the world's seconds."""

    id: str
    fields: Json
    ready: float
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Effect:
    """An event of a server that an API request caused; the server is between two states until `ends_at`."""

    seq: int
    at: datetime
    operation: str
    server_id: str
    hostname: str
    ends_at: datetime


class World:
    """Servers by id. No server changes on its own: each read settles what is due by now."""

    def __init__(self, config: SimulatorConfig, catalogue: Catalogue, clock: Clock) -> None:
        self.config = config
        self.catalogue = catalogue
        self.time = Timeline(clock, config.speed)
        self.effects: deque[Effect] = deque(maxlen=EFFECTS_KEPT)
        self.counts: Counter[str] = Counter()
        start = Start(catalogue, config.fleet, config.seed, self.time.seconds(), clock.now())
        self._servers = {server.id: server for server in fleet(start)}
        self._made = len(self._servers)
        self._past: dict[
            str, list[tuple[float, SimulatedServer | None]]
        ] = {}  # until when a server was another one, or none
        self._items: dict[tuple[str, str], dict[str, Item]] = {}

    def servers(self) -> list[SimulatedServer]:
        """Return all servers in their current state, oldest entry first."""
        at = self.time.seconds()
        for server in [each for each in self._servers.values() if each.until is not None]:
            self._keep(settle(server, at))
        return list(self._servers.values())

    def get(self, server_id: str) -> SimulatedServer | None:
        """Return one server in its current state, by id."""
        server = self._servers.get(server_id)
        return None if server is None else self._keep(settle(server, self.time.seconds()))

    def as_of(self, behind: float) -> dict[str, SimulatedServer]:
        """Return all servers by id as they were `behind` seconds ago: those that were there, in the state of then."""
        at = self.time.seconds() - behind
        now = {server.id: server for server in self.servers()}
        there = {**now, **dict.fromkeys(self._past, None)} if behind > 0 else now
        then = {each: self._then(each, now.get(each), at) for each in there}
        return {each: settle(server, at) for each, server in then.items() if server is not None}

    def _then(self, server_id: str, now: SimulatedServer | None, at: float) -> SimulatedServer | None:
        return next((before for until, before in self._past.get(server_id, []) if at < until), now)

    def find(self, text: str) -> SimulatedServer | None:
        """Return one server by id, else the first by hostname."""
        return self.get(text) or next((each for each in self.servers() if each.hostname == text), None)

    def taken(self, hostname: str) -> bool:
        """Return whether a server has this hostname, letter case aside."""
        return any(each.hostname.lower() == hostname.lower() for each in self._servers.values())

    def create(self, order: Order, *, doomed: bool = False) -> SimulatedServer:
        """Make a server, which is ready after a while, or ends in `error` when doomed."""
        self._made += 1
        rng = Random(f"{self.config.seed}/made/{self._made}")
        lasts = rng.uniform(*DURATIONS[ServerState.PROVISIONING])
        server = SimulatedServer(
            id=identity(rng),
            number=self._made,
            hostname=order.hostname,
            display_name=order.display_name,
            plan=order.plan,
            location=order.location,
            template=order.template,
            ipv4=ipv4(self._made),
            ipv6=ipv6(self._made),
            created_at=self.time.now(),
            ready_at=self.time.after(lasts),
            state=ServerState.PROVISIONING,
            habits=habits(rng),
            until=self.time.seconds() + lasts,
            doomed=doomed,
        )
        self.count("create", server, lasts)
        return self._keep(server)

    def power(self, server: SimulatedServer, power: Power, *, doomed: bool = False) -> str | None:
        """Start a power operation; return the reason for a refusal, or None when it started or was not needed."""
        reason = refusal(server, power, strict=self.config.strict_states)
        if reason is None and not already(server, power):
            state = MOVES[power]
            rng = Random(f"{self.config.seed}/moves/{server.id}/{server.moves}")
            lasts = rng.uniform(*DURATIONS[state])
            self._keep(begin(server, state, self.time.seconds() + lasts, doomed=doomed))
            self.count(power, server, lasts)
        return reason

    def override(
        self,
        server: SimulatedServer,
        state: ServerState | None,
        hostname: str | None,
        display_name: str | None,
        **marks: Any,
    ) -> SimulatedServer:
        """Change a server outside the API, its labels and tags too; this is no effect and is not counted."""
        changed = replace(
            server, hostname=hostname or server.hostname, display_name=display_name or server.display_name, **marks
        )
        return self._keep(changed if state is None else self._forced(changed, state))

    def delete(self, server: SimulatedServer) -> None:
        """Delete a server with all that belongs to it."""
        self.count("delete", server)
        self.remove(server)
        self._items = {key: items for key, items in self._items.items() if key[0] != server.id}

    def update(self, server: SimulatedServer, changed: SimulatedServer) -> None:
        """Change what a server is called or marked with."""
        self.count("update", server)
        self._keep(changed)

    def upgrade(self, server: SimulatedServer, plan: str) -> SimulatedServer:
        """Move a server to another plan."""
        self.count("upgrade", server)
        return self._keep(replace(server, plan=plan))

    def remove(self, server: SimulatedServer) -> None:
        """Let a server vanish, outside the API."""
        gone = self._servers.pop(server.id, None)
        self._past.setdefault(server.id, []).append((self.time.seconds(), gone))

    def items_of(self, server_id: str, family: str) -> dict[str, Item]:
        """Return a server's items of one family by id; the mapping is mutable."""
        return self._items.setdefault((server_id, family), {})

    def count(self, operation: str, server: SimulatedServer, lasts: float = 0.0) -> None:
        """Note that an operation took effect; the server is busy with it for `lasts` seconds of the world."""
        self.counts[operation] += 1
        at, ends_at = self.time.now(), self.time.after(lasts)
        self.effects.append(Effect(self.counts.total(), at, str(operation), server.id, server.hostname, ends_at))

    def counted(self, operation: str | None = None) -> Iterable[Effect]:
        """Return the effects still kept, oldest first, of one operation when named."""
        return [each for each in self.effects if operation in (None, each.operation)]

    def _forced(self, server: SimulatedServer, state: ServerState) -> SimulatedServer:
        """Put a server into a state by hand; one that is up then has been up for a day, not only since this moment."""
        at = self.time.seconds()
        span = DURATIONS.get(state)
        booted = (server.booted if server.booted is not None else at - DAY) if state in UP else None
        ready = server.ready_at or self.time.now()
        return replace(server, state=state, until=at + span[0] if span else None, booted=booted, ready_at=ready)

    def _keep(self, server: SimulatedServer) -> SimulatedServer:
        before = self._servers.get(server.id)
        if before is not server:
            self._past.setdefault(server.id, []).append((self.time.seconds(), before))
            self._servers[server.id] = server
        return server
