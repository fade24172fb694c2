"""Members of plans that ran as a backup was taken: none of them runs for ever in the restored database."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from tests.fakes.storage.databases import migrated
from tests.unit.core.backup.backups import backed_up, connected
from tests.unit.core.backup.test_restoration import CLOCK, restore
from tests.unit.core.storage.samples import CHANGE
from vpsops.core.changes import repository
from vpsops.core.changes.model import State
from vpsops.core.operations.target import Target
from vpsops.core.plans.model import MemberState, PlanMember
from vpsops.core.plans.repository import insert_members, members_of
from vpsops.core.storage import open_database

PLAN = "chg_0000000000aa"
ENDS = {
    State.SUCCEEDED: MemberState.DONE,
    State.FAILED: MemberState.FAILED,
    State.APPROVED: MemberState.UNCLEAR,
    State.WATCHING: MemberState.UNCLEAR,
    State.UNKNOWN: MemberState.UNCLEAR,
    None: MemberState.UNCLEAR,
}
"""What becomes of a member that runs, by the state of its change as the backup has it; None where it has none."""


def store(connection: Connection) -> None:
    """Store a running plan: a member for each state of its change, one that waits, and one that is done."""
    plan = replace(CHANGE, id=PLAN, operation="plan_reboot", target=Target("", "8 servers"), state=State.WATCHING)
    repository.insert(connection, plan, key="", body={})
    members = []
    for number, state in enumerate(ENDS, 1):
        target, ident = Target(f"srv-{number}", f"web0{number}.example.com", "running"), f"chg_00000000000{number}"
        members.append(PlanMember(number, "reboot", {}, target, "d" * 64, MemberState.RUNNING, ident))
        if state is not None:
            change = replace(CHANGE, id=ident, target=target, state=state, plan=PLAN)
            repository.insert(connection, change, key="", body={})
    for place in (MemberState.DONE, MemberState.WAITING):
        number = len(members) + 1
        target = Target(f"srv-{number}", f"web0{number}.example.com", "running")
        members.append(PlanMember(number, "reboot", {}, target, "d" * 64, place))
    insert_members(connection, PLAN, members)


@pytest.mark.requirement("restore-sends-nothing")
async def test_members_that_ran_in_a_backup_end_as_their_changes_did(tmp_path: Path) -> None:
    """What is not known of a change is said to be unclear; what waits is left to the person who settles the plan."""
    url, path = migrated(tmp_path / "source.sqlite3"), tmp_path / "db.backup"
    with connected(url) as connection:
        store(connection)
    backed_up(url, path)
    async with open_database(migrated(tmp_path / "other.sqlite3"), CLOCK) as database:
        await restore(database, path)
        members = await database.read(lambda connection: members_of(connection, PLAN))
        plan = await database.read(lambda connection: repository.load(connection, PLAN))
    assert plan.state is State.NEEDS_PERSON
    assert [member.state for member in members] == [*ENDS.values(), MemberState.DONE, MemberState.WAITING]
    unclear = [member for member in members if member.state is MemberState.UNCLEAR]
    assert all(member.note == member.change_id for member in unclear)
