"""Forms, and App Home."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.browser.surfaces.news import ENDS, RECORDS
from tests.browser.surfaces.samples import (
    DONE,
    GRANTABLE,
    LINK,
    OFFERED,
    SERVER_END,
    SERVERS,
    SNAPSHOT_CHOICES,
    STOCK,
    TWO,
)
from tests.unit.bot.changes_in_every_state import ALICE, BOB, NOW, change
from tests.unit.bot.messages.card_snapshots import deletion_by_agent, overridable, overridden
from tests.unit.bot.messages.family_samples import held_change
from vpsops.bot.messages.servers import OperationCall, server_details
from vpsops.bot.views.break_glass import override_view, review_view
from vpsops.bot.views.grant_blocks import grant_form
from vpsops.bot.views.home import HomePage, home_view, plain_home
from vpsops.bot.views.home import HomeServers as HomeFleet
from vpsops.bot.views.modals import CreateDraft, busy_view, create_view, deny_view, name_view, note_view
from vpsops.bot.views.operation_form import ArgumentMenus, OperationDraft, operation_form
from vpsops.bot.views.shortcuts import ServerChoice, act_view, outcome_view
from vpsops.core.authorization.agent_pause import Pause


def views() -> Mapping[str, tuple[str, Mapping[str, Any]]]:
    """Return them by name, each with its caption."""
    filled = {"hostname": "web03.example.com", "plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}
    return {
        "modal-create": ("A new server", create_view(STOCK, CreateDraft(filled, "C0OPS"))),
        "modal-create-wrong": (
            "What the provider said against it",
            create_view(STOCK, CreateDraft(filled, "C0OPS", "There is a server web03.example.com already.")),
        ),
        "modal-busy": ("While it is worked on", busy_view("New server", "Working on it …")),
        "modal-deny": ("Saying no, with a reason", deny_view(TWO[0], {"c": "chg_1"})),
        "modal-name": (
            "What cannot be undone: its name is typed",
            name_view(replace(held_change("delete"), actor=ALICE), {"c": "chg_1", "as": "approve"}),
        ),
        "modal-note": ("Approving with a note", note_view(TWO[0], {"c": "chg_1"})),
        "modal-grant": ("Approving what an agent may then do for a time", grant_form(GRANTABLE, {"c": "chg_1"})),
        "modal-override": ("Running without approval", override_view(overridable(), {"c": "chg_1"})),
        "modal-review": ("Closing the review of that", review_view(overridden(), {"c": "chg_1"})),
        "modal-act": (
            "The servers that a message names",
            act_view(ServerChoice(SERVERS[:2], OFFERED, "This message names two servers."), {}),
        ),
        "modal-outcome": (
            "What came of it",
            outcome_view(server_details(SERVERS[0], OperationCall("get", {"server": "srv-1"})), {}),
        ),
        "home": ("Somebody's Home", home_view(_home())),
        "home-paused": ("While agents are paused", home_view(_paused())),
        "home-plain": ("A guest's Home", plain_home("This app is for the full members of this workspace.")),
    }


def operation_forms() -> Mapping[str, tuple[str, Mapping[str, Any]]]:
    """Return the forms of operations, as `views` does."""
    return {
        "modal-rollback": (
            "`/vps rollback web01`: its snapshots",
            operation_form(
                OperationDraft("snapshot_rollback", {"server": "srv-3"}, "the upgrade broke it", "C0OPS"),
                SERVERS[2],
                ArgumentMenus({"snapshot": SNAPSHOT_CHOICES}),
            ),
        ),
        "modal-act-all": ("*More…*: all that fits a stopped server", _all_actions()),
        "modal-name-rollback": (
            "The names that are typed to approve a rollback",
            name_view(held_change("snapshot_rollback"), {"c": "chg_1", "as": "approve"}),
        ),
        "modal-name-confirm": (
            "The name that is typed in direct messages, where an agent asked to delete a server",
            name_view(deletion_by_agent(), {"c": "chg_1", "as": "confirm"}),
        ),
        "modal-policy": (
            "`/vps backup-policy web01`: each argument by its kind",
            operation_form(
                OperationDraft("backup_policy_set", {"server": "srv-1", "frequency": "daily"}, "", "C0OPS"),
                SERVERS[0],
                ArgumentMenus(),
            ),
        ),
    }


def _all_actions() -> Mapping[str, Any]:
    return act_view(ServerChoice(SERVERS[2:3], OFFERED), {})


def _home() -> HomePage:
    return HomePage(
        now=NOW,
        votes=[TWO[0]],
        own=[change(expires_at=NOW + timedelta(minutes=15)), DONE],
        fleet=HomeFleet(SERVERS),
        records=RECORDS,
        ends=ENDS,
        may_resume=True,
        links={TWO[0].id: LINK},
        server_ends=[SERVER_END],
    )


def _paused() -> HomePage:
    pause = Pause(paused=True, by=BOB, at=NOW, reason="an assistant rebooted the wrong server")
    return replace(_home(), votes=[], own=[replace(DONE, actor=ALICE)], pause=pause, notice="Agents are paused now.")
