"""What channels are notified of."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from tests.browser.surfaces.news import ITEMS, SUBSCRIPTION
from tests.browser.surfaces.samples import ASKED_END, DONE, ENDED_GRANT, FAILED, GRANT, SERVER_END, STOPPED_END, TWO
from tests.fakes.runbooks import registered_runbooks
from tests.unit.bot.changes_in_every_state import NOW
from tests.unit.bot.messages.card_snapshots import overridden
from vpsops.bot.blocks.elements import Post
from vpsops.bot.messages.digest import group_post, item_post, summary_post
from vpsops.bot.messages.notices import change_notice, override_notice, reminder, service_notice
from vpsops.bot.messages.subscriptions import subscription_added
from vpsops.bot.views.end_blocks import end_notice, ends_post, kept_post
from vpsops.bot.views.grant_blocks import grant_post, grants_post
from vpsops.bot.views.runbook_blocks import runbooks_post
from vpsops.core.ends import lifecycle


def notices() -> Mapping[str, tuple[str, Post]]:
    """Return them by name, each with its caption."""
    return {
        "notice-done": ("A change that ended well", change_notice(DONE, "succeeded", NOW)),
        "notice-failed": ("A change that failed", change_notice(FAILED, "failed", NOW)),
        "notice-reminder": (
            "Votes that are still missing",
            reminder(replace(TWO[0], expires_at=NOW + timedelta(minutes=5)), ("<!subteam^S0APPROVERS>",)),
        ),
        "notice-override": (
            "A run without approval, to all who were skipped",
            override_notice(overridden(), "overridden", ("<!subteam^S0APPROVERS>",)),
        ),
        "notice-grant": ("What an agent may do for a time", grant_post(GRANT, NOW)),
        "notice-grants": ("`/vps grants`", grants_post((GRANT, ENDED_GRANT), NOW)),
        "notice-runbooks": ("`/vps runbook`", runbooks_post(registered_runbooks())),
        **_ends(),
        "notice-service": (
            "Something about the service",
            service_notice("The provider has not answered for 3 minutes. Nothing is sent meanwhile."),
        ),
        "news-item": ("Drift: a server changed by somebody else", item_post(ITEMS[0])),
        "news-group": ("Many things at once", group_post(ITEMS)),
        "news-summary": ("What a quiet night held back", summary_post(ITEMS)),
        "subscribed": ("A channel that was subscribed", subscription_added(SUBSCRIPTION)),
    }


def _ends() -> Mapping[str, tuple[str, Post]]:
    return {
        "notice-end": (
            "A server that ends tomorrow, to its owner",
            end_notice(SERVER_END, lifecycle.REMINDED, "<@U0ANN>"),
        ),
        "notice-end-stopped": (
            "A server that was stopped at its end",
            end_notice(STOPPED_END, lifecycle.STOPPED, "<@U0ANN>"),
        ),
        "notice-end-asked": (
            "A server that could not be stopped at its end",
            end_notice(ASKED_END, lifecycle.ASKED, "<@U0ANN>"),
        ),
        "notice-ends": ("`/vps ends`", ends_post((SERVER_END, STOPPED_END))),
        "notice-end-kept": ("`/vps keep load01 1d`", kept_post(SERVER_END)),
    }
