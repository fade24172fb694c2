"""What this machine remembers of its databases: bounded, written at once or not at all, and never in the way."""

import json
from pathlib import Path

import pytest
from anyio import create_task_group, to_thread
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from vpsops.core.continuity.heads import MOST_DATABASES, HeadFile, Mark, database_name

URL = "sqlite:////var/lib/vpsops/v.sqlite3"
MARKS = st.builds(
    Mark, st.integers(0, 9), st.sampled_from(["a", "b"]), st.lists(st.sampled_from("fgh"), unique=True).map(tuple)
)


def test_the_newest_head_of_a_database_is_kept(tmp_path: Path) -> None:
    """What another process saw earlier does not take its place."""
    kept = HeadFile(tmp_path / "vpsops", URL)
    assert kept.read() is None
    for seq in (3, 7, 5):
        assert kept.write(Mark(seq, f"h{seq}"), 1.0)
    assert kept.read() == Mark(7, "h7")
    assert HeadFile(tmp_path / "vpsops", f"{URL}-other").read() is None


def test_a_finding_makes_a_lower_head_the_newer_one(tmp_path: Path) -> None:
    """After a database went back its trail restarts from its present head."""
    kept = HeadFile(tmp_path, URL)
    kept.write(Mark(100, "h100"), 1.0)
    kept.write(Mark(93, "h93", ("f1",)), 2.0)
    kept.write(Mark(101, "h101"), 3.0)  # a process that has not checked yet
    assert kept.read() == Mark(93, "h93", ("f1",))


@given(MARKS, MARKS)
def test_of_two_marks_at_most_one_follows_the_other(first: Mark, second: Mark) -> None:
    """Unless each knows the other's last finding, which two processes of one database may for a moment."""
    assert not first.follows(first)
    if first.findings == second.findings:
        assert not (first.follows(second) and second.follows(first))


def test_a_password_is_no_part_of_the_name() -> None:
    """The user is no part of it either: another role sees the same database."""
    name = database_name("postgresql://ann:s3cret@db.example.com/vpsops?sslmode=require&sslpassword=s3cret")
    assert name == "postgresql://db.example.com:5432/vpsops"
    assert database_name("postgresql:///vpsops?host=/run/pg") == "postgresql:///run/pg:5432/vpsops"


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """The file with the databases' locations is private to its owner."""
    kept = HeadFile(tmp_path / "vpsops", URL)
    kept.write(Mark(1, "h"), 1.0)
    assert kept.path.stat().st_mode & 0o077 == 0
    assert kept.path.parent.stat().st_mode & 0o077 == 0


def test_it_does_not_grow_for_ever(tmp_path: Path) -> None:
    """The databases that were seen last are kept."""
    for number in range(MOST_DATABASES + 5):
        HeadFile(tmp_path, f"{URL}-{number}").write(Mark(number, "h"), float(number))
    assert len(json.loads((tmp_path / "heads.json").read_text())) == MOST_DATABASES
    assert HeadFile(tmp_path, f"{URL}-{MOST_DATABASES + 4}").read() is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["heads.json", "heads.lock"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": 1}', "\x00" * 300_000])
def test_what_cannot_be_read_counts_as_nothing_seen(tmp_path: Path, text: str) -> None:
    """The file is then rewritten."""
    kept = HeadFile(tmp_path, URL)
    kept.path.write_text(text)
    with capture_logs() as logs:
        assert kept.read() is None
    assert [entry["event"] for entry in logs] == ["head_file_not_read"]
    assert kept.write(Mark(1, "h"), 1.0)
    assert kept.read() == Mark(1, "h")


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    """Nothing else depends on it."""
    (tmp_path / "file").write_text("")
    kept = HeadFile(tmp_path / "file" / "vpsops", URL)
    with capture_logs() as logs:
        assert not kept.write(Mark(1, "h"), 1.0)
        assert not kept.write(Mark(2, "h"), 1.0)
    assert [entry["event"] for entry in logs] == ["head_file_not_written"]


async def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    """Each its own database, all in one file."""
    files = [HeadFile(tmp_path, f"{URL}-{number}") for number in range(12)]
    async with create_task_group() as group:
        for kept in files:
            group.start_soon(to_thread.run_sync, kept.write, Mark(5, "h"), 1.0)
    assert [kept.read() for kept in files] == [Mark(5, "h")] * 12
