"""Tables of what can be ordered: plans, operating systems, regions."""

from collections.abc import Sequence

from vpsops.bot.blocks.elements import Block, Post, context, header, plain, section
from vpsops.bot.blocks.text import escape_untrusted
from vpsops.core.common.text import monthly, one_line
from vpsops.core.wayscloud.answers.models import OsTemplate, Plan, Region

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
