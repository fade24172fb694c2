"""Archives: the same bytes for the same files, whatever the files' times, owners and rights here."""

import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging.release.archives import normalise_zip, write_tar

EPOCH = 1_800_000_000


def folder_of(place: Path, mode: int, stamp: int) -> Path:
    """Make a folder with two files, in the order that `stamp` gives."""
    names = ["b/run.sh", "a.txt"]
    for name in names if stamp % 2 else reversed(names):
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(mode | (0o100 if name.endswith(".sh") else 0))
        os.utime(path, (stamp, stamp))
    return place


@pytest.mark.parametrize("name", ["chart.tgz", "layout.tar"])
def test_a_tar_archive_follows_from_names_contents_and_the_time(tmp_path: Path, name: str) -> None:
    archives = []
    for folder, mode, stamp in (("one", 0o600, 1), ("two", 0o664, 2_000_000_000)):
        archive = tmp_path / folder / name
        source = folder_of(tmp_path / f"source {folder}", mode, stamp)
        archive.parent.mkdir()
        write_tar(source, archive, EPOCH, "top/")
        archives.append(archive)
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with tarfile.open(archives[0]) as read:
        assert [(member.name, member.mode, member.mtime, member.uid, member.uname) for member in read] == [
            ("top/a.txt", 0o644, EPOCH, 0, ""),
            ("top/b/run.sh", 0o755, EPOCH, 0, ""),
        ]


def test_another_time_is_other_bytes(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "source", 0o600, 1)
    for name, epoch in (("a.tgz", EPOCH), ("b.tgz", EPOCH + 1)):
        write_tar(source, tmp_path / name, epoch)
    assert (tmp_path / "a.tgz").read_bytes() != (tmp_path / "b.tgz").read_bytes()


def test_a_zip_archive_is_written_again_with_one_time_and_order(tmp_path: Path) -> None:
    for name, order, moment in (("a", "xy", (2027, 1, 4, 9, 0, 0)), ("b", "yx", (2027, 1, 5, 9, 0, 0))):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr("folder/", "")
            for file in order:
                archive.writestr(zipfile.ZipInfo(f"folder/{file}", moment), file)
        normalise_zip(tmp_path / f"{name}.zip", tmp_path / f"{name}.mcpb", EPOCH)
    assert (tmp_path / "a.mcpb").read_bytes() == (tmp_path / "b.mcpb").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.mcpb") as read:
        assert {name: read.read(name) for name in read.namelist()} == {"folder/x": b"x", "folder/y": b"y"}
