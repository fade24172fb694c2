"""How long a decision takes among two hundred rules; the subject `policy` puts it on the page."""

import gc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.bench.plan import share
from vpsops.core.common.clock import SystemClock
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.target import Target
from vpsops.core.policy import PolicyContext, parse_policy

RULES = 200
ROUNDS = 20
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PERSON = Actor(ActorKind.PERSON, "U0ALICE", "alice", "U0ALICE", groups=("S0ONCALL", "S0WEB"))
AGENT = Actor(ActorKind.AGENT, "mcp:ci:deploy", "deploy", "alice@example.com")
KINDS = (
    'server = "team{n}-*"\nrisk = "disruptive"\ndecision = "confirm"',
    'server = ["db{n}*", "*.db{n}.example.com", "cache-{n}-?"]\noperation = ["stop", "reboot"]\ndecision = "deny"',
    'group = "S0TEAM{n}"\nregion = ["oslo", "SE"]\nrisk = "change"\ndecision = "allow"',
    'actor = "agent"\nserver = "app{n}-*"\nhours = "Mon-Fri 07:00-19:{m}"\ntime_zone = "UTC"\ndecision = "deny"',
    'operation = "create"\ncost_above = {n}\ndecision = "approve"\napprovers = {{ people = ["U0HEAD{n}"] }}',
    'person = ["U0P{n}", "p{n}@example.com"]\norigin = "mcp"\ndecision = "deny"',
)
ALWAYS = (
    'risk = "read"\ndecision = "allow"',
    'actor = "person"\nrisk = ["change", "disruptive"]\ndecision = "confirm"',
    'actor = "agent"\nrisk = ["change", "disruptive"]\ndecision = "approve"\napprovers = { groups = ["S0ONCALL"] }',
    'server = "*.com"\nrisk = "disruptive"\ndecision = "approve"\nvotes = 2\napprovers = { people = ["U1", "U2"] }',
)


def run() -> dict[str, float]:
    """Return p50 and p95 of a decision, and the time of a load, of `RULES` rules."""
    clock = SystemClock()
    text = "\n".join(written())
    begun = clock.monotonic()
    policy = parse_policy(text, "bench.toml")
    loaded = clock.monotonic() - begun
    requests = list(asked())
    for facts in requests:
        policy.decide(facts)
    times = []
    gc.collect()
    for _ in range(ROUNDS):
        for facts in requests:
            begun = clock.monotonic()
            policy.decide(facts)
            times.append((clock.monotonic() - begun) * 1e6)
    return {
        "rules": len(policy.rules),
        "decisions": len(times),
        "decision_p50_microseconds": share(times, 0.5),
        "decision_p95_microseconds": share(times, 0.95),
        "load_milliseconds": loaded * 1e3,
    }


def written() -> Iterator[str]:
    """Yield two hundred rules of all kinds, none of which another one makes pointless."""
    for number in range(RULES):
        kind = ALWAYS[number] if number < len(ALWAYS) else KINDS[number % len(KINDS)]
        body = kind if number < len(ALWAYS) else kind.format(n=number, m=f"{number % 60:02d}")
        yield f'[[rule]]\nid = "rule-{number}"\nreason = "Reason {number}."\n{body}\n'


def asked() -> Iterator[PolicyContext]:
    """Yield requests of several actors for every operation, on servers that some rules are about and others not."""
    servers = [
        Target("id-1", "web01.example.com", region="oslo"),
        Target("id-2", "db13-primary", region="SE"),
        Target("id-3", "app27-blue.example.com", region="DE"),
    ]
    for operation in OPERATIONS.values():
        about = servers if operation.takes_server or not operation.reads else [None]
        for hour, actor in enumerate((PERSON, AGENT, replace(AGENT, human=""))):
            for target in about:
                region = target.region if target else ""
                now = NOON + timedelta(hours=hour * 6)
                cost = 150.0 if operation.name == "create" else None
                yield PolicyContext(operation.name, operation.risk, actor, "mcp", now, target, region, cost)
