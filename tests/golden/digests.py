"""Hashes, keys and sealed texts of fixed values: what the database, the audit trail and clients hold of ours."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from vpsops.bot.views.modals import encode_option
from vpsops.bot.workspaces.token_encryption import TokenCipher
from vpsops.core.audit.records import GENESIS, canonical, record_hash
from vpsops.core.changes.model import digest_of
from vpsops.core.changes.preview import Preview, previewed
from vpsops.core.common.cursors import decode_cursor, encode_cursor
from vpsops.core.common.json_types import Json
from vpsops.core.config.settings import load_settings
from vpsops.core.continuity.anchors import signature
from vpsops.core.identity.account_questions import key_of
from vpsops.core.messaging.subscriptions import subscription_id
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.arguments import Arguments
from vpsops.core.operations.families.labels import LabelArguments
from vpsops.core.operations.families.lifecycle import Loss, RenameArguments, Resize, ResizeArguments
from vpsops.core.operations.registry import ServerArguments
from vpsops.core.operations.strategies import Precheck
from vpsops.core.operations.target import Target
from vpsops.core.policy_register.declaration import declaration_of
from vpsops.core.wayscloud.answers.models import Server
from vpsops.mcp_server.auth import static_tokens
from vpsops.mcp_server.protocol.uris import change_uri, page_uri, server_uri

POLICY: Final = "pol_golden"
STATES: Final = {"start": "stopped", "stop": "running", "reboot": "running"}
CREATE: Final = Preview(
    operation="create",
    arguments={
        "hostname": "web09.example.com",
        "plan": "vps-4gb-2cpu",
        "region": "oslo",
        "os_template": "ubuntu-24.04",
        "ssh_keys": ["ssh-ed25519 AAAA ann@example.com"],
    },
    target=Target(id="", hostname="web09.example.com", region="oslo", plan="vps-4gb-2cpu"),
    cost="199 NOK a month",
)
CHECKED: Final[Mapping[str, tuple[Arguments, object]]] = {
    "delete": (ServerArguments(server="srv-1"), Loss("199 NOK a month", "before-upgrade", "none")),
    "rename": (RenameArguments(server="srv-1", name="Web, main"), None),
    "label": (LabelArguments(server="srv-1", labels=("env=prod", "team-")), None),
    "resize": (ResizeArguments(server="srv-1", plan="vps-8gb-4cpu"), Resize(None, None, None)),
}
RECORDS: Final[tuple[tuple[float, str, str | None, Mapping[str, Json]], ...]] = (
    (1798880400.25, "requested", "chg_0123456789ab", {"actor": {"kind": "person", "id": "U1"}, "arguments": {}}),
    (1798880401.0, "approved", "chg_0123456789ab", {"reason": "Grüße \U0001f680", "votes": [1, None, True]}),
    (1798880402.0, "drift", None, {"arguments": {"ssh_keys": ["a", "b"]}, "text": 'a "quoted"\nline'}),
)
KEY: Final = "golden key of at least 32 characters"
SEALED: Final = "v1.ODtajLOfdpVcYtgmDNp4CTbQF6F3usfLiPWxlGarvQ6ExVL9V6z8Dc0Wc1y4"
CONFIG: Final = Path(__file__).parent / "values" / "vpsops.toml"


def values(_folder: Path) -> Mapping[str, Json]:
    """Return each hash by what it is of."""
    return {
        "digests of changes": _digests(),
        "audit chain": _chain(),
        "versions of policies": _policies(),
        "keys": {
            "account question": key_of(["slack:U1", "ann@example.com"]),
            "subscription": subscription_id("T1:C1:1798880400"),
            "token": static_tokens.digest_of("vpsops_golden"),
            "long menu value": encode_option("x" * 200),
            "webhook signature": signature("secret", 1798880400, b'{"seq":1}'),
        },
        "sealed": {SEALED: TokenCipher(["another key, the newest of both", KEY]).decrypt(SEALED, "T0ACME bot")},
        "cursors": _cursors(),
        "addresses": [server_uri("web01"), change_uri("chg_0123456789ab"), page_uri("a b/ü")],
    }


def _digests() -> Mapping[str, str]:
    results = {"create": CREATE.digest(POLICY)}
    for name in (name for name, operation in OPERATIONS.items() if not operation.reads and name in STATES):
        on = ServerArguments(server="srv-1")
        results[name] = previewed(OPERATIONS[name], on, _server(STATES[name]), Precheck()).digest(POLICY)
    for name, (arguments, details) in CHECKED.items():
        seen = previewed(OPERATIONS[name], arguments, _server("running"), Precheck(details=details))
        results[name] = seen.digest(POLICY)
    old = Target("srv-1", "web01.example.com", "running", "oslo", "185.35.202.45", "vps-4gb-2cpu")
    results["reboot, stored before changes had a system"] = digest_of("reboot", {"server": "srv-1"}, old, [""], "p1")
    unchecked = [name for name, operation in OPERATIONS.items() if not operation.reads and name not in results]
    return results | dict.fromkeys(unchecked, "an operation without a golden digest")


def _server(status: str) -> Server:
    return Server(
        id="srv-1",
        hostname="web01.example.com",
        status=status,
        region="oslo",
        plan="vps-4gb-2cpu",
        ipv4="185.35.202.45",
        os_template="debian-12",
    )


def _chain() -> Sequence[Mapping[str, str]]:
    results, before = [], GENESIS
    for number, (at, event, change_id, body) in enumerate(RECORDS, 1):
        text = canonical(number, at, event, change_id, body)
        results.append({"previous": before, "text": text, "hash": record_hash(before, text)})
        before = results[-1]["hash"]
    return results


def _policies() -> Mapping[str, Mapping[str, str]]:
    results = {}
    settings = {"VPSOPS_APPROVAL_CHANNEL": "C0APPROVE", "VPSOPS_CHANNEL": "C0OPS"}
    for name, config in (("of a release", ""), ("of a file", str(CONFIG))):
        document = declaration_of(load_settings(settings | ({"VPSOPS_CONFIG": config} if config else {}))).document(
            None
        )
        results[name] = {"text": document.text, "version": document.version}
    return results


def _cursors() -> Mapping[str, Mapping[str, str]]:
    places = {"servers": "=web01.example.com|srv-1", "changes": "1798880400.25|chg_0123456789ab"}
    results = {listing: {"place": place, "cursor": encode_cursor(listing, place)} for listing, place in places.items()}
    return {name: cursor | {"read": decode_cursor(name, cursor["cursor"])} for name, cursor in results.items()}
