"""Errors a person or a model gets to read.

VpsopsError                   base: what happened, what to do next, an id for the log
├── InvalidInputError         the request as written cannot be carried out; correct it and ask again
│   ├── AlreadyGoneError      what is to be removed is not there
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
from collections.abc import Sequence


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


class InvalidInputError(VpsopsError):
    """The request as written cannot be carried out."""


class AlreadyGoneError(InvalidInputError):
    """What a removal is about is not there: refused when it is asked for, done when it was to be sent."""


class UnknownServerError(InvalidInputError):
    """No server matches; `nearest` holds the closest hostnames, best first."""

    def __init__(self, text: str, nearest: Sequence[str], lack: str = "") -> None:
        hint = f"Did you mean {', '.join(nearest)}?" if nearest else "List the servers to see what there is."
        message = f"There is no server called '{text}'."
        if lack:
            message = f"No server called '{text}' can be seen: {lack}."
            hint = f"{hint} Name it by its hostname in full."
        super().__init__(message, hint=hint)
        self.nearest = tuple(nearest)


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
