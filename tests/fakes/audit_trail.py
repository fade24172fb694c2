"""A trail as a running system leaves it, and the console script over it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import anyio
import pytest
from sqlalchemy.engine import Connection

from tests.harness.virtual_time import VirtualClock
from tests.unit.core.storage.samples import BEN, CHANGE, NOW, VOTE
from vpsops.cli import main as console
from vpsops.core.audit import chain
from vpsops.core.changes import repository
from vpsops.core.changes.audit_entries import person
from vpsops.core.changes.model import Change, State
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.operations.target import Target
from vpsops.core.storage import open_database

AGENT = Actor(ActorKind.AGENT, "claude", "Claude", human="cem@example.com")
HOSTILE = "up\x1b[2J\x07\u202e\n#99  forged " + "x" * 1000
WEB = replace(CHANGE, version=1, arguments={"server": "srv-1", "ssh_keys": ["ssh-ed25519 AAAA"]})
DB = replace(
    WEB,
    id="chg_000000000002",
    operation="stop",
    actor=AGENT,
    target=Target("srv-2", "db01.example.com", "running"),
    reason=HOSTILE,
    created_at=NOW + timedelta(minutes=1),
)


@dataclass(frozen=True, slots=True)
class Said:
    """The script's actions."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Standard output, line by line."""
        return self.out.splitlines()


Cli = Callable[..., Said]


def requested(change: Change) -> dict[str, object]:
    """Return what the gate records of a request."""
    return {
        "actor": person(change.actor),
        "operation": change.operation,
        "target": {"id": change.target.id, "hostname": change.target.hostname, "state": change.target.state},
        "arguments": dict(change.arguments),
        "reason": change.reason,
        "decision": change.ruling.decision.value,
        "rules": list(change.ruling.rules),
    }


def happen(connection: Connection) -> None:
    """Let two changes come, one of them be voted on and approved, and a third be refused."""
    for change in (WEB, DB):
        repository.insert(connection, change, key="", body=requested(change))
    repository.add_vote(connection, WEB.id, VOTE)
    body = {"by": person(BEN), "verdict": "approve", "reason": "fine", "evidence": "member of S_OPS"}
    voted = repository.amend(connection, WEB, NOW, event="voted", body=body)
    repository.step(connection, voted, State.APPROVED, NOW, event="approved", body=body)
    refusal = {**requested(replace(WEB, actor=BEN)), "why": "The policy refuses this."}
    chain.append(connection, NOW.timestamp(), "refused", None, refusal)
    drift = {"server": "srv-3", "hostname": "mail.example.com", "text": "mail.example.com was running, is stopped"}
    chain.append(connection, NOW.timestamp(), "drift", None, drift)


RECORDS = 6


def change_database(url: str, *works: Callable[[Connection], object]) -> None:
    """Run transactions on a database, one after the other."""

    async def run() -> None:
        async with open_database(url, VirtualClock()) as database:
            for work in works:
                await database.transact(work)

    anyio.run(run)


@pytest.fixture
def stored(empty_database_url: str) -> str:
    """A database in which something happened."""
    change_database(empty_database_url, happen)
    return empty_database_url


@pytest.fixture
def cli(empty_database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The console script, on this test's database."""
    monkeypatch.setenv("VPSOPS_DATABASE_URL", empty_database_url)

    def call(*words: str) -> Said:
        capsys.readouterr()
        code = console.main(words)
        return Said(code, *capsys.readouterr())

    return call
