"""Rules that people ask for by name: one for each observed or reported failure mode of a provider.

The tests draw their providers from them as well, so that a new preset is met by every kind of change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vpsops.playground.wayscloud.faults.rules import Fault, Match

FIVE = ("id", "hostname", "display_name", "status", "ipv4_address", "instances", "vps_instances", "total")
WRITES = Match(method="POST")
SLASHED = ("/v1/vps", "/v1/vps/os-templates")
MAINTENANCE = "<html><body><h1>Scheduled maintenance</h1><p>We are back soon.</p></body></html>"
AFTER_EFFECT = (202, 204, 303, 400, 404, 408, 409, 422, 425, 429, 499, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Preset:
    """Rules under one name, with a description that completes "the provider …"."""

    says: str
    faults: tuple[Fault, ...]


def preset(says: str, kind: str, match: Match | None = None, **options: Any) -> Preset:
    """Return a preset of one rule."""
    return Preset(says, (Fault.model_validate({"kind": kind, "match": match or Match(), **options}),))


def on(operation: str, **more: str) -> Match:
    """Return a match for one operation."""
    return Match.model_validate({"operation": operation, **more})


def _redirect(status: int, to: str) -> Preset:
    rule = {"kind": "redirect", "status": status, "to": to}
    return Preset(
        f"answers the form without a slash by {status} to the other one ({to})",
        tuple(Fault.model_validate(rule | {"match": {"path": path}}) for path in SLASHED),
    )


READS: Mapping[str, Preset] = {
    "list_behind": preset("lists a new server 200 seconds late", "stale", on("list"), seconds=200.0),
    "list_lags": preset("lists what was there 20 seconds ago", "stale", on("list"), seconds=20.0),
    "reads_behind": preset("answers every read as of 8 seconds ago", "stale", Match(method="GET"), seconds=8.0),
    "five_fields": preset("lists five fields of a server", "fields", on("list"), only=FIVE),
    "no_uptime": preset("gives no uptime", "fields", on("status"), without=("uptime_seconds",)),
    "uptime_jitter": preset("counts uptimes on two nodes", "uptime", on("status"), seconds=6.0, probability=0.5),
    "ipv6_only": preset("gives no IPv4 address", "fields", null=("ipv4_address", "ip_address", "ipv4")),
    "flapping": preset("lists everything as `active` in the fifth read", "word", on("list"), word="active", nth=5),
    "wrong_body": preset("answers about another server now and then", "wrong_server", on("get"), probability=0.3),
    "ghost": preset("lists a server that is not there", "ghost", on("list")),
    "duplicates": preset("lists each server twice", "duplicate", on("list")),
    "shuffled": preset("lists servers in any order", "shuffle", on("list")),
    "readdressed": preset("shows another address each time", "readdress", on("list")),
    "clock_behind": preset("has a clock 5 hours behind", "skew", seconds=-18_000.0),
    "clock_ahead": preset("has a clock one hour ahead", "skew", seconds=3_600.0),
    "dearer": preset("asks half as much again from the third read on", "reprice", on("plans"), after=2, factor=1.5),
    "other_currency": preset("changes the currency after two reads", "reprice", on("plans"), after=2, currency="EUR"),
    "region_down": preset("does not answer for Norway", "status", Match(region="NO"), detail="Region is unavailable"),
}
PAGES: Mapping[str, Preset] = {
    f"pages_{form}": preset(f"lists two servers at a time ({form})", "pages", on("list"), form=form, size=2)
    for form in ("total", "silent", "next", "link", "pagination", "has_more")
}
ENCODINGS: Mapping[str, Preset] = {
    f"encoded_{form}": preset(f"sends its answers in {form}", "encode", form=form, probability=0.5)
    for form in ("gzip", "members", "twice", "br", "bom", "latin-1", "utf-16", "nan")
}
REDIRECTS: Mapping[str, Preset] = {
    f"redirect_{status}_{to}": _redirect(status, to)
    for status in (301, 302, 307, 308)
    for to in ("slash", "http", "host")
}
ANSWERS: Mapping[str, Preset] = {
    f"effect_then_{status}": preset(
        f"does it and answers {status}", "status", WRITES, status=status, after_effect=True, detail="Something happened"
    )
    for status in AFTER_EFFECT
}
WRITTEN: Mapping[str, Preset] = {
    "answer_lost": preset("does it, and the answer is lost", "drop_after", WRITES),
    "answer_reset": preset("does it, and the connection is reset", "drop_after", WRITES, reset=True),
    "answer_garbled": preset("does it, and the answer is cut short", "malformed", WRITES),
    "task_id": preset(
        "does it and answers 202 with a task",
        "status",
        WRITES,
        status=202,
        after_effect=True,
        body='{"task_id": "t-1"}',
        content_type="application/json",
    ),
    "redirect_self": preset("does it and redirects to itself", "redirect", WRITES, to="self", after_effect=True),
    "redirect_loop": preset("does it and redirects in a circle", "redirect", WRITES, to="loop", after_effect=True),
    "redirect_303": preset(
        "does it and answers 303", "redirect", WRITES, status=303, to="slash", after_effect=True, times=1
    ),
    "order_id": preset("answers a create with an id that is none", "wrong_server", on("create"), word="order-1"),
    "foreign_create": preset("answers a create with another server", "wrong_server", on("create")),
    "proxy_repeats": preset("has a proxy that sends a create twice", "repeat", on("create")),
    "proxy_repeats_power": preset("has a proxy that sends a power operation twice", "repeat", WRITES),
    "name_lower": preset("writes hostnames in lower case", "normalise", form="lower"),
    "name_upper": preset("writes hostnames in capitals with a final dot", "normalise", form="upper"),
    "name_short": preset("keeps the first label of a hostname", "normalise", form="short"),
    "provision_fails": preset("cannot make the server", "fail_provision"),
    "boot_fails": preset("cannot boot the server", "fail_boot"),
    "quota_402": preset("wants to be paid first", "status", on("create"), status=402, detail="Payment required"),
    "quota_403": preset("has a quota", "status", on("create"), status=403, detail="Quota exceeded: 2 of 2 servers"),
    "quota_429": preset("reports its quota as 429", "status", on("create"), status=429, detail="Limit reached"),
    "limited": preset("answers the first of each write by 429", "status", WRITES, status=429, retry_after=2, times=1),
    "limited_for_ages": preset(
        "asks to wait for years", "status", WRITES, status=429, retry_after=251_606_464_857, times=1
    ),
    "out_of_stock": preset(
        "has no such plan left in Norway", "status", on("create", region="NO"), status=409, detail="Out of stock"
    ),
    "maintenance": preset(
        "is in maintenance for five minutes",
        "status",
        WRITES,
        status=503,
        ends=300.0,
        body=MAINTENANCE,
        content_type="text/html",
        retry_after=120,
        retry_after_date=True,
    ),
    "bad_gateway": preset("answers every third request by 502", "status", status=502, probability=0.33),
}
PRESETS: Mapping[str, Preset] = {**READS, **PAGES, **ENCODINGS, **REDIRECTS, **ANSWERS, **WRITTEN}
