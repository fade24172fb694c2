"""A host's file is replaced whole, with its rights and links, or not at all."""

import os
from functools import partial
from pathlib import Path

import pytest

from vpsops.cli.hosts import files
from vpsops.core.common.errors import ConfigurationError


def mode(path: Path) -> int:
    """Return the rights of a file."""
    return path.stat().st_mode & 0o777


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "mcp.json"
    files.replace(files.read(path), "{}\n")
    assert (path.read_text(), mode(path), mode(path.parent)) == ("{}\n", 0o600, 0o700)
    assert [each.name for each in path.parent.iterdir()] == ["mcp.json"]


@pytest.mark.parametrize("rights", [0o600, 0o644, 0o664])
def test_rights_stay_and_the_backup_has_them_too(tmp_path: Path, rights: int) -> None:
    path = tmp_path / "mcp.json"
    path.write_text("before")
    path.chmod(rights)
    files.replace(files.read(path), "after")
    backup = tmp_path / "mcp.json.vpsops-backup"
    assert (path.read_text(), mode(path)) == ("after", rights)
    assert (backup.read_text(), mode(backup)) == ("before", rights)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write another user's file")
def test_the_owner_stays(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text("before")
    os.chown(path, 54_001, 54_001)
    files.replace(files.read(path), "after")
    assert (path.stat().st_uid, path.stat().st_gid) == (54_001, 54_001)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """Those who keep their configuration in a repository link to it; also where the file is not there yet."""
    real, link = tmp_path / "dotfiles" / "mcp.json", tmp_path / "mcp.json"
    real.parent.mkdir()
    link.symlink_to(real)
    for text in ("first", "second"):
        files.replace(files.read(link), text)
        assert link.is_symlink()
        assert real.read_text() == text


def test_a_mark_at_the_beginning_and_line_ends_stay(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_bytes(b"\xef\xbb\xbf{}\r\n")
    file = files.read(path)
    assert file.text == "{}\r\n"
    files.replace(file, "{ }\r\n")
    assert path.read_bytes() == b"\xef\xbb\xbf{ }\r\n"


def test_what_the_host_wrote_in_between_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text("before")
    file = files.read(path)
    path.write_text("the host's own")
    for step in (partial(files.replace, file, "after"), partial(files.remove, file), partial(files.restore, file)):
        with pytest.raises(ConfigurationError, match="changed in between"):
            step()
    assert path.read_text() == "the host's own"


def test_a_file_that_came_in_between_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    file = files.read(path)
    path.write_text("the host's own")
    with pytest.raises(ConfigurationError, match="changed in between"):
        files.replace(file, "after")
    assert path.read_text() == "the host's own"


def test_what_is_no_text_file_is_refused(tmp_path: Path) -> None:
    circle, folder, pipe, binary = (tmp_path / name for name in ("circle", "folder", "pipe", "binary"))
    circle.symlink_to(circle)
    folder.mkdir()
    os.mkfifo(pipe)
    binary.write_bytes(b"\xff\xfe")
    for path in (circle, folder, pipe, binary):
        with pytest.raises(ConfigurationError, match="Nothing was changed"):
            files.read(path)


def test_where_nothing_can_be_written_nothing_has_changed() -> None:
    path = Path("/proc/version")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        files.replace(files.read(path), "after")


def test_the_backup_is_put_back(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text("before")
    files.replace(files.read(path), "after")
    file = files.read(path)
    assert file.backup_text == "before"
    files.restore(file)
    assert (path.read_text(), sorted(each.name for each in tmp_path.iterdir())) == ("before", ["mcp.json"])
