"""Calls into an event loop from a test that is no coroutine: everything stands still between two calls."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

from tests.harness.virtual_time import VirtualLoop

T = TypeVar("T")


class Portal:
    """A loop in virtual time that runs only while something is called."""

    def __init__(self) -> None:
        self._loop = VirtualLoop()

    def call(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Return what a coroutine function returns; raises what it raises."""

        async def called() -> T:
            return await function(*args)

        return self._loop.run_until_complete(called())

    @contextmanager
    def wrap_async_context_manager(self, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Enter an asynchronous context, and leave it by the same task, as cancel scopes want it."""
        entered: asyncio.Future[T] = self._loop.create_future()
        leaving = asyncio.Event()

        async def held() -> None:
            async with manager as value:
                entered.set_result(value)
                await leaving.wait()

        task = self._loop.create_task(held())
        self._loop.run_until_complete(_first(entered, task))
        try:
            yield entered.result()
        finally:
            leaving.set()
            self._loop.run_until_complete(task)

    def close(self) -> None:
        """Close the loop."""
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


async def _first(entered: "asyncio.Future[Any]", task: "asyncio.Task[None]") -> None:
    await asyncio.wait({entered, task}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
