"""A held change of each operation with facts of its own, described by its entry: what its card and its form are of."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Final

from tests.unit.bot.changes_in_every_state import APPROVE, NOW, change
from vpsops.core.changes.model import REMEDY, Change, State
from vpsops.core.changes.preview import target_of
from vpsops.core.common.errors import Remedy
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.facts import with_values
from vpsops.core.operations.families.firewall import FirewallState
from vpsops.core.operations.families.lifecycle import Loss, Resize
from vpsops.core.operations.strategies import LiveState
from vpsops.core.wayscloud.answers.models import Plan, ProviderList, Server
from vpsops.core.wayscloud.server_parts.backup_answers import Backup, BackupPolicy, BackupPolicyState
from vpsops.core.wayscloud.server_parts.firewall_answers import FirewallRule
from vpsops.core.wayscloud.server_parts.snapshot_answers import Snapshot

HOST: Final = "web01.example.com"
SERVER: Final = Server(
    id="srv-1",
    hostname=HOST,
    status="stopped",
    region="oslo",
    plan="vps-4gb-2cpu",
    ipv4="185.35.202.45",
    vcpus=2,
    memory_gb=4,
    disk_gb=80,
    display_name="Shop",
    created_at=NOW - timedelta(days=400),
    labels={"team": "shop", "env": "test"},
)
SNAPSHOT: Final = Snapshot(name="before-upgrade", created_at=NOW - timedelta(hours=3), description="Before 2.4")
BACKUP: Final = Backup(
    id="0f8e7d6c-5b4a-4321-8765-43210fedcba9",
    status="completed",
    size_gb=3.5,
    started_at=NOW - timedelta(days=1),
    expires_at=NOW + timedelta(days=6),
)
POLICY: Final = BackupPolicyState(
    policy=BackupPolicy(enabled=True, frequency="daily", time_of_day="03:00", retention_days=14)
)
LARGER: Final = Plan(code="vps-8gb-4cpu", vcpus=4, memory_gb=8, disk_gb=160, monthly_price=399.0, currency="NOK")


@dataclass(frozen=True, slots=True)
class Sample:
    """What an operation is asked for with, beside its server, and what its preconditions read."""

    details: object = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


NAMED: Final = {"snapshot": SNAPSHOT.name}
MEANT: Final = {"backup": BACKUP.id}
RULE: Final = FirewallRule(id="7d6c5b4a-3f2e-4d1c", port=22, protocol="tcp", source="192.0.2.0/24")
SAMPLES: Final[Mapping[str, Sample]] = {
    "delete": Sample(Loss("199 NOK a month", "2: before-upgrade, monday", "not known")),
    "rename": Sample(None, {"name": "Web, main"}),
    "resize": Sample(Resize(None, LARGER, None), {"plan": LARGER.code}),
    "label": Sample(None, {"labels": ("env=live", "team-")}),
    "snapshot_create": Sample(2, {**NAMED, "description": "Before 2.4"}),
    "snapshot_delete": Sample(SNAPSHOT, NAMED),
    "snapshot_rollback": Sample(SNAPSHOT, NAMED),
    "backup_create": Sample(SimpleNamespace(backup=BACKUP)),
    "backup_delete": Sample(SimpleNamespace(backup=BACKUP, others="none: this is the last"), MEANT),
    "backup_restore": Sample(SimpleNamespace(backup=BACKUP, others="there are others"), MEANT),
    "backup_policy_set": Sample(POLICY, {"frequency": "weekly", "time_of_day": "04:30", "day_of_week": "sunday"}),
    "backup_policy_remove": Sample(POLICY),
    "firewall_allow": Sample(FirewallState(ProviderList([RULE])), {"port": 443, "source": "0.0.0.0/0"}),
    "firewall_remove": Sample(FirewallState(ProviderList([RULE]), RULE), {"rule": RULE.id}),
}
"""By operation; a test compares them with the table."""


def held_change(name: str) -> Change:
    """Return a held change of an operation, with the facts that its entry states."""
    operation, sample = OPERATIONS[name], SAMPLES[name]
    arguments = operation.arguments.model_validate({"server": SERVER.id, **sample.arguments})
    return change(
        operation=name,
        arguments=arguments.model_dump(mode="json", exclude_none=True),
        target=target_of(SERVER),
        reason="the upgrade broke it",
        ruling=APPROVE,
        effect=operation.effect,
        facts=with_values(operation.describe(arguments, LiveState(SERVER, sample.details))),
    )


def superseded_rollback() -> Change:
    """Return a rollback that ended because its server was started before the sending."""
    remedy = Remedy("stop", {"server": SERVER.id}, HOST)
    note = f"Nothing was sent. What was shown has changed: {HOST} is running; only a stopped server can be rolled back."
    held = held_change("snapshot_rollback")
    return replace(held, state=State.SUPERSEDED, note=note, result={REMEDY: remedy.stored})
