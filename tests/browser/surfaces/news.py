"""Records of the trail and items of news that the pictures are of."""

from tests.browser.surfaces.samples import DONE, HOST
from tests.unit.bot.changes_in_every_state import NOW
from vpsops.bot.messages.lists import PageLinks, PageQuery
from vpsops.bot.messages.notification_item import NotificationItem
from vpsops.core.audit.records import GENESIS, TrailRecord, canonical
from vpsops.core.messaging.subscriptions import Subscription, SubscriptionEvent, SubscriptionOptions

TURNS = PageLinks(PageQuery("changes", {}), PageQuery("changes", {}), PageQuery("changes", {"before": "chg_1"}))


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
ENDS = {DONE.id: DONE}
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
