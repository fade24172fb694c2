"""`vpsops backup` and `vpsops restore` at a terminal: what they say, ask and refuse."""

import io
import sqlite3
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.fakes.audit_trail import Cli
from tests.fakes.storage.databases import migrated
from tests.unit.core.backup.backups import connected, contents, made
from vpsops.core.audit import chain
from vpsops.core.config.secret_values import SECRETS
from vpsops.core.storage.schema import HEAD
from vpsops.core.storage.tables import AUDIT, CHANGES


@pytest.fixture
def backup(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A backup of a database with a row in every table, taken by the command."""
    url = f"sqlite:///{tmp_path / 'source.sqlite3'}"
    made(url)
    with monkeypatch.context() as patch:
        patch.setenv("VPSOPS_DATABASE_URL", url)
        said = cli("backup", str(tmp_path / "db.backup"))
    assert said.code == 0, said.err
    return tmp_path / "db.backup"


def type_at_terminal(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    stdin = io.StringIO(text)
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", stdin)


def test_a_backup_says_what_it_holds_and_its_head(stored: str, cli: Cli, tmp_path: Path) -> None:
    said = cli("backup", str(tmp_path / "db.backup"))
    assert (said.code, said.err) == (0, "")
    assert "2 changes, 6 audit records" in said.out
    with connected(stored) as connection:
        seq, digest = chain.head(connection)
    assert f"Its head: {seq}:{digest}" in said.out
    again = cli("backup", str(tmp_path / "db.backup"))
    assert (again.code, "was not overwritten" in again.err, "--force" in again.err) == (1, True, True)
    assert cli("backup", str(tmp_path / "db.backup"), "--force").code == 0


@pytest.mark.usefixtures("stored")
@pytest.mark.requirement("backup-holds-no-secret")
def test_a_backup_holds_no_secret_of_the_settings(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in the environment, and nowhere in the database."""
    secrets = {name: f"secret-of-{name}-{'x' * 20}" for name in SECRETS if "DATABASE" not in name}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    said = cli("backup", str(tmp_path / "db.backup"))
    assert said.code == 0, said.err
    written = (tmp_path / "db.backup").read_bytes()
    assert [name for name, value in secrets.items() if value.encode() in written or value in said.out] == []


def test_a_broken_trail_is_backed_up_reported_and_restored_only_on_demand(
    empty_database_url: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, path = f"sqlite:///{tmp_path / 'source.sqlite3'}", str(tmp_path / "db.backup")
    made(source)
    with connected(source) as connection:
        connection.execute(sa.update(AUDIT).values(record="{}"))
    with monkeypatch.context() as patch:
        patch.setenv("VPSOPS_DATABASE_URL", source)
        said = cli("backup", path)
    assert (said.code, "record 1 was altered" in said.out) == (1, True)
    refused = cli("restore", path)
    assert (refused.code, "--broken-trail" in refused.err) == (1, True)
    assert cli("restore", path, "--broken-trail").code == 0
    assert contents(empty_database_url)["changes"]


def test_a_check_says_what_a_restore_would_mean_and_makes_no_database(backup: Path, cli: Cli, tmp_path: Path) -> None:
    said = cli("restore", str(backup), "--check")
    assert (said.code, said.err) == (0, "")
    assert "1 change in state held: superseded once it is restored." in said.out
    assert not (tmp_path / "vpsops.sqlite3").exists()


def test_into_an_empty_database_nothing_is_asked(backup: Path, cli: Cli, empty_database_url: str) -> None:
    said = cli("restore", str(backup))
    assert (said.code, said.err) == (0, "")
    assert "Superseded, as they waited for people or for their time: 1 change." in said.out
    assert "1 message to Slack, and what 1 command or click from it" in said.out
    assert [row["state"] for row in contents(empty_database_url)["changes"]] == ["superseded"]
    assert "The trail is whole up to record 3" in cli("audit", "verify").out
    assert "store_restored" in cli("audit", "tail").out


def test_what_a_database_holds_is_replaced_once_a_person_typed_its_last_record(
    backup: Path, stored: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --replace, without a terminal or with another number it stays."""
    before = contents(stored)
    monkeypatch.setattr(sys, "stdin", io.StringIO("6\n"))
    refused, piped = cli("restore", str(backup)), cli("restore", str(backup), "--replace")
    assert (refused.code, "holds 2 changes and 6 audit records" in refused.err) == (2, True)
    assert (piped.code, "person at a terminal" in piped.err) == (2, True)
    type_at_terminal(monkeypatch, "5\n")
    other = cli("restore", str(backup), "--replace")
    assert (other.code, "nothing was restored" in other.out) == (1, True)
    assert contents(stored) == before
    type_at_terminal(monkeypatch, "6\n")
    assert cli("restore", str(backup), "--replace").code == 0
    assert [row["id"] for row in contents(stored)["changes"]] == [contents(f"sqlite:///{backup}")["changes"][0]["id"]]


def test_a_file_that_is_no_backup_is_refused_before_the_database_is_touched(cli: Cli, tmp_path: Path) -> None:
    """A database is none: it was copied with no manifest, and perhaps without what lay beside it."""
    migrated(tmp_path / "copy.sqlite3")
    said = cli("restore", str(tmp_path / "copy.sqlite3"))
    assert (said.code, "it has no manifest" in said.err) == (1, True)
    missing = cli("restore", str(tmp_path / "missing"))
    assert (missing.code, "No such file" in missing.err) == (1, True)
    assert not (tmp_path / "vpsops.sqlite3").exists()


def test_a_backup_of_a_newer_version_is_refused(backup: Path, cli: Cli) -> None:
    """Its tables are what its manifest says, and this version does not know the schema."""
    with sqlite3.connect(backup) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("UPDATE vpsops_backup SET manifest = replace(manifest, ?, ?)", (f'"{HEAD}"', '"9999"'))
    connection.close()
    said = cli("restore", str(backup))
    assert (said.code, "newer version" in said.err) == (2, True)


@pytest.mark.parametrize("fault", ["newer", "older", "damaged"])
def test_a_database_that_cannot_be_opened_is_not_replaced(
    backup: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """It is moved away by hand; then it is restored into an empty database."""
    url, path = migrated(tmp_path / "vpsops.sqlite3"), tmp_path / "vpsops.sqlite3"
    monkeypatch.setenv("VPSOPS_DATABASE_URL", url)  # a file, whichever database this run is about
    if fault == "damaged":
        path.write_bytes(b"no database " * 1000)
    elif fault == "older":
        path.unlink()
        made(url, "0014")
    else:
        with connected(url) as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    before = path.read_bytes()
    type_at_terminal(monkeypatch, "0\n")
    said = cli("restore", str(backup), "--replace")
    assert said.code in {1, 2}
    assert said.err.startswith("vpsops: ")
    assert path.read_bytes() == before
    path.rename(tmp_path / "away.sqlite3")
    assert cli("restore", str(backup)).code == 0


def test_a_server_of_that_name_is_another_command(cli: Cli) -> None:
    """`restore` is about the database; a disk is restored by an operation."""
    assert "backup-restore" in cli("restore", "web01").err


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("options", [[], ["--force"]], ids=" ".join)
@pytest.mark.parametrize("word", ["web01", "web01.example.com", "backup", ""])
def test_a_backup_is_written_to_no_file_that_may_be_meant_as_a_server(
    cli: Cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    word: str,
    options: list[str],
) -> None:
    """`--force` replaces a file, and makes no path of a word."""
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemExit) as ended:
        cli("backup", word, *options)
    refusal = capsys.readouterr().err
    assert (ended.value.code, f"./{word}" in refusal, "vpsops backup-create" in refusal) == (2, True, True)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("path", ["./web01", "web01.backup", "web01.example.com.backup"])
def test_a_path_with_a_folder_and_the_suffix_of_backups_are_files(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("backup", path).code == 0
    assert (tmp_path / path).is_file()


def test_the_changes_of_a_backup_are_read_without_its_columns_of_today(backup: Path) -> None:
    assert set(contents(f"sqlite:///{backup}")["changes"][0]) == set(CHANGES.c.keys())
