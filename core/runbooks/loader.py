"""Loads a runbook's file, strictly: it says everything that is wrong at once, each with its line.

TOML is read by the standard library. YAML was rejected: it takes a library, and reads `on`, `no` and `022` as what no
one wrote.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.text import count_text
from vpsops.core.config.config_file import ConfigFile, parse_config
from vpsops.core.config.schema import Problem, WrittenTable, nearest_hint, safe_word, schema_problems
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.arguments import arguments_of, problem_text
from vpsops.core.plans.requests import probe_from
from vpsops.core.runbooks.config_schema import WrittenArgument, WrittenCompensation, WrittenRunbook, WrittenStep
from vpsops.core.runbooks.model import MOST_ARGUMENTS, Runbook, RunbookArgument, RunbookStep, StepOrder, ValueKind
from vpsops.core.runbooks.values import PLACEHOLDER, argument_problem, placeholders_in

MOST_CHARACTERS: Final = 20_000
ARGUMENT_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,29}")
RESERVED: Final = ("at", "because", "in", "runbook")
"""Words that a command takes for itself."""
SERVER: Final = "server"
T = TypeVar("T", bound=WrittenTable)


class RunbookError(InvalidInputError):
    """A runbook's file cannot be used; `problems` are all of them, each with its line."""

    def __init__(self, path: str, problems: Sequence[str]) -> None:
        count = count_text(len(problems), "problem")
        super().__init__(f"{safe_word(path)} has {count}: {' '.join(problems)}", hint="Correct the file.")
        self.problems = tuple(problems)


def may_be_step(operation: Operation) -> bool:
    """Return whether an operation may be a step of a runbook."""
    return operation.leads_to is not None


def step_words() -> list[str]:
    """Return the words of the operations that may be steps."""
    return [operation.word for operation in OPERATIONS.values() if may_be_step(operation)]


def load_runbook(text: str, path: str) -> Runbook:
    """Return the runbook of a TOML text; raises `RunbookError`, and `ConfigurationError` where it is no TOML."""
    if len(text) > MOST_CHARACTERS:
        raise RunbookError(path, [f"It has more than {MOST_CHARACTERS:,} characters."])
    return _RunbookLoader(parse_config(text, path), text).load()


@dataclass(slots=True)
class _RunbookLoader:
    """Reads one file and collects what is wrong with it."""

    file: ConfigFile
    text: str
    problems: list[tuple[int, str]] = field(default_factory=list)

    def load(self) -> Runbook:
        """Return the runbook; raises `RunbookError`."""
        written = self._checked(WrittenRunbook, dict(self.file.data), ())
        arguments = self._arguments()
        steps = [step for number, raw in enumerate(self._raw_steps()) if (step := self._step(number, raw, arguments))]
        self._check_use(steps, arguments)
        if self.problems or written is None:
            lines = [f"{self.file.path}:{line}: {text}" for line, text in sorted(self.problems)]
            raise RunbookError(self.file.path, lines)
        return Runbook(
            name=written.name,
            description=written.description,
            steps=tuple(steps),
            arguments=tuple(arguments.values()),
            order=StepOrder(written.order),
            pause=int(written.pause[:-1]) * (60 if written.pause.endswith("m") else 1),
            text=self.text,
        )

    def _checked(self, model: type[T], raw: Any, key: tuple[str, ...], line: int = 0) -> T | None:
        """Return a table as its model has it, or None with its problems noted."""
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            for problem in schema_problems(error, model, ".".join(key) or "the file"):
                self._note_problem(line or self._line((*key, *problem.key)), problem)
        return None

    def _line(self, key: Sequence[str]) -> int:
        return self.file.line(key[0], *key[1:]) if key else 1

    def _note_problem(self, line: int, problem: Problem) -> None:
        self._note(line, f"{problem.message} {problem.hint}".strip())

    def _note(self, line: int, text: str) -> None:
        self.problems.append((line, text))

    def _arguments(self) -> dict[str, RunbookArgument]:
        raw = self.file.data.get("arguments", {})
        if not isinstance(raw, dict):
            return {}  # the top level's problem already
        if len(raw) > MOST_ARGUMENTS:
            self._note(self._line(("arguments",)), f"a runbook takes at most {MOST_ARGUMENTS} arguments.")
        arguments = {name: self._argument(name, value) for name, value in raw.items()}
        return {name: argument for name, argument in arguments.items() if argument is not None}

    def _argument(self, name: str, raw: Any) -> RunbookArgument | None:
        key = ("arguments", name)
        if not ARGUMENT_NAME.fullmatch(name) or name in RESERVED:
            hint = "1 to 30 small letters, digits and _, and none of " + ", ".join(RESERVED)
            self._note(self._line(key), f"{safe_word(name)} is no name of an argument. It takes {hint}.")
        written = self._checked(WrittenArgument, raw, key)
        if written is None:
            return None
        kind = ValueKind(written.kind)
        argument = RunbookArgument(name, kind, written.description or "", written.default, written.choices)
        if (kind is ValueKind.CHOICE) is not bool(written.choices):
            self._note(self._line(key), f'{name}: choices go with kind = "choice", and with no other.')
        elif argument.default is not None and (why := argument_problem(argument, argument.default)):
            self._note(self._line((*key, "default")), f"{name}: its default {why}.")
        return argument

    def _raw_steps(self) -> Sequence[Any]:
        steps = self.file.data.get("step")
        return steps if isinstance(steps, list) else ()

    def _step(self, number: int, raw: Any, arguments: Mapping[str, RunbookArgument]) -> RunbookStep | None:
        table = self.file.elements("step")[number]
        try:
            written = WrittenStep.model_validate(raw)
        except ValidationError as error:
            for problem in schema_problems(error, WrittenStep, f"step {number + 1}"):
                self._note_problem(table.key(*problem.key), problem)
            return None
        context = _StepContext(self, table.key, f"step {number + 1}", arguments)
        if (written.on_failure == "compensate") is not bool(written.compensation):
            self._note(
                table.key("on_failure"),
                f'step {number + 1}: on_failure = "compensate" and [[step.compensation]] go together.',
            )
        compensations = [context.compensation(written, each) for each in written.compensation]
        step = context.step(written, written.servers, ())
        context.check_probe(written.probe)
        if step is None:
            return None
        kept = tuple(each for each in compensations if each is not None)
        return RunbookStep(step.operation, step.servers, step.arguments, kept, written.probe)

    def _check_use(self, steps: Sequence[RunbookStep], arguments: Mapping[str, RunbookArgument]) -> None:
        """Note arguments that no step uses; a step that could not be read may use them."""
        if len(steps) != len(self._raw_steps()):
            return
        used = {name for step in steps for each in (step, *step.compensations) for name in _names_in(each)}
        for name in arguments:
            if name not in used:
                self._note(self._line(("arguments", name)), f"no step uses the argument {name}. Leave it out.")


@dataclass(frozen=True, slots=True)
class _StepContext:
    """One step while it is read."""

    loader: _RunbookLoader
    line: Any  # of a key of the step
    title: str
    arguments: Mapping[str, RunbookArgument]

    @property
    def unread(self) -> frozenset[str]:
        """The arguments that are there and have problems of their own."""
        written = self.loader.file.data.get("arguments", {})
        return frozenset(written) - frozenset(self.arguments) if isinstance(written, dict) else frozenset()

    def compensation(self, of: WrittenStep, written: WrittenCompensation) -> RunbookStep | None:
        """Return a compensation; without servers it is about those of its step."""
        return self.step(written, written.servers or of.servers, ("compensation",))

    def step(
        self, written: WrittenStep | WrittenCompensation, servers: Sequence[str], key: tuple[str, ...]
    ) -> RunbookStep | None:
        """Return a step without its compensations."""
        operation = self._operation(written.operation, key)
        self._check_servers(servers, key)
        if operation is None:
            return None
        self._check_arguments(operation, written.arguments, key)
        return RunbookStep(operation.name, tuple(servers), dict(written.arguments))

    def check_probe(self, probe: str) -> None:
        """Note a probe that is none."""
        try:
            probe_from(probe)
        except InvalidInputError as error:
            self._note(("probe",), f"{error.message} {error.hint}")

    def _note(self, key: tuple[str, ...], text: str) -> None:
        self.loader._note(self.line(*key), f"{self.title}: {text}")  # noqa: SLF001 - a part of that loader

    def _operation(self, word: str, key: tuple[str, ...]) -> Operation | None:
        operation = OPERATIONS.exact_words.get(word)
        where = (*key, "operation")
        if operation is None or not may_be_step(operation):
            what = "is no operation" if operation is None else "is no step of a runbook"
            self._note(where, f"{safe_word(word)} {what}. {nearest_hint(word, step_words())}")
            return None
        if key and operation.billed:
            self._note(where, f"{operation.word} costs money, so it cannot be a compensation. Leave it out.")
        return operation

    def _check_servers(self, words: Sequence[str], key: tuple[str, ...]) -> None:
        for word in words:
            names = placeholders_in(word)
            argument = self.arguments.get(names[0]) if names else None
            if not names or names[0] in self.unread:
                continue
            if not PLACEHOLDER.fullmatch(word) or argument is None or argument.kind is not ValueKind.SERVERS:
                takes = 'Write a name, a pattern, a filter, or "{argument}" of the kind servers.'
                self._note((*key, "servers"), f"{safe_word(word)} is no selection. {takes}")

    def _check_arguments(self, operation: Operation, written: Mapping[str, Any], key: tuple[str, ...]) -> None:
        where = (*key, "arguments")
        known = {argument.name: argument for argument in arguments_of(operation.arguments) if argument.name != SERVER}
        for name in written:
            if name not in known:
                takes = nearest_hint(name, list(known)) if known else "It takes none."
                self._note((*where, name), f"{operation.word} takes no argument {safe_word(name)}. {takes}")
        for name in (name for value in written.values() for text in _texts(value) for name in placeholders_in(text)):
            argument = self.arguments.get(name)
            if name in self.unread:
                continue
            if argument is None:
                takes = nearest_hint(name, list(self.arguments)) if self.arguments else "There are none."
                self._note(where, f"there is no argument {safe_word(name)}. {takes}")
            elif argument.kind is ValueKind.SERVERS:
                self._note(where, f"{name} selects servers, so it cannot be a value.")
        self._check_values(operation, written, where, known)

    def _check_values(
        self, operation: Operation, written: Mapping[str, Any], where: tuple[str, ...], known: Mapping[str, Any]
    ) -> None:
        """Note values that the operation never takes; those with placeholders are checked when they are filled in."""
        try:
            operation.arguments.model_validate({SERVER: SERVER, **written})
        except ValidationError as error:
            for each in error.errors(include_url=False, include_input=False):
                name = str(each["loc"][0])
                if name in known:
                    self._note((*where, name), f"{operation.word}: {name} {problem_text(each)}.")


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]


def _names_in(step: RunbookStep) -> list[str]:
    texts = [*step.servers, *(text for value in step.arguments.values() for text in _texts(value))]
    return [name for text in texts for name in placeholders_in(text)]
