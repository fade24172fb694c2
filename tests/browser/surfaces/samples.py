"""Servers, changes and offers that the pictures are of."""

from dataclasses import replace
from datetime import timedelta

from tests.unit.bot.changes_in_every_state import AGENT, APPROVE, NOW, change
from vpsops.bot.features.server_actions import fitting
from vpsops.bot.views.modals import OrderOptions
from vpsops.core.changes.model import State
from vpsops.core.ends.model import EndState, ServerEnd
from vpsops.core.grants.model import GrantExtent, GrantState, new_grant
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.families.backups import BackupAddress
from vpsops.core.operations.families.snapshots import SnapshotList
from vpsops.core.operations.target import Target
from vpsops.core.policy.decision import GrantTerms
from vpsops.core.wayscloud.answers.models import Addon, OsTemplate, Plan, Region, Server
from vpsops.core.wayscloud.server_parts.snapshot_answers import Snapshot

HOST = "web01.example.com"
LINK = "https://acme.slack.com/archives/C0OPS/p1700000000000100"
KEPT = SnapshotList(
    snapshots=[
        Snapshot(name="before-upgrade", created_at=NOW - timedelta(hours=3), description="Before 2.4"),
        Snapshot(name="monday", created_at=NOW - timedelta(days=4)),
    ],
    total=2,
)
SNAPSHOT_CHOICES = OPERATIONS["snapshots"].choices(KEPT)
ADDRESS = BackupAddress(address="https://storage.example.com/0f8e7d6c.qcow2", expires_at=NOW + timedelta(hours=1))


def server_named(name: str, status: str = "running", number: int = 1) -> Server:
    """Return a server."""
    return Server(
        id=f"b5c6d7e8-f9a0-1234-5678-90abcdef{number:04d}",
        hostname=f"{name}.example.com",
        status=status,
        region="oslo",
        region_name="Oslo, Norway",
        plan="vps-4gb-2cpu",
        ipv4=f"185.35.202.{44 + number}",
        vcpus=2,
        memory_gb=4,
        disk_gb=80,
        monthly_price=199.0,
        currency="NOK",
    )


SERVERS = [
    server_named("web01"),
    server_named("web02", number=2),
    server_named("db01", "stopped", 3),
    server_named("cache01", "error", 4),
]
TABLE = [server_named(f"web{number:02}", "stopped" if number % 7 == 0 else "running", number) for number in range(1, 9)]
OFFERED = {server.id: fitting(server) for server in SERVERS}
ADDONS = (
    Addon(code="disk-100gb", name="100 GB more disk", kind="disk", monthly_price=49, currency="NOK"),
    Addon(code="vcpu-1", name="One more vCPU", kind="cpu", monthly_price=79, currency="NOK"),
)
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
    effect="The server is off until it is started.",
)
DONE = change(
    State.SUCCEEDED,
    sent_at=NOW,
    settled_at=NOW + timedelta(seconds=74),
    result={"id": "srv-1", "hostname": HOST, "status": "running"},
)
FAILED = replace(DONE, state=State.FAILED, note="The provider refused it: the server is locked.", result={})
TWO = [replace(STOP, actor=AGENT, reason="the index is rebuilt"), DONE]
SERVER_SHOWN = Target("srv-1", HOST, "running", "oslo")
GRANTABLE = replace(
    TWO[0],
    operation="reboot",
    target=SERVER_SHOWN,
    effect="The server is down for a minute.",
    ruling=replace(TWO[0].ruling, grant_terms=GrantTerms(7200.0, 20, ("web*",)), policy="pol_1"),
)
GRANT = replace(
    new_grant("gr_0123456789ab", GRANTABLE, GrantExtent(3600.0, ("web*",)), NOW - timedelta(minutes=10)), used=3
)
SERVER_END = ServerEnd(
    server_id="srv-9",
    version=1,
    state=EndState.OPEN,
    hostname="load01.example.com",
    plan="vps-4gb-2cpu",
    change_id="chg_0123456789ab",
    owner=DONE.actor,
    origin=DONE.origin,
    made_at=NOW - timedelta(days=2),
    since=NOW - timedelta(days=2),
    ends_at=NOW + timedelta(days=1),
    next_at=NOW + timedelta(hours=23),
)
STOPPED_END = replace(SERVER_END, state=EndState.STOPPED, ends_at=NOW, note="It was stopped at its end.")
ASKED_END = replace(
    SERVER_END, state=EndState.ASKED, ends_at=NOW, note="It was not stopped: a freeze denies every change."
)
ENDED_GRANT = replace(GRANT, state=GrantState.ENDED, note="bob ended it.")
