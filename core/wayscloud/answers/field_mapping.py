"""The competing names of the provider's objects, as data: our name, their name, how to read it.

Rows are tried in order and the first that can be read wins. The names come from the public documentation, the official
Python SDK and command line, and the Terraform provider, which disagree with each other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from vpsops.core.wayscloud.answers import field_readers as r
from vpsops.core.wayscloud.answers.models import JSON


@dataclass(frozen=True, slots=True)
class Row:
    """One name that one source uses for one of our fields; `read` returns None for what it cannot read."""

    ours: str
    theirs: str
    read: Callable[[JSON], object | None] = r.text


Table = tuple[Row, ...]

SERVER: Final[Table] = (
    Row("id", "id"),
    Row("hostname", "hostname"),
    Row("display_name", "display_name"),
    Row("status", "status", r.word),
    Row("power_state", "power_state", r.word),
    Row("plan", "plan_code"),
    Row("plan", "plan_name"),
    Row("region", "region"),
    Row("os_template", "os_template"),
    Row("ipv4", "ipv4_address"),
    Row("ipv4", "ipv4"),
    Row("ipv4", "ip_address"),
    Row("ipv6", "ipv6_address"),
    Row("ipv6", "ipv6"),
    Row("vcpus", "vcpus", r.whole_amount),
    Row("vcpus", "vcpu", r.whole_amount),
    Row("memory_gb", "memory_gb", r.amount),
    Row("memory_gb", "ram_mb", r.megabytes),
    Row("disk_gb", "disk_gb", r.amount),
    Row("monthly_price", "monthly_price", r.amount),
    Row("monthly_price", "monthly_price_nok", r.amount),
    Row("currency", "currency"),
    Row("currency", "monthly_price_nok", r.kroner),
    Row("created_at", "created_at", r.moment),
)

PLAN: Final[Table] = (
    Row("code", "plan_code"),
    Row("code", "sku"),
    Row("name", "name"),
    Row("vcpus", "vcpus", r.whole_amount),
    Row("vcpus", "cpu_cores", r.whole_amount),
    Row("vcpus", "vcpu", r.whole_amount),
    Row("memory_gb", "ram_gb", r.amount),
    Row("memory_gb", "memory_gb", r.amount),
    Row("memory_gb", "ram_mb", r.megabytes),
    Row("disk_gb", "storage_gb", r.amount),
    Row("disk_gb", "disk_gb", r.amount),
    Row("bandwidth_tb", "bandwidth_tb", r.amount),
    Row("monthly_price", "monthly_price", r.amount),
    Row("monthly_price", "price", r.amount),
    Row("currency", "currency"),
)

OS_TEMPLATE: Final[Table] = (
    Row("id", "id"),
    Row("id", "slug"),
    Row("id", "template_id"),
    Row("name", "name"),
    Row("family", "family", r.word),
    Row("family", "os_family", r.word),
    Row("version", "version"),
    Row("windows", "is_windows", r.flag),
    Row("windows", "platform", r.is_windows),
    Row("windows", "family", r.is_windows),
    Row("windows", "os_family", r.is_windows),
)

REGION: Final[Table] = (
    Row("code", "code"),
    Row("code", "region"),
    Row("code", "id"),
    Row("name", "name"),
    Row("name", "label"),
    Row("country", "country"),
    Row("available", "available", r.flag),
    Row("available", "status", r.is_active),
)

USAGE: Final[Table] = (
    Row("status", "status", r.word),
    Row("power_state", "power_state", r.word),
    Row("uptime_seconds", "uptime_seconds", r.count),
    Row("cpu_percent", "cpu_usage_percent", r.number),
    Row("cpu_percent", "cpu_usage", r.number),
    Row("memory_percent", "memory_usage_percent", r.number),
    Row("disk_percent", "disk_usage_percent", r.number),
    Row("network_in_bytes", "network_in_bytes", r.count),
    Row("network_out_bytes", "network_out_bytes", r.count),
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
OS_TEMPLATE_LISTS: Final = ("os_templates", "templates", *ENVELOPES)
REGION_LISTS: Final = ("regions", *ENVELOPES)
SERVER_IDS: Final = ("vps_id", "server_id", "instance_id")
"""Where an answer that is not a server names the server it is about."""
SERVER_WRAPPERS: Final = ("instance", "vps", "server", "data")


def translate(table: Table, theirs: Mapping[str, JSON]) -> tuple[dict[str, object], dict[str, JSON]]:
    """Return their object under our names, and what is left over under theirs; their names match in any case."""
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
