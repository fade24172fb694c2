"""What a server has, as people read it: tables of snapshots and backups, and any other result by its fields."""

from datetime import UTC, datetime

from pydantic import BaseModel

from tests.unit.bot.surfaces import ADDRESS, KEPT
from vpsops.bot.blocks.elements import Post
from vpsops.bot.features.operations import result_post
from vpsops.bot.messages.servers import OperationCall
from vpsops.core.operations.families.backups import BackupList
from vpsops.core.wayscloud.server_parts.backup_answers import Backup

NOW = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)


def answered(operation: str, answer: BaseModel) -> Post:
    """Return the answer to a read on web01."""
    return result_post(answer, OperationCall(operation, {"server": "web01"}), NOW)


def test_snapshots_are_a_table() -> None:
    """Each has its name and when it was taken; the text holds the same."""
    post = answered("snapshots", KEPT)
    (table,) = (block for block in post.blocks if block["type"] == "table")
    assert [row[0]["text"] for row in table["rows"]] == ["Name", "before-upgrade", "monday"]
    assert "before-upgrade · 2027-01-04 06:00 UTC" in post.text


def test_backups_are_a_table() -> None:
    """Each has its id, when it was made and its size; what is not known of the list is said."""
    backup = Backup(id="0f8e7d6c", status="completed", size_gb=3.5, started_at=NOW)
    post = answered("backups", BackupList(backups=[backup], total=2, lacking="1 of 2 could be read."))
    (table,) = (block for block in post.blocks if block["type"] == "table")
    assert [cell["text"] for cell in table["rows"][1]][:4] == [
        "0f8e7d6c",
        "2027-01-04 09:00 UTC",
        "completed",
        "3.5 GB",
    ]
    assert "1 of 2 could be read." in str(post.blocks)


def test_a_secret_cannot_be_shared() -> None:
    """It has no button that puts it into a channel."""
    post = answered("backup_download", ADDRESS)
    assert ADDRESS.address in str(post.blocks)
    assert "Share" not in str(post.blocks)
