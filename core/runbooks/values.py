"""The values of a runbook's arguments, put into its steps: values only, so that no value makes another step."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.json_types import Json
from vpsops.core.common.text import one_line
from vpsops.core.plans.selection import Selection, selection_from
from vpsops.core.runbooks.model import Runbook, RunbookArgument, RunbookStep, ValueKind

PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
LONGEST_VALUE: Final = 200
SEPARATORS: Final = re.compile(r"[\s,]+")


@dataclass(frozen=True, slots=True)
class FilledStep:
    """A step with its values: an operation, the servers that it selects, its arguments, and its compensations."""

    operation: str
    selection: Selection
    arguments: Mapping[str, Json]
    compensations: tuple["FilledStep", ...] = ()
    probe: str = ""


def placeholders_in(text: str) -> list[str]:
    """Return the names in braces of a text."""
    return PLACEHOLDER.findall(text)


def given_values(words: Sequence[str]) -> dict[str, str]:
    """Return values by their names; raises `InvalidInputError` for a word that is none, and for a name given twice."""
    given: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or name in given:
            what = "is there twice" if sign else "is no argument"
            raise InvalidInputError(f"{name[:60]} {what}.", hint="Write each as name=value.")
        given[name] = value
    return given


def argument_problem(argument: RunbookArgument, value: str) -> str:
    """Return why an argument does not take a value, or ""."""
    if not value or len(value) > LONGEST_VALUE or one_line(value, LONGEST_VALUE) != value:
        return f"takes 1 to {LONGEST_VALUE} characters on one line"
    if argument.kind is ValueKind.SERVERS and not SEPARATORS.sub("", value):
        return "takes names, patterns or filters"
    if argument.kind is ValueKind.PLAN and SEPARATORS.search(value):
        return "takes one plan, such as VPS-M"
    if argument.kind is ValueKind.CHOICE and value not in argument.choices:
        return f"takes {' or '.join(argument.choices)}"
    return ""


def values_from(runbook: Runbook, given: Mapping[str, str]) -> dict[str, str]:
    """Return the value of each argument; raises `InvalidInputError` with all that is wrong or missing."""
    known = {argument.name: argument for argument in runbook.arguments}
    problems = [f"{one_line(name, 40)} is no argument." for name in given if name not in known]
    values: dict[str, str] = {}
    for name, argument in known.items():
        value = given.get(name, argument.default)
        why = "is missing" if value is None else argument_problem(argument, value)
        if why or value is None:
            problems.append(f"{name} {why}.")
        else:
            values[name] = value
    if problems:
        raise InvalidInputError(f"{runbook.name}: {' '.join(problems)}", hint=f"It takes: {runbook.usage}.")
    return values


def filled_steps(runbook: Runbook, values: Mapping[str, str]) -> tuple[FilledStep, ...]:
    """Return the steps with their values; raises `InvalidInputError` for a malformed selection."""
    return tuple(_filled(step, values) for step in runbook.steps)


def _filled(step: RunbookStep, values: Mapping[str, str]) -> FilledStep:
    return FilledStep(
        step.operation,
        selection_from(_server_words(step.servers, values)),
        {name: _value(value, values) for name, value in step.arguments.items()},
        tuple(_filled(each, values) for each in step.compensations),
        step.probe,
    )


def _server_words(words: Sequence[str], values: Mapping[str, str]) -> list[str]:
    filled: list[str] = []
    for word in words:
        names = placeholders_in(word)
        filled += [each for each in SEPARATORS.split(values[names[0]]) if each] if names else [word]
    return filled


def _value(value: Json, values: Mapping[str, str]) -> Json:
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda match: values[match[1]], value)
    if isinstance(value, list):
        return [_value(each, values) for each in value]
    return value
