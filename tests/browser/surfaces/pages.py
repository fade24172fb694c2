"""Answers about changes, the trail, help and subscriptions, and refusals."""

from collections.abc import Mapping

from tests.browser.surfaces.news import ENDS, RECORDS, SUBSCRIPTION, TURNS
from tests.browser.surfaces.samples import (
    DONE,
    FAILED,
    HOST,
    LINK,
    TWO,
)
from tests.unit.bot.changes_in_every_state import BOB, NOW, change
from tests.unit.bot.messages.card_snapshots import overridden
from vpsops.bot.blocks.elements import Post
from vpsops.bot.messages.ephemeral import (
    busy_note,
    error_note,
    note,
    with_link,
)
from vpsops.bot.messages.help import help_page
from vpsops.bot.messages.lists import audit_page, audit_page_for_everyone, card_page, changes_page, reviews_page
from vpsops.bot.messages.report import report_page
from vpsops.bot.messages.subscriptions import subscriptions_page
from vpsops.core.authorization.agent_pause import Pause
from vpsops.core.authorization.refusals import busy_refusal
from vpsops.core.changes.model import State, Verdict
from vpsops.core.common.errors import UnknownServerError
from vpsops.core.messaging.subscriptions import WITHOUT_THRESHOLD, Subscription
from vpsops.core.reports.status_report import FleetCounts, MonthlyCosts, StatusReport


def pages() -> Mapping[str, tuple[str, Post]]:
    """Return them by name, each with its caption."""
    missing = UnknownServerError("web1", [HOST, "web02.example.com"])
    missing.error_id = "err_0a1b2c3d"
    return {
        "help": ("`/vps help`", help_page()),
        "help-group": ("`/vps help snapshots`", help_page("snapshots")),
        "help-one": ("`/vps help reboot`", help_page("reboot")),
        "changes": ("`/vps changes`", changes_page("The newest changes", TWO, {TWO[0].id: LINK}, TURNS)),
        "reviews": ("`/vps reviews`", reviews_page([overridden()], {})),
        "card-link": ("`/vps approve chg_…`", card_page(TWO[0], {TWO[0].id: LINK}, Verdict.APPROVE)),
        "audit": ("`/vps audit web01`", audit_page("The audit trail, server web01", RECORDS[::-1], {}, TURNS, ENDS)),
        "audit-change": (
            "*Details* of one change in the trail",
            audit_page("The audit trail, change chg_0123456789ab", RECORDS[::-1], {}, TURNS),
        ),
        "audit-shared": (
            "The same, shared with a channel",
            audit_page_for_everyone("The audit trail", RECORDS[::-1], {}, TURNS, ENDS),
        ),
        "report": ("`/vps report`", report_page(_standing(), {TWO[0].id: LINK})),
        "subscriptions": ("`/vps notify`", subscriptions_page([SUBSCRIPTION], _default())),
        "error": ("Something that cannot be done, with its id", error_note(missing)),
        "busy": ("What is in the way, and was not confirmed", with_link(_busy(), LINK)),
        "note": (
            "A refusal",
            with_link(note("The policy refuses this. db01 is frozen until Monday.", "Rules: freeze-db."), LINK),
        ),
    }


def _busy() -> Post:
    value = {"c": "chg_0123456789ab", "op": "stop", "args": {"server": "web01"}, "why": ""}
    return busy_note(busy_refusal(change(), BOB, "slack"), NOW, "Stop web01.example.com", value)


def _default() -> Subscription:
    return Subscription("default", "", "C0OPS", WITHOUT_THRESHOLD)


def _standing() -> StatusReport:
    states = {"running": 21, "stopped": 2, "error": 1}
    return StatusReport(
        at=NOW,
        fleet=FleetCounts(states, MonthlyCosts({"NOK": 4577.0}, 1)),
        pause=Pause(),
        going_on=(TWO[0],),
        ended=(DONE, FAILED),
        counted={State.SUCCEEDED: 7, State.FAILED: 1, State.DENIED: 2},
    )
