"""Which firewall rule is meant, what people read of rules, and what became of a rule's change."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Annotated, Final, cast

from pydantic import BeforeValidator, Field

from vpsops.core.common.errors import AlreadyGoneError, InvalidInputError
from vpsops.core.common.text import one_line
from vpsops.core.operations.arguments import ArgumentKind as K
from vpsops.core.operations.arguments import ArgumentSpec
from vpsops.core.operations.facts import UNKNOWN
from vpsops.core.operations.registry import ServerArguments
from vpsops.core.operations.strategies import Inspected, Inspection, Sent
from vpsops.core.wayscloud.answers.models import ProviderList, Server
from vpsops.core.wayscloud.answers.validate import validate_network
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.server_parts.firewall_answers import (
    ANY,
    ANY_IPV4,
    ANY_IPV6,
    PORT_HIGHEST,
    FirewallRule,
    Network,
    NewFirewallRule,
    Protocol,
)

SHORTEST: Final = 8
"""So many characters of an id may stand for it, where they are those of one rule alone."""
LONGEST: Final = 128
NAMED: Final = 5
WORD: Final = 60
COUNTABLE_BITS: Final = 32
AS_TEXT: Final = re.compile(r"(\d{1,5}(?:-\d{1,5})?)/([a-z]{1,8})(?:\s+from\s+(\S+))?", re.ASCII)


def _any_as_network(source: object) -> object:
    return ANY_IPV4 if isinstance(source, str) and source.strip().lower() == ANY else source


class NewRuleArguments(ServerArguments):
    """The packets that a new rule lets in to a server. Where they come from has to be said."""

    port: Annotated[int, ArgumentSpec(K.NUMBER, "Port"), Field(ge=1, le=PORT_HIGHEST, description="1-65535")]
    source: Annotated[
        Network,
        BeforeValidator(_any_as_network),
        ArgumentSpec(K.ADDRESS, "Source", word="from"),
        Field(description="network (CIDR)"),
    ]
    protocol: Annotated[Protocol, ArgumentSpec(K.CHOICE, "Protocol", choices=("tcp", "udp"))] = "tcp"

    @property
    def rule(self) -> NewFirewallRule:
        """The rule, as it is sent."""
        return NewFirewallRule(port=self.port, protocol=self.protocol, source=self.source)


class RuleArguments(ServerArguments):
    """One firewall rule of a server."""

    rule: Annotated[
        str,
        ArgumentSpec(K.FIREWALL_RULE, "Rule"),
        Field(description="id of vps_firewall", max_length=LONGEST),
    ]


def rule_text(rule: FirewallRule) -> str:
    """Return a rule as people type it; what the API does not say is not known."""
    return f"{port_text(rule)} from {source_text(rule)}"


def port_text(rule: FirewallRule) -> str:
    """Return the ports and the protocol of a rule."""
    ports = rule.ports or f"port {UNKNOWN}"
    return f"{ports}/{one_line(rule.protocol or f'protocol {UNKNOWN}', WORD)}"


def source_text(rule: FirewallRule) -> str:
    """Return where the packets come from."""
    return one_line(rule.source or f"source {UNKNOWN}", WORD)


def note_text(rule: FirewallRule) -> str:
    """Return what a rule says beside ports and source, where it does more or less than let packets in."""
    if rule.admits:
        return ""
    words = (rule.action, rule.direction, "switched off" if rule.enabled is False else None)
    return one_line(", ".join(word for word in words if word), WORD)


def breadth_text(network: str) -> str:
    """Return how many addresses a network holds, in words."""
    of = ipaddress.ip_network(network)
    bits = of.max_prefixlen - of.prefixlen
    if network in {ANY_IPV4, ANY_IPV6}:
        return f"any IPv{of.version} address: the whole internet"
    if not bits:
        return "one address"
    return f"{2**bits:,} addresses" if bits <= COUNTABLE_BITS else f"2^{bits} addresses"


def in_order(rules: Sequence[FirewallRule]) -> list[FirewallRule]:
    """Return rules by port, protocol and source, so that two reads of equal rules show the same."""
    return sorted(rules, key=lambda rule: (rule.port or 0, rule.protocol or "", rule.source or "", rule.id))


async def find_rule(api: Wayscloud, server: Server, word: str) -> tuple[FirewallRule, ProviderList[FirewallRule]]:
    """Return the rule of an id, of the first characters of one, or of a text such as `443/tcp from 10.0.0.0/8`.

    Raise AlreadyGoneError with the rules there are where a whole list lacks it, InvalidInputError where the list is not
    whole, or where the word is about several.
    """
    listed = await api.firewall.list_rules(server.id)
    exact = [rule for rule in listed if rule.id == word]
    matches = exact or _alike(listed, word)
    if len(matches) == 1 and (exact or listed.complete):
        return matches[0], listed
    shown = one_line(word, LONGEST)
    if len(matches) > 1:
        raise InvalidInputError(
            f"{shown} is about {len(matches)} rules: {_names(matches)}.", hint="Give the whole id of one."
        )
    if not listed.complete:
        raise InvalidInputError(
            f"Whether {server.hostname} has a firewall rule {shown} is not known: {listed.lack}.",
            hint="Ask again later, with the whole id.",
        )
    there = f"It has {_names(in_order(listed))}." if listed else "It has none."
    raise AlreadyGoneError(f"{server.hostname} has no firewall rule {shown}.", hint=there)


def _alike(listed: Sequence[FirewallRule], word: str) -> list[FirewallRule]:
    text = AS_TEXT.fullmatch(word.strip().lower())
    if text is None:
        begun = [rule for rule in listed if rule.id.lower().startswith(word.lower())]
        return begun if len(word) >= SHORTEST else []
    ports, protocol, source = text[1], text[2], text[3]
    network = None if source is None else validate_network(ANY_IPV4 if source == ANY else source)
    sources = {network, ANY} if network == ANY_IPV4 else {network}
    return [
        rule
        for rule in listed
        if (rule.ports, rule.protocol) == (ports, protocol) and (network is None or rule.source in sources)
    ]


def _names(rules: Sequence[FirewallRule]) -> str:
    names = [f"{one_line(rule.id, LONGEST)} ({rule_text(rule)})" for rule in rules[:NAMED]]
    more = f" and {len(rules) - NAMED} more" if len(rules) > NAMED else ""
    return f"{', '.join(names)}{more}"


async def inspect_add(api: Wayscloud, sent: Sent) -> Inspection:
    """Find the rule by the id of the answer, else by what it lets in: there was none like it when it was sent."""
    new = cast("NewRuleArguments", sent.arguments).rule
    listed = await api.firewall.list_rules(sent.target.id)
    named = str(sent.result.get("id") or "")
    answered = next((rule for rule in listed if named and rule.id == named), None)
    if answered is not None and answered.equals(new) is False:
        note = f"The rule {answered.id} lets in {rule_text(answered)}, not {new.text}."
        return Inspection(Inspected.AMBIGUOUS, note)
    equal = next((rule for rule in listed if rule.equals(new)), None)
    if equal is not None:
        return Inspection(Inspected.DONE, result=equal.model_dump(mode="json", exclude_none=True))
    if any(rule.equals(new) is None for rule in listed):
        return Inspection(Inspected.NOT_KNOWABLE, "The list has a rule of which it says too little.")
    if not listed.complete:
        return _not_whole(listed)
    return Inspection(
        Inspected.UNDER_WAY if sent.accepted else Inspected.NOT_DONE, "The list of rules does not have it."
    )


async def inspect_remove(api: Wayscloud, sent: Sent) -> Inspection:
    """A rule is removed where a whole list lacks its id."""
    ident = cast("RuleArguments", sent.arguments).rule
    listed = await api.firewall.list_rules(sent.target.id)
    if any(rule.id == ident for rule in listed):
        return Inspection(Inspected.UNDER_WAY if sent.accepted else Inspected.NOT_DONE, "The rule is still listed.")
    return Inspection(Inspected.DONE) if listed.complete else _not_whole(listed)


def _not_whole(listed: ProviderList[FirewallRule]) -> Inspection:
    return Inspection(Inspected.NOT_KNOWABLE, f"The list of rules is not whole: {listed.lack}.")
