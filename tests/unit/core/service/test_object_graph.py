"""What front ends hold leads to neither the provider's client, the policy, the database nor the engine."""

import inspect
from collections import deque
from collections.abc import Iterator
from typing import Final

import pytest
import sqlalchemy as sa
from pydantic import BaseModel

from tests.fakes.accounts import EVERYBODY
from tests.fakes.timing import QUICK
from tests.harness.virtual_time import VirtualClock
from vpsops.core.app import open_core
from vpsops.core.config.settings import Settings
from vpsops.core.execution.engine import Engine
from vpsops.core.identity.accounts import AccountDirectory
from vpsops.core.policy import Policy
from vpsops.core.policy_register.force import PolicyInForce
from vpsops.core.service.backend import Backend
from vpsops.core.storage.database import Database
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import ProviderConnection

FORBIDDEN: Final = (
    Wayscloud,
    ProviderConnection,
    Policy,
    PolicyInForce,
    Database,
    Engine,
    Backend,
    sa.Engine,
    sa.Connection,
)
MAX_OBJECTS: Final = 20_000


def members(holder: object) -> Iterator[tuple[str, object]]:
    """Yield the public attributes of an object of ours, and what bound methods and containers hold."""
    if isinstance(holder, dict):
        yield from ((f"[{key!r}]", value) for key, value in holder.items())
    elif isinstance(holder, list | tuple | set | frozenset):
        yield from ((f"[{index}]", value) for index, value in enumerate(holder))
    elif type(holder).__module__.startswith("vpsops.") and not isinstance(holder, BaseModel):
        for name in dir(holder):
            if not name.startswith("_"):
                yield f".{name}", getattr(holder, name)


def paths(roots: dict[str, object]) -> set[str]:
    """Return the shortest path to each forbidden object; its own attributes are not followed."""
    results: set[str] = set()
    seen: set[int] = set()
    queue = deque(roots.items())
    kept: list[object] = []
    while queue:
        path, thing = queue.popleft()
        kept.append(thing)  # so that no id is used again
        if id(thing) in seen or inspect.ismethod(thing):
            continue
        seen.add(id(thing))
        assert len(seen) < MAX_OBJECTS
        if isinstance(thing, FORBIDDEN):
            results.add(path)
            continue
        queue.extend((path + name, value) for name, value in members(thing))
    return results


@pytest.mark.parametrize("accounts", [None, EVERYBODY])
@pytest.mark.requirement("services-hand-out-nothing")
async def test_a_core_leads_to_nothing_that_acts_past_it(settings: Settings, accounts: AccountDirectory | None) -> None:
    """Commands, queries, messages: no public attribute of a core, at any depth, is a forbidden object."""
    async with open_core(settings, front="mcp", timing=QUICK, clock=VirtualClock(), accounts=accounts) as core:
        assert paths({"core": core}) == set()


def test_a_forbidden_object_is_found_at_any_depth() -> None:
    """The walk follows attributes and containers of ours, and reports the path."""
    client = Wayscloud(ProviderConnection(None, clock=VirtualClock()))
    assert paths({"held": [{"api": client}]}) == {"held[0]['api']"}
