"""Reads of registered runbooks, each within a scope: one that names a server which is hidden does not exist."""

from collections.abc import Callable, Sequence

from vpsops.core.changes.scope import Scope, ServerFilter, Visibility
from vpsops.core.common.errors import VpsopsError
from vpsops.core.plans.selection import FILTER
from vpsops.core.runbooks import register
from vpsops.core.runbooks.model import Runbook, ValueKind
from vpsops.core.runbooks.register import RegisteredRunbook, unknown_runbook
from vpsops.core.runbooks.values import SEPARATORS, placeholders_in
from vpsops.core.storage.database import Database


def server_words(runbook: Runbook) -> list[str]:
    """Return the names and patterns of servers that a runbook has in itself, in steps and in defaults."""
    steps = [each for step in runbook.steps for each in (step, *step.compensations)]
    words = [word for step in steps for word in step.servers if not placeholders_in(word)]
    for argument in runbook.arguments:
        if argument.kind is ValueKind.SERVERS and argument.default is not None:
            words += [word for word in SEPARATORS.split(argument.default) if word]
    return [word for word in words if not FILTER.fullmatch(word)]


def shows(servers: ServerFilter, registered: RegisteredRunbook) -> bool:
    """Return whether a runbook is visible: each server that it names is, for certain; what cannot be read is not."""
    if not servers:
        return True
    try:
        return all(servers.sees(word, word) for word in server_words(registered.runbook))
    except VpsopsError:
        return False


class RunbookQueries:
    """Finds and lists the runbooks that a scope shows."""

    __slots__ = ("_database", "_visibility")

    def __init__(self, database: Database, visibility: Callable[[Scope], Visibility]) -> None:
        self._database = database
        self._visibility = visibility

    async def list_all(self, *, scope: Scope) -> Sequence[RegisteredRunbook]:
        """Return the runbooks by their names; raises `StorageError`."""
        servers = self._visibility(scope).servers
        return [each for each in await self._database.read(register.all_runbooks) if shows(servers, each)]

    async def get(self, name: str, *, scope: Scope) -> Runbook:
        """Return a runbook by its name; raises `UnknownRunbookError`, and `RunbookBrokenError` or `RunbookError`."""
        visible = {each.name: each for each in await self.list_all(scope=scope)}
        if name not in visible:
            raise unknown_runbook(name, list(visible))
        return visible[name].runbook
