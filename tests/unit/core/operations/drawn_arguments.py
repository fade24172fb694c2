"""Arguments of an operation drawn by their kinds, and a provider whose account has what they name."""

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hypothesis import assume, reject
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.fakes.provider import Provider, Reply
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.arguments import Argument, Arguments, arguments_of
from vpsops.core.operations.arguments import ArgumentKind as K
from vpsops.core.wayscloud.answers.models import Server

Values = Mapping[str, Any]
SERVERS: Final = {
    "b5c6d7e8-f9a0-1234-5678-90abcdef1234": "web01.example.com",
    "c5c6d7e8-f9a0-1234-5678-90abcdef1234": "db01.example.com",
}
PLAN: Final = "present-plan"
SMALL: Final = {"vcpus": 1, "ram_gb": 1, "storage_gb": 10}
LARGE: Final = {"vcpus": 8, "ram_gb": 64, "storage_gb": 900, "monthly_price": 90, "currency": "EUR"}
TAKEN: Final = "2026-11-02T03:04:05Z"
names = st.text("bcdfghjkmnpqrstvwxz", min_size=8, max_size=12)
numbers = st.integers(1, 90)


def _key_of(raw: bytes) -> str:
    head = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"
    return f"ssh-ed25519 {base64.b64encode(head + raw).decode()} {raw.hex()[:12]}"


BY_KIND: Final[Mapping[K, st.SearchStrategy[Any]]] = {
    K.SERVER: st.sampled_from(sorted(SERVERS)),
    K.SNAPSHOT: names,
    K.BACKUP: names,
    K.FIREWALL_RULE: names,
    K.PLAN: names,
    K.REGION: st.sampled_from(["NO", "SE", "DE", "FI"]),
    K.SYSTEM: st.builds("{}-{}".format, names, numbers),
    K.HOSTNAME: st.builds("{}.example.com".format, names),
    K.TEXT: st.builds("{} {}".format, names, names),
    K.NAME: names,
    K.LABELS: st.dictionaries(names, names, min_size=1, max_size=3).map(
        lambda labels: tuple(f"{key}={labels[key]}" for key in sorted(labels))
    ),
    K.NUMBER: numbers,
    K.SCHEDULE: st.builds("{:02d}:{:02d}".format, st.integers(0, 22), st.integers(0, 59)),
    K.KEYS: st.lists(st.binary(min_size=32, max_size=32).map(_key_of), min_size=1, max_size=3, unique=True).map(tuple),
    K.ADDRESS: st.builds("10.{}.{}.0/24".format, numbers, numbers),
    K.DURATION: st.builds("{}h".format, st.integers(1, 23)),
}


def _values_of(argument: Argument) -> st.SearchStrategy[Any]:
    if argument.spec.kind is K.CHOICE:
        return st.sampled_from(argument.spec.choices)
    return BY_KIND[argument.spec.kind]


def _is_accepted(operation: Operation, values: Values) -> bool:
    try:
        operation.arguments.model_validate(dict(values))
    except ValidationError:
        return False
    return True


def draw_values(data: st.DataObject, operation: Operation) -> dict[str, Any]:
    """Draw a value for each argument; optional ones may be left out."""
    values = {}
    for argument in arguments_of(operation.arguments):
        if argument.required or data.draw(st.booleans()):
            values[argument.name] = data.draw(_values_of(argument))
    assume(_is_accepted(operation, values))
    return values


def draw_altered(data: st.DataObject, operation: Operation, values: Values, name: str) -> dict[str, Any]:
    """Draw another value for one argument, and for an optional one only where the model accepts no such pair."""
    arguments = {argument.name: argument for argument in arguments_of(operation.arguments)}
    before = getattr(operation.arguments.model_validate(dict(values)), name)  # the default, where it was left out
    new = data.draw(_values_of(arguments[name]).filter(lambda value: value != before))
    altered = {**values, name: new}
    if _is_accepted(operation, altered):
        return altered
    for other in [other for other in arguments.values() if not other.required and other.name != name]:
        without = {key: value for key, value in altered.items() if key != other.name}
        replaced = {**altered, other.name: data.draw(_values_of(other))}
        accepted = [candidate for candidate in (without, replaced) if _is_accepted(operation, candidate)]
        if accepted:
            return accepted[0]
    return reject()


def provider_for(operation: Operation, cases: Sequence[Values]) -> Provider:
    """Return a provider with two servers in a state that fits, which have what all the cases name."""
    named: dict[K, list[str]] = {}
    for values in cases:
        for argument in arguments_of(operation.arguments):
            if argument.name in values:
                named.setdefault(argument.spec.kind, []).append(str(values[argument.name]))
    servers = [_server(operation, ident, hostname) for ident, hostname in SERVERS.items()]
    plans = [{"plan_code": PLAN, **SMALL}, *({"plan_code": code, **LARGE} for code in _once(named, K.PLAN))]
    provider = Provider().on("GET", "/v1/vps", Reply(200, {"instances": servers}))
    provider.on("GET", "/v1/vps/plans/", Reply(200, {"plans": plans}))
    for server in servers:
        base = f"/v1/vps/{server['id']}"
        provider.on("GET", base, Reply(200, server))
        for path, body in _parts(named).items():
            provider.on("GET", f"{base}/{path}", Reply(200, body))
    return provider


def _server(operation: Operation, ident: str, hostname: str) -> dict[str, Any]:
    states = ("running", "stopped")
    fitting = [state for state in states if operation.fits(Server(id=ident, hostname=hostname, status=state))]
    return {"id": ident, "hostname": hostname, "status": fitting[0], "plan_code": PLAN, "labels": {}}


def _once(named: Mapping[K, Sequence[str]], kind: K) -> list[str]:
    return list(dict.fromkeys(named.get(kind, ())))


def _address_of(rule: str) -> str:
    """Return the address that a rule lets in: people read a rule by it."""
    return f"10.{'.'.join(str(byte) for byte in zlib.crc32(rule.encode()).to_bytes(4)[:3])}"


def _parts(named: Mapping[K, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """Return what a server has by its path: parts that differ in their names, and rules in their addresses."""
    policy = {"enabled": True, "frequency": "daily", "time_of_day": "23:59", "retention_days": 30}
    snapshots = [{"snapshot_name": name, "created_at": TAKEN} for name in _once(named, K.SNAPSHOT)]
    backups = [
        {"backup_id": ident, "status": "completed", "started_at": TAKEN, "size_gb": 2}
        for ident in _once(named, K.BACKUP)
    ]
    rules = [
        {"rule_id": ident, "port": 443, "protocol": "tcp", "source": f"{_address_of(ident)}/32"}
        for ident in _once(named, K.FIREWALL_RULE)
    ]
    return {
        "snapshots": {"snapshots": snapshots},
        "backups": {"backups": backups},
        "backup-policy": {"policy": policy},
        "firewall": {"rules": rules},
    }


def arguments_with(operation: str, values: Values) -> Arguments:
    """Return drawn values as the arguments of an operation."""
    return OPERATIONS[operation].arguments.model_validate(dict(values))


def words_for(argument: Argument, value: Any) -> list[str]:
    """Return what people have to read of a value: each part of it; a key by its comment, a server by its name."""
    if argument.spec.kind is K.SERVER:
        return [SERVERS[value]]
    if argument.spec.kind is K.FIREWALL_RULE:
        return [_address_of(value)]
    if argument.spec.kind is K.LABELS:
        return [part for word in value for part in word.split("=")]
    if argument.spec.kind is K.KEYS:
        return [key.split()[-1] for key in value]
    if argument.spec.kind is K.DURATION:
        return [f"{value.removesuffix('h')} h after"]
    return [str(value)]
