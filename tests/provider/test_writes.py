"""What a provider may answer to a write, before and after its effect, by each operation: the ids are the table.

All rows run at once, each on a server of its own, against one provider on a real socket, in virtual time and with the
product's own limits. A row has its end, the number of effects, and the number of POSTs. More than one POST is
the documented exception: the provider stated that it had not taken the first one on, and checks found no trace of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import anyio
import pytest

from tests.fakes.accounts import EVERYBODY
from tests.fakes.odd_provider.writes import Oddity, OddProvider, Reply, Write, answer, ordinary
from tests.fakes.provider import KEY, wire
from tests.fakes.storage.databases import migrated
from tests.harness.patience import eventually
from tests.harness.virtual_time import VirtualClock
from vpsops.core.app import Core, open_core
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Actor, ActorKind, Origin

ALICE: Final = Actor(ActorKind.PERSON, "U1", "alice", "U1", account="U1")
POWER: Final = ("stop", "start", "reboot")
EVERY: Final = ("create", *POWER)
HOUR: Final = 3600.0
LOOK_SECONDS: Final = 60.0
DONE, NO, PERSON = "succeeded", "failed", "needs_person"
STRANGER: Final = {"id": "srv-99999999", "hostname": "stranger.example.com", "status": "running"}


pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class WriteRow:
    """One answer, and its consequences."""

    oddity: Oddity
    state: str
    effects: int
    posts: int = 1
    operations: tuple[str, ...] = EVERY
    alone: bool = False  # the client learns from it, so that other rows would be answered otherwise


def reply(status: int, body: object = None, *headers: str) -> Reply:
    return lambda _write: answer(status, body, *headers)


def leads(status: int, target: Callable[[str], str]) -> Reply:
    return lambda write: answer(status, None, f"Location: {target(write.path)}")


def done(reply: Reply, **more: object) -> WriteRow:
    """A row of an answer after the effect, that ends as done."""
    return WriteRow(Oddity(reply, effect=True, **more), DONE, 1)  # type: ignore[arg-type]


def refused(reply: Reply) -> WriteRow:
    """A row of an answer without effect, that ends as not done."""
    return WriteRow(Oddity(reply), NO, 0)


def again(reply: Reply, applies: Callable[[Write, int], bool]) -> WriteRow:
    """A row of an answer that does not come again: the second POST is carried out."""
    return WriteRow(Oddity(reply, applies=applies), DONE, 1, 2, alone=True)


def renamed(spelling: Callable[[str], str], state: str, *, alone: bool = False) -> WriteRow:
    """A row of a create with a lost answer, where the provider names the server as it likes."""
    lost = Oddity(lambda _write: b"", effect=True, end="close", spelling=spelling)
    return WriteRow(lost, state, 1, 1, ("create",), alone)


def ordered(write: Write) -> bytes:
    return answer(201, {"id": "order-1", "hostname": write.hostname})


def is_once(_write: Write, count: int) -> bool:
    return count == 0


def is_documented(write: Write, _count: int) -> bool:
    return not write.path.endswith("/")


def other(path: str) -> str:
    return path.removesuffix("/") if path.endswith("/") else f"{path}/"


HTML: Final = "<html><body>It works!</body></html>"
TABLE: Final[dict[str, WriteRow]] = {
    **{f"{status} after the effect": done(reply(status)) for status in (400, 402, 403, 404, 405, 408, 409, 410, 418)},
    **{f"{status} after the effect": done(reply(status)) for status in (422, 423, 425, 429, 451, 499)},
    **{f"{status} after the effect": done(reply(status)) for status in (500, 501, 502, 503, 504, 520)},
    "dropped after the effect": done(lambda _write: b"", end="close"),
    "reset after the effect": done(lambda _write: b"", end="reset"),
    "cut in the body after the effect": done(lambda write: ordinary(write)[:-9], end="close"),
    "63 s late": done(ordinary, late_seconds=63.0),
    "HTML 200 after the effect": done(reply(200, HTML)),
    "empty 204 after the effect": done(reply(204)),
    "200 with detail after the effect": done(reply(200, {"detail": "Accepted"})),
    "202 with a task after the effect": done(reply(202, {"task_id": "t-1"})),
    "202 with an id of a task after the effect": done(reply(202, {"id": "task-1"})),
    "201 with Location alone after the effect": done(reply(201, None, "Location: /v1/vps/srv-1")),
    "another server after the effect": done(reply(200, STRANGER)),
    "another server's vps_id after the effect": done(reply(200, {"success": True, "vps_id": "srv-99999999"})),
    "303 after the effect": done(leads(303, lambda _path: "/v1/vps")),
    **{f"{code} to itself after the effect": done(leads(code, str)) for code in (301, 302, 307, 308)},
    "307 to another place after the effect": done(leads(307, lambda path: f"https://elsewhere.test{path}")),
    **{f"{status} without effect": refused(reply(status, {"detail": "no"})) for status in (400, 401, 402, 403, 409)},
    **{f"{status} without effect": refused(reply(status)) for status in (422, 423, 425, 500, 501, 502, 503, 504)},
    "200 success false": refused(reply(200, {"success": False, "message": "locked"})),
    "200 ok false": refused(reply(200, {"ok": False})),
    "dropped without effect": WriteRow(Oddity(lambda _write: b"", end="close"), NO, 0),
    **{
        f"{code} to another place without effect": refused(leads(code, lambda path: f"https://elsewhere.test{path}"))
        for code in (301, 302, 307, 308)
    },
    "307 to itself without effect": refused(leads(307, str)),
    "429 once": again(reply(429, None, "Retry-After: 2"), is_once),
    "429 for ever": WriteRow(Oddity(reply(429)), NO, 0, 3, alone=True),
    "404 in the documented form": again(reply(404), is_documented),
    "405 in the documented form": again(reply(405), is_documented),
    **{f"{code} to the other form": again(leads(code, other), is_documented) for code in (301, 302, 307, 308)},
    "307 to the other form over http": again(
        leads(307, lambda path: f"http://api.internal{other(path)}"), is_documented
    ),
    "307 between both forms": WriteRow(Oddity(leads(307, other)), NO, 0, 2, alone=True),
    "404 in both forms": WriteRow(Oddity(reply(404)), NO, 0, 2, alone=True),
    # What a create alone can meet.
    "201 with the id of an order": WriteRow(Oddity(ordered, effect=True), DONE, 1, 1, ("create",)),
    "kept as its first label and dropped": renamed(lambda name: name.partition(".")[0], DONE),
    "in capitals with a dot and dropped": renamed(lambda name: f"{name.upper()}.", DONE),
    "under another name and dropped": renamed(lambda name: f"vps-{name[1:4]}.provider.test", PERSON, alone=True),
    "dated 5 h back and dropped": WriteRow(
        Oddity(lambda _write: b"", effect=True, end="close", created=timedelta(hours=-5)), PERSON, 1, 1, ("create",)
    ),
    "dated 1 h ahead and dropped": WriteRow(
        Oddity(lambda _write: b"", effect=True, end="close", created=timedelta(hours=1)), DONE, 1, 1, ("create",)
    ),
}  # fmt: skip
CASES: Final = [(operation, name) for name, row in TABLE.items() for operation in row.operations]


@dataclass(frozen=True, slots=True)
class End:
    """What came of a row."""

    change: Change
    effects: int
    posts: int

    @property
    def seen(self) -> tuple[str, int, int]:
        """The columns of the table."""
        return self.change.state.value, self.effects, self.posts


class WriteRuns:
    """Runs rows when the first test asks for one of them: those that may meet in one run, the others alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ends: dict[tuple[str, str], End] = {}

    async def end(self, operation: str, name: str) -> End:
        """Return the outcome of a row."""
        if (operation, name) not in self.ends:
            alone = TABLE[name].alone
            await self._run([case for case in CASES if (case[1] == name if alone else not TABLE[case[1]].alone)])
        return self.ends[operation, name]

    async def _run(self, cases: list[tuple[str, str]]) -> None:
        provider = OddProvider()
        names = {case: f"h{number:03d}.example.com" for number, case in enumerate(cases)}
        provider.oddities = {names[case]: TABLE[case[1]].oddity for case in cases}
        url = migrated(self.folder / f"{len(self.ends)}.sqlite3")
        async with wire(provider.handle) as server:
            settings = {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": server.url, "VPSOPS_DATABASE_URL": url}
            opened = open_core(Settings.model_validate(settings), front="cli", clock=VirtualClock(), accounts=EVERYBODY)
            async with opened as core:
                changes = {case: await self._confirmed(core, provider, case, name) for case, name in names.items()}
                await eventually(lambda: self._is_over(core, provider, changes), HOUR)

    async def _confirmed(self, core: Core, provider: OddProvider, case: tuple[str, str], hostname: str) -> str:
        operation = case[0]
        arguments = {"hostname": hostname, "plan": "vps-2gb", "region": "oslo", "os_template": "debian-12"}
        if operation != "create":
            arguments = {"server": provider.put(hostname, "stopped" if operation == "start" else "running")}
        held = await core.gate.submit(
            Request(operation, arguments, ALICE, Origin("cli"), can_confirm=True), scope=OPERATOR
        )
        assert isinstance(held, Held), held
        await core.gate.confirm(held.change.id, ALICE, held.change.digest, scope=OPERATOR)
        return held.change.id

    async def _is_over(self, core: Core, provider: OddProvider, changes: Mapping[tuple[str, str], str]) -> bool:
        """Poll now and then, and keep the ends once all rows have ended."""
        await anyio.sleep(LOOK_SECONDS)
        results = {
            case: await core.changes.get(ident, scope=OPERATOR)
            for case, ident in changes.items()
            if case not in self.ends
        }
        for case, change in results.items():
            if change.state.final or change.state is State.NEEDS_PERSON:
                key = case[0], change.target.hostname
                self.ends[case] = End(change, provider.effects[key], provider.posts[key])
        return changes.keys() <= self.ends.keys()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> WriteRuns:
    return WriteRuns(tmp_path_factory.mktemp("writes"))


@pytest.mark.parametrize(("operation", "name"), CASES, ids=[f"{operation}: {name}" for operation, name in CASES])
@pytest.mark.requirement("refusals-are-verified")
async def test_a_write_is_done_once_and_told_truly(runs: WriteRuns, operation: str, name: str) -> None:
    """One POST, or another one after checks; the report is what happened; and no text denies a send that was."""
    row, end = TABLE[name], await runs.end(operation, name)
    assert end.seen == (row.state, row.effects, row.posts), end.change.note
    assert "othing was sent" not in end.change.note
