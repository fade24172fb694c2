"""Tables: what can be ordered (plans, systems, regions, add-ons), and what a server has."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel

from vpsops.bot.blocks.elements import Block, Post, context, field_sections, header, plain, section
from vpsops.bot.blocks.local_times import local_times
from vpsops.core.common.text import moment, monthly, one_line
from vpsops.core.operations.families.backup_policy import ShownPolicy, policy_facts
from vpsops.core.operations.families.backups import BackupList
from vpsops.core.operations.families.firewall import FirewallRuleList
from vpsops.core.operations.families.firewall_rules import note_text, source_text
from vpsops.core.operations.families.snapshots import SnapshotList, taken_text
from vpsops.core.wayscloud.answers.models import Addon, OsTemplate, Plan, Region
from vpsops.core.wayscloud.answers.region_names import name_of
from vpsops.core.wayscloud.server_parts.backup_answers import Backup, BackupUsage
from vpsops.core.wayscloud.server_parts.firewall_answers import FirewallRule
from vpsops.core.wayscloud.server_parts.snapshot_answers import Snapshot

ROWS = 60
CELL = 60
LACKING = 500
HOSTNAME = 100


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
        (region.code, name_of(region), region.country or "", "not available" if region.available is False else "")
        for region in regions
    ]
    return _table("Regions", ("Code", "Name", "Country", "Note"), rows, lacking)


def addons_table(addons: Sequence[Addon], lacking: str = "") -> Post:
    """Return a table of add-ons with monthly prices."""
    rows = [
        (addon.code, addon.name or "", addon.kind or "", monthly(addon.monthly_price, addon.currency))
        for addon in addons
    ]
    return _table("Add-ons", ("Add-on", "Name", "Kind", "Price"), rows, lacking)


def part_answer(result: BaseModel | None, now: datetime, about: str = "") -> Post | None:
    """Return the result of a read about what a server has, titled by its name; None for any other."""
    of = f" of {one_line(about, HOSTNAME)}" if about else ""
    match result:
        case SnapshotList():
            return _snapshots_table(f"Snapshots{of}", result.snapshots, result.lacking or "")
        case BackupList():
            return _backups_table(f"Backups{of}", result.backups, result.lacking or "")
        case FirewallRuleList():
            return _rules_table(f"Firewall rules{of}", result.rules, result.lacking or "")
        case BackupUsage():
            return _backup_usage(f"Backup usage{of}", result)
        case ShownPolicy():
            return _policy_table(f"Backup policy{of}", result, now)
        case _:
            return None


def _snapshots_table(title: str, snapshots: Sequence[Snapshot], lacking: str = "") -> Post:
    """Return a table of a server's snapshots, the youngest first."""
    rows = [(each.name, taken_text(each), each.status, each.description or "") for each in snapshots]
    return _table(title, ("Name", "Taken", "Status", "Description"), rows, lacking)


def _backups_table(title: str, backups: Sequence[Backup], lacking: str = "") -> Post:
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
    return _table(title, ("Id", "Made", "Status", "Size", "Kept until"), rows, lacking)


def _rules_table(title: str, rules: Sequence[FirewallRule], lacking: str = "") -> Post:
    """Return a table of a server's firewall rules; a source of every address is in words."""
    rows = [(rule.ports, rule.protocol or "", _source(rule), rule.id, note_text(rule)) for rule in rules]
    notes = any(row[-1] for row in rows)
    heads = ("Port", "Protocol", "Source", "Id", "Note")
    shown = rows if notes else [row[:-1] for row in rows]
    unknown = f"{lacking} What the firewall does without a rule is not known.".strip() if rules else lacking
    return _table(title, heads if notes else heads[:-1], shown, unknown)


def _source(rule: FirewallRule) -> str:
    return f"{source_text(rule)} (everyone)" if rule.is_open_to_all else source_text(rule)


def _backup_usage(title: str, usage: BackupUsage) -> Post:
    """Return the space that a server's backups take."""
    count = "not known" if usage.total_backups is None else str(usage.total_backups)
    size = "not known" if usage.total_size_gb is None else f"{usage.total_size_gb:g} GB"
    return _facts(title, (("Backups", count), ("Space", size)), ())


def _policy_table(title: str, shown: ShownPolicy, now: datetime) -> Post:
    """Return a server's backup policy, its times also in the reader's zone."""
    if shown.policy is None:
        return Post((section(plain(f"{title}: none.")),))
    facts = [(fact.label, fact.value) for fact in policy_facts(shown.policy)]
    return _facts(title, facts, local_times((value for _, value in facts), now))


def _facts(title: str, facts: Sequence[tuple[str, str]], more: Sequence[Block]) -> Post:
    return Post((header(title), *field_sections(facts), *more))


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], lacking: str) -> Post:
    """Return a table; `lacking` says in a sentence what of the provider's list is not known."""
    if not rows:
        words = one_line(f"{title}: the provider lists none. {lacking}".strip(), LACKING)
        return Post((section(plain(words)),))
    visible = rows[:ROWS]
    cells = [[_cell(head) for head in heads], *([_cell(value) for value in row] for row in visible)]
    blocks: list[Block] = [header(title), {"type": "table", "rows": cells}]
    if len(rows) > len(visible):
        blocks.append(section(plain(f"{len(rows) - len(visible)} more are not shown.")))
    if lacking:
        blocks.append(context(plain(one_line(lacking, LACKING))))
    return Post(tuple(blocks))


def _cell(value: str) -> Block:
    return {"type": "raw_text", "text": one_line(value, CELL) or "-"}
