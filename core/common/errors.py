"""Errors a person or a model gets to read.

VpsopsError                   base: what happened, what to do next, an id for the log
├── InvalidInputError         the request as written cannot be carried out; correct it and ask again
│   ├── AlreadyGoneError      what is to be removed is not there
│   ├── ArgumentError         a value does not fit its argument
│   ├── UnchangedError        all is as it was asked for already
│   ├── PreconditionError     another operation has to come first; carries it
│   ├── UnknownServerError    no server by that name; carries the nearest
│   └── AmbiguousServerError  several servers by that name; carries the candidates
├── UnknownChangeError        no change by that id, or not one the asker may see
├── StaleChangeError          the change has moved on; what was shown is not what is there now
├── NotAllowedError           this person may not do that; the message says why
├── ConfigurationError        settings or policy do not load; the process must not start
├── NotSignedInError          a service that we call refuses the token we were given for it
├── StorageError              the database cannot be used (locked, full, newer schema, not reachable)
│   └── UnreadableRowError   one row is of another version, or damaged; it is left to a process that can read it
└── vpsops.core.wayscloud.answers.errors.WayscloudError   what the provider's API answered, or did not
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from vpsops.core.common.json_types import Json

LISTS: Final[Mapping[str, str]] = {
    "List the servers": "list",
    "List the changes": "changes",
    "List the open grants": "grants",
}
"""The words of hints, and the command that a front end writes in their place."""


class VpsopsError(Exception):
    """Something went wrong in a way a person can act on.

    `message` says what happened, `hint` what to do next; `error_id` is in the log beside the cause.
    Neither text ever holds a secret, a traceback or unbounded text from outside.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.error_id = f"err_{secrets.token_hex(4)}"

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    @property
    def shown_id(self) -> str:
        """The id as people read it: none for a slip of theirs, which the log does not explain."""
        return self.error_id

    def hint_with(self, command: str) -> str:
        """Return the hint with a front end's own commands, which `command` writes with {} for the word."""
        return with_commands(self.hint, command)


def with_commands(hint: str, command: str) -> str:
    """Return a hint with a front end's own commands, which `command` writes with {} for the word."""
    for what, word in LISTS.items():
        hint = hint.replace(what, f"Use {command.format(word)}")
    return hint


class InvalidInputError(VpsopsError):
    """The request as written cannot be carried out."""

    @property
    def shown_id(self) -> str:
        """No id: the message says what to correct."""
        return ""


class AlreadyGoneError(InvalidInputError):
    """What a removal is about is not there: refused when it is asked for, done when it was to be sent."""


class UnchangedError(InvalidInputError):
    """All is already as the request wants it: there is nothing to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message, hint="There is nothing to do.")


@dataclass(frozen=True, slots=True)
class Remedy:
    """The operation that meets a precondition: to be asked for first, as a change of its own."""

    operation: str
    arguments: Mapping[str, Json]
    hostname: str

    @property
    def stored(self) -> dict[str, Json]:
        """The remedy as a change's result holds it."""
        return {"operation": self.operation, "arguments": dict(self.arguments), "hostname": self.hostname}

    @classmethod
    def from_stored(cls, value: Json) -> Self | None:
        """Return a stored remedy; None for any other value."""
        if not isinstance(value, Mapping):
            return None
        operation, arguments, hostname = (value.get(name) for name in ("operation", "arguments", "hostname"))
        if not (isinstance(operation, str) and isinstance(arguments, Mapping) and isinstance(hostname, str)):
            return None
        return cls(operation, arguments, hostname)


class ArgumentError(InvalidInputError):
    """A value does not fit its argument: `argument` is its name in the code, `problem` what the value has to be."""

    def __init__(self, label: str, argument: str, problem: str, *, hint: str = "") -> None:
        super().__init__(f"{label}: {problem}.", hint=hint)
        self.argument = argument
        self.problem = problem


class PreconditionError(InvalidInputError):
    """A precondition is not met, and another operation would meet it."""

    def __init__(self, message: str, remedy: Remedy, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.remedy = remedy


class UnknownServerError(InvalidInputError):
    """No server matches; `nearest` holds the closest hostnames, best first, `lack` what could not be read."""

    def __init__(self, text: str, nearest: Sequence[str], lack: str = "") -> None:
        hint = f"Did you mean {', '.join(nearest)}?" if nearest else "List the servers to see what there is."
        message = f"There is no server called '{text}'."
        if lack:
            message = f"No server called '{text}' can be seen: {lack}."
            hint = f"{hint} Name it by its hostname in full."
        super().__init__(message, hint=hint)
        self.nearest = tuple(nearest)
        self.lack = lack


class AmbiguousServerError(InvalidInputError):
    """Several servers match; `candidates` holds (id, hostname) of each."""

    def __init__(self, text: str, candidates: Sequence[tuple[str, str]]) -> None:
        listed = ", ".join(f"{name} ({ident})" for ident, name in candidates[:10])
        more = f" and {len(candidates) - 10} more" if len(candidates) > 10 else ""  # noqa: PLR2004
        super().__init__(
            f"'{text}' matches {len(candidates)} servers: {listed}{more}.",
            hint="Name one of them in full, or by its id.",
        )
        self.candidates = tuple(candidates)


class UnknownChangeError(VpsopsError):
    """No change by that id that the asker may see."""


class UnknownGrantError(VpsopsError):
    """No grant by that id that the asker may see."""


class StaleChangeError(VpsopsError):
    """The change has moved on since it was shown."""


class NotAllowedError(VpsopsError):
    """This person may not do that."""


class ConfigurationError(VpsopsError):
    """Settings or policy do not load."""


class NotSignedInError(VpsopsError):
    """A service that this process calls, such as Slack, refuses the token it was given."""


class StorageError(VpsopsError):
    """The database cannot be used."""


class UnreadableRowError(StorageError):
    """A row cannot be read by this version; a process that can takes it up. Carries why."""

    def __init__(self, ident: str, why: str) -> None:
        super().__init__(
            f"{ident} cannot be read by this version of vpsops ({why}).",
            hint="Update vpsops here, or read it with a process of the newer version. `vpsops doctor` names such rows.",
        )
        self.why = why
