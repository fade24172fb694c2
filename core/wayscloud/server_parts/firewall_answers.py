"""Firewall rules, as the API's answers have them. Facts: the official SDK and command line; no page documents them."""

import ipaddress
from collections.abc import Callable, Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from vpsops.core.wayscloud.answers import field_readers as r
from vpsops.core.wayscloud.answers.field_names import ENVELOPES, FieldAlias, Table, translate
from vpsops.core.wayscloud.answers.models import JSON, ProviderList, ProviderObject
from vpsops.core.wayscloud.answers.parse import (
    MismatchedPartError,
    UnreadableAnswerError,
    accepted,
    read_listing,
    read_object,
)
from vpsops.core.wayscloud.answers.validate import validate_network
from vpsops.core.wayscloud.server_parts.part_answers import PartNames

PORT_HIGHEST: Final = 65535
ANY: Final = "any"
ANY_IPV4: Final = "0.0.0.0/0"
ANY_IPV6: Final = "::/0"
ALL: Final = frozenset({"any", "all", "*", "both"})
"""Words of other APIs for every port, protocol or source."""
ADMITTING: Final = frozenset({"allow", "accept", "permit"})
INBOUND: Final = frozenset({"in", "inbound", "ingress"})

Network = Annotated[str, AfterValidator(validate_network)]
Protocol = Literal["tcp", "udp"]


OTHER_PROTOCOLS: Final = frozenset({"tcp", "udp", "icmp", "icmpv6", "gre", "esp", "ah", "sctp"})
"""Words that surely mean one protocol; any other word, such as `tcp/udp`, may mean several."""


class NewFirewallRule(BaseModel):
    """The packets that a rule to be added lets in."""

    model_config = ConfigDict(frozen=True)

    port: int = Field(ge=1, le=PORT_HIGHEST)
    protocol: Protocol = "tcp"
    source: Network = ANY_IPV4

    @property
    def text(self) -> str:
        """The rule as people type it."""
        return f"{self.port}/{self.protocol} from {self.source}"


class FirewallRule(ProviderObject):
    """One rule of a server's firewall, as far as this answer describes it.

    `last_port` ends a range that begins with `port`. `source` is a network in canonical form, `any`, or the API's word.
    """

    id: str
    port: int | None = None
    last_port: int | None = None
    protocol: str | None = None
    source: str | None = None
    action: str | None = None
    direction: str | None = None
    enabled: bool | None = None

    @property
    def admits(self) -> bool:
        """Return whether it lets packets in, as every rule does that says nothing else."""
        return self.enabled is not False and self.action in {None, *ADMITTING} and self.direction in {None, *INBOUND}

    @property
    def is_open_to_all(self) -> bool:
        """Return whether it lets in every address, of IPv4 or of IPv6."""
        return self.source in {ANY, ANY_IPV4, ANY_IPV6}

    @property
    def ports(self) -> str:
        """The port, or the range of ports; empty where the answer has none."""
        if self.port is None:
            return ""
        return str(self.port) if self.last_port is None else f"{self.port}-{self.last_port}"

    def covers(self, port: int, protocol: str) -> bool | None:
        """Return whether it is about a port of a protocol; None where the answer does not say."""
        if self.protocol in OTHER_PROTOCOLS - {protocol}:
            return False
        if self.port is not None and not self.port <= port <= (self.last_port or self.port):
            return False
        return True if self.port is not None and self.protocol in {protocol, ANY} else None

    def equals(self, new: NewFirewallRule) -> bool | None:
        """Return whether it is this very rule; None where the answer does not say enough."""
        if not self.admits:
            return False
        source = new.source if self.source == ANY and new.source in {ANY_IPV4, ANY_IPV6} else self.source
        pairs = ((self.port, new.port), (self.protocol, new.protocol), (source, new.source))
        if self.last_port is not None or any(ours is not None and ours != theirs for ours, theirs in pairs):
            return False
        return None if any(ours is None for ours, _ in pairs) else True


def _port_range(raw: JSON) -> tuple[int, int] | None:
    """Read a port, a range of ports, or a word for all of them."""
    text = r.word(raw)
    if text in ALL:
        return 1, PORT_HIGHEST
    first, _, last = (text or "").replace(":", "-").partition("-")
    low, high = r.whole_amount(first.strip()), r.whole_amount((last or first).strip())
    if low is None or high is None or not 1 <= low <= high <= PORT_HIGHEST:
        return None
    return low, high


def _protocol(raw: JSON) -> str | None:
    word = r.word(raw)
    return ANY if word in ALL else word


def _source(raw: JSON) -> str | None:
    """Read a network in canonical form; what is no network stays as it is."""
    text = r.text(raw)
    if text is None or text.lower() in ALL:
        return None if text is None else ANY
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return text


RULE: Final[Table] = (
    FieldAlias("id", "rule_id"),
    FieldAlias("id", "id"),
    FieldAlias("ports", "port", _port_range),
    FieldAlias("ports", "port_range", _port_range),
    FieldAlias("ports", "ports", _port_range),
    FieldAlias("protocol", "protocol", _protocol),
    FieldAlias("source", "source", _source),
    FieldAlias("source", "source_cidr", _source),
    FieldAlias("source", "cidr", _source),
    FieldAlias("action", "action", r.word),
    FieldAlias("direction", "direction", r.word),
    FieldAlias("enabled", "enabled", r.flag),
)
NOT_IN_ANSWERS: Final = ("action", "direction", "enabled")
"""Words that an answer to a new rule may have about the request instead, such as its own `action`."""
LISTS: Final = ("rules", "firewall_rules", *ENVELOPES)
NAMES: Final = PartNames("rule_id", "id", ("rule", "firewall_rule", "data"), any_case=True)


def rules(json: JSON) -> ProviderList[FirewallRule]:
    """Read the list of rules."""
    return read_listing(json, LISTS, _rule)


def added(server_id: str, new: NewFirewallRule) -> Callable[[JSON], FirewallRule]:
    """Return a reader of the answer to a new rule, which may be empty, but not be about another rule."""
    check = accepted(server_id)

    def read(json: JSON) -> FirewallRule:
        check(json)
        theirs = {} if json is None else NAMES.unwrapped(read_object(json))
        made = FirewallRule.model_validate({"id": "", **_values(theirs), **dict.fromkeys(NOT_IN_ANSWERS)})
        if made.equals(new) is False:
            raise MismatchedPartError(f"{made.ports}/{made.protocol} from {made.source}", new.text)
        return made.model_copy(update=new.model_dump())

    return read


def _values(theirs: Mapping[str, JSON]) -> dict[str, object]:
    ours, extra = translate(RULE, theirs)
    ports = ours.pop("ports", None)
    if isinstance(ports, tuple):
        first, last = ports
        ours |= {"port": first, "last_port": last if last != first else None}
    return {**ours, "extra": extra}


def _rule(theirs: Mapping[str, JSON]) -> FirewallRule:
    values = _values(theirs)
    if "id" not in values:
        raise UnreadableAnswerError("it lacks 'id'")
    return FirewallRule.model_validate(values)
