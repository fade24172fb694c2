"""The units beside the service, and its command: what they start exists, their settings load, they are confined."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.packaging.programs import needs_program
from tests.packaging.unit_files import (
    ADMIN,
    DROP_INS,
    PROGRAM,
    SERVICE,
    SHIP_SERVICE,
    UNITS,
    WORKER_SERVICE,
    credential_names,
    environment,
    program_words,
    value,
    values,
)
from vpsops.cli.main import parser_of
from vpsops.core.config.settings import load_settings

ADDRESS = "syslog+tls://logs.example.com:6514"
THRESHOLD = 20  # tenths: an exposure of 2.0


@pytest.mark.requirement("unit-files")
def test_it_starts_a_command_that_there_is_on_the_database_of_the_service() -> None:
    (words,) = program_words(SHIP_SERVICE, ["ExecStart"])
    assert parser_of(words).parse_args(words).what == "ship"
    for key in ("User", "Group", "StateDirectory"):
        assert value(key, SHIP_SERVICE) == value(key, SERVICE)
    same = [text for text in values("Environment", SERVICE) if "DATABASE" in text or "STATE_HOME" in text]
    assert set(same) <= set(values("Environment", SHIP_SERVICE))


def test_its_settings_load_with_the_destination_from_its_credential(tmp_path: Path) -> None:
    (name,) = credential_names(SHIP_SERVICE)
    (tmp_path / name).write_text(f"{ADDRESS}\n")
    settings = load_settings(environment(tmp_path, SHIP_SERVICE))
    assert settings.ship_url is not None
    assert settings.ship_url.get_secret_value() == ADDRESS


@pytest.mark.requirement("unit-files")
def test_the_worker_has_the_settings_of_the_service_and_no_address_of_it() -> None:
    """It sends changes by the same key, policy and database, and is checked before a start and a reload."""
    commands = program_words(WORKER_SERVICE, ["ExecStartPre", "ExecStart"])
    assert [parser_of(words).parse_args(words).command for words in commands] == ["policy", "worker"]
    ours, theirs = (set(values("Environment", file)) for file in (WORKER_SERVICE, SERVICE))
    assert {text.split("=")[0] for text in theirs - ours} == {"VPSOPS_METRICS"}
    assert ours <= theirs
    assert credential_names(WORKER_SERVICE) == credential_names(SERVICE)
    for key in ("Type", "User", "Group", "WatchdogSec", "RestartPreventExitStatus", "StateDirectory"):
        assert value(key, WORKER_SERVICE) == value(key, SERVICE)
    check, signal = values("ExecReload", WORKER_SERVICE)
    assert signal == values("ExecReload", SERVICE)[1]
    unset = {word.removeprefix("--unset=") for word in check.split() if word.startswith("--unset=")}
    slack = {name for path in DROP_INS if path.name.startswith("slack") for name in environment(UNITS, path)}
    every = {name for path in DROP_INS for name in environment(UNITS, SERVICE, path) if name.endswith("_FILE")}
    assert unset == every - slack


STUBS = {
    "systemctl": """#!/bin/sh
case "$2" in
  --property=User | --property=Group) echo vpsops ;;
  --property=UnsetEnvironment) echo WAYSCLOUD_API_KEY_FILE ;;
  --property=Environment)
    echo VPSOPS_CONFIG=/etc/v.toml SLACK_BOT_TOKEN_FILE=/run/credentials/vpsops.service/bot OTEL_SDK_DISABLED=true ;;
  vpsops.service) printf 'LoadCredential=key:/etc/key\nLoadCredential=\nLoadCredential=bot:/etc/bot\n' ;;
esac
""",
    "systemd-run": '#!/bin/sh\nprintf "%s\\n" "$@"\n',
}


def test_a_command_runs_as_the_service_does(tmp_path: Path) -> None:
    """Its user, variables and credentials, those that a drop-in took back left out; the command's words stay apart."""
    for name, text in STUBS.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    command = [str(ADMIN), "policy", "diff", "a file", "--json"]
    done = subprocess.run(
        command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    words = done.stdout.splitlines()
    begin = words.index(PROGRAM)
    assert words[begin:] == [PROGRAM, *command[1:]]
    (unit,) = (word.removeprefix("--unit=") for word in words if word.startswith("--unit="))
    assert sorted(word for word in words[:begin] if word.startswith("--property=")) == [
        f"--property=Environment=SLACK_BOT_TOKEN_FILE=/run/credentials/{unit}/bot",
        "--property=Environment=VPSOPS_CONFIG=/etc/v.toml",
        "--property=Group=vpsops",
        "--property=LoadCredential=bot:/etc/bot",
        "--property=UMask=0077",
        "--property=UnsetEnvironment=WAYSCLOUD_API_KEY_FILE",
        "--property=User=vpsops",
    ]


@needs_program("shellcheck", "shellcheck")
def test_the_shell_finds_no_fault_in_it() -> None:
    done = subprocess.run(["shellcheck", str(ADMIN)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@needs_program("systemd-analyze", "systemd")
@pytest.mark.parametrize("file", [SHIP_SERVICE, WORKER_SERVICE], ids=lambda file: file.stem)
@pytest.mark.parametrize(
    "words",
    [
        ("verify", "--man=no", "--recursive-errors=no"),
        ("security", "--offline=true", "--no-pager", f"--threshold={THRESHOLD}"),
    ],
    ids=lambda words: words[0],
)
def test_systemd_finds_it_right_and_confined(tmp_path: Path, words: Sequence[str], file: Path) -> None:
    """As installed: the program is one that exists here."""
    unit = tmp_path / file.name
    unit.write_text(file.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true"), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", *words, str(unit)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr
    assert words[0] != "verify" or "vpsops" not in done.stderr
