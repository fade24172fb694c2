"""The operations on a server's firewall: list, add and remove rules.

No page of the provider documents these calls; its official clients make them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, cast

from pydantic import BaseModel, ConfigDict

from vpsops.core.common.errors import InvalidInputError, UnchangedError
from vpsops.core.operations.arguments import ArgumentKind as K
from vpsops.core.operations.arguments import Arguments
from vpsops.core.operations.facts import UNKNOWN, Fact, changed
from vpsops.core.operations.families.firewall_rules import (
    NewRuleArguments,
    RuleArguments,
    breadth_text,
    find_rule,
    in_order,
    inspect_add,
    inspect_remove,
    note_text,
    rule_text,
    source_text,
)
from vpsops.core.operations.families.parts import server_of, total_of
from vpsops.core.operations.registry import Operation, Risk, ServerArguments
from vpsops.core.operations.strategies import Choice, LiveState, Precheck
from vpsops.core.wayscloud.answers.models import AcceptedOperation, ProviderList, Server
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests import endpoints
from vpsops.core.wayscloud.requests.send_hook import SendHook
from vpsops.core.wayscloud.server_parts.firewall_answers import ANY, ANY_IPV4, FirewallRule

TOOLSET: Final = "firewall"
READ_FIRST: Final = "Read vps_firewall before asking again."
LOGINS: Final = ((22, "SSH"), (3389, "Remote Desktop"))
SOURCES: Final = 8
DEFAULT_POLICY: Final = Fact("Without a rule", f"what the firewall does is {UNKNOWN}: the API does not show it")
NO_RULES: Final = (
    f"The firewall has no rule. Whether it then lets everything in or nothing is {UNKNOWN}: the API does not show it."
)


class FirewallRuleList(BaseModel):
    """A server's firewall rules by port; `lacking` says what of the list is not known."""

    model_config = ConfigDict(frozen=True)

    rules: list[FirewallRule]
    total: int
    lacking: str | None = None


@dataclass(frozen=True, slots=True)
class FirewallState:
    """The rules there are, and of a removal the one that it is about."""

    listed: ProviderList[FirewallRule]
    rule: FirewallRule | None = None

    def sources(self, port: int, protocol: str) -> list[str]:
        """Return the sources that other rules let in on a port, in order."""
        others = [rule for rule in self.listed if rule.admits and rule.covers(port, protocol) and rule is not self.rule]
        return sorted({source_text(rule) for rule in others})

    @property
    def unclear(self) -> int:
        """How many rules do not say what they let in, beside the one in question."""
        return sum(
            rule.admits and (None in {rule.port, rule.source} or rule.protocol not in {"tcp", "udp", ANY})
            for rule in self.listed
            if rule is not self.rule
        )


# Preconditions: read at the request, and again just before the sending.


async def check_add(api: Wayscloud, arguments: Arguments, server: Server | None) -> Precheck:
    """Refuse a rule that there is, and one of which it is not known."""
    at, new = server_of(server), cast("NewRuleArguments", arguments).rule
    listed = await api.firewall.list_rules(at.id)
    equal = next((rule for rule in listed if rule.equals(new)), None)
    if equal is not None:
        raise UnchangedError(f"{at.hostname} lets in {new.text} already (rule {equal.id}).")
    if not listed.complete:
        raise InvalidInputError(
            f"Whether {at.hostname} has this rule is not known: {listed.lack}.", hint="Ask again later."
        )
    return Precheck(details=FirewallState(listed))


async def check_remove(api: Wayscloud, arguments: Arguments, server: Server | None) -> Precheck:
    """Find the rule."""
    at, asked = server_of(server), cast("RuleArguments", arguments)
    rule, listed = await find_rule(api, at, asked.rule)
    resolved = asked.model_copy(update={"server": at.id, "rule": rule.id})
    return Precheck(details=FirewallState(listed, rule), arguments=resolved)


# Facts.


def describe_add(arguments: Arguments, live: LiveState) -> tuple[Fact, ...]:
    """State what is let in, to how many addresses it opens, what is let in now, and what is not known."""
    new, rules = cast("NewRuleArguments", arguments).rule, cast("FirewallState", live.details)
    before = rules.sources(new.port, new.protocol)
    wide = ip_network(new.source).prefixlen <= 1  # a half of all addresses is no less
    return (
        Fact("Lets in", new.text),
        Fact("Opens to", breadth_text(new.source)),
        Fact("Risk", f"everyone on the internet can reach {new.port}/{new.protocol}" if wide else ""),
        changed("Sources let in", _some(before), _some(sorted({*before, new.source}))),
        Fact("Let in already", "all of it, by a wider rule" if _is_within_some(new.source, before) else ""),
        Fact("First rule", "" if rules.listed else f"whether it closes all other ports is {UNKNOWN}"),
        Fact("Not read in full", _unclear(rules)),
        DEFAULT_POLICY,
    )


REFUSING: Final = frozenset({"deny", "drop", "reject", "block"})
OUTBOUND: Final = frozenset({"out", "outbound", "egress"})
KEEPS_OUT: Final = "this rule may keep packets out: without it they may be let in"


def describe_remove(arguments: Arguments, live: LiveState) -> tuple[Fact, ...]:
    """State which rule goes, who is let in without it, who may be locked out, and what is not known."""
    rules = cast("FirewallState", live.details)
    rule = cast("FirewallRule", rules.rule)
    left = rules.listed.complete and len(rules.listed) == 1
    return (
        Fact("Rule", rule_text(rule)),
        Fact("Rule id", cast("RuleArguments", arguments).rule),
        Fact("Kind", note_text(rule)),
        Fact("Risk", "" if rule.admits or rule.enabled is False else KEEPS_OUT),
        *_sources_left(rule, rules),
        *_lockouts(rule, rules, live.server),
        Fact("Last rule", f"whether all ports are open or closed without it is {UNKNOWN}" if left else ""),
        Fact("Not read in full", _unclear(rules)),
        Fact("Open connections", f"whether they end is {UNKNOWN}"),
        DEFAULT_POLICY,
    )


def _sources_left(rule: FirewallRule, rules: FirewallState) -> tuple[Fact, ...]:
    """State the sources of a rule's port before and after; none for a rule that is about several ports."""
    if not rule.admits or rule.port is None or rule.last_port is not None or rule.protocol in {None, ANY}:
        return ()
    left = rules.sources(rule.port, rule.protocol or "")
    return (changed("Sources let in", _some(sorted({*left, source_text(rule)})), _some(left)),)


def _lockouts(rule: FirewallRule, rules: FirewallState, server: Server | None) -> tuple[Fact, ...]:
    """Warn where a rule lets people log in."""
    if rule.enabled is False or rule.action in REFUSING or rule.direction in OUTBOUND:
        return ()
    return tuple(
        Fact("Lock-out", _lockout(name, port, rule, rules))
        for port, name in LOGINS
        if rule.covers(port, "tcp") is not False and (name == "SSH" or _may_be_windows(server))
    )


def _lockout(name: str, port: int, rule: FirewallRule, rules: FirewallState) -> str:
    if rule.covers(port, "tcp") is None:
        return f"whether it lets {name} ({port}/tcp) in is {UNKNOWN}: you may be locked out"
    left = rules.sources(port, "tcp")
    others = f"other rules let in {_some(left)}" if left else "no other rule lets it in"
    return f"it lets {name} ({port}/tcp) in from {source_text(rule)}: you may be locked out; {others}"


def _may_be_windows(server: Server | None) -> bool:
    system = server.os_template if server is not None else None
    return system is None or "windows" in system.lower()


def _unclear(rules: FirewallState) -> str:
    """Return how much of the rules is not known, or nothing."""
    parts = [f"{rules.unclear} other rules" if rules.unclear > 1 else "1 other rule"] if rules.unclear else []
    parts += [f"the list ({rules.listed.lack})"] if not rules.listed.complete else []
    return f"{' and '.join(parts)}: what they let in is {UNKNOWN}" if parts else ""


def _some(sources: Sequence[str]) -> str:
    more = f" and {len(sources) - SOURCES} more" if len(sources) > SOURCES else ""
    return f"{', '.join(sources[:SOURCES])}{more}"


def _is_within_some(source: str, others: Sequence[str]) -> bool:
    """Return whether a network lies within another."""
    inner = ip_network(source)
    return any(other is not None and _contains(other, inner) for other in map(_as_network, others))


def _as_network(source: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(ANY_IPV4 if source == ANY else source)
    except ValueError:
        return None


def _contains(outer: IPv4Network | IPv6Network, inner: IPv4Network | IPv6Network) -> bool:
    return outer.version == inner.version and outer.prefixlen <= inner.prefixlen and inner[0] in outer


def _choices(listed: BaseModel) -> tuple[Choice, ...]:
    rules = cast("FirewallRuleList", listed).rules
    return tuple(Choice(rule.id, rule_text(rule), note_text(rule)) for rule in rules)


async def _list(api: Wayscloud, arguments: Arguments, _: SendHook | None) -> FirewallRuleList:
    listed = await api.firewall.list_rules(cast("ServerArguments", arguments).server)
    lacking = f"{listed.lack}." if listed.lack else None if listed else NO_RULES
    return FirewallRuleList(rules=in_order(listed), total=total_of(listed), lacking=lacking)


async def _add(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> FirewallRule:
    asked = cast("NewRuleArguments", arguments)
    return await api.firewall.add_rule(asked.server, asked.rule, departure=departure)


async def _remove(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> AcceptedOperation:
    asked = cast("RuleArguments", arguments)
    return await api.firewall.remove_rule(asked.server, asked.rule, departure=departure)


FIREWALL: Final = (
    Operation(
        name="firewall",
        title="Show the firewall of {server}",
        command="firewall",
        toolset=TOOLSET,
        summary="List a server's firewall rules.",
        guidance="List a server's firewall rules.",
        risk=Risk.READ,
        arguments=ServerArguments,
        result=FirewallRuleList,
        run=_list,
        routes=(endpoints.FIREWALL,),
        documented=False,
        lists=K.FIREWALL_RULE,
        choices=_choices,
    ),
    Operation(
        name="firewall_allow",
        title="Allow traffic to {server}",
        command="firewall-allow",
        toolset=TOOLSET,
        summary="Let packets in to a port of a server.",
        guidance="Open a server's port to a network.",
        risk=Risk.DISRUPTIVE,  # as much as the widest source can do
        arguments=NewRuleArguments,
        result=FirewallRule,
        run=_add,
        routes=(endpoints.ADD_RULE, endpoints.FIREWALL),
        effect="The firewall lets these packets in; what listens on the port can be reached.",
        check=check_add,
        describe=describe_add,
        inspect=inspect_add,
        documented=False,
        outcomes=("It was added", "It was not added"),
        done="The firewall of {hostname} has the rule.",
        advice=READ_FIRST,
    ),
    Operation(
        name="firewall_remove",
        title="Remove a firewall rule of {server}",
        command="firewall-remove",
        toolset=TOOLSET,
        summary="Remove a firewall rule of a server.",
        guidance="Remove a firewall rule; people may be locked out.",
        risk=Risk.DISRUPTIVE,
        arguments=RuleArguments,
        result=AcceptedOperation,
        run=_remove,
        routes=(endpoints.REMOVE_RULE, endpoints.FIREWALL),
        effect="If the rule lets packets in, the firewall does not any more, unless another rule does.",
        check=check_remove,
        describe=describe_remove,
        inspect=inspect_remove,
        removes=True,
        documented=False,
        idempotent=True,
        outcomes=("It was removed", "It was not removed"),
        done="The firewall of {hostname} has the rule no more.",
        advice=READ_FIRST,
    ),
)
