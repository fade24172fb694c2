"""The stop of a server at its end: looked at and decided at that time, then stored as a change of its own, once.

People agreed to it with the create, and its digest holds the end. So a policy that asks for consent is answered by
theirs, and one that denies, a freeze, a limit, a pause, and a server that is not as vpsops left it, are not: then
people are asked, and nothing is done by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.agent_pause import AgentsPausedError
from vpsops.core.authorization.recheck import Recheck
from vpsops.core.changes import repository
from vpsops.core.changes.audit_entries import requested
from vpsops.core.changes.model import Change
from vpsops.core.changes.preview import Preview, preview_stored
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import InvalidInputError, NotAllowedError, UnreadableRowError
from vpsops.core.continuity.continuity_monitor import ContinuityMonitor
from vpsops.core.ends import lifecycle
from vpsops.core.ends.model import EndAction, ServerEnd, drift
from vpsops.core.ends.trail import STOP
from vpsops.core.execution.ends.end_change import EndRefusedError, change_of, known_server, request_of, ruling_of
from vpsops.core.execution.notes import END_PASSED
from vpsops.core.limits import quotas
from vpsops.core.limits.quotas import LimitReachedError
from vpsops.core.operations import OPERATIONS
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.storage.database import Database
from vpsops.core.wayscloud.answers.errors import NotFoundError, WayscloudError
from vpsops.core.wayscloud.answers.models import Server
from vpsops.core.wayscloud.client import Wayscloud

Claim = Callable[[Connection, Change], Change]


class Presence(StrEnum):
    """What a read says of a server."""

    THERE = "there"
    GONE = "gone"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ServerLook:
    """One read of a server by its id; `why` says what kept it from being read."""

    presence: Presence
    server: Server | None = None
    why: str = ""


async def look_at(api: Wayscloud, server_id: str) -> ServerLook:
    """Read a server; it is gone where its id answers 404 and a complete list agrees, else that is not known."""
    try:
        return ServerLook(Presence.THERE, await api.get_server(server_id))
    except NotFoundError:
        pass
    except WayscloudError as error:
        return ServerLook(Presence.UNKNOWN, why=error.message)
    try:
        listed = await api.list_servers()
    except WayscloudError as error:
        return ServerLook(Presence.UNKNOWN, why=error.message)
    if listed.complete and all(server.id != server_id for server in listed):
        return ServerLook(Presence.GONE)
    return ServerLook(Presence.UNKNOWN, why="the provider does not say whether it is there")


@dataclass(frozen=True, slots=True)
class EndStop:
    """Begins the stops of servers at their ends in this process."""

    database: Database
    api: Wayscloud
    clock: Clock
    recheck: Recheck
    continuity: ContinuityMonitor
    claim: Claim

    async def begin(self, end: ServerEnd, server: Server, action: Callable[[], EndAction]) -> str:
        """Store the stop of a server and return its id; "" where another change has the server, so that it waits.

        `action` returns what to do with the end at that moment: reads of the provider, or a pause of this process, may
        have taken the time that was left. Raises `EndRefusedError` where people have to be asked, `StaleChangeError`
        where another process was first.
        """
        try:
            seen = await preview_stored(self.api, OPERATIONS[STOP], {"server": server.id})
        except (InvalidInputError, WayscloudError) as error:
            raise EndRefusedError(error.message) from None
        try:
            change = await self.database.transact(lambda entry: self._store(entry, end, server, seen, action()))
        except AgentsPausedError:
            raise EndRefusedError("Agents are paused, and an agent asked for this server.") from None
        except (LimitReachedError, NotAllowedError) as error:
            raise EndRefusedError(error.message) from None
        except (IntegrityError, UnreadableRowError):
            return ""
        return "" if change is None else change.id

    def _store(
        self, connection: Connection, end: ServerEnd, server: Server, seen: Preview, action: EndAction
    ) -> Change | None:
        now = self.clock.now()
        if action is not EndAction.STOP:
            if action is EndAction.ASK:
                raise EndRefusedError(END_PASSED)
            return None
        self.continuity.verify(connection)
        self.recheck.policy.check(connection)
        why = drift(known_server(connection, end), server.hostname, server.plan or "")
        if why:
            raise EndRefusedError(why)
        agent_pause.check(connection, end.owner)
        if repository.by_lock(connection, seen.target.key) is not None:
            return None
        ruling = self._ruling(connection, end, seen, now)
        change = change_of(end, seen, ruling, f"as agreed to with {end.change_id}", now)
        lifecycle.begin_stop(connection, end, change, now)
        body = requested(request_of(end, change), seen, change.ruling)
        repository.insert(connection, change, key=f"end:{end.server_id}:{end.turn}", body=body)
        limits = self.recheck.policy.read_limits(connection)
        quotas.check_agreed(connection, replace(limits, max_changes_per_hour=None), change, seen.target)
        return self.claim(connection, change)

    def _ruling(self, connection: Connection, end: ServerEnd, seen: Preview, now: datetime) -> Ruling:
        """Return the ruling by which the create's consent covers the stop; raises `EndRefusedError` for a denial."""
        policy = self.recheck.policy
        ruling = ruling_of(end, seen, policy.read(connection), policy.read_workspaces(connection), now)
        if ruling.decision is Decision.DENY:
            raise EndRefusedError(f"The policy refuses to stop it. {ruling.reason}".strip())
        return Ruling(Decision.ALLOW, rules=ruling.rules, policy=ruling.policy, end=end.change_id)
