"""The addresses of resources: which exist, what a URI means, and that none is ambiguous."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote, unquote

SCHEME: Final = "vps://"
SERVERS: Final = f"{SCHEME}servers"
NEXT: Final = f"{SERVERS}?cursor="
AUDIT: Final = f"{SCHEME}audit/recent"
REPORT: Final = f"{SCHEME}report"
BY_LABEL: Final = f"{REPORT}?label="
PLANS: Final = f"{SCHEME}catalogue/plans"
OS_TEMPLATES: Final = f"{SCHEME}catalogue/os-templates"
REGIONS: Final = f"{SCHEME}catalogue/regions"
SERVER_TEMPLATE: Final = f"{SERVERS}/{{id}}"
PAGE_TEMPLATE: Final = f"{SERVERS}{{?cursor}}"
CHANGE_TEMPLATE: Final = f"{SCHEME}changes/{{id}}"
REPORT_TEMPLATE: Final = f"{REPORT}{{?label}}"

LONGEST: Final = 600
LONGEST_CURSOR: Final = 400
LONGEST_LABEL: Final = 63
PLAIN: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
"""A server as it may appear in an address: ids and hostnames need no more, and nothing is ever decoded."""

CHANGE: Final = re.compile(r"chg_[0-9a-f]{12}")


class ResourceKind(StrEnum):
    """What an address leads to."""

    SERVERS = "servers"
    SERVER = "server"
    CHANGE = "change"
    PLANS = "plans"
    OS_TEMPLATES = "os_templates"
    REGIONS = "regions"
    AUDIT = "audit"
    REPORT = "report"


FIXED: Final = {
    SERVERS: ResourceKind.SERVERS,
    PLANS: ResourceKind.PLANS,
    OS_TEMPLATES: ResourceKind.OS_TEMPLATES,
    REGIONS: ResourceKind.REGIONS,
    AUDIT: ResourceKind.AUDIT,
    REPORT: ResourceKind.REPORT,
}


@dataclass(frozen=True, slots=True)
class ResourceAddress:
    """One resource: `ref` is a server's id or hostname, a change's id, the cursor of a page, or a label's key."""

    kind: ResourceKind
    ref: str = ""


def parse_uri(uri: str) -> ResourceAddress | None:
    """Read a URI, letter by letter as this server writes them; None for any other."""
    if len(uri) > LONGEST:
        return None
    if uri in FIXED:
        return ResourceAddress(FIXED[uri])
    for start, kind, longest in (
        (NEXT, ResourceKind.SERVERS, LONGEST_CURSOR),
        (BY_LABEL, ResourceKind.REPORT, LONGEST_LABEL),
    ):
        if uri.startswith(start):
            value = unquote(uri.removeprefix(start))
            if not value:  # what a template makes of an empty value
                return ResourceAddress(kind)
            return ResourceAddress(kind, value) if len(value) <= longest and value.isprintable() else None
    for start, kind, form in (
        (f"{SERVERS}/", ResourceKind.SERVER, PLAIN),
        (f"{SCHEME}changes/", ResourceKind.CHANGE, CHANGE),
    ):
        if uri.startswith(start) and form.fullmatch(uri, len(start)):
            return ResourceAddress(kind, uri.removeprefix(start))
    return None


def server_uri(ref: str) -> str | None:
    """Return the address of a server; None when its id is not valid in an address."""
    return f"{SERVERS}/{ref}" if PLAIN.fullmatch(ref) else None


def change_uri(change_id: str) -> str:
    """Return the address of a change."""
    return f"{SCHEME}changes/{change_id}"


def page_uri(cursor: str) -> str:
    """Return the address of the page of servers after a cursor."""
    return NEXT + quote(cursor, safe="")
