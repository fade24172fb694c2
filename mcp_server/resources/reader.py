"""Reads for one caller, through the gate: resources, completions and prompts show what the caller's tools would."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from vpsops.core.app import Core
from vpsops.core.changes.audit_entries import clean_actor
from vpsops.core.changes.model import Change
from vpsops.core.changes.requests import Done, Request
from vpsops.core.changes.scope import Scope
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.common.json_types import Json
from vpsops.core.identity.actors import Actor, Origin
from vpsops.core.operations.target import Target
from vpsops.core.wayscloud.answers.models import ProviderList, Server
from vpsops.mcp_server.auth.access import scope_of
from vpsops.mcp_server.auth.principal import READ, Caller, agent_from
from vpsops.mcp_server.protocol import sdk_compat
from vpsops.mcp_server.tools.definitions import PREFIX

ORIGIN = Origin(front="mcp")


@dataclass(frozen=True, slots=True)
class ResourceReader:
    """One caller, and its access."""

    core: Core
    caller: Caller
    actor: Actor
    scope: Scope

    def request(self, operation: str, arguments: Mapping[str, Json]) -> Request:
        """Return a read as a request."""
        return Request(operation=operation, arguments=arguments, actor=self.actor, origin=ORIGIN)

    async def read(self, operation: str, **arguments: Json) -> BaseModel:
        """Return the result of a read.

        Raises `NotAllowedError` when the scope or the policy denies it, and as the gate does.
        """
        self.check(operation)
        outcome = await self.core.servers.read(self.request(operation, arguments), scope=self.scope)
        if not isinstance(outcome, Done) or outcome.result is None:
            raise NotAllowedError(getattr(outcome, "reason", ""), hint=getattr(outcome, "hint", ""))
        return outcome.result

    async def change(self, change_id: str) -> Change:
        """Return a change. Raises `UnknownChangeError`, `NotAllowedError`."""
        await self.count("change_get")
        return await self.core.changes.get(change_id, scope=self.scope)

    async def changes(self, limit: int) -> Sequence[Change]:
        """Return the newest changes. Raises `NotAllowedError`."""
        await self.count("changes")
        return await self.core.changes.list(limit=limit, scope=self.scope)

    async def count(self, tool: str) -> None:
        """Count a read of no operation as its tool is counted.

        Raises `NotAllowedError` for that as well as `check` does.
        """
        self.check(tool)
        too_fast = await self.core.admission.admit(self.request(f"{PREFIX}{tool}", {}))
        if too_fast is not None:
            raise NotAllowedError(too_fast.reason, hint=too_fast.hint)

    def check(self, tool: str = "") -> None:
        """Raise `NotAllowedError` for a caller without the read scope, or with access that excludes the tool."""
        if not self.granted:
            raise NotAllowedError(f"The token lacks the scope {READ}.")
        barred = self.caller.reach.barred(f"{PREFIX}{tool}") if tool else None
        if barred is not None:
            raise NotAllowedError(
                f"The limit {barred.where} {barred.limit} ({barred.value}) does not let it be read here."
            )

    def sees(self, server: Server) -> bool:
        """Return whether the caller sees a server."""
        return self.caller.reach.sight.sees(server.id, server.hostname)

    def sees_any(self, targets: Sequence[Target]) -> bool:
        """Return whether the caller sees any of these servers."""
        sight = self.caller.reach.sight
        return not sight or any(sight.shows(target) for target in targets)

    @property
    def granted(self) -> bool:
        """Return whether the caller was granted reading."""
        return READ in self.caller.scopes

    @property
    def principal(self) -> str:
        """The key for rate bounds: the token's subject, or its human; a client's name is only its claim."""
        return self.caller.subject or self.caller.human

    @property
    def people(self) -> frozenset[str]:
        """Every id that means the caller's human, or the one its token was given to; in lower case.

        A client's name is not an identity: clients of other people have the same name.
        """
        own = {self.actor.id.lower()} if self.caller.subject else set()
        return self.actor.humans | own

    def may(self, operation: str, target: Target | None = None) -> bool:
        """Return whether the caller may run a read now, without running it."""
        reach = self.caller.reach
        if not self.granted or not reach.allows(f"{PREFIX}{operation}"):
            return False
        in_sight = target is None or reach.sight.shows(target)
        return in_sight and self.core.servers.may_read(self.request(operation, {}), target)

    async def too_fast(self, operation: str) -> bool:
        """Count a read against the caller's rate, and return whether it exceeds the limit."""
        return await self.core.admission.admit(self.request(operation, {})) is not None

    async def servers(self) -> ProviderList[Server]:
        """Return all servers in one call. Raises `NotAllowedError`, `WayscloudError`."""
        self.check("list")
        return await self.core.servers.list_all(self.request("list", {}), scope=self.scope)

    async def in_full(
        self, servers: Sequence[Server], most: int, lacks: Callable[[Server], bool] | None = None
    ) -> list[Server]:
        """Return servers with what the list leaves out of them, for `most` of those that lack it at most."""
        return await self.core.servers.in_full(self.request("get", {}), servers, most, lacks, scope=self.scope)


@dataclass(frozen=True, slots=True)
class ResourceReaders:
    """Finds the reader behind a request."""

    core: Core
    who: Callable[[sdk_compat.Context], Caller]
    change_tools: bool = True

    def of(self, context: sdk_compat.Context) -> ResourceReader:
        """Return the actor of a read."""
        caller = self.who(context)
        actor = clean_actor(agent_from(sdk_compat.client_name(context), caller), self.core.redactor)
        return ResourceReader(self.core, caller, actor, scope_of(self.core, caller))
