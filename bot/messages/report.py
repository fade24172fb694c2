"""The status report: servers, costs, agents, open and finished changes."""

from collections.abc import Mapping

from vpsops.bot.blocks.elements import Block, Post, context, field_sections, header, mrkdwn, plain, section
from vpsops.bot.blocks.text import moment
from vpsops.bot.messages.lists import PageLinks, PageQuery, change_rows, page_buttons
from vpsops.core.changes.model import Change
from vpsops.core.reports.status_report import SHOWN, StatusReport


def report_page(report: StatusReport, links: Mapping[str, str], *, everyone: bool = False) -> Post:
    """Render the report; a shared report (`everyone`) contains no mentions."""
    blocks = [
        header("Status report"),
        *field_sections(list(report.figures)),
        *_rows("Open (newest)" if report.crowded else "Open", report.going_on, links, everyone=everyone),
        *_rows("Finished", report.ended, links, everyone=everyone),
        context(mrkdwn(f"As of {moment(report.at)}")),
        page_buttons(PageLinks(PageQuery("report", {"label": report.label} if report.label else {}))),
    ]
    return Post(tuple(blocks))


def _rows(title: str, changes: tuple[Change, ...], links: Mapping[str, str], *, everyone: bool) -> list[Block]:
    if not changes:
        return []
    more = f", {SHOWN} of {len(changes)}" if len(changes) > SHOWN else ""
    return [section(plain(f"{title}{more}")), *change_rows(changes[:SHOWN], links, everyone=everyone)]
