"""A reload brings a policy to the register as a start does, also while changes are held or run."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.fakes.policies import put_in_force
from tests.harness.internals import backend_of, database_of
from tests.harness.patience import eventually
from tests.unit.core.policy_register.test_policy_register import (
    AGENT,
    BOB,
    LAX,
    STRICT,
    VOTES,
    WITHIN_SECONDS,
    opened,
    reboot,
    version,
    with_file,
)
from vpsops.core.app import Core
from vpsops.core.changes.model import State, Verdict
from vpsops.core.changes.requests import Held, Refused
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import Settings
from vpsops.playground.wayscloud.serve import SimulatorHandle


async def agrees(core: Core) -> bool:
    """Return whether a process may change anything."""
    return await database_of(core).read(backend_of(core).policy.agrees)


@pytest.mark.requirement("reload-through-register")
async def test_a_reload_puts_nothing_in_force(settings: Settings, tmp_path: Path) -> None:
    """The process with another file changes nothing from the reload on, until the file is back."""
    first_settings = with_file(settings, tmp_path / "own.toml", LAX)
    async with opened(first_settings) as first, opened(settings) as second:
        before = await version(first)
        (tmp_path / "own.toml").write_text(STRICT)
        with capture_logs() as logs:
            assert await first.reloader.reload()
            assert isinstance(await first.gate.submit(reboot(), scope=OPERATOR), Refused)
        assert [line["event"] for line in logs if line["event"].startswith(("config", "policy_differs"))] == [
            "config_reloaded",
            "policy_differs",
        ]
        assert await version(first) == before
        assert (await agrees(first), await agrees(second)) == (False, True)
        (tmp_path / "own.toml").write_text(LAX)
        assert await first.reloader.reload()
        assert await agrees(first)


@pytest.mark.requirement("reload-through-register")
async def test_an_applied_file_is_taken_by_every_process_that_has_it(settings: Settings, tmp_path: Path) -> None:
    """Nobody sends a signal: another policy in force is a reason to read the own file again."""
    path = tmp_path / "shared.toml"
    shared = with_file(settings, path, LAX)
    other_file = with_file(settings, tmp_path / "other.toml", LAX)
    async with opened(shared, "worker") as first, opened(shared) as second, opened(other_file) as third:
        assert (await agrees(first), await agrees(second), await agrees(third)) == (True, True, True)
        path.write_text(STRICT)
        await put_in_force(database_of(first), with_file(settings, tmp_path / "applied.toml", STRICT))
        assert (await agrees(first), await agrees(second)) == (False, False)  # at once, before any file is read
        await eventually(lambda: agrees(first), WITHIN_SECONDS)
        await eventually(lambda: agrees(second), WITHIN_SECONDS)
        assert isinstance(await second.gate.submit(reboot(AGENT), scope=OPERATOR), Refused)
        assert not await agrees(third)
        (tmp_path / "other.toml").write_text(STRICT)
        assert await third.reloader.reload()
        assert await agrees(third)


@pytest.mark.requirement("reload-through-register")
async def test_what_is_held_is_decided_again_after_a_reload(
    settings: Settings, tmp_path: Path, provider: SimulatorHandle
) -> None:
    """A stricter policy supersedes what waits, at the yes, in a process that was reloaded."""
    path = tmp_path / "own.toml"
    async with opened(with_file(settings, path, VOTES)) as core:
        held = await core.gate.submit(reboot(AGENT), scope=OPERATOR)
        assert isinstance(held, Held)
        path.write_text(STRICT)
        await put_in_force(database_of(core), with_file(settings, tmp_path / "applied.toml", STRICT))
        await eventually(lambda: agrees(core), WITHIN_SECONDS)
        voted = await core.gate.vote(held.change.id, BOB, Verdict.APPROVE, held.change.digest, scope=OPERATOR)
        assert (await core.changes.wait(voted.id, seconds=60, scope=OPERATOR)).state is State.SUPERSEDED
        assert list(provider.simulator.world.counted("reboot")) == []


async def test_a_change_that_was_sent_is_followed_through_a_reload(
    settings: Settings, tmp_path: Path, provider: SimulatorHandle
) -> None:
    """A reload to another policy stops no watch: the change ends well, sent once."""
    path = tmp_path / "own.toml"
    async with opened(with_file(settings, path, VOTES), "worker") as core:
        held = await core.gate.submit(reboot(AGENT), scope=OPERATOR)
        assert isinstance(held, Held)
        change = held.change
        await core.gate.vote(change.id, BOB, Verdict.APPROVE, change.digest, scope=OPERATOR)
        await eventually(lambda: len(list(provider.simulator.world.counted("reboot"))))
        path.write_text(LAX)
        assert await core.reloader.reload()
        assert not await agrees(core)
        assert (await core.changes.wait(change.id, seconds=600, scope=OPERATOR)).state is State.SUCCEEDED
        assert len(list(provider.simulator.world.counted("reboot"))) == 1


async def test_an_approved_change_does_not_leave_a_process_that_reloaded_another_policy(
    settings: Settings, tmp_path: Path, provider: SimulatorHandle
) -> None:
    """Half of the processes are reloaded: the other half sends it."""
    path = tmp_path / "half.toml"
    async with opened(with_file(settings, path, VOTES), "worker") as half, opened(settings) as rest:
        held = await rest.gate.submit(reboot(AGENT), scope=OPERATOR)
        assert isinstance(held, Held)
        path.write_text(LAX)
        assert await half.reloader.reload()
        voted = await rest.gate.vote(held.change.id, BOB, Verdict.APPROVE, held.change.digest, scope=OPERATOR)
        ended = await rest.changes.wait(voted.id, seconds=600, scope=OPERATOR)
        assert ended.state is State.SUCCEEDED
        assert not await agrees(half)
        assert len(list(provider.simulator.world.counted("reboot"))) == 1
