"""Servers that a list does not show: read by their ids, found by their names, and never made twice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy.engine import Connection

from tests.fakes.accounts import EVERYBODY
from tests.fakes.clock import START, FakeClock
from tests.fakes.odd_provider.writes import Oddity, OddProvider
from tests.fakes.provider import KEY, ProviderWire, wire
from tests.fakes.storage.databases import migrated
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.sample import change, put, server
from vpsops.core.app import Core, open_core
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held, Outcome, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.outcomes.outcome import FleetSnapshot, OutcomeKind, determine_outcome
from vpsops.core.outcomes.twins import TwinError, check_twins
from vpsops.core.storage import Database, open_database

ALICE = Actor(ActorKind.PERSON, "U1", "alice", "U1", account="U1")
NEW = {"plan": "vps-2gb", "region": "oslo", "os_template": "debian-12"}
NAME = "n1.example.com"
LONG = 120.0
SHORT = replace(DEFAULT_TIMING, create_limit=60.0, create_lookup=60.0)


@asynccontextmanager
async def opened(provider: OddProvider, folder: Path) -> AsyncIterator[tuple[Core, ProviderWire]]:
    """Run a core against a provider, with a tenth of the product's own limits on creates."""
    url = migrated(folder / "vpsops.sqlite3")
    async with wire(provider.handle) as listening:
        environ = {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": listening.url, "VPSOPS_DATABASE_URL": url}
        settings = Settings.model_validate(environ)
        async with open_core(settings, front="cli", timing=SHORT, clock=VirtualClock(), accounts=EVERYBODY) as core:
            yield core, listening


async def ask(core: Core, operation: str, arguments: dict[str, Any]) -> Outcome:
    return await core.gate.submit(Request(operation, arguments, ALICE, Origin("cli"), can_confirm=True), scope=OPERATOR)


async def confirmed(core: Core, operation: str, arguments: dict[str, Any]) -> Change:
    held = await ask(core, operation, arguments)
    assert isinstance(held, Held), held
    return await core.gate.confirm(held.change.id, ALICE, held.change.digest, scope=OPERATOR)


async def ended(core: Core, started: Change) -> Change:
    over = lambda entry: entry.state.final or entry.state is State.NEEDS_PERSON  # noqa: E731
    return await core.changes.wait(started.id, seconds=LONG, until=over, scope=OPERATOR)


def is_ready(server: dict[str, Any]) -> bool:
    return bool(anyio.current_time() >= server.get("ready_at", 0.0))


@pytest.mark.requirement("absence-is-a-404-by-id")
async def test_a_server_that_the_list_shows_only_when_ready_is_watched_by_its_id(tmp_path: Path) -> None:
    """While it is made it is read by its id; a second one by its name is refused, and one is made."""
    provider = OddProvider(listed=is_ready, delay_seconds=50.0)
    async with opened(provider, tmp_path) as (core, _):
        first = await confirmed(core, "create", {"hostname": NAME, **NEW})
        await anyio.sleep(30)
        second = await ask(core, "create", {"hostname": NAME, **NEW})
        assert isinstance(second, Refused)
        assert first.id in second.reason
        done = await ended(core, first)
    assert (done.state, done.result["hostname"]) == (State.SUCCEEDED, NAME)
    assert provider.effects == {("create", NAME): 1}
    assert provider.paths.count(f"GET /v1/vps/{done.result['id']}") > 10


@pytest.mark.requirement("one-create-a-hostname")
async def test_a_create_that_takes_very_long_keeps_its_name(tmp_path: Path) -> None:
    """Overdue it is still the one server of its name."""
    provider = OddProvider(listed=is_ready, delay_seconds=LONG)
    async with opened(provider, tmp_path) as (core, _):
        first = await confirmed(core, "create", {"hostname": NAME, **NEW})
        late = await core.changes.wait(first.id, seconds=LONG, until=lambda current: current.overdue, scope=OPERATOR)
        assert late.overdue
        assert isinstance(await ask(core, "create", {"hostname": NAME, **NEW}), Refused)
    assert provider.effects == {("create", NAME): 1}


def test_a_create_that_never_ends_is_a_persons() -> None:
    """An accepted create may cost money: after a day it is not called failed."""
    made = server("provisioning", hostname=NAME)
    sent = change("create", age=86_401, overdue=True, result={"id": "s1"})
    sent = replace(sent, target=replace(sent.target, hostname=NAME))
    assert (
        determine_outcome(sent, FleetSnapshot([made], True, START), None, DEFAULT_TIMING).finding
        is OutcomeKind.NEEDS_PERSON
    )


async def test_an_accepted_server_that_is_404_for_the_time_of_a_create_is_told_as_lost(tmp_path: Path) -> None:
    """Only then, and with the id that the provider gave."""
    provider = OddProvider()
    async with opened(provider, tmp_path) as (core, _):
        started = await confirmed(core, "create", {"hostname": NAME, **NEW})
        await core.changes.wait(
            started.id, seconds=9, until=lambda current: current.state is State.WATCHING, scope=OPERATOR
        )
        provider.servers.clear()
        begun = anyio.current_time()
        done = await ended(core, started)
    assert done.state is State.FAILED
    assert "answers 404 for srv-00000000" in done.note
    assert 60 <= anyio.current_time() - begun <= 70


async def test_a_server_that_no_list_shows_is_changed_by_its_full_id(tmp_path: Path) -> None:
    """A list with pages lacks most; a server named in full is requested directly."""
    provider = OddProvider(listed=lambda _server: False, total=45)
    async with opened(provider, tmp_path) as (core, _):
        ident = provider.put("x40.example.com")
        done = await ended(core, await confirmed(core, "stop", {"server": ident}))
        read = await ask(core, "get", {"server": ident})
    assert done.state is State.SUCCEEDED
    assert "x40.example.com" in repr(read)


@pytest.mark.parametrize("spelled", ["n1", "N1.example.com.", "n1.example.com"])
async def test_a_hostname_in_another_spelling_is_taken(tmp_path: Path, spelled: str) -> None:
    """A server that the provider may have made under the same name is the same server."""
    provider = OddProvider()
    async with opened(provider, tmp_path) as (core, _):
        provider.put(spelled)
        with pytest.raises(InvalidInputError, match="exists already"):
            await ask(core, "create", {"hostname": NAME, **NEW})


async def test_an_answer_that_is_lost_beside_an_incomplete_list_needs_a_person(tmp_path: Path) -> None:
    """Nothing follows from the silence of a list that lacks entries."""
    lost = Oddity(lambda _write: b"", effect=True, end="close")
    provider = OddProvider({NAME: lost}, listed=lambda server: server["hostname"] != NAME)
    async with opened(provider, tmp_path) as (core, _):
        started = await confirmed(core, "create", {"hostname": NAME, **NEW})
        await core.changes.wait(
            started.id, seconds=9, until=lambda current: current.state is State.UNKNOWN, scope=OPERATOR
        )
        provider.total = 9
        done = await ended(core, started)
    assert done.state is State.NEEDS_PERSON
    assert "incomplete" in done.note


@pytest.mark.parametrize(("first", "second"), [("n1.example.com", "n1"), ("n1", "n1.example.com")])
@pytest.mark.requirement("one-create-a-hostname")
async def test_a_second_create_in_another_spelling_is_refused_when_it_is_asked_for(
    tmp_path: Path, first: str, second: str
) -> None:
    """While the first one waits for its confirmation, and once it has made its server."""
    provider = OddProvider(listed=lambda _server: False)
    async with opened(provider, tmp_path) as (core, _):
        held = await ask(core, "create", {"hostname": first, **NEW})
        assert isinstance(held, Held)
        refused = await ask(core, "create", {"hostname": second, **NEW})
        assert isinstance(refused, Refused)
        assert (refused.change or held.change).id == held.change.id
        assert held.change.id in refused.reason
        other = await ask(core, "create", {"hostname": "n2.example.com", **NEW})
        assert isinstance(other, Held)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, FakeClock()) as made:
        yield made


@pytest.mark.parametrize("state", [State.SENDING, State.WATCHING, State.UNKNOWN, State.NEEDS_PERSON, State.SUCCEEDED])
@pytest.mark.parametrize(("first", "second"), [("n1.example.com", "n1"), ("n1", "n1.example.com"), (NAME, NAME)])
@pytest.mark.requirement("one-create-a-hostname")
async def test_no_second_create_of_a_hostname_is_sent(
    database: Database, state: State, first: str, second: str
) -> None:
    """Checked in the transaction that would send it, by any process, against recent creates that left or succeeded."""
    made = change("create", state, id="chg_0", settled_at=START if state is State.SUCCEEDED else None)
    made = replace(made, target=replace(made.target, hostname=first))
    sent = change("create", State.APPROVED, id="chg_1")
    sent = replace(sent, target=replace(sent.target, hostname=second))
    other = replace(sent, target=replace(sent.target, hostname="n2.example.com"))

    def work(connection: Connection) -> None:
        put(connection, made)
        check_twins(connection, other, START)
        check_twins(connection, replace(sent, operation="stop"), START)
        check_twins(connection, replace(sent, id="chg_0"), START)
        with pytest.raises(TwinError, match="chg_0"):
            check_twins(connection, sent, START)

    await database.transact(work)


async def test_what_failed_or_was_made_long_ago_is_in_nobodys_way(database: Database) -> None:
    """A failed or old create is no obstacle: the check of the provider alone decides."""
    sent = change("create", State.APPROVED, id="chg_1")

    def work(connection: Connection) -> None:
        for state in (State.FAILED, State.DENIED, State.SUCCEEDED):
            repository.insert(
                connection, change("create", state, id=f"chg_{state.value}", settled_at=START), key="", body={}
            )
        check_twins(connection, sent, START.replace(hour=START.hour + 1))

    await database.transact(work)
