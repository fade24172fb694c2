"""The unit that ships the audit trail: what it starts exists, its settings load, and systemd finds it tight."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packaging.unit_files import (
    PROGRAM,
    SERVICE,
    SHIP_SERVICE,
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


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
@pytest.mark.parametrize(
    "words",
    [
        ("verify", "--man=no", "--recursive-errors=no"),
        ("security", "--offline=true", "--no-pager", f"--threshold={THRESHOLD}"),
    ],
    ids=lambda words: words[0],
)
def test_systemd_finds_it_right_and_confined(tmp_path: Path, words: tuple[str, ...]) -> None:
    """As installed: the program is one that exists here."""
    unit = tmp_path / SHIP_SERVICE.name
    unit.write_text(SHIP_SERVICE.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true"), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", *words, str(unit)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr
    assert words[0] != "verify" or "vpsops" not in done.stderr
