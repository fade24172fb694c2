"""`vpsops doctor`: one line for each thing, with what to do, and the exit code of what must be put right first."""

import json
import sys
import types
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.audit_trail import RECORDS, WEB, Cli, change_database
from tests.fakes.clock import START, FakeClock
from tests.fakes.provider import KEY, SERVER, answers, raw, refused_port, wire
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.unit.cli.test_audit import set_where
from tests.unit.core.storage.test_migrations import engine_of, future
from vpsops.cli import doctor
from vpsops.cli import main as console
from vpsops.cli.doctor import check_policy, check_settings, examine
from vpsops.core.audit import chain
from vpsops.core.common.clock import Clock
from vpsops.core.config.settings import Settings
from vpsops.core.console import exit_codes
from vpsops.core.console.checks import Check, DoctorFinding, fail, ok, warn, worst
from vpsops.core.diagnostics.database import check_storage
from vpsops.core.diagnostics.provider import check_provider
from vpsops.core.messaging import outbox
from vpsops.core.storage import schema
from vpsops.core.storage.tables import CHANGES, INBOX, OUTBOX, PROCESSES

BOUND = PATIENCE_SECONDS
STAMP = START.timestamp()
LATER = FakeClock(START + timedelta(minutes=10))
SLACK = {"SLACK_BOT_TOKEN": "xoxb-0123", "VPSOPS_APPROVAL_CHANNEL": "C1"}


async def check_output(
    capsys: pytest.CaptureFixture[str], check: Check, values: dict[str, str], clock: Clock | None = None
) -> tuple[int, str]:
    """Run one check and return its exit code and its output."""
    capsys.readouterr()
    with anyio.fail_after(BOUND):
        code = await examine(Settings.model_validate(values), [check], clock or VirtualClock())
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out


def storage(
    capsys: pytest.CaptureFixture[str], url: str, clock: Clock | None = None, **values: str
) -> tuple[int, dict[str, str]]:
    """Check the storage and return the exit code and the first line about each thing."""
    code, out = anyio.run(check_output, capsys, check_storage, {"VPSOPS_DATABASE_URL": url, **values}, clock)
    return code, {line.split()[1]: line for line in reversed(out.splitlines())}


def test_all_is_well_where_a_process_runs(
    stored: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database with its schema, a living process, nothing late, a whole trail: all ok, and nothing to do."""
    monkeypatch.setattr("vpsops.core.storage.database.Database.tick", lambda *_: 100.0)
    change_database(stored, lambda c: c.execute(sa.insert(PROCESSES), _processes(slack=99.0, gone=1.0)))
    clock = FakeClock(WEB.created_at)
    code, lines = storage(capsys, stored, clock, **SLACK)
    assert code == 0
    assert [line.split()[0] for line in lines.values()] == ["ok"] * 7
    assert "answers in 0 ms, its schema is this version's" in lines["database"]
    assert "1 alive: slack; 2 changes open" in lines["processes"]
    assert f"the trail is whole up to record {RECORDS}" in lines["audit"]


def _processes(**beats: float) -> list[dict[str, object]]:
    return [{"id": name, "front": name, "started_at": STAMP, "beat": beat} for name, beat in beats.items()]


def test_what_needs_somebody_is_a_warning(stored: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Changes without a process or without an outcome, late and lost messages, deliveries that were never processed."""

    def trouble(connection: Connection) -> None:
        connection.execute(sa.update(CHANGES).where(CHANGES.c.id == WEB.id).values(state="needs_person"))
        chain.append(connection, STAMP, "needs_person", WEB.id, {"state": "needs_person"})
        outbox.put(connection, "dead", "card", {}, WEB.created_at)
        connection.execute(
            sa.update(OUTBOX).where(OUTBOX.c.topic == "dead").values(state="dead", error="channel_not_found\x1b[2J")
        )
        connection.execute(sa.insert(INBOX).values(key="k", kind="click", payload={}, received_at=STAMP))

    change_database(stored, trouble)
    code, out = anyio.run(check_output, capsys, check_storage, {"VPSOPS_DATABASE_URL": stored, **SLACK}, LATER)
    assert code == 0
    for text in (
        "warn  processes  2 changes are open and no process is alive. Start vpsops bot or worker.",
        f"warn  changes    1 need a person: {WEB.id}.",
        "messages wait for over a minute. Start vpsops bot, or read its log.",
        "warn  outbox     1 messages were given up, the last one for: channel_not_found\ufffd[2J.",
        "warn  inbox      1 deliveries from Slack wait for over a minute. Start vpsops bot.",
    ):
        assert text in out


@pytest.mark.parametrize("clock", [FakeClock(WEB.created_at), LATER], ids=["at once", "later"])
def test_without_slack_messages_wait_for_none(
    stored: str, capsys: pytest.CaptureFixture[str], clock: FakeClock
) -> None:
    """Messages for a workspace that there is not are no fault, and are called the same at every time."""
    _, lines = storage(capsys, stored, clock)
    assert lines["outbox"].startswith("ok ")
    assert "which is not configured" in lines["outbox"]


def test_what_quiet_hours_hold_back_is_no_fault(stored: str, capsys: pytest.CaptureFixture[str]) -> None:
    """News that wait for the morning are not late."""
    held = sa.update(OUTBOX).values(error=outbox.QUIET)
    change_database(stored, lambda connection: connection.execute(held))
    _, lines = storage(capsys, stored, LATER, **SLACK)
    assert "none for long" in lines["outbox"]


def test_a_broken_trail_is_a_failure(stored: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The first fault is reported, and where to find them all."""
    change_database(stored, set_where(3, record="{"))
    code, lines = storage(capsys, stored)
    assert code == 1
    assert lines["audit"].startswith(
        "fail  audit      1 faults in the trail, the first: record 3 was altered. Run vpsops"
    )


def test_a_database_that_was_never_made_is_a_warning(
    empty_database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first start the database is missing; the finding names what makes it, and none is made."""
    for _ in range(2):
        code, lines = storage(capsys, empty_database_url)
        assert code == 0
        assert lines["database"].startswith("warn")
        assert "makes it" in lines["database"]


def test_a_newer_schema_is_wrong_configuration(
    empty_database_url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """This version cannot work on it: update."""
    with engine_of(empty_database_url) as engine:
        schema.upgrade(engine, "head", future(tmp_path))
    code, out = anyio.run(check_output, capsys, check_storage, {"VPSOPS_DATABASE_URL": empty_database_url})
    assert code == 2
    assert "newer version of vpsops. Update vpsops on this machine." in out


def test_a_server_that_is_away_does_not_show_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    """A database that does not answer is a failure of its own, reported without the secret in its address."""
    values = {"VPSOPS_DATABASE_URL": "postgresql://me:s3cret-word@127.0.0.1:1/none"}
    code, out = anyio.run(check_output, capsys, check_storage, values)
    assert code == 1
    assert out.startswith("fail  storage    The database did not answer.")
    assert "s3cret" not in out


def test_a_password_that_works_is_not_shown_either(capsys: pytest.CaptureFixture[str], empty_database_url: str) -> None:
    """Where the address is shown, its password is not."""
    change_database(empty_database_url)
    secret = "s3cret-word"
    url = empty_database_url.replace("vpsops@", f"vpsops:{secret}@")
    _, lines = storage(capsys, url)
    assert lines["database"].startswith("ok")
    assert secret not in "".join(lines.values())


def test_a_damaged_file_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Overwritten pages are reported before they do harm."""
    path = tmp_path / "v.sqlite3"
    change_database(f"sqlite:///{path}")
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xa5" * 4096 * 8)
    code, out = anyio.run(check_output, capsys, check_storage, {"VPSOPS_DATABASE_URL": f"sqlite:///{path}"})
    assert code == 1
    assert "fail" in out


LIST = json.dumps({"items": [SERVER], "total": 1}).encode()
PART = json.dumps({"items": [SERVER], "total": 2}).encode()


@pytest.mark.parametrize(
    ("answer", "code", "text"),
    [
        (raw("200 OK", LIST), 0, "ok    provider   "),
        (raw("401 Unauthorized", b'{"detail":"no\x1b"}'), 3, "Check WAYSCLOUD_API_KEY or WAYSCLOUD_TOKEN."),
        (raw("403 Forbidden", b"{}"), 3, "fail  provider"),
        (raw("503 Service Unavailable", b"{}"), 4, "fail  provider"),
        (b"", 4, "fail  provider"),
        (raw("200 OK", b"<html>"), 1, "Check that WAYSCLOUD_API_URL is the address of the API."),
        (raw("200 OK", PART), 0, "the list is not complete"),
    ],
)
async def test_the_provider_is_asked_for_its_list(
    capsys: pytest.CaptureFixture[str], answer: bytes, code: int, text: str
) -> None:
    """One read shows whether it is reachable and takes the key; each way of failing has its code and its advice."""
    async with wire(answers(answer)) as server:
        values = {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": server.url}
        ended, out = await check_output(capsys, check_provider, values)
        methods = {request.method for request in server.received}
    assert (ended, methods, text in out) == (code, {"GET"}, True)


async def test_a_provider_that_is_not_there_is_unreachable(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a listener, the exit code is four."""
    values = {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": f"http://127.0.0.1:{await refused_port()}"}
    code, out = await check_output(capsys, check_provider, values)
    assert (code, KEY in out) == (4, False)


async def test_no_key_and_no_usable_key_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """The one is a key that is missing, the other a setting that is wrong; neither calls the provider."""
    code, out = await check_output(capsys, check_provider, {})
    assert code == 3
    assert out == "fail  provider   There is no WAYSCloud key. Set WAYSCLOUD_API_KEY or WAYSCLOUD_TOKEN.\n"
    assert (await check_output(capsys, check_provider, {"WAYSCLOUD_API_KEY": "two words"}))[0] == 2


async def test_the_policy_is_loaded(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A good one with its version, a bad one with file and line."""
    assert "the embedded default" in (await check_output(capsys, check_policy, {}))[1]
    path = tmp_path / "vpsops.toml"
    path.write_text('[[rule]]\nid = "all"\ndecision = "allow"\n', encoding="utf-8")
    code, out = await check_output(capsys, check_policy, {"VPSOPS_CONFIG": str(path)})
    assert (code, out.startswith("ok    policy     1 rules, version pol_")) == (0, True)
    path.write_text('[[rule]]\nid = "all"\ndecision = "perhaps"\n', encoding="utf-8")
    code, out = await check_output(capsys, check_policy, {"VPSOPS_CONFIG": str(path)})
    assert (code, f"{path}:3" in out) == (2, True)


async def test_the_settings_say_where_they_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    """And what of them does not go together."""
    assert await check_output(capsys, check_settings, {}) == (
        0,
        "ok    settings   read from the environment (no VPSOPS_CONFIG).\n",
    )
    _, out = await check_output(
        capsys, check_settings, {"SLACK_BOT_TOKEN": "xoxb-0123", "VPSOPS_CONFIG": "/etc/v.toml"}
    )
    assert "the environment and /etc/v.toml" in out
    assert "Set VPSOPS_APPROVAL_CHANNEL." in out


async def check_broken(_: Settings, __: Clock) -> Sequence[DoctorFinding]:
    """Break, as a check must not."""
    raise ZeroDivisionError


async def check_fine(_: Settings, __: Clock) -> Sequence[DoctorFinding]:
    """Find no fault, but put a secret into the finding."""
    return [ok("fine", "xoxb-0123-secret is in here")]


async def test_a_check_that_breaks_does_not_hide_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    """It is reported as a fault of vpsops, and the next one runs; the output holds no configured secret."""
    settings = Settings.model_validate({"SLACK_BOT_TOKEN": "xoxb-0123-secret"})
    assert await examine(settings, [check_broken, check_fine], FakeClock()) == 1
    assert capsys.readouterr().out.splitlines() == [
        "fail  broken     could not be checked (ZeroDivisionError). This is a fault of vpsops; report it.",
        "ok    fine       ••• is in here.",
    ]


@pytest.mark.requirement("doctor-first-things-first")
def test_the_exit_code_is_what_must_be_put_right_first() -> None:
    """Configuration comes before the key, that before the network, that before the rest; warnings do not count."""
    assert worst([ok("a", "x"), warn("a", "x", "y")]) == 0
    codes = [exit_codes.OTHER, exit_codes.UNREACHABLE, exit_codes.NOT_AUTHENTICATED, exit_codes.USAGE]
    findings: list[DoctorFinding] = []
    for code in codes:
        findings.append(fail("a", "x", "y", code))
        assert worst(findings) == code


def test_wrong_settings_are_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the settings do not load, nothing else can be checked."""
    monkeypatch.setenv("VPSOPS_NONSENSE", "1")
    output = cli("doctor")
    assert (output.code, len(output.lines), output.err) == (2, 1, "")
    assert output.out.startswith("fail  settings   Unknown setting VPSOPS_NONSENSE. `vpsops config show` l")


def test_a_question_ends_as_one(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that resembles a setting becomes a question, with one mark at the end."""
    monkeypatch.setenv("VPSOPS_CHANEL", "C1")
    assert cli("doctor").out.endswith("Unknown setting VPSOPS_CHANEL. Did you mean VPSOPS_CHANNEL?\n")


def test_a_front_end_adds_its_own_checks(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the modules of the list bring is run in their order."""
    module = types.ModuleType("made_up_checks")
    module.__dict__["CHECKS"] = (check_fine,)
    monkeypatch.setitem(sys.modules, "made_up_checks", module)
    monkeypatch.setattr(console, "CHECKS", ("vpsops.cli.doctor", "made_up_checks"))
    monkeypatch.delenv("WAYSCLOUD_API_KEY", raising=False)
    output = cli("doctor")
    assert output.code == 3
    areas = [line.split()[1] for line in output.lines]
    assert areas == ["settings", "files", "policy", "database", "provider", "fine"]
    assert [check.__name__.removeprefix("check_") for check in doctor.CHECKS] == [
        "settings",
        "files",
        "policy",
        "storage",
        "approvals",
        "provider",
    ]
