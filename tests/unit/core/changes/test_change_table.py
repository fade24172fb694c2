"""The life of a change, written out: each step there is, each that there is not, and what a step does to its row."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.fakes.clock import START, FakeClock
from tests.unit.core.sample import change, put
from vpsops.core.audit import chain, records
from vpsops.core.changes import repository
from vpsops.core.changes.model import STEPS, IllegalStepError, State, Verdict, Vote, check_move, check_step
from vpsops.core.common.errors import StaleChangeError
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.execution.reconciler import attend
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.schedule.model import Schedule
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import CHANGES, OUTBOX

TABLE = {
    "requested": "held scheduled approved",
    "held": "scheduled approved denied expired cancelled superseded",
    "scheduled": "approved expired cancelled superseded needs_person",
    "approved": "sending superseded failed succeeded cancelled expired needs_person unknown watching",
    "sending": "watching succeeded failed unknown approved",
    "watching": "succeeded failed needs_person",
    "unknown": "watching succeeded failed needs_person approved",
    "needs_person": "succeeded failed watching",
    "succeeded": "",
    "failed": "",
    "denied": "",
    "expired": "",
    "cancelled": "",
    "superseded": "",
}
"""Written out, and not read from the product: a step more or less there is a decision here as well."""
FINAL = ("succeeded", "failed", "denied", "expired", "cancelled", "superseded")
ILLEGAL = [(before, after.value) for before, steps in TABLE.items() for after in State if after not in steps.split()]
LATER = START + timedelta(seconds=30)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, FakeClock()) as opened:
        yield opened


async def row(database: Database, change_id: str = "chg_1") -> dict[str, Any]:
    """Return a change's row as it is stored."""
    query = sa.select(CHANGES).where(CHANGES.c.id == change_id)
    result = await database.read(lambda connection: connection.execute(query).mappings().one())
    return dict(result)


def test_the_table_has_these_steps_and_no_others() -> None:
    """No state, and no step of one, is there unless it is written here."""
    assert {state.value: {step.value for step in steps} for state, steps in STEPS.items()} == {
        state: set(steps.split()) for state, steps in TABLE.items()
    }


@pytest.mark.parametrize(("before", "after"), ILLEGAL)
@pytest.mark.requirement("steps-by-the-table")
def test_a_step_that_is_not_written_here_raises(before: str, after: str) -> None:
    """A denied change is not approved, an unclear one is not sent again, and no state follows an end."""
    with pytest.raises(IllegalStepError):
        check_step(State(before), State(after))


SCHEDULE = Schedule(START, LATER, "in 30s")


@pytest.mark.parametrize(
    ("before", "after", "schedule"),
    [
        ("held", "approved", SCHEDULE),
        ("held", "scheduled", None),
        ("approved", "expired", None),
    ],
)
def test_only_a_change_with_a_schedule_is_scheduled(before: str, after: str, schedule: Schedule | None) -> None:
    """One that has a time does not go past it, and one that has none cannot miss it."""
    with pytest.raises(IllegalStepError):
        check_move(change(state=State(before), schedule=schedule), State(after))
    check_move(change(state=State(before), schedule=None if schedule else SCHEDULE), State(after))


@pytest.mark.parametrize("state", TABLE)
def test_these_states_are_ends_and_all_others_are_open(state: str) -> None:
    """Open changes hold their server; an end lets it go."""
    assert State(state).final is (state in FINAL)
    assert State(state).open is (state not in FINAL)


@pytest.mark.parametrize(
    ("before", "after"),
    [("denied", "approved"), ("unknown", "sending"), ("unknown", "approved"), ("held", "sending"), ("failed", "held")],
)
@pytest.mark.requirement("steps-by-the-table")
async def test_no_row_takes_a_step_that_is_not_written_here(database: Database, before: str, after: str) -> None:
    """The store checks the table and the row's state: row, version and trail stay as they were."""
    await database.transact(lambda connection: put(connection, change(state=State(before))))
    was = await row(database)
    with pytest.raises(IllegalStepError):
        await database.transact(
            lambda connection: repository.step(
                connection, repository.load(connection, "chg_1"), State(after), LATER, event="forced"
            )
        )
    assert await row(database) == was


@pytest.mark.parametrize("after", ["succeeded", "failed"])
async def test_an_end_lets_go_of_the_server_and_of_the_process(database: Database, after: str) -> None:
    """A change that is over has no owner, and the next change on its server may begin."""
    await database.transact(lambda connection: put(connection, change(), owner="slack-1-here"))
    assert ((await row(database))["lock"], (await row(database))["owner"]) == ("server:s1", "slack-1-here")
    await database.transact(
        lambda connection: repository.step(
            connection, repository.load(connection, "chg_1"), State(after), LATER, event=after
        )
    )
    assert ((await row(database))["lock"], (await row(database))["owner"]) == (None, None)


async def test_a_step_between_open_states_keeps_the_server_and_the_process(database: Database) -> None:
    """A change that is being sent still holds both."""
    await database.transact(lambda connection: put(connection, change(state=State.SENDING), owner="slack-1-here"))
    await database.transact(
        lambda connection: repository.step(
            connection, repository.load(connection, "chg_1"), State.WATCHING, LATER, event="sent"
        )
    )
    assert ((await row(database))["lock"], (await row(database))["owner"]) == ("server:s1", "slack-1-here")


async def test_a_step_from_an_older_look_is_refused(database: Database) -> None:
    """Two read the same version: the second is refused, and what the first stored stays."""
    await database.transact(lambda connection: put(connection, change()))
    old = await database.read(lambda connection: repository.load(connection, "chg_1"))
    await database.transact(
        lambda connection: repository.step(connection, old, State.SUCCEEDED, LATER, event="succeeded")
    )
    with pytest.raises(StaleChangeError):
        await database.transact(
            lambda connection: repository.step(connection, old, State.FAILED, LATER, event="failed")
        )
    with pytest.raises(StaleChangeError):
        await database.transact(lambda connection: repository.amend(connection, old, LATER, overdue=True))
    assert (await row(database))["state"] == "succeeded"


@pytest.mark.parametrize("broken", ["chain.append", "outbox.put_card"])
@pytest.mark.requirement("audit-with-its-effect")
async def test_a_step_its_record_and_its_card_are_stored_together_or_not_at_all(
    database: Database, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """Where one of them cannot be stored, none of the others is."""
    await database.transact(lambda connection: put(connection, change()))
    before = await everything(database)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(f"vpsops.core.changes.repository.{broken}", fail)

    def work(connection: sa.Connection) -> None:
        repository.step(connection, repository.load(connection, "chg_1"), State.SUCCEEDED, LATER, event="succeeded")

    with pytest.raises(ZeroDivisionError):
        await database.transact(work)
    assert await everything(database) == before


@pytest.mark.requirement("audit-with-its-effect")
async def test_a_step_that_somebody_took_first_leaves_no_record(database: Database) -> None:
    """A successful step leaves exactly one record, with its new state; a stale one leaves none."""
    await database.transact(lambda connection: put(connection, change()))
    old = await database.read(lambda connection: repository.load(connection, "chg_1"))
    await database.transact(
        lambda connection: repository.step(connection, old, State.SUCCEEDED, LATER, event="succeeded")
    )
    after = await everything(database)
    assert [record.event for record in after[1]] == ["requested", "succeeded"]
    assert after[1][-1].body["state"] == "succeeded"
    with pytest.raises(StaleChangeError):
        await database.transact(
            lambda connection: repository.step(connection, old, State.FAILED, LATER, event="failed")
        )
    assert await everything(database) == after


@pytest.mark.parametrize(("event", "records", "cards"), [("reminded", 2, 2), ("", 1, 1)])
async def test_what_is_altered_within_a_state_is_on_record_where_it_has_a_name(
    database: Database, event: str, records: int, cards: int
) -> None:
    """The alteration is recorded with its card; one that needs no notice leaves neither."""
    await database.transact(lambda connection: put(connection, change()))
    rows = await everything(database)

    def work(connection: sa.Connection) -> None:
        repository.amend(
            connection, repository.load(connection, "chg_1"), LATER, event=event, body={"by": "x"}, overdue=True
        )

    await database.transact(work)
    now, trail, waiting = await everything(database)
    assert (now["overdue"], now["version"], len(trail)) == (True, 2, records)
    assert (waiting != rows[2]) is (cards == 2)
    assert [(record.event, record.body["by"]) for record in trail[1:]] == [("reminded", "x")] * (records - 1)


async def everything(database: Database) -> tuple[dict[str, Any], list[records.TrailRecord], list[Any]]:
    """Return a change's row, the trail and the pending notices."""
    cards = await database.read(lambda connection: connection.execute(sa.select(OUTBOX)).all())
    return await row(database), list(await database.read(chain.read)), list(cards)


async def test_votes_are_in_the_order_in_which_they_came(database: Database) -> None:
    """Whatever the order of their rows, and of each change its own."""
    at = {"U3": 1, "U1": 2, "U2": 3}

    def work(connection: sa.Connection) -> None:
        put(connection, change(state=State.HELD))
        put(connection, replace(change(state=State.HELD), id="chg_2", target=replace(change().target, id="s2")))
        for name in sorted(at):
            person = Actor(ActorKind.PERSON, name, name, name)
            vote = Vote(person, Verdict.APPROVE, "", "", START + timedelta(seconds=at[name]))
            repository.add_vote(connection, "chg_1", vote)

    await database.transact(work)
    first = await database.read(lambda connection: repository.load(connection, "chg_1"))
    other = await database.read(lambda connection: repository.load(connection, "chg_2"))
    assert [vote.voter.id for vote in first.votes] == ["U3", "U1", "U2"]
    assert other.votes == ()


async def test_a_reminder_that_another_process_gave_first_is_stale_and_not_broken(database: Database) -> None:
    """The row's time is cleared by then: the second of two rounds is refused as stale, and sends nothing."""
    ruling = Ruling(Decision.APPROVE, votes=1)
    held = change(state=State.HELD, sent_at=None, expires_at=LATER, ruling=ruling)
    await database.transact(lambda connection: put(connection, held, remind_at=START))
    clock = FakeClock(LATER)
    old = await database.read(lambda connection: repository.load(connection, "chg_1"))

    def work(connection: sa.Connection) -> None:
        attend(connection, old, clock, DEFAULT_TIMING)

    await database.transact(work)
    assert (await row(database))["remind_at"] is None
    rows = await everything(database)
    with pytest.raises(StaleChangeError):
        await database.transact(work)
    assert await everything(database) == rows
