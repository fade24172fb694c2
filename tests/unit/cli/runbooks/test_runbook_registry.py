"""`vpsops runbook apply`, `list`, `show` and `remove` as they are called."""

from pathlib import Path
from typing import Final

import anyio
import pytest

from vpsops.cli import main
from vpsops.cli.runbooks import command, registry
from vpsops.core.common.clock import SystemClock
from vpsops.core.common.errors import ConfigurationError, InvalidInputError
from vpsops.core.storage.database import open_database

SMALL: Final = 'name = "NAME"\ndescription = "X."\n[[step]]\noperation = "stop"\nservers = "web01"\n'


@pytest.fixture
def folder(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two runbooks, a database with its tables, and the settings of a process."""
    anyio.run(_make_tables, database_url)
    monkeypatch.chdir(tmp_path)
    for name in ("halt", "sleep"):
        Path(f"{name}.toml").write_text(SMALL.replace("NAME", name))
    monkeypatch.setenv("VPSOPS_DATABASE_URL", database_url)
    monkeypatch.setenv("VPSOPS_ACTOR", "ann@example.com")
    return tmp_path


async def _make_tables(database_url: str) -> None:
    async with open_database(database_url, SystemClock()):
        pass


def run(*words: str) -> int:
    """Run a command line in a process without a person."""
    words = ("runbook", *words)
    return command.run(main.parsed(main.parser_of(words), words))


@pytest.mark.requirement("runbook-register")
def test_files_are_stored_listed_shown_and_removed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same file again changes nothing; another text shows what is otherwise."""
    assert run("list") == 0
    assert capsys.readouterr().out == f"{registry.NONE}\n"
    assert run("apply", "halt.toml", "sleep.toml", "--yes") == 0
    assert "halt is new. 1 step: stop.\nsleep is new. 1 step: stop.\nApplied: halt, rbk_" in capsys.readouterr().out
    assert run("apply", "halt.toml", "--yes") == 0
    assert capsys.readouterr().out.startswith("halt is there already: rbk_")
    (folder / "halt.toml").write_text(SMALL.replace("NAME", "halt").replace("web01", "web02"))
    assert run("apply", "halt.toml", "--yes") == 0
    shown = capsys.readouterr().out
    assert '  -servers = "web01"\n  +servers = "web02"\n' in shown
    assert "number 2." in shown
    assert run("list") == 0
    head, halt, sleep = capsys.readouterr().out.splitlines()
    assert (head.split()[0], halt.split()[0], sleep.split()[0]) == ("NAME", "halt", "sleep")
    assert halt.endswith("nothing  X.")
    assert run("show", "halt") == 0
    assert capsys.readouterr().out.endswith("\n\n" + (folder / "halt.toml").read_text())
    assert run("remove", "halt") == 0
    assert capsys.readouterr().out.startswith("Removed: halt, rbk_")
    for action in ("show", "remove"):
        with pytest.raises(InvalidInputError, match="There is no runbook called 'halt'"):
            run(action, "halt")


@pytest.mark.requirement("runbook-register")
def test_a_file_that_is_wrong_refuses_all(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every problem of every file, and nothing is stored."""
    (folder / "bad.toml").write_text(SMALL.replace("NAME", "BAD").replace("stop", "delete"))
    assert run("apply", "halt.toml", "bad.toml", "--yes") == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["bad.toml:1:", "bad.toml:4:", "Nothing"]
    assert run("list") == 0
    assert capsys.readouterr().out == f"{registry.NONE}\n"


def test_what_cannot_be_stored_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One name twice, a secret, no file, and no one to ask."""
    (folder / "again.toml").write_text(SMALL.replace("NAME", "halt"))
    with pytest.raises(InvalidInputError, match="Two of these files are called halt"):
        run("apply", "halt.toml", "again.toml", "--yes")
    monkeypatch.setenv("WAYSCLOUD_API_KEY", "wayscloud_vps_test1_SECRET")
    (folder / "key.toml").write_text(SMALL.replace("NAME", "key") + "# wayscloud_vps_test1_SECRET\n")
    with pytest.raises(InvalidInputError, match="holds a key"):
        run("apply", "key.toml", "--yes")
    with pytest.raises(InvalidInputError, match="cannot be read") as caught:
        run("apply", "halt", "--yes")
    assert "./halt" in caught.value.hint
    with pytest.raises(ConfigurationError, match="no terminal to ask at"):
        run("apply", "halt.toml")
