"""`vpsops policy`: validates a file, and explains a policy's decision on a request; the others are in `force_cli`."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import anyio

from vpsops.cli.policy import force
from vpsops.core.common.clock import Clock, SystemClock
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.logging import configure_logging
from vpsops.core.config.schema import nearest_hint
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.console.terminal import cell
from vpsops.core.diagnostics.provider import read_region_names
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.limits.loader import load_limits
from vpsops.core.limits.model import Limits
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.registry import Risk
from vpsops.core.operations.target import Target
from vpsops.core.policy.context import BILLED, NormalizedContext, PolicyContext
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.policy.lint import about_a_server, reach
from vpsops.core.policy.loader import load_policy
from vpsops.core.policy.model import NEEDS_APPROVAL, Policy, Rule, RuleEvaluation, short_version
from vpsops.core.policy_register.declaration import declaration_of
from vpsops.core.policy_register.diagnostics import ruleset_of
from vpsops.core.policy_register.humans import human_named, unresolved, with_account
from vpsops.core.wayscloud.answers.regions import region_text

LONGEST_PLACE = 200
SOME_CHANNEL = "C0APPROVALS"  # stands in for the approval channel when --slack is used without one
T = TypeVar("T")


HUMAN = "the human behind an agent, by e-mail address or slack:U…; unknown when left out"
LABEL = "a label of the server; may be repeated; '' for none; unknown when left out"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the subcommands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="load the policy strictly and say what it holds",
        description="Load rules and limits as a start does: what is wrong is said with file, line and what to do, and"
        " ends with 2. Needs no key and no database.",
    )
    check.add_argument("file", nargs="?", type=Path, help="a vpsops.toml (default: the one VPSOPS_CONFIG names)")
    _add_explain(actions)
    force.add_arguments(actions)


def _add_explain(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    explain = actions.add_parser(
        "explain",
        help="say what the policy decides of a request, and why",
        description="Say what a policy decides for a request, which rules matched and why the others did"
        " not: the one of the file that VPSOPS_CONFIG names, or, without one, the one that the database has in force."
        " What is left out is not known, and held against the request. Nothing is asked for.",
        epilog="For example: vpsops policy explain --as agent --operation stop --server db01",
    )
    add = explain.add_argument
    add("--as", dest="actor", required=True, metavar="KIND[:ID]", help="person or agent, with an id")
    add("--human", default="", metavar="WHO", help=HUMAN)
    add("--group", action="append", default=[], help="a group the actor is in; may be repeated; unknown when left out")
    add("--operation", required=True, metavar="NAME", help=f"one of {', '.join(OPERATIONS)}")
    add("--server", default="", metavar="NAME", help="the hostname it is about; unknown when left out")
    add("--region", default="", help="the server's region, by its id or its name; unknown when left out")
    add("--label", action="append", metavar="KEY=VALUE", help=LABEL)
    add("--cost", type=float, metavar="N", help="a month's price of a create; unknown when left out")
    add("--at", metavar="TIME", help="a time such as 2026-11-24T22:00:00+01:00; default now")
    add("--origin", choices=["slack", "mcp", "cli"], default="mcp", help="where it is asked (default mcp)")
    add(
        "--slack",
        action=argparse.BooleanOptionalAction,
        help="as if there were, or were not, an approval channel in Slack (default: as it is)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run a subcommand. Raises `ConfigurationError` with file, line and hint."""
    if "force" in arguments:
        return force.run(arguments)
    if arguments.action == "check":
        settings = settings_of(arguments.file)
        _say(checked(_policy_of(settings), settings))
        limits = load_limits(settings).described()
        _say_some(f"limits: {'; '.join(limits)}." if limits else "")
        return 0
    settings = load_settings()
    configure_logging(settings)
    return anyio.run(_explain, arguments, settings)


async def _explain(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the decision, and the humans without an account: their requests are refused undecided."""
    facts, clock = facts_of(arguments), SystemClock()
    actor, human = await with_account(facts.actor, settings, clock)
    facts, place = await with_region(replace(facts, actor=actor), settings, clock)
    policy, limits = await _explained_by(arguments, settings, clock)
    _say(explain_decision(policy, facts))
    _say_some(place)
    for line in (describe_limits(limits, facts), human):
        _say_some(line)
    for line in await unresolved(settings, getattr(arguments, "checks", ()), clock):
        _say(cell(line, 600))
    return 0


async def with_region(facts: PolicyContext, settings: Settings, clock: Clock) -> tuple[PolicyContext, str]:
    """Return the facts with the id of the region that was typed, also by its name, and a line that says which it is.

    Raises `InvalidInputError` for a name of several regions.
    """
    if not facts.region or facts.target is None:
        return facts, ""
    names = await read_region_names(settings, clock)
    code = names.id_of(facts.region)
    place = cell(region_text(code, names.name_of(code)), LONGEST_PLACE)
    unread = "" if names.names else " (taken as an id: the names of regions cannot be read)"
    return replace(facts, region=code, target=replace(facts.target, region=code)), f"region: {place}{unread}."


async def _explained_by(arguments: argparse.Namespace, settings: Settings, clock: Clock) -> tuple[Policy, Limits]:
    """Return the policy of this set-up's file; without a file the one its database has in force, or would have."""
    if arguments.slack is None and settings.config is None:
        ruleset = await ruleset_of(settings, clock)
        return ruleset.policy, ruleset.limits
    chosen = with_slack(settings, arguments.slack)
    return _policy_of(chosen), load_limits(chosen)


def _policy_of(settings: Settings) -> Policy:
    """Return the policy that is configured, by the version that it has once it is in force."""
    declared = declaration_of(settings, whole=settings.config is not None).document(None)
    return replace(load_policy(settings), version=declared.version)


def settings_of(file: Path | None) -> Settings:
    """Return the settings as they would be with this file: it may name the approval channel too."""
    return load_settings({**os.environ, "VPSOPS_CONFIG": str(file)} if file else None)


def with_slack(settings: Settings, use_slack: bool | None) -> Settings:
    """Return the settings with or without an approval channel."""
    channel = settings.approval_channel
    chosen = {None: channel, True: channel or SOME_CHANNEL, False: ""}[use_slack]
    return settings.model_copy(update={"approval_channel": chosen})


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _say_some(text: str) -> None:
    if text:
        _say(text)


def checked(policy: Policy, settings: Settings) -> str:
    """Return a policy's content."""
    counts = Counter(rule.decision.value for rule in policy.rules)
    none = "the embedded policy" if settings.config else "the embedded policy (VPSOPS_CONFIG is not set)"
    where = none if embedded(policy) else str(settings.config)
    held = ", ".join(f"{count} {decision}" for decision, count in sorted(counts.items()))
    good = f"{where}: good. {len(policy.rules)} rules ({held}), version {short_version(policy.version)}."
    return f"{good}\n{_nobody_may(policy)}".rstrip()


def embedded(policy: Policy) -> bool:
    """Return whether a policy is the embedded default."""
    return all(rule.line == 0 and rule.id.startswith("default-") for rule in policy.rules)


def _nobody_may(policy: Policy) -> str:
    never = [name for name in OPERATIONS if not any(_lets(rule, name) for rule in policy.rules)]
    if not never:
        return ""
    undecided = any(_is_too_mild(rule, name) for name in never for rule in policy.rules)
    return f"No rule ever allows: {', '.join(never)}.{f' {NEEDS_APPROVAL}' if undecided else ''}"


def _lets(rule: Rule, operation: str) -> bool:
    return rule.decision is not Decision.DENY and operation in reach(rule) and not _is_too_mild(rule, operation)


def _is_too_mild(rule: Rule, operation: str) -> bool:
    """Return whether a rule allows or confirms an operation that needs an approval."""
    destroys = OPERATIONS[operation].risk is Risk.DESTRUCTIVE and operation in reach(rule)
    return destroys and rule.decision.rank < Decision.APPROVE.rank and not rule.destructive_without_approval


def facts_of(arguments: argparse.Namespace) -> PolicyContext:
    """Return the facts of a request as the words of the command line have it. Raises `ConfigurationError`."""
    operation = OPERATIONS.get(arguments.operation)
    if operation is None:
        raise ConfigurationError(
            f"There is no operation {arguments.operation[:40]!r}.",
            hint=nearest_hint(arguments.operation, tuple(OPERATIONS)),
        )
    if not about_a_server(operation) and (arguments.server or arguments.region or arguments.label):
        hint = "Leave out --server, --region and --label."
        raise ConfigurationError(f"{operation.name} is not about a server.", hint=hint)
    labels = None if arguments.label is None else tuple(word for word in arguments.label if word)
    target = Target("", arguments.server, region=arguments.region, labels=labels)
    return PolicyContext(
        operation=operation.name,
        risk=operation.risk,
        actor=actor_of(arguments),
        origin=arguments.origin,
        now=_moment(arguments.at) if arguments.at else SystemClock().now(),
        target=target if about_a_server(operation) else None,
        region=arguments.region,
        cost=arguments.cost,
    )


def actor_of(arguments: argparse.Namespace) -> Actor:
    """Return the actor that `--as`, `--human` and `--group` describe. Raises `ConfigurationError`."""
    kind, _, ident = arguments.actor.partition(":")
    if kind not in {"person", "agent"}:
        raise ConfigurationError(f"--as {kind} is neither person nor agent.", hint="For example --as agent:ci.")
    human = human_named(arguments.human) if arguments.human else ident if kind == "person" else ""
    return Actor(ActorKind(kind), ident or kind, human=human, groups=tuple(arguments.group))


def _moment(text: str) -> datetime:
    hint = "For example 2026-11-24T22:00:00+01:00."
    now = _or_none(datetime.fromisoformat, text)
    if now is None:
        raise ConfigurationError("--at is not a time.", hint=hint)
    if now.tzinfo is None:
        raise ConfigurationError("--at needs an offset from UTC.", hint=hint)
    return now


def _or_none(read: Callable[[str], T], text: str) -> T | None:
    try:
        return read(text)
    except ValueError:
        return None


def explain_decision(policy: Policy, facts: PolicyContext) -> str:
    """Return a policy's decision, the rules that matched, and why the others did not."""
    ruling = policy.decide(facts)
    order = {ident: place for place, ident in enumerate(ruling.rules)}
    heard = sorted(policy.hear(facts), key=lambda rule: order.get(rule.rule.id, len(order)))
    lines = [f"{ruling.decision.value}{_wants(ruling)}", *([f"  {ruling.reason}"] if ruling.reason else []), ""]
    lines += [f"{'speaks' if rule.speaks else 'silent'}  {rule_name(rule.rule)}: {_why(rule, facts)}" for rule in heard]
    lines += _calendar_lines(policy, facts)
    source = "the embedded policy, " if embedded(policy) else "policy "
    lines.append(f"\n{source}{short_version(policy.version)}: the strictest rule that speaks wins; no rule means deny.")
    if facts.risk is not Risk.READ and ruling.decision is not Decision.DENY:
        lines.append(ASKED_AGAIN)
    return "\n".join(lines)


def _calendar_lines(policy: Policy, facts: PolicyContext) -> list[str]:
    """Return the freezes, those that hold first, and the windows of the server; none for a read."""
    if facts.risk is Risk.READ:
        return []
    holding = policy.calendar.frozen(NormalizedContext.of(facts))
    freezes = sorted(policy.calendar.freezes, key=lambda freeze: freeze not in holding)
    lines = [
        f"{'holds ' if freeze in holding else 'silent'}  freeze {freeze.name}: {freeze.words}" for freeze in freezes
    ]
    windows = [window for window in policy.calendar.windows if facts.target is not None and window.covers(facts.target)]
    return lines + [f"window  {window.name}: {window.words}" for window in windows]


ASKED_AGAIN = "asked again at the last yes and before it is sent: what got stricter by then supersedes the change."


PROTECTING = ("protected", "protected_from_agents", "protected_labels", "protected_labels_from_agents")


def describe_limits(limits: Limits, facts: PolicyContext) -> str:
    """Return the limits that may forbid a change whatever the policy decides; empty for a read, or without limits."""
    if facts.risk is Risk.READ:
        return ""
    result = limits.protects(facts.target or Target("", ""), facts.actor)
    if result is not None and facts.target is not None and facts.target.hostname:
        return result.text
    counts = ("max_changes_per_hour", *(("max_servers", "max_monthly_spend") if facts.operation in BILLED else ()))
    names = (*PROTECTING, *counts) if result is not None else counts
    text = [limit for limit in limits.described() if limit.split(" ", 1)[0] in names]
    return f"limits that may forbid it: {'; '.join(text)}." if text else ""


def _wants(ruling: Ruling) -> str:
    if not ruling.votes:
        return ""
    among = [*ruling.approvers.groups, *ruling.approvers.people, *ruling.approvers.channels]
    every = " (acceptable to each of the rules)" if len(ruling.requirements) > 1 else ""
    grants = f"; they may grant {ruling.grant_terms.words}" if ruling.grant_terms else ""
    alone = f"; {ruling.override_text} may run their own change without votes" if ruling.overrides else ""
    return f": {ruling.votes} of {', '.join(among)}{every}{grants}{alone}"


def rule_name(rule: Rule) -> str:
    """Name a rule with its place."""
    return f"{rule.id} (line {rule.line})" if rule.line else rule.id


def _why(heard: RuleEvaluation, facts: PolicyContext) -> str:
    mild = "" if heard.rule.may_decide(facts) else " (not enough: what cannot be undone needs an approval)"
    says, doubts = f"says {heard.rule.decision.value}{mild}", ", ".join(heard.unknown)
    if heard.failed:
        return f"no match for {', '.join(heard.failed)}"
    if not heard.unknown:
        return says
    if heard.speaks:
        return f"{says}; not known, so held against the request: {doubts}"
    return f"allows only for certain, and this is not known: {doubts}"
