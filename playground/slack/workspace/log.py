"""What a workspace remembers of its dealings with the app."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from vpsops.playground.slack.workspace.protocol import ApiProblem, Json

Transport = Literal["http", "socket"]


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One Web API call received, without its token, and its answer."""

    method: str
    args: Json
    answer: Json
    status: int
    at: datetime

    @property
    def ok(self) -> bool:
        """Whether the call was carried out."""
        return bool(self.answer.get("ok"))

    @property
    def error(self) -> str | None:
        """Return Slack's error code, if the answer is a refusal."""
        return self.answer.get("error")


@dataclass(frozen=True, slots=True)
class HookCall:
    """One use of a response address and its answer."""

    token: str
    args: Json
    status: int
    answer: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver to the app.

    `acked_in` is in seconds and None when no answer came in time; `error` is Slack's code for the failure.
    """

    transport: Transport
    number: int = 0
    status: int | None = None
    body: bytes = b""
    ack: Json | None = None
    acked_in: float | None = None
    error: str | None = None
    no_retry: bool = False

    @property
    def ok(self) -> bool:
        """Whether the app acknowledged."""
        return self.error is None


@dataclass(slots=True)
class Delivery:
    """A person's action, every attempt to deliver it to the app, and the result that the person saw.

    `error` is the word Slack shows when it failed (`operation_timeout`, `dispatch_failed`,
    `invalid_command_response`, `trouble_connecting`); `confirmed` the dialog the person agreed to.
    """

    kind: str
    payload: Json
    attempts: list[Attempt] = field(default_factory=list)
    error: str | None = None
    problems: list[ApiProblem] = field(default_factory=list)
    confirmed: Json | None = None
    options: list[Json] = field(default_factory=list)

    @property
    def acked(self) -> Attempt | None:
        """Return the first try the app acknowledged."""
        return next((each for each in self.attempts if each.ok), None)

    @property
    def acked_in(self) -> float | None:
        """Return the seconds until the first acknowledgement, None when there was none."""
        return self.acked.acked_in if self.acked else None

    @property
    def status(self) -> int | None:
        """Return the HTTP status of the first try, None over a socket or without an answer."""
        return self.attempts[0].status if self.attempts else None

    @property
    def timed_out(self) -> bool:
        """Whether the first try ran past the deadline of three seconds."""
        return bool(self.attempts) and self.attempts[0].error == "operation_timeout"

    @property
    def ack(self) -> Json | None:
        """Return the JSON body or payload of the first acknowledgement."""
        return self.acked.ack if self.acked else None
