"""A plan in the states of its card: held, running, and ended after a failure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from tests.unit.bot.changes_in_every_state import APPROVE, NOW, change
from vpsops.core.changes.model import Change, State
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.target import Target
from vpsops.core.operations.traits import plan_of
from vpsops.core.plans.model import MemberState, PlanMember, PlanOptions
from vpsops.core.plans.progress import progress_words
from vpsops.core.plans.requests import LeftOut, plan_facts, plan_preview
from vpsops.core.plans.tally import tally_of

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
NO_ANSWER: Final = "http:80/health did not answer within 1 min"


def plan_changes() -> Mapping[str, Change]:
    """Return a plan by the name of its state."""
    sent = NOW - timedelta(minutes=2)
    return {
        "held": _plan(State.HELD),
        "running": _plan(State.WATCHING, DONE, DONE, RUNNING, sent_at=sent),
        "ended_in_part": _plan(State.FAILED, DONE, DONE, FAILED, NOT_RUN, NOT_RUN, sent_at=sent, settled_at=NOW),
    }


def _plan(state: State, *moved: MemberState, **times: object) -> Change:
    """Return a plan whose first members are in these states, the rest waiting."""
    operation = OPERATIONS["reboot"]
    preview = plan_preview(operation, WAITING, OPTIONS, plan_facts(WAITING, LEFT_OUT, OPTIONS, {}, ""))
    members = [
        replace(member, state=each, note=NO_ANSWER if each is FAILED else "")
        for member, each in zip(WAITING, (*moved, *[MemberState.WAITING] * len(WAITING)), strict=False)
    ]
    return change(
        state,
        operation=preview.operation,
        arguments=preview.arguments,
        target=preview.target,
        facts=preview.facts,
        effect=plan_of(operation).effect,
        reason="kernel update",
        ruling=APPROVE,
        note=progress_words(tally_of(members)) if moved else "",
        **times,
    )
