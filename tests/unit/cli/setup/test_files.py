"""Files of a set-up: for their owner alone, shown before they are replaced, and all of them or none."""

import os
from pathlib import Path

import pytest

from vpsops.cli.setup.files import PlannedFile, differences, write_files
from vpsops.core.common.errors import ConfigurationError


def mode(path: Path) -> int:
    """Return the rights of a file or folder."""
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_what_is_written_is_its_owners_alone(tmp_path: Path, umask: int) -> None:
    """Whatever the umask is; the folder too."""
    path = tmp_path / "new" / "key"
    before = os.umask(umask)
    try:
        assert write_files([PlannedFile(path, "s3cret\n", secret=True)]) == [path]
    finally:
        os.umask(before)
    assert (mode(path), mode(path.parent), path.read_text()) == (0o600, 0o700, "s3cret\n")
    assert sorted(each.name for each in path.parent.iterdir()) == ["key"]


def test_what_is_there_already_is_not_written(tmp_path: Path) -> None:
    """Only the rights of others go."""
    path = tmp_path / "key"
    path.write_text("same")
    path.chmod(0o644)
    before = path.stat().st_ino
    assert write_files([PlannedFile(path, "same", secret=True)]) == []
    assert (mode(path), path.stat().st_ino) == (0o600, before)


def test_nothing_is_put_in_place_where_one_file_cannot_be_written(tmp_path: Path) -> None:
    """The first file stays as it was, and nothing lies beside it."""
    first = tmp_path / "first"
    first.write_text("before")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_files([PlannedFile(first, "after"), PlannedFile(Path("/proc/nowhere/second"), "new")])
    assert first.read_text() == "before"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["first"]


def test_a_difference_is_shown_and_a_secret_is_not(tmp_path: Path) -> None:
    """A secret's file is named, with neither its content nor the new content."""
    plain, secret = tmp_path / "vpsops.toml", tmp_path / "key"
    plain.write_text("a = 1\nb = 2\n")
    secret.write_text("old-s3cret")
    lines = list(differences([PlannedFile(plain, "a = 1\nb = 3\n"), PlannedFile(secret, "new-s3cret", secret=True)]))
    assert [line for line in lines if line[:2] in {"-b", "+b"}] == ["-b = 2", "+b = 3"]
    assert f"{secret}: it holds another secret, which would be replaced" in lines
    assert "s3cret" not in " ".join(lines)
    assert list(differences([PlannedFile(plain, plain.read_text()), PlannedFile(tmp_path / "none", "x")])) == []


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A folder in its place, or bytes that are no text."""
    (tmp_path / "key").mkdir()
    (tmp_path / "odd").write_bytes(b"\xff")
    for name in ("key", "odd"):
        with pytest.raises(ConfigurationError, match=f"{name} cannot be read"):
            write_files([PlannedFile(tmp_path / name, "x")])
