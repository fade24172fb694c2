"""A request for a runbook, and the facts that are shown of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from vpsops.core.changes.preview import Preview
from vpsops.core.changes.requests import Request
from vpsops.core.common.redaction import Redactor
from vpsops.core.common.text import bound, count_text, duration, one_line
from vpsops.core.common.timings import PROBE_SECONDS
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.facts import Fact
from vpsops.core.operations.target import ServerName, Target
from vpsops.core.operations.traits import RUNBOOK, action_of, word_of
from vpsops.core.plans.model import PlanMember, PlanOptions, digest_of_members
from vpsops.core.plans.names import SHOWN, listed_names
from vpsops.core.plans.requests import LONGEST_FACT, LeftOut, probe_from
from vpsops.core.runbooks.model import Runbook, RunbookStep, StepOrder
from vpsops.core.runbooks.values import FilledStep, filled_steps, values_from

NAME: Final = "runbook"
"""The key of a request's arguments that holds the runbook's name; the others are the runbook's own."""


@dataclass(frozen=True, slots=True)
class RunbookRequest:
    """A request to run the steps of a runbook; the arguments of `request` are its name and its values."""

    request: Request
    runbook: Runbook

    @property
    def steps(self) -> tuple[FilledStep, ...]:
        """The steps with their values; raises `InvalidInputError`."""
        given = {name: str(value) for name, value in self.request.arguments.items() if name != NAME}
        return filled_steps(self.runbook, values_from(self.runbook, given))

    @property
    def options(self) -> PlanOptions:
        """How it runs: one member at a time, and the first failure stops the rest."""
        return PlanOptions(pause=self.runbook.pause)


def request_arguments(runbook: Runbook, given: Mapping[str, str]) -> dict[str, str]:
    """Return the arguments of a request for a runbook, with defaults; raises `InvalidInputError`."""
    return {NAME: runbook.name, **values_from(runbook, given)}


def redacted_runbook(runbook: Runbook, redactor: Redactor) -> Runbook:
    """Return a runbook with the words of its file fit to be stored and shown.

    Raises `InvalidInputError` where a probe is none without its secret.
    """
    steps = tuple(_redacted_step(step, redactor) for step in runbook.steps)
    arguments = tuple(
        replace(argument, default=argument.default and redactor.name(argument.default))
        for argument in runbook.arguments
    )
    description = redactor.name(runbook.description)
    return replace(runbook, description=description, steps=steps, arguments=arguments, text="")


def _redacted_step(step: RunbookStep, redactor: Redactor) -> RunbookStep:
    probe = redactor.name(step.probe)
    probe_from(probe)
    return replace(
        step,
        servers=tuple(map(redactor.name, step.servers)),
        arguments=redactor.json(step.arguments),
        compensations=tuple(_redacted_step(each, redactor) for each in step.compensations),
        probe=probe,
    )


def runbook_preview(
    asked: RunbookRequest,
    members: Sequence[PlanMember],
    previews: Sequence[Preview],
    left_out: Sequence[LeftOut] = (),
    lack: str = "",
) -> Preview:
    """Return what a runbook would do: every step in its order with what is done where it fails, and what it costs."""
    servers = {member.target.id: member.target.hostname for member in members}
    names = tuple(ServerName(server, name) for server, name in servers.items())
    values = ", ".join(f"{name}={value}" for name, value in asked.request.arguments.items() if name != NAME)
    facts = [
        Fact("Runbook", one_line(f"{asked.runbook.name}: {asked.runbook.description}", LONGEST_FACT)),
        Fact("Arguments", one_line(values, LONGEST_FACT)),
        Fact("Servers", listed_names(list(servers.values()))),
        *_step_facts(asked, members, previews, len(servers)),
        Fact("Price", _price_words(members, previews)),
        Fact("Left out", bound("; ".join(server.words for server in left_out), LONGEST_FACT)),
        Fact("Order", _order_words(asked.runbook)),
        Fact("Not known", bound(lack, LONGEST_FACT)),
    ]
    arguments = {
        NAME: asked.runbook.name,
        "values": {name: value for name, value in asked.request.arguments.items() if name != NAME},
        **asked.options.stored,
        "count": len(members),
        "members": digest_of_members(members),
    }
    target = Target("", f"the runbook {asked.runbook.name}", labels=(), members=names)
    return Preview(RUNBOOK.name, arguments, target, facts=tuple(fact for fact in facts if fact.value))


def _step_facts(
    asked: RunbookRequest, members: Sequence[PlanMember], previews: Sequence[Preview], count: int
) -> list[Fact]:
    pairs = list(zip(members, previews, strict=True))
    facts = []
    for number, step in enumerate(asked.steps, 1):
        of_step = [(member, seen) for member, seen in pairs if member.part is not None and member.part.number == number]
        steps = [(member, seen) for member, seen in of_step if not member.compensates]
        failed = _compensation_words([member for member, _ in of_step if member.compensates])
        own = _own_lines(steps)
        health = f"{step.probe} has to answer within {duration(PROBE_SECONDS)}" if step.probe else ""
        text = "; ".join(filter(None, [_step_words([member for member, _ in steps], count), *own[:SHOWN], health]))
        more = f" and {len(own) - SHOWN} more" if len(own) > SHOWN else ""
        facts.append(Fact(f"Step {number}", f"{bound(text + more, LONGEST_FACT)}. {failed}"))
    return facts


def _step_words(members: Sequence[PlanMember], count: int) -> str:
    names = list(dict.fromkeys(member.target.hostname for member in members))
    where = listed_names(names) if len(names) < count or count == 1 else f"each of the {count_text(count, 'server')}"
    return f"{action_of(members[0].operation)}: {where}" if members else "nothing"


def _own_lines(steps: Sequence[tuple[PlanMember, Preview]]) -> list[str]:
    """Return what is shown of each member, once where it is the same of all."""
    lines = [", ".join(fact.line for fact in seen.facts) for _, seen in steps]
    if len(set(lines)) == 1:
        return [line for line in lines[:1] if line]
    return [f"{member.target.hostname}: {line}" for (member, _), line in zip(steps, lines, strict=True) if line]


def _price_words(members: Sequence[PlanMember], previews: Sequence[Preview]) -> str:
    """Return what the servers of all steps with a price cost a month together; nothing where no step has one."""
    pairs = zip(members, previews, strict=True)
    billed = [seen for member, seen in pairs if OPERATIONS[seen.operation].billed and not member.compensates]
    if not billed:
        return ""
    known = [seen.monthly for seen in billed if seen.monthly is not None]
    currencies = {seen.currency for seen in billed}
    if len(known) < len(billed) or len(currencies) > 1:
        return "not known"
    return f"{sum(known):g} {currencies.pop()} a month for {count_text(len(billed), 'server')} in total, afterwards"


def _compensation_words(members: Sequence[PlanMember]) -> str:
    if not members:
        return "If it fails: nothing more is done."
    done: dict[str, list[str]] = {}
    for member in members:
        done.setdefault(_word_with_values(member), []).append(member.target.hostname)
    rolling = any(member.part is not None and member.part.only for member in members)
    where = {word: "that server" if rolling else listed_names(names) for word, names in done.items()}
    return f"If it fails: {', then '.join(f'{word} {server}' for word, server in where.items())}."


def _word_with_values(member: PlanMember) -> str:
    others = [
        f"{name}={','.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in member.arguments.items()
        if name != "server"
    ]
    return one_line(" ".join((word_of(member.operation), *others)), 200)


def _order_words(runbook: Runbook) -> str:
    first = "all steps on one server, then the next server" if runbook.order is StepOrder.SERVERS else "step by step"
    pause = f", {duration(runbook.pause)} between two changes" if runbook.pause else ""
    return f"{first}, one change after another{pause}; the first failure or unknown outcome stops the rest"
