"""What a terminal shows of a change before a person agrees to it, and while it waits."""

import shlex
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from vpsops.core.changes.approvals import approver_words, awaits_slack
from vpsops.core.changes.create_spec import key_words, label_of, system_of
from vpsops.core.changes.labels import Phase, phase_label, phase_of
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.requests import DryRun
from vpsops.core.common.errors import Remedy
from vpsops.core.common.hostnames import lookalike_warning
from vpsops.core.common.text import duration, quoted
from vpsops.core.console.terminal import cell
from vpsops.core.identity.actors import Approvers, union_of
from vpsops.core.operations.traits import entry_of, title_of
from vpsops.core.plans.model import is_running_plan
from vpsops.core.plans.names import LONGEST_NAME, SEPARATOR, other_names
from vpsops.core.policy.decision import Decision, Ruling

LONGEST: Final = 3_000  # twenty keys with their comments
LONGEST_REASON: Final = 500
LONGEST_COMMAND: Final = 400


def action(change: Change) -> str:
    """Name a change as people do: `Reboot web01.example.com`."""
    return title_of(change.operation, cell(change.target.hostname or change.target.id, 253))


def question_facts(change: Change) -> list[tuple[str, str]]:
    """Return all that is agreed to, labelled: the server as it is now, what happens to it, each fact, the price."""
    target = change.target
    name = cell(target.hostname or target.id, 253)
    facts = [(cell(fact.label, 80), cell(fact.value, LONGEST)) for fact in change.facts]
    return [
        ("Server", f"{name} ({cell(target.id)})" if target.id and target.id != target.hostname else name),
        ("Careful", lookalike_warning(target.hostname)),
        ("Now", cell(target.state)),
        ("Address", cell(target.address)),
        ("Region", cell(target.place)),
        ("Plan", cell(target.plan, 120)),
        ("System", cell(system_of(change), 120)),
        ("Name", cell(label_of(change), 253)),
        ("Keys", cell(key_words(change), LONGEST)),
        ("Effect", cell(change.effect, LONGEST)),
        *facts,
        ("And also", SEPARATOR.join(cell(name, LONGEST_NAME) for name in other_names(change))),
        ("Cost", cell(change.cost, 120)),
        ("Reason", quoted(change.reason, LONGEST_REASON) if change.reason else ""),
        ("Decided by", approvers_text(change)),
    ]


def approvers_text(change: Change) -> str:
    """Return who decides a change: `1 person in Slack among the members of a Slack channel (C0OPS)`."""
    ruling = change.ruling
    if ruling.decision is Decision.ALLOW:
        return "no one: it runs at once" if change.schedule is None else "no one: it runs at its time"
    if ruling.decision is Decision.CONFIRM:
        place = "in Slack" if awaits_slack(change) else "here"
        return f"{cell(change.actor.human or change.actor.label)}, asked {place}"
    count = max(ruling.votes, 1)
    named = _named(union_of(ruling.requirements or (ruling.approvers,)), change.group_names)
    return f"{count} {'people' if count > 1 else 'person'} in Slack{named}, not its asker"


def part_facts(dry: DryRun) -> list[tuple[str, str]]:
    """Return what the policy decides about each part of a plan: `step 1, stop: confirm by the rule all`."""
    return [("Policy", cell(f"{part.words}{_voters(dry.change, part.ruling)}", LONGEST)) for part in dry.parts]


def _voters(change: Change, ruling: Ruling) -> str:
    asked = ruling.decision is Decision.APPROVE
    return f": {approvers_text(replace(change, ruling=ruling))}" if asked else ""


def _named(approvers: Approvers, group_names: Mapping[str, str]) -> str:
    listed = approver_words(approvers, lambda name: cell(name, 80), group_names)
    return f" among {listed}" if listed else ""


def status_line(change: Change) -> str:
    """Return the state of a change as a sentence."""
    label = phase_label(change)
    took = f" It took {duration(change.seconds)}." if _is_done(change) and change.seconds is not None else ""
    when = f", {change.schedule.fact.value}" if change.state is State.SCHEDULED and change.schedule is not None else ""
    progress = f" {cell(change.note, LONGEST_REASON)}" if is_running_plan(change) else ""
    return f"{action(change)}: {label.label}{cell(when, 200)}.{took}{progress}"


def _is_done(change: Change) -> bool:
    return phase_of(change) is Phase.SUCCEEDED


def waiting_line(change: Change, now: datetime) -> str:
    """Return what a held change waits for: for which people, how many have agreed, and for how long."""
    left = f", {duration((change.expires_at - now).total_seconds())} left" if change.expires_at else ""
    voted = f" {change.approvals} of {max(change.ruling.votes, 1)} approved" if change.ruling.votes > 1 else ""
    return f"{change.id} waits for {approvers_text(change)}.{voted}{left}".replace(".,", ",")


def closing_words(change: Change) -> str:
    """Return why a change is as it is: its note, and the words of those who decided."""
    notes = [f"{vote.voter.label}: {quoted(vote.reason, LONGEST_REASON)}" for vote in change.votes if vote.reason]
    denied = any(vote.verdict is Verdict.DENY for vote in change.votes)
    explanation = phase_label(change).explanation if not change.note else ""
    words = (cell(change.note, 500), explanation, cell("; ".join(notes), LONGEST) if notes else "")
    return " ".join(word for word in words if word) or ("Denied." if denied else "")


def remedy_text(remedy: Remedy) -> str:
    """Return the command that meets a precondition, as a change of its own: `To do it: vpsops stop web01`."""
    operation = entry_of(remedy.operation)
    word = operation.word if operation is not None else remedy.operation
    others = [str(value) for name, value in remedy.arguments.items() if name != "server"]
    return f"To do it: {cell(shlex.join(['vpsops', word, remedy.hostname, *others]), LONGEST_COMMAND)}"
