"""The calls about a server's backups and their policy."""

from operator import attrgetter
from typing import Final

from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.wayscloud.answers.models import JSON, AcceptedOperation, ProviderList
from vpsops.core.wayscloud.answers.parse import accepted
from vpsops.core.wayscloud.answers.validate import validate_id, validate_part
from vpsops.core.wayscloud.requests import endpoints
from vpsops.core.wayscloud.requests.send_hook import SendHook
from vpsops.core.wayscloud.server_parts import backup_answers as answers
from vpsops.core.wayscloud.server_parts.backup_answers import (
    Backup,
    BackupDownload,
    BackupPolicy,
    BackupPolicyState,
    BackupUsage,
)
from vpsops.core.wayscloud.server_parts.part_calls import PartCalls

WHAT: Final = "backup id"


class Backups:
    """Backups of servers. Reads raise `NotOfferedError` where the API has no backups, writes as `Wayscloud` says."""

    def __init__(self, calls: PartCalls, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock

    async def list_backups(self, server_id: str) -> ProviderList[Backup]:
        """Return the backups of one server."""
        route = endpoints.BACKUPS.of(validate_id(server_id))
        return await self._calls.list(route, answers.backups, attrgetter("id"))

    async def backup_usage(self, server_id: str) -> BackupUsage:
        """Return the space that one server's backups take."""
        return await self._calls.read(endpoints.BACKUP_USAGE.of(validate_id(server_id)), answers.usage)

    async def backup_policy(self, server_id: str) -> BackupPolicyState:
        """Return the schedule of one server's backups."""
        return await self._calls.read(endpoints.BACKUP_POLICY.of(validate_id(server_id)), answers.policy)

    async def download_backup(self, server_id: str, backup_id: str) -> BackupDownload:
        """Return where a backup can be fetched: a secret, which no error and no log quotes."""
        route = endpoints.DOWNLOAD_BACKUP.of(validate_id(server_id), validate_part(backup_id, WHAT))
        reader = answers.download(backup_id, self._clock.now())
        return await self._calls.read_secret(route, reader, lambda: self.list_backups(server_id))

    async def create_backup(self, server_id: str, *, departure: SendHook | None = None) -> Backup:
        """Request a backup, once; it is made in the background, and stands in the list then."""
        route = endpoints.CREATE_BACKUP.of(validate_id(server_id))
        return await self._calls.connection.write(route, answers.backup, departure=departure)

    async def delete_backup(
        self, server_id: str, backup_id: str, *, departure: SendHook | None = None
    ) -> AcceptedOperation:
        """Delete a backup for good."""
        return await self._on_backup(endpoints.DELETE_BACKUP, server_id, backup_id, departure)

    async def restore_backup(
        self, server_id: str, backup_id: str, *, departure: SendHook | None = None
    ) -> AcceptedOperation:
        """Replace the disk of a stopped server by a backup; the API may not offer it yet (501)."""
        return await self._on_backup(endpoints.RESTORE_BACKUP, server_id, backup_id, departure)

    async def set_backup_policy(
        self, server_id: str, policy: BackupPolicy, *, departure: SendHook | None = None
    ) -> AcceptedOperation:
        """Replace the schedule of one server's backups."""
        body: dict[str, JSON] = {
            "enabled": policy.enabled is not False,
            "frequency": policy.frequency,
            "time_of_day": policy.time_of_day,
            "retention_days": policy.retention_days,
        }
        if None in body.values():
            raise InvalidInputError("A backup policy needs a frequency, a time of day and a number of days.")
        if policy.day_of_week is not None:
            body["day_of_week"] = policy.day_of_week
        route = endpoints.SET_BACKUP_POLICY.of(validate_id(server_id))
        return await self._calls.connection.write(route, accepted(server_id), body=body, departure=departure)

    async def remove_backup_policy(self, server_id: str, *, departure: SendHook | None = None) -> AcceptedOperation:
        """Remove the schedule; the backups that there are stay. No page documents this call."""
        route = endpoints.REMOVE_BACKUP_POLICY.of(validate_id(server_id))
        return await self._calls.connection.write(route, accepted(server_id), departure=departure)

    async def _on_backup(
        self, route: endpoints.Route, server_id: str, backup_id: str, departure: SendHook | None
    ) -> AcceptedOperation:
        to = route.of(validate_id(server_id), validate_part(backup_id, WHAT))
        return await self._calls.connection.write(to, answers.NAMES.accepted(server_id, backup_id), departure=departure)
