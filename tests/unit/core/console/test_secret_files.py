"""Doctor's report on secret files: every configured file, its owner, its mode and its folder."""

import os
from pathlib import Path

import pytest

from tests.harness.virtual_time import VirtualClock
from vpsops.cli.doctor import CHECKS
from vpsops.core.config.secret_values import SECRETS
from vpsops.core.config.settings import load_settings
from vpsops.core.console import exit_codes
from vpsops.core.console.checks import DoctorFinding, Level, worst
from vpsops.core.console.secret_files import (
    ProcessUser,
    ProtectedFile,
    check_files,
    file_findings,
    look_at,
    protected_files,
)

ME = ProcessUser(os.geteuid(), {os.getegid()})


def looked_at(folder: Path, mode: int, reader: ProcessUser = ME, *, secret: bool = True) -> list[DoctorFinding]:
    """Return the report on a file of this mode in a private folder."""
    file = folder / "key"
    file.write_text("k", encoding="utf-8")
    file.chmod(mode)
    folder.chmod(0o700)
    return look_at([ProtectedFile(file, "WAYSCLOUD_API_KEY_FILE", secret=secret)], folder / "state", reader)


@pytest.mark.requirement("secret-files-checked")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o606, 0o610, 0o601, 0o666, 0o700 | 0o040])
def test_a_secret_that_others_can_open_fails(tmp_path: Path, mode: int) -> None:
    """The file's group counts as others; the report has the command that mends it."""
    (result,) = looked_at(tmp_path, mode)
    assert (result.level, result.todo) == (Level.FAIL, f"chmod go= {tmp_path / 'key'}")
    assert "WAYSCLOUD_API_KEY_FILE" in result.what
    assert worst([result]) == exit_codes.USAGE


@pytest.mark.requirement("secret-files-checked")
@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_secret_of_ones_own_is_well(tmp_path: Path, mode: int) -> None:
    """One line for all files."""
    (result,) = looked_at(tmp_path, mode)
    assert (result.level, result.what) == (Level.OK, "1 files of secrets, settings and changes are this user's alone")


def status_of(mode: int, uid: int, gid: int) -> os.stat_result:
    """Return the operating system's status of a file."""
    return os.stat_result((mode, 1, 1, 1, uid, gid, 1, 0, 0, 0))


@pytest.mark.requirement("secret-files-checked")
@pytest.mark.parametrize(
    ("mode", "uid", "gid", "words"),
    [
        (0o640, 0, 20, ""),
        (0o440, 0, 20, ""),
        (0o640, 0, 21, "can open"),
        (0o660, 0, 20, "can open"),
        (0o644, 0, 20, "can open"),
        (0o640, 10, 20, "can open"),
        (0o600, 10, 20, ""),
        (0o600, 11, 20, "belongs to another user"),
        (0o640, 11, 20, "belongs to another user"),
    ],
)
def test_a_service_may_read_a_file_of_roots_by_its_group(mode: int, uid: int, gid: int, words: str) -> None:
    """As systemd and containers provide secrets: no other group, no other owner, and nothing that it can change."""
    kept = ProtectedFile(Path("key"), "WAYSCLOUD_API_KEY_FILE")
    results = file_findings(kept, status_of(mode, uid, gid), ProcessUser(10, {20}))
    assert [words in item.what for item in results] == ([True] if words else [])
    by_root = file_findings(kept, status_of(mode, uid, gid), ProcessUser(0, {0, 20}))
    assert bool(by_root) == (uid != 0 or mode & 0o077 != 0)


@pytest.mark.requirement("secret-files-checked")
@pytest.mark.parametrize(
    ("mode", "level"), [(0o644, Level.OK), (0o664, Level.WARN), (0o666, Level.FAIL), (0o646, Level.FAIL)]
)
def test_settings_without_a_secret_may_be_read_and_not_changed(tmp_path: Path, mode: int, level: Level) -> None:
    """Write access decides what is allowed; a group is often the user's own."""
    assert [item.level for item in looked_at(tmp_path, mode, secret=False)] == [level]


@pytest.mark.requirement("secret-files-checked")
@pytest.mark.parametrize(
    ("mode", "level"), [(0o755, Level.OK), (0o775, Level.WARN), (0o777, Level.FAIL), (0o1777, Level.OK)]
)
def test_the_folders_are_looked_at(tmp_path: Path, mode: int, level: Level) -> None:
    """Write access to a folder allows replacing the file: the link's target and the state folder are checked too."""
    real, linked, state = (tmp_path / name for name in ("real", "linked", "state"))
    for folder in (real, linked, state):
        folder.mkdir(mode=0o700)
    (real / "key").write_text("k", encoding="utf-8")
    (real / "key").chmod(0o600)
    (linked / "key").symlink_to(real / "key")
    for folder in (real, linked, state):
        folder.chmod(mode)
        results = look_at([ProtectedFile(linked / "key", "a key")], state, ME)
        assert [item.level for item in results] == [level]
        folder.chmod(0o700)


@pytest.mark.requirement("secret-files-checked")
def test_every_configured_file_is_looked_at(tmp_path: Path) -> None:
    """Of each secret, the tokens, the settings, and the database with what stands beside it."""
    (tmp_path / "vpsops.toml").write_text("[limits]\nmax_servers = 3\n", encoding="utf-8")
    (tmp_path / "secrets.toml").write_text('[settings]\nWAYSCLOUD_TOKEN = "0123456789"\n', encoding="utf-8")
    environ = {f"{name}_FILE": str(tmp_path / name.lower()) for name in SECRETS}
    settings = {
        "VPSOPS_HTTP_TOKENS_FILE": str(tmp_path / "tokens.toml"),
        "VPSOPS_DATABASE_URL": f"sqlite:///{tmp_path / 'v.sqlite3'}",
        "VPSOPS_CONFIG": str(tmp_path / "vpsops.toml"),
        "VPSOPS_AUDIT_ANCHOR_FILE": str(tmp_path / "anchors"),
    }
    kept = protected_files(load_settings(settings), environ)
    others = {"tokens.toml", "vpsops.toml", "anchors"}
    database = {"v.sqlite3", "v.sqlite3-wal", "v.sqlite3-shm"}
    assert {item.path.name for item in kept} == {*map(str.lower, SECRETS), *others, *database}
    assert {item.path.name for item in kept if not item.secret} == {"anchors", "vpsops.toml"}
    secret = protected_files(load_settings({**settings, "VPSOPS_CONFIG": str(tmp_path / "secrets.toml")}), {})
    assert [item.path.name for item in secret if not item.secret] == ["anchors"]


@pytest.mark.requirement("secret-files-checked")
async def test_doctor_has_the_check(tmp_path: Path) -> None:
    """It checks the settings that the process itself got."""
    path = tmp_path / "v.sqlite3"
    path.touch(mode=0o644)
    path.chmod(0o644)
    settings = load_settings({"VPSOPS_DATABASE_URL": f"sqlite:///{path}"})
    findings = await check_files(settings, VirtualClock())
    assert f"others on this machine can open {path} (the database)" in [item.what for item in findings]
    assert check_files in CHECKS
