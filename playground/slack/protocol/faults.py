"""Faults a test or a demo orders for the next calls of a Web API method."""

from collections import deque
from dataclasses import dataclass, field

import anyio

from vpsops.playground.slack.workspace.protocol import ApiError
from vpsops.playground.slack.workspace.rates import ratelimited


@dataclass(slots=True)
class FaultGate:
    """Holds one call back: `arrived` is set when it is here, `release` lets it continue."""

    arrived: anyio.Event = field(default_factory=anyio.Event)
    opened: anyio.Event = field(default_factory=anyio.Event)

    def release(self) -> None:
        """Let the held call continue."""
        self.opened.set()


@dataclass(frozen=True, slots=True)
class SlackFault:
    """What happens to one call: an error instead of an effect, an effect without an answer, or a wait."""

    error: ApiError | None = None
    lose_answer: bool = False
    gate: FaultGate | None = None


class SlackFaults:
    """The faults still to come, per method, first ordered first used."""

    def __init__(self) -> None:
        self._planned: dict[str, deque[SlackFault]] = {}

    def ratelimit_next(self, method: str, times: int = 1, retry_after: int = 1) -> None:
        """Answer the next calls with 429 and this Retry-After in seconds."""
        self._plan(method, SlackFault(ratelimited(retry_after)), times)

    def fail_next(self, method: str, times: int = 1, error: str = "internal_error", status: int = 200) -> None:
        """Answer the next calls with an error and change nothing."""
        self._plan(method, SlackFault(ApiError(error, status=status)), times)

    def lose_answer_next(self, method: str, times: int = 1) -> None:
        """Carry the next calls out and cut the connection instead of answering."""
        self._plan(method, SlackFault(lose_answer=True), times)

    def hold_next(self, method: str, error: str = "") -> FaultGate:
        """Hold the next call back, before its effect, or before an error, until the gate is released."""
        gate = FaultGate()
        self._plan(method, SlackFault(ApiError(error) if error else None, gate=gate), 1)
        return gate

    def take(self, method: str) -> SlackFault:
        """Return the fault ordered for this call, an empty one if none."""
        planned = self._planned.get(method)
        return planned.popleft() if planned else SlackFault()

    def _plan(self, method: str, fault: SlackFault, times: int) -> None:
        self._planned.setdefault(method, deque()).extend([fault] * times)
