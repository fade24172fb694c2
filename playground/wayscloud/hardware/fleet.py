"""The servers a simulator starts with: the two of the documentation, then generated ones."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from vpsops.playground.wayscloud.hardware.catalogue import Catalogue, CataloguePlan
from vpsops.playground.wayscloud.hardware.model import DURATIONS, UP, Habits, ServerState, SimulatedServer

ROLES = ("web", "api", "db", "cache", "worker", "queue", "search", "mail", "vpn", "build", "git", "metrics")
LABELS = {"db": "Database", "vpn": "VPN gateway", "git": "Git hosting", "api": "API", "build": "Build runner"}
STAGES = ("prod", "prod", "prod", "staging", "dev")
TEAMS = ("shop", "data", "core")
STATES = (
    ServerState.RUNNING,
    ServerState.STOPPED,
    ServerState.PROVISIONING,
    ServerState.STARTING,
    ServerState.STOPPING,
    ServerState.ERROR,
)
SHARES = (850, 110, 15, 8, 7, 10)
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Start:
    """The inputs of a generated fleet; `world` are the world's seconds, `now` the time of day of the start."""

    catalogue: Catalogue
    total: int
    seed: int
    world: float
    now: datetime


def fleet(start: Start) -> Iterator[SimulatedServer]:
    """Yield the servers there are at the start: the documented two, and generated ones up to the total."""
    yield from documented(start)
    for number in range(3, start.total + 1):
        yield generated(start, number)


def documented(start: Start) -> tuple[SimulatedServer, SimulatedServer]:
    """Return web01 and db01 of the API page; db01's undocumented values are invented."""
    small, large = _sizes(start.catalogue)
    return _web01(start, small), _db01(start, large)


def _web01(start: Start, plan: CataloguePlan) -> SimulatedServer:
    return SimulatedServer(
        id="b5c6d7e8-f9a0-1234-5678-90abcdef1234",
        number=1,
        hostname="web01.example.com",
        display_name="Production Web Server",
        plan=plan.code,
        location="NO",
        template="ubuntu-22.04",
        ipv4="185.35.202.45",
        ipv6="2a01:4f9:c010:1234::1",
        created_at=datetime(2024, 2, 15, 14, 30, tzinfo=UTC),
        ready_at=datetime(2024, 2, 15, 14, 31, 30, tzinfo=UTC),
        state=ServerState.RUNNING,
        habits=Habits(cpu=12.5, memory=68.3, disk=42.1, bytes_in=157286400 / 2592000, bytes_out=52428800 / 2592000),
        booted=start.world - 2592000.0,
    )


def _db01(start: Start, plan: CataloguePlan) -> SimulatedServer:
    return SimulatedServer(
        id="c6d7e8f9-a0b1-2345-6789-0abcdef12345",
        number=2,
        hostname="db01.example.com",
        display_name="Database Server",
        plan=plan.code,
        location="NO",
        template="debian-12",
        ipv4="185.35.202.46",
        ipv6="2a01:4f9:c010:1234::2",
        created_at=datetime(2024, 2, 15, 14, 45, tzinfo=UTC),
        ready_at=datetime(2024, 2, 15, 14, 47, tzinfo=UTC),
        state=ServerState.RUNNING,
        habits=Habits(cpu=31.0, memory=81.4, disk=57.9, bytes_in=2048.0, bytes_out=9216.0),
        booted=start.world - 7776000.0,
    )


def _sizes(catalogue: Catalogue) -> tuple[CataloguePlan, CataloguePlan]:
    """Return the plans of web01 (4 GB, as documented) and db01 (8 GB)."""
    here = [plan for plan in catalogue.plans.values() if plan.location in ("", "NO")]
    small = next(plan for plan in here if plan.memory_gb == 4)  # noqa: PLR2004 - the documented size
    large = next(plan for plan in here if plan.memory_gb == 8)  # noqa: PLR2004
    return small, large


def generated(start: Start, number: int) -> SimulatedServer:
    """Return one made-up server; equal seeds and numbers give equal servers."""
    rng = Random(f"{start.seed}/fleet/{number}")
    role, stage = rng.choice(ROLES), rng.choice(STAGES)
    plan = rng.choice(list(start.catalogue.plans.values()))
    place = plan.location or rng.choice(list(start.catalogue.locations))
    state = rng.choices(STATES, weights=SHARES)[0]
    created = start.now - timedelta(days=rng.uniform(1, 900)) if state is not ServerState.PROVISIONING else start.now
    return SimulatedServer(
        id=identity(rng),
        number=number,
        hostname=f"{role}{number:02d}.{stage}.{start.catalogue.locations[place].city}.example.com",
        display_name=f"{LABELS.get(role, role.capitalize())} {number} ({stage})",
        plan=plan.code,
        location=place,
        template=_template(start.catalogue, plan, rng),
        ipv4=ipv4(number),
        ipv6=ipv6(number),
        created_at=created.replace(microsecond=0),
        ready_at=None if state is ServerState.ERROR else (created + timedelta(seconds=90)).replace(microsecond=0),
        state=state,
        habits=habits(rng),
        until=start.world + rng.uniform(*DURATIONS[state]) if state in DURATIONS else None,
        booted=start.world - rng.uniform(0.1, 200) * DAY if state in UP else None,
        labels={"env": stage, "team": TEAMS[number % len(TEAMS)]},
    )


def _template(catalogue: Catalogue, plan: CataloguePlan, rng: Random) -> str:
    fitting = [each.code for each in catalogue.listed() if each.windows == ("Windows" in plan.code)]
    return rng.choice(fitting)


def identity(rng: Random) -> str:
    """Return a UUID drawn from `rng`."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def habits(rng: Random) -> Habits:
    """Return the invented load of a server."""
    return Habits(
        cpu=rng.triangular(1, 85, 12),
        memory=rng.triangular(10, 94, 55),
        disk=rng.triangular(5, 92, 40),
        bytes_in=rng.lognormvariate(8, 1.5),
        bytes_out=rng.lognormvariate(8, 1.5),
        phase=rng.random(),
    )


def ipv4(number: int) -> str:
    """Return an address from 198.18.0.0/15, which is set aside for benchmarks and leads nowhere."""
    return f"198.{18 + (number >> 16) % 2}.{(number >> 8) % 256}.{number % 256}"


def ipv6(number: int) -> str:
    """Return an address from the documentation range."""
    return f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1"
