"""Where a database may be, and which users may read it."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from tests.harness.virtual_time import VirtualClock
from vpsops.core.common.errors import ConfigurationError, StorageError
from vpsops.core.sqlite import location
from vpsops.core.sqlite.reader import write_ahead
from vpsops.core.storage import open_database
from vpsops.core.storage.pools import open_pools

MOUNTS = (
    "/dev/sda1 / ext4 rw 0 0",
    "server:/home /home nfs4 rw 0 0",
    "/dev/sdb1 /home/local ext4 rw 0 0",
    "server:/x /media/my\\040disk cifs rw 0 0",
    "broken line",
    "",
)


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib/vpsops", "ext4"),
        ("/home/ann", "nfs4"),
        ("/home", "nfs4"),
        ("/home/local/vpsops", "ext4"),
        ("/homework", "ext4"),
        ("/media/my disk/state", "cifs"),
    ],
)
def test_the_deepest_mount_above_a_folder_says_its_kind(folder: str, kind: str) -> None:
    """A folder is on the nearest mount above it, whatever its name begins with."""
    assert location.file_system(Path(folder), MOUNTS) == kind


def test_a_later_mount_on_the_same_point_hides_the_earlier() -> None:
    """The latest mount on a path is visible."""
    assert location.file_system(Path("/data"), ["a /data ext4 rw 0 0", "b /data nfs rw 0 0"]) == "nfs"


@pytest.mark.requirement("storage-local-disk")
async def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite loses data there, so the process must not start."""
    monkeypatch.setattr(location, "_mounts", lambda: [f"server:/x {tmp_path} nfs4 rw 0 0"])
    with pytest.raises(ConfigurationError, match=r"network file system \(nfs4\)") as caught:
        async with open_database(f"sqlite:///{tmp_path / 'v.sqlite3'}", VirtualClock()):
            pass
    assert "PostgreSQL" in caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://root@127.0.0.1/vpsops",
        "postgres://me@127.0.0.1/vpsops",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:shared?mode=memory&uri=true",
        "sqlite:///file::memory:",
        "sqlite:///v.sqlite3?mode=ro",
        "sqlite://var/lib/v.sqlite3",
    ],
)
async def test_a_url_that_cannot_serve_is_refused(url: str) -> None:
    """A URL that would lose changes at a restart, or is no database of ours, is a configuration error."""
    with pytest.raises(ConfigurationError) as caught:
        async with open_database(url, VirtualClock()):
            pass
    assert "Traceback" not in str(caught.value)


async def test_a_password_in_a_refused_url_is_not_shown() -> None:
    """An error about an address never repeats its secret."""
    with pytest.raises(ConfigurationError) as caught:
        async with open_database("mysql://me:s3cret-word@127.0.0.1/x", VirtualClock()):
            pass
    assert "s3cret-word" not in f"{caught.value}{caught.value.__cause__!r}"


@pytest.mark.requirement("storage-private")
async def test_folder_and_files_are_their_owners_alone(tmp_path: Path) -> None:
    """The file holds people's reasons, so no other user of the machine can read it or its journal."""
    path = tmp_path / "state" / "vpsops" / "v.sqlite3"
    async with open_database(f"sqlite:///{path}", VirtualClock()):
        modes = {item.name: stat.S_IMODE(item.stat().st_mode) for item in path.parent.iterdir()}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert modes == {"v.sqlite3": 0o600, "v.sqlite3-wal": 0o600, "v.sqlite3-shm": 0o600}


async def test_a_mode_that_the_operator_chose_is_kept(tmp_path: Path) -> None:
    """Two services under two users of one group share a file on purpose."""
    path = tmp_path / "v.sqlite3"
    path.touch(mode=0o660)
    path.chmod(0o660)
    async with open_database(f"sqlite:///{path}", VirtualClock()):
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


async def test_a_home_folder_is_found_by_its_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` means the user's home, as it does everywhere else."""
    monkeypatch.setenv("HOME", str(tmp_path))
    async with open_database("sqlite:///~/v.sqlite3", VirtualClock()):
        assert (tmp_path / "v.sqlite3").exists()


@pytest.mark.parametrize("make", [True, False])
async def test_a_place_that_cannot_be_opened_says_so(tmp_path: Path, make: bool) -> None:
    """A file in the way of the folder, or a folder in the way of the file, is named, with what to set."""
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "v.sqlite3", tmp_path):
        with pytest.raises(ConfigurationError, match="cannot be opened"):
            async with open_database(f"sqlite:///{place}", VirtualClock(), make=make):
                pass


async def test_a_folder_that_cannot_be_made_is_not_said_to_be_missing() -> None:
    """The error states what to do, and not that a start would make the folder."""
    with pytest.raises(ConfigurationError, match="folder, /proc/vpsops, cannot be made"):
        async with open_database("sqlite:////proc/vpsops/v.sqlite3", VirtualClock()):
            pass


async def test_another_file_is_not_taken_for_a_database(tmp_path: Path) -> None:
    """A text file in that place is refused in words, and stays as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but rather long notes\n" * 100, encoding="utf-8")
    with pytest.raises(StorageError, match="not a database"):
        async with open_database(f"sqlite:///{path}", VirtualClock()):
            pass
    assert path.read_text(encoding="utf-8").startswith("not a database")


async def test_looking_makes_nothing(tmp_path: Path) -> None:
    """A mistyped path is reported as empty, instead of becoming a new and empty trail."""
    path = tmp_path / "nowhere" / "v.sqlite3"
    with pytest.raises(ConfigurationError, match="There is no database"):
        async with open_database(f"sqlite:///{path}", VirtualClock(), make=False):
            pass
    assert not path.parent.exists()


async def test_looking_at_an_empty_database_makes_no_tables(empty_database_url: str) -> None:
    """A read creates no tables in a database that has none."""
    open_pools(empty_database_url).close()
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="The database is empty"):
            async with open_database(empty_database_url, VirtualClock(), make=False):
                pass


async def test_a_server_that_is_not_there_is_a_storage_error() -> None:
    """Where no server listens, the message states what to check, not how psycopg failed."""
    with pytest.raises(StorageError, match="did not answer") as caught:
        async with open_database("postgresql://me:s3cret-word@127.0.0.1:1/none", VirtualClock()):
            pass
    assert "s3cret-word" not in str(caught.value)


def test_a_start_beside_another_that_makes_the_file_waits_for_it(tmp_path: Path) -> None:
    """SQLite refuses the switch to WAL at once during another write: two first starts collided there."""
    path = tmp_path / "v.sqlite3"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE made (first)")
    other.execute("BEGIN IMMEDIATE")

    class RefusedPlace(sqlite3.Cursor):
        def execute(self, sql: str, *_: object) -> "RefusedPlace":
            try:
                super().execute(sql)
            except sqlite3.OperationalError:
                other.execute("COMMIT")
                raise
            return self

    with closing(other), closing(sqlite3.connect(path, isolation_level=None)) as mine:
        cursor = mine.cursor(RefusedPlace)
        write_ahead(cursor)
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert not other.in_transaction
