"""`vpsops policy check` and `vpsops policy explain`: does the policy load, and what does it say of a request."""

import argparse
import sys
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from core.changes.model import Actor, ActorKind, Ruling, Target
from core.clock import SystemClock
from core.errors import ConfigurationError
from core.operations import OPERATIONS
from core.policy.load import load_policy
from core.policy.model import Facts, Match, Policy, Rule
from core.settings import Settings, load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe both subcommands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="load the policy strictly and say what it holds")
    check.add_argument("file", nargs="?", type=Path, help="a vpsops.toml (default: the one VPSOPS_CONFIG names)")
    explain = actions.add_parser("explain", help="say what the policy decides of a request, and why")
    explain.add_argument("--as", dest="actor", required=True, metavar="KIND[:ID]", help="person or agent, with an id")
    explain.add_argument("--operation", required=True, choices=list(OPERATIONS), metavar="NAME", help="such as stop")
    explain.add_argument("--server", default="", help="the hostname it is about")
    explain.add_argument("--region", default="", help="the server's region; unknown when left out")
    explain.add_argument("--cost", type=float, help="a month's price of a create; unknown when left out")
    explain.add_argument(
        "--at", type=datetime.fromisoformat, help="a time such as 2026-11-24T22:00:00+01:00; default now"
    )
    explain.add_argument("--group", action="append", default=[], help="a group the actor is in; may be repeated")
    explain.add_argument(
        "--origin", choices=["slack", "mcp", "cli"], default="mcp", help="where it is asked (default mcp)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Check or explain; raises `ConfigurationError` with file, line and hint."""
    settings = load_settings()
    if arguments.action == "check":
        if arguments.file is not None:
            settings = settings.model_copy(update={"config": arguments.file})
        _say(checked(load_policy(settings), settings))
        return 0
    facts = facts_of(arguments)
    policy = load_policy(settings)
    _say(explained(policy, facts))
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def checked(policy: Policy, settings: Settings) -> str:
    """Say what a policy holds; pure."""
    counts = Counter(rule.decision.value for rule in policy.rules)
    embedded = all(rule.line == 0 for rule in policy.rules)
    where = "the embedded policy" if embedded else str(settings.config)
    held = ", ".join(f"{count} {decision}" for decision, count in sorted(counts.items()))
    return f"{where}: good. {len(policy.rules)} rules ({held}), version {policy.version}."


def facts_of(arguments: argparse.Namespace) -> Facts:
    """Return the facts of a request as the words of the command line have it; raises `ConfigurationError`."""
    kind, _, ident = arguments.actor.partition(":")
    if kind not in {"person", "agent"}:
        raise ConfigurationError(f"--as {kind} is neither person nor agent.", hint="For example --as agent:ci.")
    now = arguments.at or SystemClock().now()
    if now.tzinfo is None:
        raise ConfigurationError("--at needs an offset from UTC.", hint="For example 2026-11-24T22:00:00+01:00.")
    operation = OPERATIONS[arguments.operation]
    named = bool(arguments.server) or operation.takes_server or arguments.operation == "create"
    return Facts(
        operation=operation.name,
        risk=operation.risk,
        actor=Actor(ActorKind(kind), ident or kind, human=ident, groups=tuple(arguments.group)),
        origin=arguments.origin,
        now=now,
        target=Target("", arguments.server, region=arguments.region) if named else None,
        region=arguments.region,
        cost=arguments.cost,
    )


def explained(policy: Policy, facts: Facts) -> str:
    """Say what a policy decides, which rules spoke, and why the others did not; pure."""
    ruling = policy.decide(facts)
    lines = [f"{ruling.decision.value}{_wants(ruling)}", *([f"  {ruling.reason}"] if ruling.reason else []), ""]
    lines += [_line(rule, facts) for rule in sorted(policy.rules, key=lambda rule: not rule.speaks(facts))]
    lines.append(f"\nPolicy {policy.version}: the strictest rule that speaks wins; no rule means deny.")
    return "\n".join(lines)


def _wants(ruling: Ruling) -> str:
    if not ruling.votes:
        return ""
    among = [*ruling.approvers.groups, *ruling.approvers.people, *ruling.approvers.channels]
    every = " (acceptable to each of the rules)" if len(ruling.requirements) > 1 else ""
    return f": {ruling.votes} of {', '.join(among)}{every}"


def named(rule: Rule) -> str:
    """Name a rule with its place; pure."""
    return f"{rule.id} (line {rule.line})" if rule.line else rule.id


def _line(rule: Rule, facts: Facts) -> str:
    return f"{'speaks' if rule.speaks(facts) else 'silent'}  {named(rule)}: {_why(rule, facts)}"


def _why(rule: Rule, facts: Facts) -> str:
    failed = failing(rule, facts)
    return f"says {rule.decision.value}" if failed is None else f"its {failed} does not hold"


def failing(rule: Rule, facts: Facts) -> str | None:
    """Name the first condition of a rule that does not hold, if any; pure."""
    alone = {name: replace(rule, match=Match(**{name: getattr(rule.match, name)})) for name in Match.__slots__}
    return next((name for name, one in alone.items() if not one.speaks(facts)), None)
