"""Completion: commands, options, servers and changes, and no word that a shell might take for more."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Connection

from tests.fakes.runbooks import CYCLE
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.packaging.programs import needs_program
from vpsops.cli import main
from vpsops.cli.operations import completion
from vpsops.cli.operations.commands import Surroundings
from vpsops.cli.operations.console import system_console
from vpsops.core.common.json_types import Json
from vpsops.core.config.settings import Settings
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.runbooks import register
from vpsops.core.runbooks.loader import load_runbook
from vpsops.core.runbooks.model import Runbook
from vpsops.core.runbooks.register import RunbookApplication, RunbookText
from vpsops.core.storage import open_database
from vpsops.core.storage.tables import RUNBOOKS
from vpsops.playground.wayscloud.account.account import Item
from vpsops.playground.wayscloud.account.resources import SNAPSHOTS
from vpsops.playground.wayscloud.serve import SimulatorHandle

COMMANDS = tuple(main.COMMANDS)


@pytest.fixture(autouse=True)
def fleet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Keep the names of two servers, and one that is no name, as read a moment ago."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    settings = Settings.model_validate({"VPSOPS_DATABASE_URL": f"sqlite:///{tmp_path / 'x.sqlite3'}"})
    monkeypatch.setattr(completion, "load_settings", lambda: settings)
    path = completion._kept_in(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(["web01.example.com", "db01.example.com", "$(touch x)", "-rf", "a b"]))
    return settings


@pytest.mark.requirement("terminal-completion")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("reb",), ["reboot"]),
        (("fol",), ["follow"]),
        (("reboot", ""), ["web01.example.com", "db01.example.com"]),
        (("reboot", "w"), ["web01.example.com"]),
        (("ask", "rebo"), ["reboot"]),
        (("ask", "lis"), []),
        (("ask", "reboot", "db"), ["db01.example.com"]),
        (("reboot", "web01", ""), []),
        (("reboot", "web01", "--j"), ["--json"]),
        (("reboot", "--because", "x", "w"), ["web01.example.com"]),
        (("reboot", "--server", "w"), ["web01.example.com"]),
        (("delete", "web01", "--conf"), ["--confirm"]),
        (("ask", "stop", "--ye"), []),
        (("backup-policy", "web01", "w"), ["weekly"]),
        (("nonsense", ""), []),
        (("doctor", ""), []),
        (("--ver",), ["--version"]),
        (("audit", "v"), ["verify"]),
        (("audit", "verify", "--an"), ["--anchor"]),
        (("audit", "ship", ""), []),
        (("restore", "a.backup", "--r"), ["--replace"]),
        (("completion", "f"), ["fish"]),
        (("changes", "--set"), ["--settle"]),
        (("changes", "chg_1", "--settle", "not"), ["not-happened"]),
    ],
)
def test_candidates(words: tuple[str, ...], offered: list[str]) -> None:
    """Whatever begins as the last word does; never text that is no name."""
    assert completion.candidates(words, COMMANDS, main.parser_of) == offered


def test_another_person_has_another_file(fleet: Settings) -> None:
    """Names that one was shown are not another's."""
    other = fleet.model_copy(update={"actor": "bob@example.com"})
    assert completion._kept_in(fleet) != completion._kept_in(other)


@pytest.mark.requirement("terminal-completion")
def test_a_script_runs_in_bash(tmp_path: Path) -> None:
    """What is printed becomes words as they are; nothing of it is run."""
    script = tmp_path / "script"
    script.write_text(
        f"""vpsops() {{ printf '%s\\n' "$*" 'web01' '$(touch {tmp_path}/run)'; }}
{completion.SCRIPTS["bash"]}
COMP_WORDS=(vpsops reboot w) COMP_CWORD=2
_vpsops
printf '%s|' "${{COMPREPLY[@]}}"
compopt() {{ printf 'compopt %s' "$*"; }}
vpsops() {{ printf 'servers=\n'; }}
_vpsops
"""
    )
    done = subprocess.run(
        ["bash", str(script)],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.stdout == f"complete -- reboot w|web01|$(touch {tmp_path}/run)|compopt -o nospace"
    assert not (tmp_path / "run").exists()


@pytest.mark.requirement("terminal-completion")
@needs_program("zsh", "zsh")
def test_a_script_runs_in_zsh(tmp_path: Path) -> None:
    """As its completion calls it; where there is no candidate, files are."""
    script = tmp_path / "script"
    script.write_text(
        f"""compdef() {{ }}
compadd() {{ print -rn -- "$words|"; print -rn -- "${{(P)2[@]}}"; }}
_files() {{ print -rn -- "files"; }}
vpsops() {{
    [[ $4 == reboot ]] && printf '%s\\n' "$*" web01 '$(touch {tmp_path}/run)'
    [[ $4 == runbook ]] && printf 'servers=\\n'
}}
{completion.SCRIPTS["zsh"]}
words=(vpsops reboot w later) CURRENT=3
_vpsops
words=(vpsops restore x) CURRENT=3
_vpsops
compadd() {{ print -rn -- "|$1$2$3$4"; }}
words=(vpsops runbook s) CURRENT=3
_vpsops
""".replace("$4 ==", "$3 ==")
    )
    done = subprocess.run(
        ["zsh", "-f", str(script)], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    )
    assert (
        done.stdout == f"vpsops reboot w later|complete -- reboot w web01 $(touch {tmp_path}/run)files|-S-acandidates"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.requirement("terminal-completion")
@needs_program("fish", "fish")
def test_a_script_runs_in_fish(tmp_path: Path) -> None:
    """Fish itself asks for the candidates; where there is none, it offers files."""
    (tmp_path / "a.backup").touch()
    script = tmp_path / "script"
    script.write_text(
        f"""function vpsops
    if test $argv[3] = reboot
        printf '%s\\n' web01 '$(touch {tmp_path}/run)'
    end
end
{completion.SCRIPTS["fish"]}
complete -C 'vpsops reboot '
echo ==
complete -C 'vpsops restore a.'
"""
    )
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    command = ["fish", "--no-config", str(script)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    )
    servers, _, files = done.stdout.partition("==\n")
    assert "web01" in servers.splitlines()
    assert files.startswith("a.backup")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("shell", sorted(completion.SCRIPTS))
def test_each_script_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It calls `vpsops complete`."""
    assert main.main(["completion", shell]) == 0
    assert "vpsops complete -- " in capsys.readouterr().out


@pytest.mark.requirement("terminal-completion")
@pytest.mark.parametrize(
    ("words", "lister", "arguments"),
    [
        (("rollback", "web01", ""), "snapshots", {"server": "web01"}),
        (("backup-restore", "web01", ""), "backups", {"server": "web01"}),
        (("firewall-remove", "web01", ""), "firewall", {"server": "web01"}),
        (("resize", "web01", ""), "plans", {}),
        (("create", "new", "--plan", ""), "plans", {}),
    ],
)
def test_what_a_server_has_and_plans_are_read_for_their_arguments(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], lister: str, arguments: dict[str, str]
) -> None:
    """By the read that lists the values of their kind; of a server, only once it is typed."""
    asked: list[tuple[str, Mapping[str, Json]]] = []

    async def read_values(_: Settings, operation: Operation, given: Mapping[str, Json]) -> list[str]:
        asked.append((operation.name, given))
        return ["before-upgrade", "monday"]

    monkeypatch.setattr(completion, "read_values", read_values)
    assert completion.candidates((*words[:-1], "m"), COMMANDS, main.parser_of) == ["monday"]
    assert asked == [(lister, arguments)]


@pytest.mark.requirement("terminal-completion")
async def test_only_names_come_into_a_shell(provider: SimulatorHandle, fleet: Settings) -> None:
    """What the provider calls a snapshot may be anything."""
    world = provider.simulator.world
    server = world.servers()[0]
    for name in ("before-upgrade", "-rf", "$(touch x)"):
        world.items_of(server.id, SNAPSHOTS.key)[name] = Item(name, {}, 0.0, world.time.now())
    key = SecretStr("wayscloud_vps_test1_SECRET")
    settings = fleet.model_copy(update={"api_key": key, "api_url": provider.url, "actor": "ann@example.com"})
    around = Surroundings(system_console(), VirtualClock())
    values = await completion.read_values(settings, OPERATIONS["snapshots"], {"server": server.id}, around)
    assert values == ["before-upgrade"]


GROW = """
name = "grow"
description = "Stop servers and start them."
[arguments.servers]
kind = "servers"
[arguments.tier]
kind = "choice"
choices = ["small", "web"]
[[step]]
operation = "label"
servers = "{servers}"
arguments = { labels = ["tier={tier}"] }
"""


@pytest.fixture
def runbooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stored runbooks."""
    runbooks = [load_runbook(text, "x.toml") for text in (CYCLE, GROW)]

    async def stored(_: Settings) -> list[Runbook]:
        return runbooks

    monkeypatch.setattr(completion, "_runbooks", stored)


@pytest.mark.requirement("terminal-completion")
@pytest.mark.usefixtures("runbooks")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("runbook", "ru"), ["run"]),
        (("runbook", "run", ""), ["cycle", "grow"]),
        (("runbook", "explain", "g"), ["grow"]),
        (("runbook", "show", ""), ["cycle", "grow"]),
        (("runbook", "remove", "c"), ["cycle"]),
        (("runbook", "check", ""), []),
        (("runbook", "show", "grow", ""), []),
        (("runbook", "run", "grow", ""), ["servers=", "tier="]),
        (("runbook", "run", "grow", "servers=web01", ""), ["tier="]),
        (("runbook", "run", "grow", "servers", "=", "web01", "t"), ["tier="]),
        (("runbook", "run", "grow", "servers=web01", "tier=w"), ["tier=web"]),
        (("runbook", "run", "grow", "tier", "="), ["small", "web"]),
        (("runbook", "run", "grow", "tier", "=", "w"), ["web"]),
        (("runbook", "run", "grow", "servers", "=", "w"), []),
        (("runbook", "run", "nosuch", ""), []),
        (("runbook", "run", "./grow.toml", ""), []),
        (("runbook", "run", "grow", "--dry"), ["--dry-run"]),
        (("runbook", "run", "--dry-run", ""), ["cycle", "grow"]),
        (("runbook", "list", ""), []),
    ],
)
def test_candidates_of_runbooks(words: tuple[str, ...], offered: list[str]) -> None:
    """Names of stored ones, then the arguments that one takes, with the sign, and the values of a choice."""
    assert completion.candidates(words, COMMANDS, main.parser_of) == offered


@pytest.mark.requirement("terminal-completion")
async def test_a_runbook_that_was_altered_is_not_offered(provider: SimulatorHandle, fleet: Settings) -> None:
    """Neither its name nor what it takes."""
    key = SecretStr("wayscloud_vps_test1_SECRET")
    settings = fleet.model_copy(update={"api_key": key, "api_url": provider.url, "actor": "ann@example.com"})
    around = Surroundings(system_console(), VirtualClock())
    files = [RunbookText(load_runbook(text, "x.toml"), "x.toml") for text in (CYCLE, GROW)]
    asked = RunbookApplication(files, {}, {"id": "local:ann"}, 1.0)
    async with open_database(settings.database, VirtualClock(), make=True) as database:
        await database.transact(lambda connection: register.apply(connection, asked))
        await database.transact(lambda connection: alter(connection, "grow"))
    assert [runbook.name for runbook in await completion._runbooks(settings, around)] == ["cycle"]


def alter(connection: Connection, name: str) -> None:
    """Write another text into the row of a runbook."""
    connection.execute(sa.update(RUNBOOKS).where(RUNBOOKS.c.name == name).values(text=CYCLE))
