"""Coalesces concurrent requests: one call, or one batch, for all that ask at the same moment."""

from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import anyio

Q = TypeVar("Q")
A = TypeVar("A")

Work = Callable[[Sequence[Q]], Awaitable[Sequence[A | Exception]]]
"""Does a batch and returns an answer for each item, in their order; what it raises is everyone's."""


@dataclass(slots=True, eq=False)
class _BatchItem(Generic[Q, A]):
    item: Q
    answer: A | Exception | None = None
    settled: bool = False
    woken: anyio.Event = field(default_factory=anyio.Event)


class Batcher(Generic[Q, A]):
    """Collects what is asked while a batch is being done, and makes it the next batch; one batch at a time.

    Anyone who asks first does the batch, for all; a batch that has begun is finished even if they go away.
    """

    def __init__(self, work: Work[Q, A], most: int) -> None:
        self._work = work
        self._most = most
        self._waiting: list[_BatchItem[Q, A]] = []
        self._at_work = False

    async def ask(self, item: Q) -> A:
        """Return the answer for one item; raises what the work raises, or returns, for it."""
        asked: _BatchItem[Q, A] = _BatchItem(item)
        self._waiting.append(asked)
        try:
            while not asked.settled:
                if self._at_work:
                    asked.woken = anyio.Event()
                    await asked.woken.wait()
                else:
                    await self._batch()
        finally:
            if not asked.settled and asked in self._waiting:  # it went away before its turn
                self._waiting.remove(asked)
                self._pass_on()
        if isinstance(asked.answer, Exception):
            raise asked.answer
        return asked.answer  # type: ignore[return-value]  # settled: it is an answer

    async def _batch(self) -> None:
        batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        self._at_work = True
        with anyio.CancelScope(shield=True):
            try:
                answers = await self._work([asked.item for asked in batch])
            except Exception as error:  # noqa: BLE001 - it is raised where each of them asked
                answers = [error] * len(batch)
            finally:
                self._at_work = False
        for asked, answer in zip(batch, answers, strict=True):
            asked.answer, asked.settled = answer, True
            asked.woken.set()
        self._pass_on()

    def _pass_on(self) -> None:
        if self._waiting and not self._at_work:
            self._waiting[0].woken.set()


@dataclass(slots=True, eq=False)
class _SharedCall(Generic[A]):
    """A call under way; with neither answer nor error at its end its caller gave it up."""

    begun: float
    ended: bool = False
    answers: list[A] = field(default_factory=list)
    error: Exception | None = None
    waiting: deque[anyio.Event] = field(default_factory=deque)

    async def end(self) -> None:
        """Wait for the end. Those who wait go on one by one, so that others of the loop get in between."""
        if self.ended:
            return
        woken = anyio.Event()
        self.waiting.append(woken)
        try:
            await woken.wait()
        finally:
            if woken.is_set():
                self.wake()
            else:
                self.waiting.remove(woken)

    def wake(self) -> None:
        if self.waiting:
            self.waiting.popleft().set()


class SingleFlight:
    """Lets those who want the same thing at the same time share one call."""

    def __init__(self, young: float, most: int) -> None:
        self._young = young
        self._most = most
        self._calls: dict[Hashable, list[_SharedCall[Any]]] = {}

    async def call(self, key: Hashable, make: Callable[[], Awaitable[A]]) -> A:
        """Return what a call gives that began less than `young` seconds ago, or make a call.

        Where `most` calls for the same thing are under way already, the newest is joined whatever its age.
        Raises what the call raises.
        """
        while True:
            call: _SharedCall[A] | None = self._joined(key)
            if call is None:
                return await self._make(key, make)
            await call.end()
            if call.error is not None:
                raise call.error.with_traceback(None)  # else it grows by everyone's
            if call.answers:
                return call.answers[0]

    def _joined(self, key: Hashable) -> _SharedCall[Any] | None:
        calls = self._calls.get(key, [])
        if not calls or (anyio.current_time() - calls[-1].begun > self._young and len(calls) < self._most):
            return None
        return calls[-1]

    async def _make(self, key: Hashable, make: Callable[[], Awaitable[A]]) -> A:
        call: _SharedCall[A] = _SharedCall(anyio.current_time())
        self._calls.setdefault(key, []).append(call)
        try:
            call.answers.append(await make())
        except Exception as error:
            call.error = error
            raise
        finally:
            self._calls[key].remove(call)
            if not self._calls[key]:
                del self._calls[key]
            call.ended = True
            call.wake()
        return call.answers[0]
