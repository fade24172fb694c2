"""Backups as operations: which one is meant, what is shown before a yes, and what became of a change that was sent."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from tests.fakes.provider import SERVER, SERVER_ID, Provider, Reply
from vpsops.core.common.errors import AlreadyGoneError, InvalidInputError, PreconditionError, Remedy
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.facts import Fact
from vpsops.core.operations.families.backup_lookup import BackupArguments, find_backup
from vpsops.core.operations.families.backups import BackupList
from vpsops.core.operations.registry import ServerArguments
from vpsops.core.operations.strategies import Inspected, LiveState, Precheck, Sent
from vpsops.core.operations.target import Target
from vpsops.core.wayscloud.answers.errors import NotOfferedError, WayscloudError
from vpsops.core.wayscloud.answers.models import Server
from vpsops.core.wayscloud.server_parts.backup_answers import Backup

LIST: Final = f"/v1/vps/{SERVER_ID}/backups"
SENT_AT: Final = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)
OLD: Final[dict[str, Any]] = {
    "backup_id": "0f8e7d6c-5b4a-4321-8765-43210fedcba9",
    "status": "completed",
    "backup_type": "manual",
    "size_gb": 3.5,
    "started_at": "2027-01-03T03:00:00Z",
    "expires_at": "2027-01-17T03:00:00Z",
}
OTHER: Final = OLD | {"backup_id": "0f8e7d6c-0000", "started_at": "2027-01-02T03:00:00Z"}
WEB01: Final = Server.model_validate(SERVER)
MOVING: Final = Server.model_validate(SERVER | {"status": "stopping"})
OFF: Final = Server.model_validate(SERVER | {"status": "stopped"})


def backup(ident: str, minutes: float, **fields: Any) -> dict[str, Any]:
    """Return a backup that was begun so many minutes after the sending."""
    started = (SENT_AT + timedelta(minutes=minutes)).isoformat()
    return {"backup_id": ident, "status": "completed", "started_at": started} | fields


def listed(*backups: Mapping[str, Any], **more: Any) -> Provider:
    """Return a provider that lists these backups."""
    return Provider().on("GET", LIST, Reply(200, {"backups": list(backups), **more}))


async def checked(provider: Provider, name: str, server: Server, word: str = "") -> Precheck:
    """Return what the preconditions of an operation find."""
    arguments = BackupArguments(server=SERVER_ID, backup=word) if word else ServerArguments(server=SERVER_ID)
    async with provider.client() as api:
        return await OPERATIONS[name].check(api, arguments, server)


async def shown(provider: Provider, name: str, server: Server, word: str = "") -> dict[str, str]:
    """Return the facts that people are asked by."""
    precheck = await checked(provider, name, server, word)
    arguments = precheck.arguments or ServerArguments(server=SERVER_ID)
    facts = OPERATIONS[name].describe(arguments, LiveState(server, precheck.details))  # type: ignore[arg-type]
    return {fact.label: fact.value for fact in facts}


async def inspected(
    provider: Provider,
    name: str,
    *,
    accepted: bool = False,
    refused: bool = False,
    result: Mapping[str, Any] | None = None,
    facts: tuple[Fact, ...] = (),
) -> tuple[Inspected, str]:
    """Return what a read shows of a change that was sent at `SENT_AT`, and why."""
    arguments = BackupArguments(server=SERVER_ID, backup=OLD["backup_id"])
    asked = arguments if "backup" in OPERATIONS[name].arguments.model_fields else ServerArguments(server=SERVER_ID)
    target = Target(id=SERVER_ID, hostname="web01.example.com")
    sent = Sent(asked, target, result or {}, facts, SENT_AT, SENT_AT + timedelta(minutes=5), accepted, refused)
    inspect = OPERATIONS[name].inspect
    assert inspect is not None
    async with provider.client() as api:
        inspection = await inspect(api, sent)
    return inspection.finding, inspection.note


@pytest.mark.parametrize("word", [OLD["backup_id"], "0f8e7d6c-5b4a", "0F8E7D6C-5"])
async def test_a_backup_is_found_by_its_id_or_its_beginning(word: str) -> None:
    """The command line of the vendor shows only the first characters."""
    async with listed(OLD, OTHER).client() as api:
        backup_found, _ = await find_backup(api, WEB01, word)
    assert backup_found.id == OLD["backup_id"]


@pytest.mark.parametrize(
    ("provider", "word", "kind", "words"),
    [
        (listed(OLD, OTHER), "0f8e7d6c", InvalidInputError, "2 backups"),
        (listed(OLD), "0f8e", AlreadyGoneError, "no backup 0f8e"),
        (listed(OLD), "b9", AlreadyGoneError, "It has 0f8e7d6c-5b4a"),
        (listed(), OLD["backup_id"], AlreadyGoneError, "Back the server up first."),
        (listed(OLD, total=2), "ffffffff-1", InvalidInputError, "not known"),
        (listed(OLD, total=2), "0f8e7d6c-5b4a", InvalidInputError, "whole id"),
    ],
)
async def test_a_backup_that_is_not_certain_is_refused(
    provider: Provider, word: str, kind: type[InvalidInputError], words: str
) -> None:
    """Several, none, or a list that is not whole: each with the next step. Only a whole list shows an absence."""
    async with provider.client() as api:
        with pytest.raises(kind) as caught:
            await find_backup(api, WEB01, word)
    assert type(caught.value) is kind
    assert words in f"{caught.value} {caught.value.hint}"


async def test_a_list_that_is_not_whole_still_finds_a_whole_id() -> None:
    """What is there is there."""
    async with listed(OLD, total=9).client() as api:
        assert (await find_backup(api, WEB01, OLD["backup_id"]))[0].size_gb == 3.5


async def test_a_delete_shows_what_is_lost() -> None:
    """The backup, its age and size, and whether it is the last."""
    facts = await shown(listed(OLD, OTHER), "backup_delete", WEB01, "0f8e7d6c-5b")
    assert facts == {
        "Backup": OLD["backup_id"],
        "Made": "2027-01-03 03:00 UTC",
        "Size": "3.5 GB",
        "Would be kept until": "2027-01-17 03:00 UTC",
        "Other complete backups": "there are others",
        "Lost": "this copy, for good",
    }
    assert (await shown(listed(OLD), "backup_delete", WEB01, OLD["backup_id"]))["Other complete backups"].endswith(
        "last"
    )
    unknown = await shown(listed({"backup_id": OLD["backup_id"]}, total=2), "backup_delete", WEB01, OLD["backup_id"])
    assert [unknown[label] for label in ("Made", "Size", "Would be kept until", "Other complete backups")] == [
        "not known"
    ] * 4


async def test_a_restore_shows_what_is_lost_and_needs_a_stopped_server() -> None:
    """A running server is refused with the next step, which is a change of its own."""
    facts = await shown(listed(OLD), "backup_restore", OFF, OLD["backup_id"])
    assert facts["Lost"] == "all written since 2027-01-03 03:00 UTC"
    assert "not known" in facts["Snapshots"]
    with pytest.raises(PreconditionError, match="running") as caught:
        await checked(listed(OLD), "backup_restore", WEB01, OLD["backup_id"])
    assert caught.value.remedy == Remedy("stop", {"server": SERVER_ID}, "web01.example.com")
    with pytest.raises(InvalidInputError, match="only be restored") as moving:
        await checked(listed(OLD), "backup_restore", MOVING, OLD["backup_id"])
    assert not isinstance(moving.value, PreconditionError)
    with pytest.raises(InvalidInputError, match="is creating"):
        await checked(listed(OLD | {"status": "creating"}), "backup_restore", OFF, OLD["backup_id"])


async def test_a_backup_is_not_asked_for_while_one_is_made() -> None:
    """Nor where the API has none."""
    with pytest.raises(InvalidInputError, match="being made already"):
        await checked(listed(OLD | {"status": "creating"}), "backup_create", WEB01)
    with pytest.raises(NotOfferedError):
        await checked(Provider().on("GET", SERVER_PATH, Reply(200, SERVER)), "backup_create", WEB01)
    latest = await shown(listed(OTHER, OLD), "backup_create", WEB01)
    assert latest == {"Latest backup": f"{OLD['backup_id']}, made 2027-01-03 03:00 UTC"}
    assert await shown(listed(), "backup_create", WEB01) == {"Latest backup": "none"}


SERVER_PATH: Final = f"/v1/vps/{SERVER_ID}"


@pytest.mark.parametrize(
    ("provider", "finding"),
    [
        (listed(OLD, backup("new", 0.1)), Inspected.DONE),
        (listed(OLD, backup("new", 0.1, status="creating")), Inspected.UNDER_WAY),
        (listed(OLD, backup("new", 0.1, status="failed")), Inspected.FAILED),
        (listed(OLD, backup("new", -0.5)), Inspected.DONE),
        (listed(OLD, backup("new", -5)), Inspected.NOT_DONE),
        (listed(OLD), Inspected.NOT_DONE),
        (listed(OLD, backup("one", 0.1), backup("two", 1)), Inspected.AMBIGUOUS),
        (listed(OLD, backup("one", 0.1), backup("two", 1, backup_type="scheduled")), Inspected.DONE),
        (listed(OLD, backup("policy", 0.1, backup_type="automatic")), Inspected.NOT_DONE),
        (listed(OLD, total=2), Inspected.NOT_KNOWABLE),
        (listed(OLD, {"backup_id": "undated"}), Inspected.NOT_KNOWABLE),
        (listed(backup("latest", -0.1)), Inspected.NOT_DONE),
        (listed(backup("latest", -0.1), backup("new", 0.1)), Inspected.DONE),
    ],
)
@pytest.mark.requirement("backup-outcomes")
async def test_a_lost_answer_is_looked_up_by_a_younger_backup(provider: Provider, finding: Inspected) -> None:
    """One that is younger than the sending, and than the latest that was shown; two are a person's."""
    facts = (Fact("Latest backup", "latest, made 2027-01-04 08:59 UTC"),)
    assert (await inspected(provider, "backup_create", facts=facts))[0] is finding


async def test_an_accepted_backup_is_followed_by_its_id() -> None:
    """Others do not matter; a list that does not show it yet says nothing."""
    provider = listed(OLD, backup("one", 0.1), backup("two", 1, status="creating"))
    for ident, finding in (("one", Inspected.DONE), ("two", Inspected.UNDER_WAY), ("three", Inspected.UNDER_WAY)):
        inspection = await inspected(provider, "backup_create", accepted=True, result={"id": ident})
        assert inspection[0] is finding


@pytest.mark.parametrize(
    ("provider", "accepted", "finding"),
    [
        (listed(), True, Inspected.DONE),
        (listed(OTHER), False, Inspected.DONE),
        (listed(OLD), False, Inspected.NOT_DONE),
        (listed(OLD), True, Inspected.UNDER_WAY),
        (listed(OTHER, total=2), False, Inspected.NOT_KNOWABLE),
        (listed(OTHER, {}), False, Inspected.NOT_KNOWABLE),
    ],
)
@pytest.mark.requirement("backup-outcomes")
async def test_a_delete_is_done_where_a_whole_list_lacks_it(
    provider: Provider, accepted: bool, finding: Inspected
) -> None:
    """An incomplete list proves no absence."""
    assert (await inspected(provider, "backup_delete", accepted=accepted))[0] is finding


@pytest.mark.parametrize("name", ["backup_create", "backup_delete"])
async def test_a_list_that_cannot_be_read_is_no_finding(name: str) -> None:
    """The error goes on: it is asked again later."""
    with pytest.raises(WayscloudError):
        await inspected(Provider().on("GET", LIST, Reply(500)), name)


@pytest.mark.parametrize(
    ("status", "finding"),
    [
        ("stopped", Inspected.NOT_KNOWABLE),
        ("running", Inspected.NOT_KNOWABLE),
        ("restoring", Inspected.UNDER_WAY),
        ("error", Inspected.FAILED),
    ],
)
async def test_nothing_shows_that_a_restore_was_done(status: str, finding: Inspected) -> None:
    """Only that the server is busy, or broke."""
    provider = Provider().on("GET", SERVER_PATH, Reply(200, SERVER | {"status": status}))
    assert (await inspected(provider, "backup_restore", accepted=True))[0] is finding


async def test_the_name_to_type_is_the_servers_and_the_backups() -> None:
    """So that no habit of typing one of them is enough."""
    target = Target(id=SERVER_ID, hostname="web01.example.com")
    for name in ("backup_delete", "backup_restore"):
        assert OPERATIONS[name].typed_name({"backup": "b1"}, target) == "web01.example.com b1"


async def test_a_list_says_what_it_lacks() -> None:
    """The youngest first; those of an unknown time last."""
    async with listed(OTHER, {"backup_id": "undated"}, OLD, total=7).client() as api:
        result = await OPERATIONS["backups"].run(api, ServerArguments(server=SERVER_ID), None)
    assert isinstance(result, BackupList)
    assert [each.id for each in result.backups] == [OLD["backup_id"], OTHER["backup_id"], "undated"]
    assert result.total == 7
    assert result.lacking == "3 of 7 are listed, the rest cannot be seen."
    assert isinstance(result.backups[0], Backup)


@pytest.mark.parametrize(
    ("provider", "finding"),
    [
        (listed(OLD, backup("new", 0.1)), Inspected.AMBIGUOUS),
        (listed(OLD, backup("new", 0.1, status="creating")), Inspected.AMBIGUOUS),
        (listed(OLD, backup("policy", 0.1, backup_type="automatic")), Inspected.NOT_DONE),
        (listed(OLD), Inspected.NOT_DONE),
    ],
)
@pytest.mark.requirement("refused-is-not-ours")
async def test_a_young_backup_after_a_refusal_is_a_persons_to_judge(provider: Provider, finding: Inspected) -> None:
    """The refusal may be about the very backup that is there, which another request made."""
    finding_read, note = await inspected(provider, "backup_create", refused=True)
    assert finding_read is finding
    assert "the request was refused" in note or finding is not Inspected.AMBIGUOUS
