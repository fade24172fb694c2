"""A plan in the states of its card (held, running, ended after a failure), and a runbook that is held."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from tests.unit.bot.changes_in_every_state import ALICE, APPROVE, NOW, change
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.preview import Preview
from vpsops.core.changes.requests import Request
from vpsops.core.identity.actors import Origin
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.facts import Fact
from vpsops.core.operations.target import Target
from vpsops.core.operations.traits import RUNBOOK, plan_of
from vpsops.core.plans.model import MemberState, PlanMember, PlanOptions
from vpsops.core.plans.progress import progress_words
from vpsops.core.plans.requests import LeftOut, plan_facts, plan_preview
from vpsops.core.plans.running.member_wait import wait_of
from vpsops.core.plans.steps import StepPart
from vpsops.core.plans.tally import tally_of
from vpsops.core.runbooks.loader import load_runbook
from vpsops.core.runbooks.requests import RunbookRequest, request_arguments, runbook_preview

HOSTS: Final = tuple(f"web{number:02}.example.com" for number in (1, 2, 3, 4, 6))
OPTIONS: Final = PlanOptions(pause=30, probe="http:80/health")
LEFT_OUT: Final = (
    LeftOut("web05.example.com", "web05.example.com is stopped."),
    LeftOut("web07.example.com", "protected by the policy"),
)
WAITING: Final = tuple(
    PlanMember(number, "reboot", {"server": f"srv-{number}"}, Target(f"srv-{number}", host, "running", "oslo"), "ab12")
    for number, host in enumerate(HOSTS, 1)
)
DONE, RUNNING = MemberState.DONE, MemberState.RUNNING
FAILED, NOT_RUN = MemberState.FAILED, MemberState.NOT_RUN
GROUP_DOWN: Final = "2 of tier=web are down (web02.example.com and 1 more), and at most 2 may be"
NO_ANSWER: Final = "http:80/health did not answer within 1 min"
GROW: Final = """
name = "grow"
description = "Snapshot servers, then move them to a larger plan."
order = "servers"
[arguments.servers]
kind = "servers"
[arguments.plan]
kind = "plan"
[[step]]
operation = "snapshot"
servers = "{servers}"
arguments = { snapshot = "before-grow" }
[[step]]
operation = "resize"
servers = "{servers}"
arguments = { plan = "{plan}" }
on_failure = "compensate"
[[step.compensation]]
operation = "start"
"""


def plan_changes() -> Mapping[str, Change]:
    """Return a plan by the name of its state."""
    sent = NOW - timedelta(minutes=2)
    return {
        "held": _plan(State.HELD),
        "running": _plan(State.WATCHING, DONE, DONE, RUNNING, sent_at=sent),
        "waiting": _plan(State.WATCHING, DONE, DONE, waits=GROUP_DOWN),
        "runbook": _runbook(),
        "ended_in_part": _plan(State.FAILED, DONE, DONE, FAILED, NOT_RUN, NOT_RUN, sent_at=sent, settled_at=NOW),
    }


def _plan(state: State, *moved: MemberState, waits: str = "", **times: object) -> Change:
    """Return a plan whose first members are in these states, the rest waiting; `waits` is what the next waits for."""
    operation = OPERATIONS["reboot"]
    preview = plan_preview(operation, WAITING, OPTIONS, plan_facts(WAITING, LEFT_OUT, OPTIONS, {}, ""))
    members = [
        replace(member, state=each, note=NO_ANSWER if each is FAILED else "")
        for member, each in zip(WAITING, (*moved, *[MemberState.WAITING] * len(WAITING)), strict=False)
    ]
    if waits:
        members[len(moved)] = replace(members[len(moved)], note=waits, moved_at=NOW - timedelta(minutes=4))
    tally = tally_of(members)
    wait = wait_of(tally, NOW)
    return change(
        state,
        operation=preview.operation,
        arguments=preview.arguments,
        target=preview.target,
        facts=preview.facts,
        effect=plan_of(operation).effect,
        reason="kernel update",
        ruling=APPROVE,
        note=progress_words(tally, waits=wait.words if wait is not None else "") if moved else "",
        **times,
    )


def _runbook() -> Change:
    """Return a runbook of two steps on two servers, with what is done where the second step fails."""
    runbook = load_runbook(GROW, "grow.toml")
    values = request_arguments(runbook, {"servers": "web01,web02", "plan": "vps-8gb-4cpu"})
    asked = RunbookRequest(Request(RUNBOOK.name, values, ALICE, Origin("slack")), runbook)
    steps = [
        (StepPart(1), "snapshot_create", Fact("Snapshot", "before-grow"), None),
        (StepPart(2), "resize", Fact("Plan", "vps-4gb-2cpu → vps-8gb-4cpu"), 399.0),
        (StepPart(2, compensates=True), "start", None, None),
    ]
    members: list[PlanMember] = []
    previews: list[Preview] = []
    for waiting in WAITING[:2]:
        for part, operation, fact, price in steps:
            facts = () if fact is None else (fact,)
            previews.append(
                Preview(operation, waiting.arguments, waiting.target, monthly=price, currency="NOK", facts=facts)
            )
            members.append(replace(waiting, ordinal=len(members) + 1, operation=operation, part=part))
    preview = runbook_preview(asked, members, previews)
    return change(
        State.HELD,
        operation=preview.operation,
        arguments=preview.arguments,
        target=preview.target,
        facts=preview.facts,
        effect=RUNBOOK.effect,
        reason="more traffic",
        ruling=APPROVE,
    )
