"""`vpsops list`, `vpsops reboot web01`, `vpsops ask reboot web01`: an operation, from a command line to its end."""

import argparse
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

import anyio
from pydantic import BaseModel

from vpsops.cli.operations.arguments import arguments_from, describe, later_from, plan_from
from vpsops.cli.operations.change_flow import ChangeOptions, run_change, run_plan
from vpsops.cli.operations.console import Console, system_console
from vpsops.cli.operations.question import closing_words, remedy_text, status_line, waiting_line
from vpsops.cli.operations.reports import RequestReport, error_report, refused
from vpsops.cli.operations.results import FIELDS, label_of, result_document, result_lines, result_notes, stored_text
from vpsops.cli.operations.session import Session, requester_of, until_stopped
from vpsops.core.app import open_core
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Done, Outcome, Refused, Request
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import AmbiguousServerError, PreconditionError, UnknownServerError, VpsopsError
from vpsops.core.common.json_types import Json
from vpsops.core.common.redaction import redact
from vpsops.core.common.timings import DEFAULT_TIMING, Timing
from vpsops.core.config.logging import configure_logging, secrets_of
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.console.exit_codes import GOOD, HELD, INTERRUPTED
from vpsops.core.console.layout import facts
from vpsops.core.console.terminal import HIDDEN, cell
from vpsops.core.identity.accounts import AccountDirectory
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.servers import ServerList
from vpsops.core.operations.traits import makes_server
from vpsops.core.schedule.local_zone import local_zone
from vpsops.core.server.shutdown import stopping
from vpsops.core.wayscloud.answers.models import HeldList, Server
from vpsops.core.wayscloud.answers.regions import region_text

LARGEST_PAGE: Final = 100
UNFILTERED: Final = frozenset({"server", "limit", "cursor", "fields"})
"""The arguments of a read that leave nothing out of what it lists."""
MOST_PAGES: Final = 100
"""Pages that are read for one list of a terminal."""
NO_SECRETS: Final = "A program gets it by --reveal, where [limits.mcp] in force says secrets = true."
NEEDS_SERVICE: Final = "vpsops serve, bot or worker has to run at its time."
ChangeWork = Callable[[Session], Awaitable[RequestReport]]
INTERRUPTED_READ: Final = RequestReport("interrupted", INTERRUPTED, None, "Interrupted.")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a test puts in the place of the process's own."""

    console: Console
    clock: Clock | None = None
    accounts: AccountDirectory | None = None
    timing: Timing = DEFAULT_TIMING
    stop: anyio.Event | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops ask`."""
    parser.description = (
        "Request a change without a question at this terminal, as a script, CI or cron does: who decides is asked in"
        " Slack. It counts as a program's request on behalf of VPSOPS_ACTOR."
    )
    parser.epilog = "For example: vpsops ask reboot web01 --because 'kernel update' --wait 30m"
    operations = parser.add_subparsers(dest="asked", metavar="OPERATION", required=True)
    for operation in OPERATIONS.values():
        if not operation.reads:
            sub = operations.add_parser(operation.word, help=operation.summary, allow_abbrev=False)
            describe(sub, operation, program=True)


def run(arguments: argparse.Namespace) -> int:
    """Run an operation and return the exit code of its end. Raises what the gate raises."""
    settings = quiet_settings()
    return anyio.run(execute, settings, arguments, Surroundings(system_console()))


def execute_on_change(arguments: argparse.Namespace, work: ChangeWork) -> int:
    """Run a command about a change that exists, and return the exit code of its report."""
    settings = quiet_settings()
    return anyio.run(work_on_change, settings, arguments, work, Surroundings(system_console()))


async def work_on_change(
    settings: Settings, arguments: argparse.Namespace, work: ChangeWork, around: "Surroundings"
) -> int:
    """Do work in a session, and write its report."""
    async with session_of(settings, around, program=False) as session:
        try:
            report = await work(session)
        except VpsopsError as error:
            if arguments.json:
                write_document(session, error_report(error).document)
            raise
        return write_report(session, report, as_json=arguments.json)


def quiet_settings() -> Settings:
    """Load the settings, and log from warnings on unless they say otherwise: a terminal has its own remarks."""
    settings = load_settings()
    quiet = {} if "log_level" in settings.model_fields_set else {"log_level": "warning"}
    configure_logging(settings.model_copy(update=quiet))
    return settings


async def execute(settings: Settings, arguments: argparse.Namespace, around: Surroundings) -> int:
    """Run an operation, write its result, and return the exit code."""
    operation = OPERATIONS[arguments.operation]
    async with session_of(settings, around, program=arguments.program) as session:
        try:
            plan = plan_from(arguments, operation) if operation.plannable else None
            values = arguments_from(arguments, operation) if plan is None else {}
            if operation.reads:
                return await _read(session, operation, values, arguments)
            if plan is not None:
                report = await run_plan(session, operation, plan, change_options(arguments, session))
            else:
                report = await run_change(session, operation, values, change_options(arguments, session))
        except KeyboardInterrupt:  # at a question, before anything was requested
            report = RequestReport("interrupted", INTERRUPTED, None, "Interrupted. Nothing was requested.")
        except VpsopsError as error:
            if isinstance(error, PreconditionError):
                error.hint = f"{error.hint} {remedy_text(error.remedy)}"
            if arguments.json:
                write_document(session, error_report(error).document)
            raise
        return write_report(session, report, as_json=arguments.json)


@asynccontextmanager
async def session_of(settings: Settings, around: Surroundings, *, program: bool) -> AsyncIterator[Session]:
    """Open the core for one command; what it raises stays itself."""
    HIDDEN.set(secrets_of(settings))
    failure: VpsopsError | None = None
    interactive = around.console.interactive and not program
    actor = requester_of(settings, interactive=interactive)
    timing, accounts = around.timing, around.accounts
    async with open_core(settings, front="cli", clock=around.clock, timing=timing, accounts=accounts) as opened:
        core = opened.for_agents()
        if around.stop is not None:
            yield Session(core, around.console, actor, around.stop)
            return
        async with stopping(core.outdated) as stop:
            try:
                yield Session(core, around.console, actor, stop)
            except VpsopsError as error:  # raised below, outside the group
                failure = error
    if failure is not None:
        raise failure


def change_options(arguments: argparse.Namespace, session: Session) -> ChangeOptions:
    """Return what the command line says of a change beside its own arguments."""
    return ChangeOptions(
        reason=arguments.because,
        wait=arguments.wait,
        yes=getattr(arguments, "yes", False),
        confirm=getattr(arguments, "confirm", ""),
        dry_run=arguments.dry_run,
        later=later_from(arguments, lambda: local_zone(os.environ, session.core.clock.now())),
    )


async def _read(
    session: Session, operation: Operation, values: Mapping[str, Json], arguments: argparse.Namespace
) -> int:
    refusal = _secret_refusal(session, operation, arguments) if operation.secret else None
    if refusal is not None:
        return write_report(session, refused(refusal), as_json=arguments.json)
    outcome = await until_stopped(session.stop, lambda: _outcome(session, session.request(operation, values)))
    if outcome is None:
        return write_report(session, INTERRUPTED_READ, as_json=arguments.json)
    if isinstance(outcome, Refused):
        return write_report(session, refused(outcome), as_json=arguments.json)
    if isinstance(outcome, Done) and outcome.result is not None:
        _write_result(session, outcome.result, as_json=arguments.json, narrowed=bool(set(values) - UNFILTERED))
    difference = session.core.policy.difference
    if difference is not None:
        session.console.note(cell(f"{difference.message} {difference.hint}", 1000))
    return GOOD


def _secret_refusal(session: Session, operation: Operation, arguments: argparse.Namespace) -> Refused | None:
    """Return why a secret is not read: it is for a person at this terminal, or `--reveal` may serve it."""
    if session.console.private and not arguments.json:
        return None
    if session.asks and arguments.reveal:
        return None
    if not session.asks and arguments.reveal and session.core.policy.mcp_access.allows(f"vps_{operation.name}"):
        return None
    hint = "With --reveal it is printed all the same." if session.asks else NO_SECRETS
    return Refused("The result is a secret for a person at a terminal, so it was not asked for.", hint)


async def _outcome(session: Session, request: Request) -> Outcome:
    """Read; where a server's name is unclear, with the server that is chosen then."""
    held = HeldList()
    try:
        return await _all_pages(session, request, held)
    except (AmbiguousServerError, UnknownServerError) as error:
        server = session.chosen_server(error)
    return await _all_pages(session, replace(request, arguments={**request.arguments, "server": server}), held)


async def _all_pages(session: Session, request: Request, held: HeldList) -> Outcome:
    """Read a result, and all pages of one that has several, unless one of them was asked for."""
    fields = OPERATIONS[request.operation].arguments.model_fields
    paged = {"limit", "cursor"} <= set(fields) and not {"limit", "cursor"} & set(request.arguments)
    first = replace(request, arguments={**request.arguments, "limit": LARGEST_PAGE}) if paged else request
    outcome = await session.core.servers.read(first, scope=session.core.scope, held=held)
    for _ in range(MOST_PAGES if paged else 0):
        if not isinstance(outcome, Done) or not isinstance(outcome.result, ServerList):
            break
        cursor = outcome.result.next_cursor
        if cursor is None:
            break
        more = replace(request, arguments={**first.arguments, "cursor": cursor})
        following = await session.core.servers.read(more, scope=session.core.scope, held=held)
        if not isinstance(following, Done) or not isinstance(following.result, ServerList):
            return following
        page = following.result
        outcome = Done(page.replaced([*outcome.result.servers, *page.servers]))
    return outcome


def _write_result(session: Session, result: BaseModel, *, as_json: bool, narrowed: bool) -> None:
    if as_json:
        write_document(session, result_document(result))
        return
    session.console.print(*result_lines(result, session.console.style, narrowed=narrowed))
    session.console.note(*result_notes(result))


def write_document(session: Session, document: Json) -> None:
    """Write one JSON document, without configured secrets."""
    session.console.print(redact(json.dumps(document, indent=1, sort_keys=False), *HIDDEN.get()))


def write_report(session: Session, report: RequestReport, *, as_json: bool) -> int:
    """Write how a request ended, and return its exit code."""
    if as_json:
        write_document(session, report.document)
        return report.code
    lines = report_lines(session, report)
    if report.code in {GOOD, HELD}:
        session.console.print(*lines)
    else:
        session.console.note(*lines)
    return report.code


def report_lines(session: Session, report: RequestReport) -> list[str]:
    """Return how a request ended, and what to do next, for people."""
    change, lines = report.change, []
    if report.message:
        error_id = f" [{report.error_id}]" if report.error_id else ""
        lines.append(cell(f"{report.message} {report.hint}".strip(), 1000) + error_id)
    if report.outcome == "previewed":
        lines.append("Nothing was requested.")
    elif change is not None and not report.message:
        held = change.state is State.HELD
        lines.append(waiting_line(change, session.core.clock.now()) if held else status_line(change))
        closing = closing_words(change)
        lines += [closing] if closing and not held else []
        lines += [remedy_text(change.remedy)] if change.remedy is not None else []
        lines += facts(made_server(change), session.console.style)
    if change is not None and change.state is State.SCHEDULED:
        lines += [NEEDS_SERVICE, f"Withdraw it with: vpsops cancel {change.id}"]
    elif change is not None and not change.state.final and report.outcome != "previewed":
        lines.append(f"Follow it with: vpsops follow {change.id}")
    return lines


def made_server(change: Change) -> list[tuple[str, str]]:
    """Return the server that a change made, as far as it is known."""
    if not makes_server(change.operation) or change.state is not State.SUCCEEDED:
        return []
    region = region_text(str(change.result.get("region") or ""), change.target.region_name)
    result = {**change.result, "place": region}
    texts = {name: stored_text(name, result.get(name)) for name in FIELDS[Server]}
    return [(label_of(name), cell(text, 253)) for name, text in texts.items() if text]
