"""A change from the command line to its end: through the gate, past the person at the terminal, and followed."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from vpsops.cli.operations.arguments import TypedPlan
from vpsops.cli.operations.question import action, part_facts, question_facts, status_line, waiting_line
from vpsops.cli.operations.reports import RequestReport, previewed, refused, report_of
from vpsops.cli.operations.session import Session, until_stopped
from vpsops.core.authorization.change_reader import at_rest
from vpsops.core.changes.fact_times import local_text
from vpsops.core.changes.labels import phase_of
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Done, Held, Outcome, Refused, Request
from vpsops.core.common.errors import (
    AmbiguousServerError,
    InvalidInputError,
    NotAllowedError,
    StaleChangeError,
    UnknownServerError,
)
from vpsops.core.common.json_types import Json
from vpsops.core.common.timings import CHANGE_POLL_SECONDS, REDRAW_SECONDS
from vpsops.core.console.exit_codes import INTERRUPTED, REFUSED
from vpsops.core.console.layout import facts
from vpsops.core.console.terminal import cell
from vpsops.core.grants.requests import GrantRequest
from vpsops.core.operations import Operation, Risk
from vpsops.core.operations.traits import typed_name_of
from vpsops.core.plans.model import is_running_plan
from vpsops.core.plans.requests import PlanRequest
from vpsops.core.plans.selection import selection_from
from vpsops.core.policy.decision import Decision
from vpsops.core.runbooks.requests import RunbookRequest
from vpsops.core.schedule.model import LaterRequest

T = TypeVar("T")
YES: Final = frozenset({"y", "yes"})
TYPED: Final = "its name typed at a terminal, not verified"
ANSWERED: Final = "yes typed at a terminal, not verified"
OPTION: Final = "--yes at a terminal, not verified"
MOVED: Final = "It is not as it was shown any more."


@dataclass(frozen=True, slots=True)
class ChangeOptions:
    """What the command line says beside the operation's own arguments; `wait` in seconds, None for the default."""

    reason: str = ""
    wait: float | None = None
    yes: bool = False
    confirm: str = ""
    dry_run: bool = False
    later: LaterRequest | None = None


async def run_change(
    session: Session, operation: Operation, arguments: Mapping[str, Json], options: ChangeOptions
) -> RequestReport:
    """Request a change, ask here what is to be asked here, and follow it; raises what the gate raises."""
    request = session.request(operation, arguments, options.reason, options.later)
    if options.dry_run:
        dry, _ = await _resolved(session, request, session.core.gate.dry_run)
        _show(session, dry.change)
        return previewed(dry)
    digest = ""
    if operation.risk is Risk.DESTRUCTIVE:
        dry, request = await _resolved(session, request, session.core.gate.dry_run)
        if dry.refusal is not None:  # what refuses it may be gone at the request: nothing is sent without its name
            return refused(dry.refusal)
        request = await _with_typed_name(session, request, dry.change, options.confirm)
        digest = dry.change.digest
    outcome, _ = await _resolved(session, request, session.core.gate.submit)
    return await _continue(session, outcome, options, digest)


async def run_plan(session: Session, operation: Operation, plan: TypedPlan, options: ChangeOptions) -> RequestReport:
    """Request a plan about many servers, ask here what is to be asked here, and follow it; raises as `run_change`."""
    request = session.request(operation, plan.arguments, options.reason, options.later)
    return await run_planned(session, PlanRequest(request, selection_from(plan.words), plan.options), options)


async def run_planned(session: Session, planned: PlanRequest | RunbookRequest, options: ChangeOptions) -> RequestReport:
    """Request a plan or a runbook, ask here what is to be asked here, and follow it; raises as `run_change`."""
    gate, scope = session.core.gate, session.core.scope
    if options.dry_run:
        dry = await gate.dry_run_plan(planned, scope=scope)
        _show(session, dry.change, part_facts(dry))
        return previewed(dry)
    return await _continue(session, await gate.submit_plan(planned, scope=scope), options, "")


async def request_grant(session: Session, asked: GrantRequest, wait: float | None) -> RequestReport:
    """Request a grant for an agent, and follow the request; raises what the gate raises."""
    outcome = await session.core.gate.ask_grant(asked, scope=session.core.scope)
    if isinstance(outcome, Held):
        session.console.note(action(outcome.change))
        _show(session, outcome.change)
    return await _continue(session, outcome, ChangeOptions(wait=wait), "")


async def _resolved(session: Session, request: Request, call: Callable[..., Awaitable[T]]) -> tuple[T, Request]:
    """Call with a request; where its server's name is unclear, with the server that is chosen then."""
    try:
        return await call(request, scope=session.core.scope), request
    except (AmbiguousServerError, UnknownServerError) as error:
        server = session.chosen_server(error)
    request = replace(request, arguments={**request.arguments, "server": server})
    return await call(request, scope=session.core.scope), request


async def _with_typed_name(session: Session, request: Request, change: Change, confirm: str) -> Request:
    """Return the request for exactly the server that was named; raises `InvalidInputError` for another."""
    name = typed_name_of(change.operation, change.arguments, change.target)
    typed = confirm.strip()
    if not typed and not session.asks:
        raise InvalidInputError(f"{action(change)}: its full name has to be there.", hint=f"Add --confirm '{name}'.")
    _show(session, change)
    if not typed:
        typed = session.console.ask(f"This cannot be undone. To go on, type {cell(name, 400)}: ")
    if typed != name:
        raise InvalidInputError(
            f"Another name was typed than {cell(name, 400)}, so nothing was requested.", hint="Type it in full."
        )
    return replace(request, arguments={**request.arguments, "server": change.target.id})


async def _continue(session: Session, outcome: Outcome, options: ChangeOptions, digest: str) -> RequestReport:
    if isinstance(outcome, Refused):
        return refused(outcome)
    change = _change_of(outcome)
    if digest and change.digest != digest and change.state is State.HELD:
        return await _withdrawn(session, change, MOVED, REFUSED)
    if isinstance(outcome, Held) and outcome.needs is Decision.CONFIRM and session.asks:
        return await _confirmed(session, change, options, typed=bool(digest))
    return await follow(session, change, options.wait)


def _change_of(outcome: Done | Held) -> Change:
    if outcome.change is None:
        raise RuntimeError("the gate answered a change without one")
    return outcome.change


async def _confirmed(session: Session, change: Change, options: ChangeOptions, *, typed: bool) -> RequestReport:
    """Ask the person at the terminal, unless the name was typed already; follow what was agreed to."""
    evidence = TYPED if typed else OPTION
    if not typed:
        _show(session, change)
    if not (typed or options.yes):
        try:
            answer = session.console.ask(f"{action(change)}? [y/N] ")
        except KeyboardInterrupt:
            return await _withdrawn(session, change, "The question was interrupted.", INTERRUPTED)
        if answer.lower() not in YES:
            return await _withdrawn(session, change, "The answer was no.", REFUSED)
        evidence = ANSWERED
    gate, scope = session.core.gate, session.core.scope
    try:
        agreed = await gate.confirm(change.id, session.actor, change.digest, evidence=evidence, scope=scope)
    except (NotAllowedError, StaleChangeError) as error:
        now = await session.core.changes.get(change.id, scope=scope)
        return RequestReport("refused", REFUSED, now, error.message, error.hint, error.error_id)
    return await follow(session, agreed, options.wait)


async def _withdrawn(session: Session, change: Change, why: str, code: int) -> RequestReport:
    """Withdraw a change that no one else is asked about, so that it does not keep its server locked."""
    gate, scope = session.core.gate, session.core.scope
    try:
        ended = await gate.cancel(change.id, session.actor, reason=why, scope=scope)
    except StaleChangeError as error:
        ended = await session.core.changes.get(change.id, scope=scope)
        return RequestReport("refused", code, ended, f"{why} {error.message}", error.hint, error.error_id)
    return RequestReport("refused", code, ended, f"{why} Nothing was done.")


def _show(session: Session, change: Change, parts: Sequence[tuple[str, str]] = ()) -> None:
    """Show what a change would do, and who decides; of a plan's `parts` as well."""
    here = local_text((fact.value for fact in change.facts), session.core.clock.now())
    session.console.note(*facts([*question_facts(change), *parts, ("Here", here)], session.console.err_style))


async def follow(session: Session, change: Change, wait: float | None) -> RequestReport:
    """Follow a change until it is at rest, the wait for people is over, or the command is interrupted.

    What was approved is followed to its end: this process may be the one that runs it.
    """
    seconds = wait if wait is not None else math.inf if session.asks else 0.0
    following = _Following(session, change, session.core.clock.monotonic() + seconds)
    await until_stopped(session.stop, following.run)
    session.console.erase()
    report = report_of(following.change)
    if session.stop.is_set() and not at_rest(following.change):
        return replace(report, code=INTERRUPTED)
    return report


@dataclass(slots=True)
class _Following:
    """A change as it was read last, and until when its people are waited for (monotonic seconds)."""

    session: Session
    change: Change
    deadline: float

    async def run(self) -> None:
        """Read the change again whenever it moves; write each step."""
        core, noted = self.session.core, ""
        while True:
            step = _step(self.change)
            if step != noted:
                self._note()
                noted = step
            left = self.deadline - core.clock.monotonic()
            if at_rest(self.change) or (left <= 0 and _waits(self.change)):
                return
            self._draw()
            pause = REDRAW_SECONDS if self.session.console.interactive else CHANGE_POLL_SECONDS
            self.change = await core.changes.wait(
                self.change.id,
                seconds=min(pause, max(left, 0.0) or pause),
                until=lambda change, step=step: _step(change) != step,  # type: ignore[misc] # mypy infers no default
                scope=core.scope,
            )

    def _note(self) -> None:
        if not at_rest(self.change):
            waits = self.change.state is State.HELD
            now = self.session.core.clock.now()
            self.session.console.note(waiting_line(self.change, now) if waits else status_line(self.change))

    def _draw(self) -> None:
        now = self.session.core.clock.now()
        if self.change.state is State.HELD:
            self.session.console.draw(f"{waiting_line(self.change, now)} (Ctrl-C leaves it waiting)")


def _step(change: Change) -> str:
    progress = change.note if is_running_plan(change) else ""
    return f"{phase_of(change).value} {change.approvals} {progress}"


def _waits(change: Change) -> bool:
    """Return whether a change waits for people, or for as long as the provider asks."""
    return change.state is State.HELD or change.deferred
