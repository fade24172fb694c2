"""`vpsops changes`: requests and their outcomes, as a table; one change in full."""

import argparse
from collections.abc import Mapping
from functools import partial
from typing import Final

from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.audit.queries import NO_NAMES, humans_of, named_human, record_summary
from vpsops.core.audit.records import TrailRecord, redacted
from vpsops.core.changes import repository
from vpsops.core.changes.labels import PHASE_LABELS, phase_of
from vpsops.core.changes.model import Change, State, Vote
from vpsops.core.changes.queries import account_names, select_page
from vpsops.core.changes.scope import UNRESTRICTED, ChangeQuery
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.common.hostnames import lookalike_warning
from vpsops.core.console.terminal import UNKNOWN, cell, columns, number, print_line, run_read, when
from vpsops.core.identity.actors import Actor
from vpsops.core.plans.names import LONGEST_NAME
from vpsops.core.policy.model import short_version
from vpsops.core.storage import Database
from vpsops.core.storage.rows import UnreadableRow

MOST: Final = 1000
RECORDS: Final = 200
HEAD: Final = ("ID", "STATE", "OPERATION", "SERVER", "BY", "ASKED", "NOTE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops changes`."""
    parser.description = (
        "List changes, newest first, or show one in full with its votes and its records. Times are UTC."
        " Reading needs no key and starts nothing."
    )
    parser.add_argument("id", nargs="?", default="", metavar="ID", help="show this change in full")
    parser.add_argument(
        "--settle",
        choices=("happened", "not-happened"),
        help="say what became of a change that needs a person, where there is no Slack to say it in; asks back",
    )
    parser.add_argument("--open", action="store_true", help="only those that are not finished")
    parser.add_argument(
        "--state", choices=[state.value for state in State], default="", metavar="STATE", help="in this state"
    )
    parser.add_argument("--server", default="", metavar="NAME", help="of a server, by its name or id")
    parser.add_argument("--person", default="", metavar="ID", help="of a person and of their agents")
    parser.add_argument("--operation", default="", metavar="NAME", help="of an operation")
    parser.add_argument(
        "--limit", type=partial(number, least=1, most=MOST), default=20, metavar="N", help="how many; 20 by default"
    )


def run(arguments: argparse.Namespace) -> int:
    """Show a list or a change, or settle it. Raises `ConfigurationError`, `StorageError`, and what the gate raises."""
    if arguments.settle:
        from vpsops.cli import settle  # noqa: PLC0415 - a read needs none of the gate

        if not arguments.id:
            raise ConfigurationError("--settle needs a change's id.", hint="`vpsops changes --open` lists them.")
        return settle.run(arguments)
    return run_read(partial(_detail, arguments.id) if arguments.id else partial(list_changes, arguments))


async def list_changes(arguments: argparse.Namespace, database: Database) -> int:
    """Print the changes that the arguments ask for."""
    query = ChangeQuery(
        open_only=arguments.open,
        states=(State(arguments.state),) if arguments.state else (),
        server=arguments.server,
        person=arguments.person,
        operation=arguments.operation,
        limit=arguments.limit,
    )
    page = await database.read(partial(select_page, query=query, visibility=UNRESTRICTED))
    if not page.changes and not page.unreadable:
        print_line(_nothing(arguments))
        return 0
    for line in columns([HEAD, *map(change_row, page.changes), *map(unreadable_row, page.unreadable)]):
        print_line(line)
    return 0


def _nothing(arguments: argparse.Namespace) -> str:
    if arguments.state or arguments.server or arguments.person or arguments.operation:
        return "No changes match."
    return "There are no open changes." if arguments.open else "There are no changes yet."


def change_row(change: Change) -> tuple[str, ...]:
    """Return a change as a row of the table."""
    return (
        change.id,
        cell(change.state.value),
        cell(change.operation),
        cell(change.target.hostname or change.target.id, 40),
        cell(change.actor.claim, 40),
        when(change.created_at.timestamp()),
        cell(change.note, 120),
    )


def unreadable_row(row: UnreadableRow) -> tuple[str, ...]:
    """Return a change that cannot be read as a row of the table."""
    note = f"cannot be read by this version ({cell(row.why)})"
    return (cell(row.id), UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, note)


async def _detail(change_id: str, database: Database) -> int:
    change, records = await database.read(partial(_loaded, change_id))
    humans = {change.actor.human, *humans_of(records)}
    names = await database.read(partial(account_names, humans=humans))
    facts = detail(change, names)
    for line in columns([(f"{name}:", value) for name, value in facts.items() if value]):
        print_line(line)
    for vote in change.votes:
        print_line(f"vote:  {vote_text(vote)}")
    print_line()
    for record in records:
        print_line(record_summary(record, names))
    return 0


def _loaded(change_id: str, connection: Connection) -> tuple[Change, list[TrailRecord]]:
    return repository.load(connection, change_id), chain.newest(connection, RECORDS, change_id=change_id)


def detail(change: Change, names: Mapping[str, str] = NO_NAMES) -> Mapping[str, str]:
    """Return the facts of a change by name; `names` are those of accounts."""
    ruling, target = change.ruling, change.target
    rules = cell(", ".join(ruling.rules) or "no rule")
    return {
        "change": change.id,
        "state": state_text(change),
        "waits": f"until {when(change.not_before.timestamp())}" if change.deferred and change.not_before else "",
        "runs": cell(change.schedule.fact.value, 200) if change.schedule is not None else "",
        "operation": change.operation,
        "arguments": ", ".join(f"{name}={cell(value)}" for name, value in redacted(change.arguments).items()),
        "server": " ".join(cell(part) for part in (target.hostname, target.id, target.place, target.address) if part),
        "servers": ", ".join(cell(member.hostname, LONGEST_NAME) for member in target.members),
        "careful": lookalike_warning(target.hostname),
        "by": actor_text(change.actor, names),
        "from": " ".join(cell(part) for part in (change.origin.front, change.origin.channel) if part),
        "reason": cell(change.reason, 500),
        "decision": f"{ruling.decision.value} ({rules}, policy {cell(short_version(ruling.policy))})",
        "votes": f"{change.approvals} of {ruling.votes}" if ruling.votes else "",
        "cost": cell(change.cost),
        "agreed": cell(change.confirmed, 200),
        "asked": when(change.created_at.timestamp()),
        "expires": when(change.expires_at.timestamp()) if change.expires_at and change.state.open else "",
        "sent": when(change.sent_at.timestamp()) if change.sent_at else "",
        "settled": when(change.settled_at.timestamp()) if change.settled_at else "",
        "note": cell(change.note, 500),
        "digest": change.digest,
    }


def state_text(change: Change) -> str:
    """Return the stored state, with the label of its phase when that adds information."""
    state, phase = change.state.value.replace("_", " "), phase_of(change)
    return state if phase.value == change.state.value else f"{state} ({PHASE_LABELS[phase].label})"


def actor_text(actor: Actor, names: Mapping[str, str] = NO_NAMES) -> str:
    """Return an actor and the human it acts for."""
    name = cell(actor.claim, 80)
    label = name if actor.label == actor.id else f"{name} ({cell(actor.id)})"
    behind = f" for {named_human(actor.human, names)}" if actor.human and actor.human != actor.id else ""
    return f"{actor.kind.value} {label}{behind}"


def vote_text(vote: Vote) -> str:
    """Return a vote as a line."""
    reason = f' "{cell(vote.reason, 200)}"' if vote.reason else ""
    cast_at = f"{vote.verdict.value} by {actor_text(vote.voter)} at {when(vote.at.timestamp())}"
    return f"{cast_at}{reason} ({cell(vote.evidence, 120)})"
