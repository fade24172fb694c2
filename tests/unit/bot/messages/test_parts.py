"""What a server has, as people read it: tables of snapshots and backups, and any other result by its fields."""

from datetime import UTC, datetime

from pydantic import BaseModel

from tests.browser.surfaces.samples import ADDRESS, KEPT
from vpsops.bot.blocks.elements import Post
from vpsops.bot.features.operations import result_post
from vpsops.bot.messages.servers import OperationCall
from vpsops.core.operations.families.backup_policy import ShownPolicy
from vpsops.core.operations.families.backups import BackupList
from vpsops.core.operations.families.firewall import FirewallRuleList
from vpsops.core.operations.families.snapshots import SnapshotList
from vpsops.core.wayscloud.server_parts.backup_answers import Backup
from vpsops.core.wayscloud.server_parts.firewall_answers import FirewallRule

NOW = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)


def answered(operation: str, answer: BaseModel) -> Post:
    """Return the answer to a read on web01."""
    return result_post(answer, OperationCall(operation, {"server": "1"}, "web01.example.com"), NOW)


def test_snapshots_are_a_table() -> None:
    """Each has its name and when it was taken; the text holds the same."""
    post = answered("snapshots", KEPT)
    (table,) = (block for block in post.blocks if block["type"] == "table")
    assert [row[0]["text"] for row in table["rows"]] == ["Name", "before-upgrade", "monday"]
    assert "before-upgrade, 2027-01-04 06:00 UTC" in post.text
    assert post.text.startswith("Snapshots of web01.example.com.")


def test_an_empty_list_names_its_server() -> None:
    """Shared to a channel it would say nothing otherwise."""
    for operation, answer in (
        ("snapshots", SnapshotList(snapshots=[], total=0)),
        ("backups", BackupList(backups=[], total=0)),
        ("firewall", FirewallRuleList(rules=[], total=0)),
        ("backup_policy", ShownPolicy(policy=None)),
    ):
        assert "of web01.example.com: " in answered(operation, answer).text


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


def test_firewall_rules_are_a_table() -> None:
    """A source of every address is in words; what rules do beside letting packets in is a note."""
    rule = FirewallRule(id="r1", port=443, protocol="tcp", source="0.0.0.0/0")
    post = answered("firewall", FirewallRuleList(rules=[rule], total=1))
    (table,) = (block for block in post.blocks if block["type"] == "table")
    rows = [[cell["text"] for cell in row] for row in table["rows"]]
    assert rows == [["Port", "Protocol", "Source", "Id"], ["443", "tcp", "0.0.0.0/0 (everyone)", "r1"]]
    assert "without a rule is not known" in str(post.blocks)
    denying = rule.model_copy(update={"action": "deny", "port": None})
    post = answered("firewall", FirewallRuleList(rules=[denying], total=1))
    assert "Note" in str(post.blocks)
    assert "deny" in post.text


def test_a_secret_cannot_be_shared() -> None:
    """It has no button that puts it into a channel."""
    post = answered("backup_download", ADDRESS)
    assert ADDRESS.address in str(post.blocks)
    assert "Share" not in str(post.blocks)
