"""The gate over a real socket: held, confirmed, sent once, watched to the end."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.accounts import EVERYBODY
from tests.fakes.policies import put_in_force
from tests.fakes.timing import QUICK
from tests.harness.internals import database_of
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.conftest import KEY
from vpsops.core.app import Core, open_core
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Done, Held, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import InvalidInputError, NotAllowedError, StaleChangeError
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.policy.decision import Decision
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

ALICE = Actor(ActorKind.PERSON, "U1", "alice", "U1")
BOB = Actor(ActorKind.PERSON, "U2", "bob", "U2")
SLACK = Origin("slack", "T1", "C1")
NEW = {"hostname": "app09.example.com", "plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}


def asked(operation: str, key: str = "", *, can_confirm: bool = True, **arguments: object) -> Request:
    return Request(operation, arguments, ALICE, SLACK, key=key, can_confirm=can_confirm)


def order(**other: object) -> Request:
    return Request("create", {**NEW, **other}, ALICE, SLACK, can_confirm=True)


def done(provider: SimulatorHandle) -> list[str]:
    return [effect.operation for effect in provider.simulator.world.effects]


@pytest.mark.requirement("reads-run-at-once")
async def test_a_read_runs_at_once(core: Core) -> None:
    """A read is done when the gate answers, and leaves no change behind."""
    outcome = await core.gate.submit(asked("get", server="web01"), scope=OPERATOR)
    assert isinstance(outcome, Done)
    assert outcome.result is not None
    assert outcome.result.model_dump()["hostname"] == "web01.example.com"
    assert await core.changes.list(scope=OPERATOR) == []


@pytest.mark.parametrize("operation", ["stop", "reboot"])
async def test_a_confirmed_change_is_sent_once_and_watched_to_the_end(
    core: Core, provider: SimulatorHandle, operation: str
) -> None:
    """A held change does nothing until its asker confirms it, and then exactly one thing."""
    held = await core.gate.submit(asked(operation, server="web01"), scope=OPERATOR)
    assert isinstance(held, Held)
    assert held.needs is Decision.CONFIRM
    assert done(provider) == []
    await core.gate.confirm(held.change.id, ALICE, held.change.digest, scope=OPERATOR)
    change = await core.changes.wait(held.change.id, seconds=5, scope=OPERATOR)
    assert (change.state, change.note) == (State.SUCCEEDED, "")
    assert done(provider) == [operation]


async def test_a_created_server_is_watched_until_it_is_ready(core: Core, provider: SimulatorHandle) -> None:
    """A create shows its price, runs after the confirmation, and ends with the server's address."""
    held = await core.gate.submit(Request("create", NEW, ALICE, SLACK, can_confirm=True), scope=OPERATOR)
    assert isinstance(held, Held)
    assert "a month" in held.change.cost
    await core.gate.confirm(held.change.id, ALICE, held.change.digest[:16], scope=OPERATOR)
    change = await core.changes.wait(held.change.id, seconds=5, scope=OPERATOR)
    assert change.state is State.SUCCEEDED, change.note
    assert change.result["ipv4"]
    assert change.seconds is not None
    assert len(done(provider)) == 1


@pytest.mark.parametrize("hostname", ["web01.example.com.", "WEB01.example.com", " web01.example.com. "])
async def test_a_name_is_the_same_however_it_is_written(core: Core, hostname: str) -> None:
    """No server is made, and paid for, beside one of the same name, and nothing gets round the one change a server."""
    with pytest.raises(InvalidInputError, match="exists already"):
        await core.gate.submit(order(hostname=hostname), scope=OPERATOR)
    held = await core.gate.submit(order(), scope=OPERATOR)
    assert isinstance(held, Held)
    again = await core.gate.submit(order(hostname=f"{NEW['hostname'].upper()}."), scope=OPERATOR)
    assert isinstance(again, Refused)
    assert again.change == held.change


KEYS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl a"


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"hostname": "app 09"}, "not a hostname"),
        ({"hostname": "\uff41pp09.example.com"}, "not a hostname"),
        ({"ssh_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----"]}, "private SSH key"),
        ({"ssh_keys": ["x"]}, "not a public SSH key"),
        ({"ssh_keys": [KEYS] * 21}, "ssh_keys"),
        ({"plan": ""}, "not a code"),
        ({"display_name": "a\nb"}, "not a display name"),
    ],
)
async def test_what_could_not_be_sent_is_not_asked_of_anybody(core: Core, wrong: dict[str, Any], text: str) -> None:
    """What a server is made from is checked before it is stored and shown, not when it is about to leave."""
    with pytest.raises(InvalidInputError, match=text):
        await core.gate.submit(order(**wrong), scope=OPERATOR)
    assert await core.changes.list(scope=OPERATOR) == []


@pytest.mark.requirement("only-the-asker-confirms")
async def test_only_the_asker_confirms(core: Core, provider: SimulatorHandle) -> None:
    """Another person's confirmation is refused and the change stays held."""
    held = await core.gate.submit(asked("stop", server="web01"), scope=OPERATOR)
    assert isinstance(held, Held)
    with pytest.raises(NotAllowedError):
        await core.gate.confirm(held.change.id, BOB, held.change.digest, scope=OPERATOR)
    with pytest.raises(StaleChangeError):
        await core.gate.confirm(held.change.id, ALICE, "0" * 64, scope=OPERATOR)
    assert (await core.changes.get(held.change.id, scope=OPERATOR)).state is State.HELD
    assert done(provider) == []


@pytest.mark.requirement("same-ask-same-change")
async def test_the_same_request_twice_is_one_change(core: Core) -> None:
    """A deduplication key names one change, however often it arrives."""
    first = await core.gate.submit(asked("stop", "trigger-1", server="web01"), scope=OPERATOR)
    second = await core.gate.submit(asked("stop", "trigger-1", server="web01"), scope=OPERATOR)
    assert isinstance(first, Held)
    assert isinstance(second, Held)
    assert first.change.id == second.change.id


@pytest.mark.requirement("one-change-a-server")
async def test_a_second_change_on_a_server_is_refused_with_the_first_ones_id(core: Core) -> None:
    """One change at a time acts on a server."""
    first = await core.gate.submit(asked("stop", server="web01"), scope=OPERATOR)
    second = await core.gate.submit(asked("reboot", server="web01"), scope=OPERATOR)
    assert isinstance(first, Held)
    assert isinstance(second, Refused)
    assert second.change is not None
    assert second.change.id == first.change.id
    assert first.change.id in second.reason


async def test_who_cannot_be_asked_is_refused(core: Core, provider: SimulatorHandle) -> None:
    """Without a way to ask the human nothing is held and nothing runs."""
    outcome = await core.gate.submit(asked("stop", can_confirm=False, server="web01"), scope=OPERATOR)
    assert isinstance(outcome, Refused)
    assert await core.changes.list(scope=OPERATOR) == []
    assert done(provider) == []


async def test_a_reboot_settles_in_a_dialect_without_uptimes(database_url: str) -> None:
    """Where the API has no uptime, a server seen down and up again has rebooted."""
    async with running_simulator(SimulatorConfig(speed=100.0, dialect="sdk"), clock=VirtualClock()) as provider:
        env = {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": provider.url, "VPSOPS_DATABASE_URL": database_url}
        async with open_core(
            Settings.model_validate(env), front="cli", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY
        ) as core:
            held = await core.gate.submit(asked("reboot", server="web01"), scope=OPERATOR)
            assert isinstance(held, Held)
            await core.gate.confirm(held.change.id, ALICE, held.change.digest, scope=OPERATOR)
            change = await core.changes.wait(held.change.id, seconds=5, scope=OPERATOR)
    assert (change.state, change.overdue) == (State.SUCCEEDED, False)


@pytest.mark.requirement("decided-again")
@pytest.mark.parametrize(("decision", "state"), [("allow", State.SUCCEEDED), ("deny", State.SUPERSEDED)])
async def test_a_policy_that_changed_since_is_asked_again(
    core: Core, settings: Settings, provider: SimulatorHandle, tmp_path: Path, decision: str, state: State
) -> None:
    """A confirmation under stricter rules sends nothing, and the change has the reason; milder ones change nothing."""
    held = await core.gate.submit(asked("stop", server="web01"), scope=OPERATOR)
    assert isinstance(held, Held)
    config = tmp_path / "vpsops.toml"
    config.write_text(f'[[rule]]\nid = "all"\ndecision = "{decision}"\n')
    await put_in_force(database_of(core), settings, config)
    await core.gate.confirm(held.change.id, ALICE, held.change.digest, scope=OPERATOR)
    change = await core.changes.wait(held.change.id, seconds=5, scope=OPERATOR)
    assert change.state is state
    assert ("The policy now refuses it." in change.note) == (state is State.SUPERSEDED)
    assert len(done(provider)) == (state is State.SUCCEEDED)


async def test_words_that_no_database_takes_are_kept_without_what_breaks_them(core: Core) -> None:
    """A NUL, a half character or a bell in a reason does not lose the change."""
    request = Request(
        "stop", {"server": "web01"}, ALICE, SLACK, reason="disk\x00 swap\ud800\x07 \u202etoday" + "x" * 900
    )
    held = await core.gate.submit(replace(request, can_confirm=True), scope=OPERATOR)
    assert isinstance(held, Held)
    kept = (await core.changes.get(held.change.id, scope=OPERATOR)).reason
    assert kept.startswith("disk swap")
    assert len(kept) == 500
    assert all(item.isprintable() for item in kept)


async def test_an_error_of_the_body_stays_itself(settings: Settings) -> None:
    """An error raised while a core is open is propagated unchanged."""
    with pytest.raises(LookupError):
        async with open_core(settings, front="cli", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY):
            raise LookupError


async def test_an_agent_whose_human_nobody_knows_is_held_for_no_votes(
    settings: Settings, provider: SimulatorHandle
) -> None:
    """Where the human behind an agent could be any voter, an approval is refused, with what to set."""
    settings_text = settings.model_copy(update={"approval_channel": "C1"})
    async with open_core(settings_text, front="cli", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as core:
        for human in ("", "local:ann"):
            agent = Actor(ActorKind.AGENT, "mcp:x", "x", human)
            outcome = await core.gate.submit(
                Request("stop", {"server": "web01"}, agent, SLACK, can_confirm=True), scope=OPERATOR
            )
            assert isinstance(outcome, Refused)
            assert "VPSOPS_ACTOR" in outcome.hint
        assert await core.changes.list(scope=OPERATOR) == []
    assert done(provider) == []
