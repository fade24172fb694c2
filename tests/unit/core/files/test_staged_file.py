"""A file is replaced whole or not at all: an interruption at any step leaves the old one, and nothing beside it."""

import os
from pathlib import Path

import pytest

from vpsops.core.files.staged_file import replace_file, stage_file


def fail(_: int) -> None:
    raise KeyboardInterrupt


def test_it_is_replaced_and_its_owners_alone(tmp_path: Path) -> None:
    place = tmp_path / "a.json"
    place.write_bytes(b"before")
    replace_file(place, b"after")
    assert (place.read_bytes(), place.stat().st_mode & 0o777) == (b"after", 0o600)
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_the_caller_gives_it_rights_before_it_is_in_place(tmp_path: Path) -> None:
    staged = stage_file(tmp_path / "a.json", b"x", lambda number: os.fchmod(number, 0o640))
    assert (staged.read_bytes(), staged.stat().st_mode & 0o777) == (b"x", 0o640)


def test_an_interruption_leaves_the_old_file_alone(tmp_path: Path) -> None:
    """While it is written, and where its place is a folder by now."""
    place = tmp_path / "a.json"
    place.write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt):
        replace_file(place, b"after", fail)
    assert place.read_bytes() == b"before"
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        replace_file(tmp_path / "folder", b"x")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.json", "folder"]
