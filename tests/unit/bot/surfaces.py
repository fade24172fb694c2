"""Everything people see in Slack, once each, as the code draws it: for the pictures in docs/pictures."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from tests.unit.bot.changes_in_every_state import AGENT, ALICE, APPROVE, BOB, NOW, change
from tests.unit.bot.messages.card_snapshots import DIRECTORY
from vpsops.bot.blocks.elements import Post, shared_copy
from vpsops.bot.features.operations import result_post
from vpsops.bot.messages.catalogue import plans_table, regions_table, systems_table
from vpsops.bot.messages.digest import group_post, item_post, summary_post
from vpsops.bot.messages.ephemeral import command_suggestions, error_note, note, server_suggestions, with_link
from vpsops.bot.messages.help import help_page
from vpsops.bot.messages.lists import PageLinks, PageQuery, audit_page, audit_page_for_everyone, card_page, changes_page
from vpsops.bot.messages.notices import change_notice, reminder, service_notice
from vpsops.bot.messages.notification_item import NotificationItem
from vpsops.bot.messages.report import FleetCounts, MonthlyCosts, StatusReport, report_page
from vpsops.bot.messages.results import result_page
from vpsops.bot.messages.servers import OperationCall, server_choice, server_details, server_page, usage_page
from vpsops.bot.messages.subscriptions import subscription_added, subscriptions_page
from vpsops.bot.views.home import HomePage, home_view, plain_home
from vpsops.bot.views.home import HomeServers as HomeFleet
from vpsops.bot.views.modals import CreateDraft, OrderOptions, busy_view, create_view, deny_view, name_view, note_view
from vpsops.bot.views.shortcuts import ServerChoice, act_view, outcome_view
from vpsops.core.audit.chain import GENESIS, TrailRecord, canonical
from vpsops.core.authorization.agent_pause import Pause
from vpsops.core.changes.model import State, Verdict
from vpsops.core.common.errors import UnknownServerError
from vpsops.core.messaging.subscriptions import WITHOUT_THRESHOLD, Subscription, SubscriptionEvent, SubscriptionOptions
from vpsops.core.operations.families.backups import BackupAddress
from vpsops.core.operations.families.snapshots import SnapshotList
from vpsops.core.operations.servers import ServerList
from vpsops.core.operations.target import Target
from vpsops.core.wayscloud.answers.models import OsTemplate, Plan, Region, Server, Usage
from vpsops.core.wayscloud.server_parts.snapshot_answers import Snapshot

Kind = Literal["message", "modal", "home"]
HOST = "web01.example.com"
LINK = "https://acme.slack.com/archives/C0OPS/p1700000000000100"
TURNS = PageLinks(PageQuery("changes", {}), PageQuery("changes", {}), PageQuery("changes", {"before": "chg_1"}))
KEPT = SnapshotList(
    snapshots=[
        Snapshot(name="before-upgrade", created_at=NOW - timedelta(hours=3), description="Before 2.4"),
        Snapshot(name="monday", created_at=NOW - timedelta(days=4)),
    ],
    total=2,
)
ADDRESS = BackupAddress(address="https://storage.example.com/0f8e7d6c.qcow2", expires_at=NOW + timedelta(hours=1))
DARK = frozenset({"card-held_for_votes", "home", "modal-create"})
"""Drawn in dark colours too."""


@dataclass(frozen=True, slots=True)
class Surface:
    """One thing that is seen: what kind of thing, what Slack is sent, in which section of the docs, and its caption."""

    kind: Kind
    payload: Mapping[str, Any]
    section: str
    caption: str


def _answered(operation: str, answer: BaseModel) -> Post:
    return result_post(answer, OperationCall(operation, {"server": HOST}), NOW)


def surfaces() -> Mapping[str, Surface]:
    """Return all of them by name: a card for every snapshot, then what the other drawing functions make."""
    cards = {
        f"card-{path.stem}": _card(path.stem, path.read_text("utf-8")) for path in sorted(DIRECTORY.glob("*.json"))
    }
    for name, (caption, post) in {**_answers(), **_notices()}.items():
        heading = "Notices" if name in _notices() else "Answers"
        cards[name] = Surface("message", _sent(post), heading, caption)
    for name, (caption, view) in _views().items():
        kind: Kind = "home" if view["type"] == "home" else "modal"
        cards[name] = Surface(kind, view, "App Home" if kind == "home" else "Forms", caption)
    return cards


def _card(name: str, text: str) -> Surface:
    return Surface("message", json.loads(text), "Cards", f"A change: {name.replace('_', ' ')}")


def _sent(post: Post) -> Mapping[str, Any]:
    return {"text": post.text, "blocks": list(post.blocks)}


def _server(name: str, status: str = "running", number: int = 1) -> Server:
    return Server(
        id=f"b5c6d7e8-f9a0-1234-5678-90abcdef{number:04d}",
        hostname=f"{name}.example.com",
        status=status,
        region="oslo",
        plan="vps-4gb-2cpu",
        ipv4=f"185.35.202.{44 + number}",
        vcpus=2,
        memory_gb=4,
        disk_gb=80,
        monthly_price=199.0,
        currency="NOK",
    )


SERVERS = [_server("web01"), _server("web02", number=2), _server("db01", "stopped", 3), _server("cache01", "error", 4)]
STOCK = OrderOptions(
    (
        Plan(code="vps-2gb-1cpu", name="Small", vcpus=1, memory_gb=2, disk_gb=40, monthly_price=99.0, currency="NOK"),
        Plan(code="vps-4gb-2cpu", name="Medium", vcpus=2, memory_gb=4, disk_gb=80, monthly_price=199.0, currency="NOK"),
    ),
    (OsTemplate(id="ubuntu-24.04", name="Ubuntu 24.04 LTS"), OsTemplate(id="debian-12", name="Debian 12")),
    (Region(code="oslo", name="Oslo", country="NO"), Region(code="helsinki", name="Helsinki", country="FI")),
)
STOP = change(
    id="chg_ba9876543210",
    operation="stop",
    target=Target("srv-3", "db01.example.com", "running", "oslo"),
    ruling=APPROVE,
    effect="The server is off until somebody starts it.",
)
DONE = change(
    State.SUCCEEDED,
    sent_at=NOW,
    settled_at=NOW + timedelta(seconds=74),
    result={"id": "srv-1", "hostname": HOST, "status": "running"},
)
FAILED = replace(DONE, state=State.FAILED, note="The provider refused it: the server is locked.", result={})
TWO = [replace(STOP, actor=AGENT, reason="the index is rebuilt"), DONE]


def _record(seq: int, event: str, **body: object) -> TrailRecord:
    at = NOW.timestamp() + seq
    return TrailRecord(
        seq, at, event, "chg_0123456789ab", canonical(seq, at, event, "chg_0123456789ab", body), GENESIS, ""
    )


WHO = {"id": "U0BOB", "name": "bob", "human": "U0BOB", "kind": "person"}
ASKER = {"id": "U0ALICE", "name": "alice", "human": "U0ALICE", "kind": "person"}
RECORDS = [
    _record(
        1, "requested", actor=ASKER, operation="reboot", target={"id": "srv-1", "hostname": HOST}, reason="disk swap"
    ),
    _record(2, "approved", by=WHO, verdict="approve", reason="looks right", evidence="member of S0APPROVERS"),
    _record(3, "succeeded", state="succeeded"),
]
ITEMS = [
    NotificationItem("web01.example.com was stopped, and not through me.", "srv-1", HOST),
    NotificationItem(
        "db01.example.com: stop is done. It took 41 s.", "srv-3", "db01.example.com", "Requested by <@U0ALICE>", "chg_1"
    ),
    NotificationItem("The provider answers again, after 4 min.", "", ""),
]
SUBSCRIPTION = Subscription(
    "sub_12ab34cd",
    "T0ACME",
    "C0OPS",
    frozenset({SubscriptionEvent.DRIFT, SubscriptionEvent.SETTLED}),
    ("web*",),
    SubscriptionOptions(quiet=("22:00-07:00",), zone="Europe/Oslo"),
    {"id": "U0ALICE", "name": "alice"},
    NOW,
)


def _answers() -> Mapping[str, tuple[str, Post]]:
    listed = OperationCall("list", {})
    usage = Usage(
        status="running",
        uptime_seconds=93_600,
        cpu_percent=37.0,
        memory_percent=81.0,
        disk_percent=12.0,
        network_in_bytes=7_100_000_000,
        network_out_bytes=900_000_000,
    )
    missing = UnknownServerError("web1", [HOST, "web02.example.com"])
    missing.error_id = "err_0a1b2c3d"
    return {
        "list": ("`/vps list`", server_page(ServerList(servers=SERVERS, total=24, next_cursor="4"), listed)),
        "list-shared": (
            "The same list, shared with a channel",
            shared_copy(server_page(ServerList(servers=SERVERS, total=4), listed), "<@U0ALICE>"),
        ),
        "show": ("`/vps show web01`", server_details(SERVERS[0], OperationCall("get", {"server": "srv-1"}))),
        "status": ("`/vps status web01`", usage_page(HOST, usage, OperationCall("status", {"server": "srv-1"}))),
        "choice": (
            "A name that means several servers",
            server_choice("web", "reboot", [(server.id, server.hostname) for server in SERVERS[:2]], "disk swap"),
        ),
        "suggestions": ("A name that means none", server_suggestions(missing, "reboot", missing.nearest)),
        "near": (
            "A word that means none",
            command_suggestions("Unknown command 'rebot'. Nothing was run.", "", ["reboot web01"]),
        ),
        "plans": ("`/vps plans`", plans_table(STOCK.plans)),
        "os": ("`/vps os`", systems_table(STOCK.systems)),
        "regions": ("`/vps regions`", regions_table(STOCK.regions)),
        "snapshots": ("`/vps snapshots web01`", _answered("snapshots", KEPT)),
        "backup-download": ("`/vps backup-download web01 0f8e7d6c`, for who asked alone", result_page(ADDRESS, None)),
        "help": ("`/vps help`", help_page()),
        "help-group": ("`/vps help snapshots`", help_page("snapshots")),
        "help-one": ("`/vps help reboot`", help_page("reboot")),
        "changes": ("`/vps changes`", changes_page("The newest changes", TWO, {TWO[0].id: LINK}, TURNS)),
        "card-link": ("`/vps approve chg_…`", card_page(TWO[0], {TWO[0].id: LINK}, Verdict.APPROVE)),
        "audit": ("`/vps audit web01`", audit_page("The audit trail, server web01", RECORDS, {}, TURNS)),
        "audit-shared": (
            "The same, shared with a channel",
            audit_page_for_everyone("The audit trail", RECORDS, {}, TURNS),
        ),
        "report": ("`/vps report`", report_page(_standing(), {TWO[0].id: LINK})),
        "subscriptions": ("`/vps notify`", subscriptions_page([SUBSCRIPTION], _default())),
        "error": ("Something that cannot be done, with its id", error_note(missing)),
        "note": (
            "A refusal",
            with_link(note("The policy refuses this. db01 is frozen until Monday.", "Rules: freeze-db."), LINK),
        ),
    }


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


def _notices() -> Mapping[str, tuple[str, Post]]:
    return {
        "notice-done": ("A change that ended well", change_notice(DONE, "succeeded", NOW)),
        "notice-failed": ("A change that failed", change_notice(FAILED, "failed", NOW)),
        "notice-reminder": (
            "Votes that are still missing",
            reminder(replace(TWO[0], expires_at=NOW + timedelta(minutes=5))),
        ),
        "notice-service": (
            "Something about the service",
            service_notice("The provider has not answered for 3 minutes. Nothing is sent meanwhile."),
        ),
        "news-item": ("Drift: a server changed by somebody else", item_post(ITEMS[0])),
        "news-group": ("Many things at once", group_post(ITEMS)),
        "news-summary": ("What a quiet night held back", summary_post(ITEMS)),
        "subscribed": ("A channel that was subscribed", subscription_added(SUBSCRIPTION)),
    }


def _views() -> Mapping[str, tuple[str, Mapping[str, Any]]]:
    filled = {"hostname": "web03.example.com", "plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}
    may = {server.id: ("get", "reboot", "stop") for server in SERVERS[:2]}
    return {
        "modal-create": ("A new server", create_view(STOCK, CreateDraft(filled, "C0OPS"))),
        "modal-create-wrong": (
            "What the provider said against it",
            create_view(STOCK, CreateDraft(filled, "C0OPS", "There is a server web03.example.com already.")),
        ),
        "modal-busy": ("While it is worked on", busy_view("New server", "Working on it …")),
        "modal-deny": ("Saying no, with a reason", deny_view(TWO[0], {"c": "chg_1"})),
        "modal-name": ("What cannot be undone: its name is typed", name_view(STOP, {"c": "chg_1"})),
        "modal-note": ("Approving with a note", note_view(TWO[0], {"c": "chg_1"})),
        "modal-act": (
            "The servers that a message names",
            act_view(ServerChoice(SERVERS[:2], may, "This message names two servers."), {}),
        ),
        "modal-outcome": (
            "What came of it",
            outcome_view(server_details(SERVERS[0], OperationCall("get", {"server": "srv-1"})), {}),
        ),
        "home": ("Somebody's Home", home_view(_home())),
        "home-paused": ("While agents are paused", home_view(_paused())),
        "home-plain": ("A guest's Home", plain_home("This app is for the full members of this workspace.")),
    }


def _home() -> HomePage:
    return HomePage(
        now=NOW,
        votes=[TWO[0]],
        own=[change(expires_at=NOW + timedelta(minutes=15)), DONE],
        fleet=HomeFleet(SERVERS),
        records=RECORDS,
        may_resume=True,
        links={TWO[0].id: LINK},
    )


def _paused() -> HomePage:
    pause = Pause(paused=True, by=BOB, at=NOW, reason="an assistant rebooted the wrong server")
    return replace(_home(), votes=[], own=[replace(DONE, actor=ALICE)], pause=pause, notice="Agents are paused now.")


def as_markdown(folder: Path) -> str:
    """Return the page that shows all pictures, by section, with what each of them is."""
    results = surfaces()
    text = ""
    for heading in ("Cards", "Notices", "Answers", "Forms", "App Home"):
        text += f"## {heading}\n\n"
        for name, value in results.items():
            if value.section == heading:
                text += f"{value.caption}:\n\n![{value.caption.replace('`', '')}]({folder}/slack-{name}.png)\n\n"
                if name in DARK:
                    text += f"![The same in dark colours]({folder}/slack-{name}-dark.png)\n\n"
    return text.rstrip() + "\n"
