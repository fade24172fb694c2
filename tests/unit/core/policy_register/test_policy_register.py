"""One policy for all processes of a database: two cores, each with a policy of its own, on SQLite and PostgreSQL."""

from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa

from tests.fakes.accounts import EVERYBODY
from tests.fakes.policies import put_in_force
from tests.fakes.timing import QUICK
from tests.harness.internals import backend_of, database_of
from tests.harness.patience import eventually
from tests.harness.virtual_time import VirtualClock
from vpsops.core.app import Core, open_core
from vpsops.core.audit import chain
from vpsops.core.changes.model import State, Verdict
from vpsops.core.changes.requests import Done, Held, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.policy_register import history, revisions
from vpsops.core.policy_register.revisions import PolicyBrokenError
from vpsops.core.storage.tables import POLICIES, PROCESSES
from vpsops.playground.wayscloud.serve import SimulatorHandle

ALICE = Actor(ActorKind.PERSON, "U1", "alice", "U1", account="U1")
BOB = Actor(ActorKind.PERSON, "U2", "bob", "U2", account="U2", groups=("S1",))
AGENT = Actor(ActorKind.AGENT, "mcp:assistant", "assistant", "slack:U1")
READS = '[[rule]]\nid = "reads"\nrisk = "read"\ndecision = "allow"\n'
LAX = READS + '[[rule]]\nid = "all"\nrisk = ["change", "disruptive"]\ndecision = "allow"\n'
STRICT = READS + '[limits]\nprotected = "web01"\n'
VOTES = READS + '[[rule]]\nid = "all"\nrisk = "disruptive"\ndecision = "approve"\napprovers = { groups = ["S1"] }\n'
WITHIN_SECONDS = 5.0  # promised, and of virtual time


@pytest.fixture
def lax(settings: Settings, tmp_path: Path) -> Settings:
    return with_file(settings, tmp_path / "lax.toml", LAX)


@pytest.fixture
def strict(settings: Settings, tmp_path: Path) -> Settings:
    return with_file(settings, tmp_path / "strict.toml", STRICT)


def with_file(settings: Settings, path: Path, text: str) -> Settings:
    path.write_text(text)
    return settings.model_copy(update={"config": path})


def opened(settings: Settings, front: str = "cli") -> AbstractAsyncContextManager[Core]:
    return open_core(settings, front=front, timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY)


def reboot(actor: Actor = ALICE, server: str = "web01", operation: str = "reboot") -> Request:
    arguments = {"server": server} if server else {}
    return Request(operation, arguments, actor, Origin("slack", "T1", "C1"), can_confirm=True)


async def version(core: Core) -> str:
    return (await database_of(core).read(history.head))[1]


@pytest.mark.requirement("policy-one-for-all")
async def test_the_policy_of_the_database_decides_whatever_a_process_was_started_with(
    strict: Settings, settings: Settings, provider: SimulatorHandle
) -> None:
    """A process without its file runs under the policy in force: the protected server stays."""
    async with opened(strict) as first, opened(settings) as forgetful:
        assert await version(first) == await version(forgetful)
        for core in (first, forgetful):
            outcome = await core.gate.submit(reboot(AGENT), scope=OPERATOR)
            assert isinstance(outcome, Refused)
        assert list(provider.simulator.world.counted("reboot")) == []


@pytest.mark.requirement("policy-differs-refused")
async def test_a_process_with_another_policy_changes_nothing_until_both_agree(strict: Settings, lax: Settings) -> None:
    """It names the versions, the file and the commands; reads continue; it serves again without a restart."""
    async with opened(strict) as first, opened(lax) as other:
        refused = await other.gate.submit(reboot(server="db01"), scope=OPERATOR)
        assert isinstance(refused, Refused)
        in_force = await version(first)
        assert in_force[:12] in refused.reason
        assert f", from {lax.config})" in refused.reason
        assert f"vpsops policy diff {lax.config}" in refused.hint
        assert f"vpsops policy apply {lax.config}" in refused.hint
        assert isinstance(await other.gate.submit(reboot(operation="list", server=""), scope=OPERATOR), Done)
        records = [item.event for item in await database_of(first).read(chain.read)]
        assert records == ["policy_applied", "refused"]
        await put_in_force(database_of(first), lax)
        outcome = await other.gate.submit(reboot(server="db01"), scope=OPERATOR)
        assert not isinstance(outcome, Refused)
        now_the_other = await first.gate.submit(reboot(server="db01"), scope=OPERATOR)
        assert isinstance(now_the_other, Refused)
        assert "started with another policy" in now_the_other.reason


@pytest.mark.requirement("policy-counts-at-last-yes")
async def test_a_policy_that_was_applied_a_moment_ago_counts_for_the_last_yes(
    settings: Settings, tmp_path: Path, provider: SimulatorHandle
) -> None:
    """A change waits for a vote, the policy in force gets stricter, and the vote sends nothing."""
    votes = with_file(settings, tmp_path / "votes.toml", VOTES)
    async with opened(votes) as first, opened(settings) as second:
        held = await second.gate.submit(reboot(AGENT), scope=OPERATOR)
        assert isinstance(held, Held)
        await put_in_force(database_of(first), with_file(settings, tmp_path / "strict.toml", STRICT))
        voted = await second.gate.vote(held.change.id, BOB, Verdict.APPROVE, held.change.digest, scope=OPERATOR)
        assert (await second.changes.wait(voted.id, seconds=60, scope=OPERATOR)).state is State.SUPERSEDED
        assert list(provider.simulator.world.counted("reboot")) == []


async def test_a_process_with_another_policy_takes_no_yes_and_takes_a_no(
    settings: Settings, lax: Settings, tmp_path: Path
) -> None:
    """Approvals are refused there; denials and withdrawals are the safe direction."""
    votes = with_file(settings, tmp_path / "votes.toml", VOTES)
    async with opened(votes) as first, opened(lax) as other:
        held = [await first.gate.submit(reboot(AGENT, name), scope=OPERATOR) for name in ("web01", "db01")]
        entry, two = (outcome.change for outcome in held if isinstance(outcome, Held))
        with pytest.raises(NotAllowedError, match="started with another policy"):
            await other.gate.vote(entry.id, BOB, Verdict.APPROVE, entry.digest, scope=OPERATOR)
        assert (await other.gate.vote(entry.id, BOB, Verdict.DENY, entry.digest, scope=OPERATOR)).state is State.DENIED
        assert (await other.gate.cancel(two.id, ALICE, scope=OPERATOR)).state is State.CANCELLED
        assert (await other.gate.pause_agents(ALICE, paused=True, scope=OPERATOR)).paused


async def test_a_process_with_another_policy_runs_nothing(
    settings: Settings, lax: Settings, tmp_path: Path, provider: SimulatorHandle
) -> None:
    """An approved change waits for a process that agrees, and runs there."""
    votes = with_file(settings, tmp_path / "votes.toml", VOTES)
    async with opened(votes) as first:
        held = await first.gate.submit(reboot(AGENT), scope=OPERATOR)
        assert isinstance(held, Held)
        async with opened(lax, "worker") as other:
            assert not await database_of(other).read(backend_of(other).policy.agrees)
            await first.gate.vote(held.change.id, BOB, Verdict.APPROVE, held.change.digest, scope=OPERATOR)
            assert (await first.changes.wait(held.change.id, seconds=600, scope=OPERATOR)).state is State.SUCCEEDED
        assert len(list(provider.simulator.world.counted("reboot"))) == 1


@pytest.mark.requirement("policy-first-start")
async def test_an_empty_database_takes_the_first_one(lax: Settings, strict: Settings) -> None:
    """Of two that start at once one puts its own in force, on record, and the other compares."""
    results: list[tuple[bool, str]] = []

    async def start(settings: Settings) -> None:
        async with opened(settings) as core:
            await ready.wait()
            results.append((await database_of(core).read(backend_of(core).policy.agrees), await version(core)))

    ready = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(start, lax)
        group.start_soon(start, strict)
        ready.set()
    assert sorted(agrees for agrees, _ in results) == [False, True]
    assert len({entry for _, entry in results}) == 1
    async with opened(lax) as core:
        assert len(await database_of(core).read(history.history)) == 1
        assert [item.event for item in await database_of(core).read(chain.read)][:1] == ["policy_applied"]


async def test_nothing_configured_means_the_embedded_default_and_the_database_says_so(settings: Settings) -> None:
    """Whatever a later release embeds, this is in force until another is applied."""
    async with opened(settings) as core:
        in_force = await database_of(core).read(history.in_force)
        assert in_force is not None
        assert in_force.document.embedded
        assert {rule["id"] for rule in in_force.document.rules} >= {"default-agents", "default-reads"}


async def test_channels_in_force_are_everybodys(settings: Settings) -> None:
    """The deciding channel follows the policy in force at once, also in a process without a configured channel."""
    slack = settings.model_validate({**settings.model_dump(by_alias=True, exclude_unset=True), "VPSOPS_CHANNEL": "C1"})
    async with opened(slack), opened(settings) as other:
        assert other.stewards.channels == ("C1",)
        assert other.settings.channel == "C1"
        approvals = settings.model_copy(update={"approval_channel": "C2"})
        await put_in_force(database_of(other), approvals)
        await other.clock.sleep(2.0)
        await other.policy.refresh()
        assert other.stewards.channels == ("C2",)
        held = await other.gate.submit(reboot(AGENT), scope=OPERATOR)
        assert isinstance(held, Held)
        assert held.change.ruling.approvers.channels == ("C2",)


@pytest.mark.requirement("policy-on-record-only")
async def test_a_policy_that_was_written_past_the_trail_stops_changes_and_reads(
    settings: Settings, lax: Settings
) -> None:
    """A write to the row puts nothing in force, and a process does not start on it."""
    async with opened(settings) as core:
        await put_in_force(database_of(core), lax)
        await database_of(core).transact(lambda connection: connection.execute(sa.update(POLICIES).values(record=1)))
        await core.clock.sleep(2.0)
        for request in (reboot(), reboot(operation="list", server="")):
            with pytest.raises(PolicyBrokenError):
                await core.gate.submit(request, scope=OPERATOR)
        assert (await core.gate.pause_agents(ALICE, paused=True, scope=OPERATOR)).paused
        with pytest.raises(PolicyBrokenError):
            async with opened(settings):
                raise AssertionError


async def test_an_idle_process_takes_a_policy_with_its_heartbeat(settings: Settings, strict: Settings) -> None:
    """Help and menus follow within seconds, even in a process without requests."""
    async with opened(settings) as first, opened(settings, "worker") as idle:
        assert backend_of(idle).policy.latest_limits().protected == frozenset()
        await put_in_force(database_of(first), strict)
        await eventually(
            lambda: backend_of(idle).policy.latest_limits().protected == {"web01"}, patience=WITHIN_SECONDS
        )
        assert [rule.id for rule in backend_of(idle).policy.latest().rules] == ["reads"]


async def test_a_heartbeat_tells_what_a_process_was_started_with(lax: Settings, strict: Settings) -> None:
    """It also reports what that policy amounts to after another was applied."""
    async with opened(strict, "worker") as first, opened(lax, "worker"):

        async def rows() -> set[tuple[str, str]]:
            query = sa.select(PROCESSES.c.policy, PROCESSES.c.policy_source)
            results = await database_of(first).read(lambda connection: connection.execute(query).all())
            return {(policy, source) for policy, source in results}

        sources = await rows()
        assert {source for _, source in sources} == {str(lax.config), str(strict.config)}
        assert len({policy for policy, _ in sources}) == 2


async def test_a_policy_is_read_beside_the_columns_of_a_newer_version(settings: Settings) -> None:
    """A migration may add some while a process runs that reads and writes nothing, and so does not end."""
    async with opened(settings) as core:
        database = database_of(core)
        for table in ("policies", "audit"):
            add = partial(execute, f"ALTER TABLE {table} ADD COLUMN later TEXT")
            await database.transact(add)
        revision = await database.view(revisions.in_force)
        assert revision is not None
        assert revision.version == await version(core)


def execute(statement: str, connection: sa.Connection) -> None:
    connection.execute(sa.text(statement))


@pytest.mark.parametrize("altered", [{"text": b"\xff"}, {"by": "[]"}, {"by": "{"}, {"by": b"\xff"}, {"by": None}])
def test_a_stored_policy_of_another_type_is_one_that_was_altered(altered: dict[str, object]) -> None:
    """SQLite keeps any type in any column; what a person wrote there is refused in words."""
    row = {
        "number": 1,
        "version": "pol_1",
        "previous": "",
        "source": "",
        "by": "{}",
        "at": 1.0,
        "record": 1,
        "text": "{}",
    }

    class AlteredView:
        def rows(self, query: str, **_: object) -> list[dict[str, object]]:
            return [row | altered] if "FROM policies" in query else []

    with pytest.raises(PolicyBrokenError, match="cannot be read"):
        revisions.in_force(AlteredView())
