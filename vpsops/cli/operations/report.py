"""`vpsops report [label:KEY]`: how servers, costs, agents and changes stand, as one page."""

import argparse
import re
from typing import Final

import anyio

from vpsops.cli.operations.commands import Surroundings, quiet_settings, session_of, write_document
from vpsops.cli.operations.console import system_console
from vpsops.cli.operations.question import action
from vpsops.cli.operations.session import Session, until_stopped
from vpsops.core.changes.labels import phase_label
from vpsops.core.changes.model import Change
from vpsops.core.common.errors import InvalidInputError, NotAllowedError
from vpsops.core.common.text import moment
from vpsops.core.config.settings import Settings
from vpsops.core.console.exit_codes import GOOD, INTERRUPTED, REFUSED, exit_code
from vpsops.core.console.layout import facts, table
from vpsops.core.console.terminal import cell
from vpsops.core.operations import OPERATIONS
from vpsops.core.reports.report_document import report_document
from vpsops.core.reports.status_report import SHOWN, CostQuery, StatusReport

LABEL: Final = re.compile(r"label[:=](.+)", re.IGNORECASE)
LONGEST: Final = 2000
EXIT_CODES: Final = (
    "Exit code: 0 done, 6 the policy does not let you list servers, 2 wrong usage, 3 not authenticated,"
    " 4 provider unreachable, 1 other; the rest of the report is shown all the same."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops report`."""
    parser.description = (
        "Show the number of servers by state, what a month costs, in all and by owner or by the values of a label,"
        " and the open and newly ended changes."
    )
    parser.epilog = EXIT_CODES
    parser.add_argument(
        "costs", nargs="?", default="", metavar="label:KEY", help="add up costs by the values of this label"
    )
    parser.add_argument("--label", default="", metavar="KEY", help="the same")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document, and nothing else, to standard output"
    )


def run(arguments: argparse.Namespace) -> int:
    """Show the report. Raises `InvalidInputError`, `StorageError`."""
    return anyio.run(execute, quiet_settings(), arguments, Surroundings(system_console()))


async def execute(settings: Settings, arguments: argparse.Namespace, around: Surroundings) -> int:
    """Write the report, and return the exit code; raises as `run` does."""
    label = label_of(arguments.costs, arguments.label)
    async with session_of(settings, around, program=False) as session:
        core = session.core
        request, costs = session.request(OPERATIONS["list"], {}), CostQuery(label, core.settings.owner_label)
        report = await until_stopped(session.stop, lambda: core.reports.status(request, costs, scope=core.scope))
        if report is None:
            return INTERRUPTED
        if arguments.json:
            write_document(session, report_document(report).model_dump(mode="json", exclude_none=True))
        else:
            session.console.print(*report_lines(session, report))
    failure = report.fleet.failure
    if failure is None:
        return GOOD
    return REFUSED if isinstance(failure, NotAllowedError) else exit_code(failure)


def label_of(typed: str, option: str) -> str:
    """Return the key that costs are added up by, or ""; raises `InvalidInputError` for other words."""
    pair = LABEL.fullmatch(typed.strip())
    if typed and (pair is None or option):
        raise InvalidInputError("Costs are by owner, or by one label.", hint="Write: vpsops report label:KEY")
    return pair[1].strip() if pair is not None else option.strip()


def report_lines(session: Session, report: StatusReport) -> list[str]:
    """Return the report as lines: its figures, then its changes."""
    style = session.console.style
    figures = [(cell(label, 80), cell(value, LONGEST)) for label, value in report.figures]
    lines = facts([*figures, ("As of", moment(report.at))], style)
    for title, changes in (("OPEN", report.going_on), ("FINISHED", report.ended)):
        if changes:
            more = f", {SHOWN} of {len(changes)}" if len(changes) > SHOWN else ""
            rows = [_row(change) for change in changes[:SHOWN]]
            lines += ["", *table(("CHANGE", f"{title}{more}", "STATE"), rows, style)]
    return lines


def _row(change: Change) -> tuple[str, str, str]:
    return change.id, action(change), phase_label(change).label
