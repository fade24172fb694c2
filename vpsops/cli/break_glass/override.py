"""`vpsops override ID`: run one's own change without approval, where a rule lets one; others review that in Slack."""

import argparse
from functools import partial
from typing import Final

from vpsops.cli.operations.commands import execute_on_change
from vpsops.cli.operations.question import action, question_facts
from vpsops.cli.operations.reports import RequestReport
from vpsops.cli.operations.session import ORIGIN, Session
from vpsops.core.break_glass.overrides import OverrideRequest, identified_person
from vpsops.core.break_glass.rights import check_overrider, checked_reason, full_name, is_overridable, needs_groups
from vpsops.core.changes.model import Change
from vpsops.core.common.errors import ConfigurationError, NotAllowedError
from vpsops.core.console.exit_codes import GOOD
from vpsops.core.console.layout import facts
from vpsops.core.console.terminal import cell

CONSEQUENCE: Final = (
    "It runs at once, without approval. All who may approve it are notified with your reason, and another of them has"
    " to review it in Slack."
)
EVIDENCE: Final = "typed at a terminal"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops override`."""
    parser.description = (
        "Run your own change without the approval it waits for, where its rule names you for that. Asks for a reason"
        " and for the server's full name; a script cannot answer for you."
    )
    parser.add_argument("id", metavar="ID", help="the change; vpsops changes --open lists those that are not finished")
    parser.add_argument("--because", metavar="REASON", default="", help="the reason; asked for where it is left out")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document, and nothing else, to standard output"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run a change without approval. Raises `ConfigurationError` without a terminal, and what the gate raises."""
    return execute_on_change(arguments, partial(override_change, arguments))


async def override_change(arguments: argparse.Namespace, session: Session) -> RequestReport:
    """Run a change without approval once a person typed a reason and its name; raises as `run` does."""
    if not session.asks:
        raise ConfigurationError("This needs a person at a terminal.", hint="Run it by hand, with no pipe.")
    core, console = session.core, session.console
    change = await core.changes.get(arguments.id, scope=core.scope)
    await _check_here(change, session)
    console.note(f"{action(change)}, without approval", *facts(question_facts(change), console.err_style), CONSEQUENCE)
    reason = arguments.because or console.ask("Why can it not wait for a vote? ")
    checked_reason(change.reason, reason)
    typed = console.ask(f"Type the full name, {cell(full_name(change), 400)}: ")
    asked = OverrideRequest(session.actor, change.digest, reason, typed, ORIGIN, EVIDENCE)
    done = await core.gate.override(change.id, asked, scope=core.scope)
    return RequestReport("done", GOOD, done)


async def _check_here(change: Change, session: Session) -> None:
    """Refuse what the gate would refuse, before anything is typed; a terminal cannot read who is in a group."""
    if not is_overridable(change) or not session.actor.same_human(change.actor):
        check_overrider(change, session.actor)
    person = await identified_person(session.actor, ORIGIN, session.core.accounts)
    if needs_groups(change.ruling.overrides, person):
        raise NotAllowedError(
            "A rule names a Slack user group for this, and a terminal cannot read who is in it.",
            hint=f"Run it in Slack: /vps override {change.id}",
        )
