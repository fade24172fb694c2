"""The unit files: what they start exists, what they name loads, and systemd finds them right and tight."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.programs import needs_program
from tests.packaging.unit_files import (
    DROP_INS,
    PROGRAM,
    SERVICE,
    SOCKET,
    UNITS,
    credential_names,
    environment,
    program_words,
    value,
    values,
)
from vpsops.cli.main import parser_of
from vpsops.core.config.settings import load_settings
from vpsops.core.console import exit_codes
from vpsops.mcp_server.pipe.address import SERVICE_USER, WELL_KNOWN

CONTENT = {
    "api-key": "wayscloud_vps_test1_SECRET",
    "slack-bot-token": "xoxb-1-2-abc",
    "slack-app-token": "xapp-1-2-abc",
    "slack-signing-secret": "0123456789abcdef",
    "database-url": "postgresql://vpsops:hunter2@db.example.com/vpsops",
}
KEY_FILE = 'WAYSCLOUD_API_KEY_FILE = "key"'
THRESHOLD = 20  # tenths: an exposure of 2.0
needs_systemd = needs_program("systemd-analyze", "systemd")


def installed(folder: Path) -> list[str]:
    """Copy the units and drop-ins as they are installed; the program is one that exists here."""
    paths = [shutil.copy(path, folder) for path in (SERVICE, SOCKET)]
    beside = folder / "vpsops.service.d"
    beside.mkdir()
    paths += [shutil.copy(path, beside / path.stem) for path in DROP_INS]
    for path in map(Path, paths):
        path.write_text(path.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true"), encoding="utf-8")
    return [str(folder / SERVICE.name), str(folder / SOCKET.name)]


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze, which needs no running systemd for this."""
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


def test_the_socket_is_where_assistants_search_and_its_service_is_trusted_by_them() -> None:
    assert value("ListenStream", SOCKET) == WELL_KNOWN
    assert value("SocketUser", SOCKET) == "root"
    assert value("User", SERVICE) == SERVICE_USER


@pytest.mark.requirement("unit-files")
def test_the_units_start_commands_that_there_are() -> None:
    """Before the start, for it, and at a reload, whose commands systemd 252 gives no credentials."""
    commands = program_words(SERVICE, ["ExecStartPre", "ExecStart"])
    names = [parser_of(words).parse_args(words).command for words in commands]
    assert names == ["policy", "serve"]
    check, signal = values("ExecReload", SERVICE)
    program, words = check.split(f" {PROGRAM} ")
    assert parser_of(words.split()).parse_args(words.split()).command == "config"
    assert signal == "/bin/sh -c 'kill -HUP $MAINPID'"
    assert program.split()[0] == "/usr/bin/env"
    without = {word.removeprefix("--unset=") for word in program.split()[1:]}
    every = (environment(UNITS, SERVICE, drop_in) for drop_in in DROP_INS)
    assert without == {name for names in every for name in names if name.endswith("_FILE")}


def test_what_only_a_person_can_mend_is_not_tried_again() -> None:
    codes = [int(code) for code in value("RestartPreventExitStatus", SERVICE).split()]
    assert codes == [exit_codes.USAGE, exit_codes.NOT_AUTHENTICATED]


@pytest.mark.parametrize("drop_ins", [(), *((path,) for path in DROP_INS), DROP_INS], ids=len)
def test_the_settings_of_the_units_load(drop_ins: tuple[Path, ...], tmp_path: Path) -> None:
    """With the credentials that they load, and with no other: a variable that is not known would stop the start.

    The provider's key is always there: as a credential, or in a file that the settings name.
    """
    files = (SERVICE, *drop_ins)
    names = credential_names(*files)
    for name in names:
        (tmp_path / name).write_text(f"{CONTENT[name]}\n")
    (tmp_path / "key").write_text(CONTENT["api-key"])
    (tmp_path / "vpsops.toml").write_text("" if "api-key" in names else f"[settings]\n{KEY_FILE}\n")
    environ = environment(tmp_path, *files) | {"VPSOPS_CONFIG": str(tmp_path / "vpsops.toml")}
    settings = load_settings(environ)
    secrets = (settings.api_key, settings.slack_bot_token, settings.slack_app_token, settings.slack_signing_secret)
    held = {secret.get_secret_value() for secret in secrets if secret is not None}
    assert held == {CONTENT[name] for name in [*names, "api-key"]} - {CONTENT["database-url"]}
    assert (settings.database_url == CONTENT["database-url"]) is ("database-url" in names)
    assert settings.database_url.startswith(("postgresql://", "sqlite:////var/lib/vpsops/"))


@pytest.mark.slow
@pytest.mark.real_time
def test_a_reload_is_checked_without_the_credentials(tmp_path: Path) -> None:
    """The check before the signal takes the rest of the settings; none of them needs a secret."""
    (tmp_path / "vpsops.toml").write_text("")
    environ = {"PATH": "/usr/bin:/bin", **environment(tmp_path, SERVICE, *DROP_INS)}
    environ["VPSOPS_CONFIG"] = str(tmp_path / "vpsops.toml")
    command = values("ExecReload", SERVICE)[0].replace(PROGRAM, f"{sys.executable} -m vpsops").split()
    for text, code in (("", 0), ('[[rule]]\nid = "x"\ndecision = "perhaps"\n', exit_codes.USAGE)):
        (tmp_path / "vpsops.toml").write_text(text)
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert (done.returncode, "perhaps" in done.stderr) == (code, bool(text)), done.stderr


@pytest.mark.requirement("unit-files")
def test_no_secret_is_in_a_unit() -> None:
    """Units are read by every user: a secret is a credential, which root alone reads where it lies."""
    for text in values("Environment", SERVICE, *DROP_INS):
        name, content = text.split("=", 1)
        assert not name.endswith("_FILE") or content.startswith("%d/")
        assert not {"TOKEN", "KEY", "SECRET"} & set(name.split("_")) or name.endswith("_FILE")


def test_users_of_the_socket_stay_apart() -> None:
    """In a user namespace the kernel shows every caller as the same unknown user."""
    assert values("PrivateUsers", SERVICE) == []
    assert "AF_UNIX" in value("RestrictAddressFamilies", SERVICE).split()


@needs_systemd
def test_systemd_reads_the_units(tmp_path: Path) -> None:
    done = analyze("verify", "--man=no", "--recursive-errors=no", *installed(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "vpsops" not in done.stderr, done.stderr


@needs_systemd
def test_systemd_finds_the_service_confined(tmp_path: Path) -> None:
    """An exposure of 2.0 at most, of 10."""
    words = ("security", "--offline=true", "--no-pager")
    service, _ = installed(tmp_path)
    done = analyze(*words, f"--threshold={THRESHOLD}", service)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr
    open_service = Path(service)
    text = open_service.read_text(encoding="utf-8")
    open_service.write_text(text.replace("NoNewPrivileges=true", "").replace("CapabilityBoundingSet=\n", ""))
    assert analyze(*words, f"--threshold={THRESHOLD}", service).returncode != 0
