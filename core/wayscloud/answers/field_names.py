"""The competing names of the provider's objects, as data: our name, their name, the reader.

Rows are tried in order and the first that can be read wins. The names come from the public documentation, the official
Python SDK and command line, and the Terraform provider, which disagree with each other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from vpsops.core.wayscloud.answers import field_readers as r
from vpsops.core.wayscloud.answers.models import JSON


@dataclass(frozen=True, slots=True)
class FieldAlias:
    """One name that one source uses for one of our fields; `read` returns None for what it cannot read."""

    ours: str
    theirs: str
    read: Callable[[JSON], object | None] = r.text


Table = tuple[FieldAlias, ...]

SERVER: Final[Table] = (
    FieldAlias("id", "id"),
    FieldAlias("hostname", "hostname"),
    FieldAlias("display_name", "display_name"),
    FieldAlias("status", "status", r.word),
    FieldAlias("power_state", "power_state", r.word),
    FieldAlias("plan", "plan_code"),
    FieldAlias("plan", "plan_name"),
    FieldAlias("region", "region"),
    FieldAlias("os_template", "os_template"),
    FieldAlias("ipv4", "ipv4_address"),
    FieldAlias("ipv4", "ipv4"),
    FieldAlias("ipv4", "ip_address"),
    FieldAlias("ipv6", "ipv6_address"),
    FieldAlias("ipv6", "ipv6"),
    FieldAlias("vcpus", "vcpus", r.whole_amount),
    FieldAlias("vcpus", "vcpu", r.whole_amount),
    FieldAlias("memory_gb", "memory_gb", r.amount),
    FieldAlias("memory_gb", "ram_mb", r.megabytes),
    FieldAlias("disk_gb", "disk_gb", r.amount),
    FieldAlias("monthly_price", "monthly_price", r.amount),
    FieldAlias("monthly_price", "monthly_price_nok", r.amount),
    FieldAlias("currency", "currency"),
    FieldAlias("currency", "monthly_price_nok", r.kroner),
    FieldAlias("created_at", "created_at", r.moment),
    FieldAlias("labels", "labels", r.labels),
    FieldAlias("tags", "tags", r.tags),
)

PLAN: Final[Table] = (
    FieldAlias("code", "plan_code"),
    FieldAlias("code", "sku"),
    FieldAlias("name", "name"),
    FieldAlias("vcpus", "vcpus", r.whole_amount),
    FieldAlias("vcpus", "cpu_cores", r.whole_amount),
    FieldAlias("vcpus", "vcpu", r.whole_amount),
    FieldAlias("memory_gb", "ram_gb", r.amount),
    FieldAlias("memory_gb", "memory_gb", r.amount),
    FieldAlias("memory_gb", "ram_mb", r.megabytes),
    FieldAlias("disk_gb", "storage_gb", r.amount),
    FieldAlias("disk_gb", "disk_gb", r.amount),
    FieldAlias("bandwidth_tb", "bandwidth_tb", r.amount),
    FieldAlias("monthly_price", "monthly_price", r.amount),
    FieldAlias("monthly_price", "price", r.amount),
    FieldAlias("currency", "currency"),
)

# Assumed: the only client that reads add-ons takes them as they come.
ADDON: Final[Table] = (
    FieldAlias("code", "addon_code"),
    FieldAlias("code", "code"),
    FieldAlias("code", "sku"),
    FieldAlias("code", "id"),
    FieldAlias("name", "name"),
    FieldAlias("kind", "type", r.word),
    FieldAlias("monthly_price", "monthly_price", r.amount),
    FieldAlias("monthly_price", "price", r.amount),
    FieldAlias("currency", "currency"),
)

OS_TEMPLATE: Final[Table] = (
    FieldAlias("id", "id"),
    FieldAlias("id", "slug"),
    FieldAlias("id", "template_id"),
    FieldAlias("name", "name"),
    FieldAlias("family", "family", r.word),
    FieldAlias("family", "os_family", r.word),
    FieldAlias("version", "version"),
    FieldAlias("windows", "is_windows", r.flag),
    FieldAlias("windows", "platform", r.is_windows),
    FieldAlias("windows", "family", r.is_windows),
    FieldAlias("windows", "os_family", r.is_windows),
)

REGION: Final[Table] = (
    FieldAlias("code", "code"),
    FieldAlias("code", "region"),
    FieldAlias("code", "id"),
    FieldAlias("name", "name"),
    FieldAlias("name", "label"),
    FieldAlias("city", "city"),
    FieldAlias("country", "country"),
    FieldAlias("available", "available", r.flag),
    FieldAlias("available", "status", r.is_active),
)

USAGE: Final[Table] = (
    FieldAlias("status", "status", r.word),
    FieldAlias("power_state", "power_state", r.word),
    FieldAlias("uptime_seconds", "uptime_seconds", r.count),
    FieldAlias("cpu_percent", "cpu_usage_percent", r.number),
    FieldAlias("cpu_percent", "cpu_usage", r.number),
    FieldAlias("memory_percent", "memory_usage_percent", r.number),
    FieldAlias("disk_percent", "disk_usage_percent", r.number),
    FieldAlias("network_in_bytes", "network_in_bytes", r.count),
    FieldAlias("network_out_bytes", "network_out_bytes", r.count),
)

# A share that some sources give as two amounts instead.
SHARES: Final = (
    ("memory_percent", "memory_used_mb", "memory_total_mb"),
    ("disk_percent", "disk_used_gb", "disk_total_gb"),
)

# Where a list may sit when it is not the bare array; the generic names come last.
ENVELOPES: Final = ("items", "data", "results")
SERVER_LISTS: Final = ("instances", "vps_instances", *ENVELOPES)
PLAN_LISTS: Final = ("plans", *ENVELOPES)
ADDON_LISTS: Final = ("addons", *ENVELOPES)
OS_TEMPLATE_LISTS: Final = ("os_templates", "templates", *ENVELOPES)
REGION_LISTS: Final = ("regions", *ENVELOPES)
SERVER_IDS: Final = ("vps_id", "server_id", "instance_id")
"""Where an answer that is not a server names the server it is about."""
SERVER_WRAPPERS: Final = ("instance", "vps", "server", "data")


def translate(table: Table, theirs: Mapping[str, JSON]) -> tuple[dict[str, object], dict[str, JSON]]:
    """Return their object under our names, and the rest under theirs; their names match in any case."""
    keys = {key.lower(): key for key in reversed(list(theirs))}
    ours: dict[str, object] = {}
    used: set[str] = set()
    for row in table:
        key = keys.get(row.theirs)
        value = None if key is None or row.ours in ours else row.read(theirs[key])
        if key is not None and value is not None:
            ours[row.ours] = value
            used.add(key)
    return ours, {key: value for key, value in theirs.items() if key not in used and value is not None}
