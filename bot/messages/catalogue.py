"""Tables: what can be ordered (plans, operating systems, regions), and what a server has (snapshots, backups)."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel

from vpsops.bot.blocks.elements import Block, Post, context, field_sections, header, plain, section
from vpsops.bot.blocks.local_times import local_times
from vpsops.bot.blocks.text import escape_untrusted
from vpsops.core.common.text import moment, monthly, one_line
from vpsops.core.operations.families.backup_policy import ShownPolicy, policy_facts
from vpsops.core.operations.families.backups import BackupList
from vpsops.core.operations.families.snapshots import SnapshotList, taken_text
from vpsops.core.wayscloud.answers.models import OsTemplate, Plan, Region
from vpsops.core.wayscloud.server_parts.backup_answers import Backup, BackupUsage
from vpsops.core.wayscloud.server_parts.snapshot_answers import Snapshot

ROWS = 60
CELL = 60
LACKING = 500


def plans_table(plans: Sequence[Plan], lacking: str = "") -> Post:
    """Return a table of plans with monthly prices."""
    rows = [
        (
            plan.code,
            str(plan.vcpus or ""),
            f"{plan.memory_gb:g} GB" if plan.memory_gb else "",
            f"{plan.disk_gb:g} GB" if plan.disk_gb else "",
            monthly(plan.monthly_price, plan.currency),
        )
        for plan in plans
    ]
    return _table("Plans", ("Plan", "vCPU", "Memory", "Disk", "Price"), rows, lacking)


def systems_table(systems: Sequence[OsTemplate], lacking: str = "") -> Post:
    """Return a table of operating systems."""
    rows = [(system.id, system.name or "", "Windows" if system.windows else "") for system in systems]
    return _table("Operating systems", ("Id", "Name", "Note"), rows, lacking)


def regions_table(regions: Sequence[Region], lacking: str = "") -> Post:
    """Return a table of regions."""
    rows = [
        (region.code, region.name or "", region.country or "", "not available" if region.available is False else "")
        for region in regions
    ]
    return _table("Regions", ("Code", "Name", "Country", "Note"), rows, lacking)


def part_answer(result: BaseModel | None, now: datetime) -> Post | None:
    """Return the result of a read about a server's snapshots or backups; None for any other."""
    match result:
        case SnapshotList():
            return _snapshots_table(result.snapshots, result.lacking or "")
        case BackupList():
            return _backups_table(result.backups, result.lacking or "")
        case BackupUsage():
            return _backup_usage(result)
        case ShownPolicy():
            return _policy_table(result, now)
        case _:
            return None


def _snapshots_table(snapshots: Sequence[Snapshot], lacking: str = "") -> Post:
    """Return a table of a server's snapshots, the youngest first."""
    rows = [(each.name, taken_text(each), each.status, each.description or "") for each in snapshots]
    return _table("Snapshots", ("Name", "Taken", "Status", "Description"), rows, lacking)


def _backups_table(backups: Sequence[Backup], lacking: str = "") -> Post:
    """Return a table of a server's backups, the youngest first."""
    rows = [
        (
            backup.id,
            moment(backup.started_at) if backup.started_at else "",
            backup.status,
            f"{backup.size_gb:g} GB" if backup.size_gb is not None else "",
            moment(backup.expires_at) if backup.expires_at else "",
        )
        for backup in backups
    ]
    return _table("Backups", ("Id", "Made", "Status", "Size", "Kept until"), rows, lacking)


def _backup_usage(usage: BackupUsage) -> Post:
    """Return the space that a server's backups take."""
    count = "not known" if usage.total_backups is None else str(usage.total_backups)
    size = "not known" if usage.total_size_gb is None else f"{usage.total_size_gb:g} GB"
    return _facts("Backup usage", (("Backups", count), ("Space", size)), ())


def _policy_table(shown: ShownPolicy, now: datetime) -> Post:
    """Return a server's backup policy, its times also in the reader's zone."""
    if shown.policy is None:
        return Post("There is no backup policy.", (section(plain("There is no backup policy.")),))
    facts = [(fact.label, fact.value) for fact in policy_facts(shown.policy)]
    return _facts("Backup policy", facts, local_times((value for _, value in facts), now))


def _facts(title: str, facts: Sequence[tuple[str, str]], more: Sequence[Block]) -> Post:
    text = "\n".join(escape_untrusted(f"{label}: {value}", 150) for label, value in facts)
    return Post(f"{title}\n{text}", (header(title), *field_sections(facts), *more))


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], lacking: str) -> Post:
    """Return a table; `lacking` says in a sentence what of the provider's list is not known."""
    if not rows:
        words = one_line(f"{title}: the provider lists none. {lacking}".strip(), LACKING)
        return Post(f"{title}: none", (section(plain(words)),))
    visible = rows[:ROWS]
    cells = [[_cell(head) for head in heads], *([_cell(value) for value in row] for row in visible)]
    blocks: list[Block] = [header(title), {"type": "table", "rows": cells}]
    if len(rows) > len(visible):
        blocks.append(section(plain(f"{len(rows) - len(visible)} more are not shown.")))
    if lacking:
        blocks.append(context(plain(one_line(lacking, LACKING))))
    summary = "\n".join(escape_untrusted(" · ".join(value for value in row if value), 150) for row in visible)
    return Post(f"{title}\n{summary}", tuple(blocks))


def _cell(value: str) -> Block:
    return {"type": "raw_text", "text": one_line(value, CELL) or "-"}
