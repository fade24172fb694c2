"""`vpsops audit ship` as a process: it continues where it ended, and ends when it is asked to."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from anyio import to_thread
from sqlalchemy.engine import Connection

from tests.fakes.audit_trail import RECORDS, Cli, change_database
from tests.harness.patience import PATIENCE_SECONDS, eventually
from vpsops.core.audit import chain


def note(connection: Connection) -> None:
    chain.append(connection, 1.0, "noted", None, {})


def numbers(path: Path) -> list[int]:
    return [json.loads(line)["seq"] for line in path.read_text("utf-8").splitlines()] if path.exists() else []


@contextmanager
def running(url: str, destination: str) -> Iterator[subprocess.Popen[str]]:
    """Ship in a process until the block ends, by SIGTERM; it ends well."""
    command = [sys.executable, "-m", "vpsops", "audit", "ship", destination]
    process = subprocess.Popen(
        command, env={**os.environ, "VPSOPS_DATABASE_URL": url}, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout
        assert process.stdout.readline().startswith("audit ship: running, to file")
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert "Shipped " in process.stdout.read()


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.requirement("ship-at-least-once")
async def test_a_process_ships_until_sigterm_and_the_next_one_continues(stored: str, tmp_path: Path) -> None:
    path, append = tmp_path / "audit.jsonl", partial(to_thread.run_sync, change_database, stored, note)
    with running(stored, f"file://{path}") as process:
        await eventually(lambda: len(numbers(path)) == RECORDS)
        process.send_signal(signal.SIGHUP)  # ends nothing
        await append()
        await eventually(lambda: len(numbers(path)) == RECORDS + 1)
    await append()
    with running(stored, f"file://{path}"):
        await eventually(lambda: len(numbers(path)) == RECORDS + 2)
    assert numbers(path) == list(range(1, RECORDS + 3))


@pytest.mark.usefixtures("stored")
def test_once_ends_with_what_there_is(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    said = cli("audit", "ship", "--once", f"file://{path}")
    assert (said.code, said.out) == (0, f"Shipped {RECORDS} records to file {path}.\n")
    assert cli("audit", "ship", "--once", f"file://{path}").out.startswith("Shipped 0 records")
    exported = cli("audit", "export").lines[1:-1]
    assert path.read_text("utf-8").splitlines() == exported
    assert cli("audit", "ship", "--once", "--after", "4", f"file://{path}").out.startswith("Shipped 2 records")


@pytest.mark.usefixtures("stored")
@pytest.mark.requirement("ship-verified-elsewhere")
def test_who_receives_it_can_verify_it(cli: Cli, tmp_path: Path) -> None:
    """With records that came twice, from any record on, and with a line that a crash cut; not with one missing."""
    path = tmp_path / "audit.jsonl"
    cli("audit", "ship", "--once", f"file://{path}")
    plain = cli("audit", "verify", str(path))
    assert (plain.code, "give --shipped" in plain.lines[0]) == (1, True)
    head = cli("audit", "verify").lines[-1].partition("Its head")[2]
    with path.open("a", encoding="utf-8") as file:
        file.write('{"seq":5,"at"\n')
    cli("audit", "ship", "--once", "--after", "4", f"file://{path}")
    again = cli("audit", "verify", "--shipped", str(path))
    assert (again.code, again.lines[-1].partition("Its head")[2]) == (0, head)
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join(lines[2:]), "utf-8")
    assert cli("audit", "verify", "--shipped", str(path)).code == 0
    path.write_text("\n".join(lines[:1] + lines[2:]), "utf-8")
    assert cli("audit", "verify", "--shipped", str(path)).lines[0] == "record 2 is missing"
    assert cli("audit", "verify", "--shipped").code == 2


@pytest.mark.usefixtures("stored")
def test_the_address_comes_from_the_settings_and_is_not_shown(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address with a token stays out of the process list and of what is printed."""
    unnamed = cli("audit", "ship", "--once")
    assert (unnamed.code, "VPSOPS_AUDIT_SHIP_URL" in unnamed.err) == (2, True)
    file = tmp_path / "ship"
    file.write_text(f"file://{tmp_path / 'a.jsonl'}\n", "utf-8")
    monkeypatch.setenv("VPSOPS_AUDIT_SHIP_URL_FILE", str(file))
    assert cli("audit", "ship", "--once").code == 0
    monkeypatch.delenv("VPSOPS_AUDIT_SHIP_URL_FILE")
    monkeypatch.setenv("VPSOPS_AUDIT_SHIP_URL", "smtp://user:S3CRET@example.com/T0KEN")
    refused = cli("audit", "ship", "--once")
    assert (refused.code, "S3CRET" in refused.err, "T0KEN" in refused.err) == (2, False, False)
