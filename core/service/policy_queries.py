"""What the policy and limits in force say, for front ends."""

from collections.abc import Mapping

from vpsops.core.common.errors import NotAllowedError
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Actor, Approvers
from vpsops.core.limits.access import AccessScope
from vpsops.core.policy.rights import Right, rights
from vpsops.core.service.backend import Backend
from vpsops.core.workspaces.model import Workspaces


class PolicyQueries:
    """Answers from the policy as read last; `refresh` reads a newer policy."""

    __slots__ = ("_backend",)

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def refresh(self) -> None:
        """Read the policy in force again where it has changed."""
        await self._backend.policy.refresh()

    @property
    def workspaces(self) -> Workspaces:
        """The workspaces in force."""
        return self._backend.workspaces

    @property
    def by_email(self) -> bool:
        """Whether a rule names people by e-mail address."""
        return self._backend.policy.latest().by_email

    @property
    def groups(self) -> frozenset[str]:
        """The groups that rules name."""
        return self._backend.policy.latest().groups

    @property
    def mcp_access(self) -> AccessScope:
        """What `[limits.mcp]` leaves to assistants."""
        return self._backend.policy.latest_limits().mcp

    def stewards(self, team: str) -> Approvers:
        """Return the people who may let agents go on and settle changes, in a workspace."""
        return self._backend.policy.latest_stewards(team)

    def settings_from(self, own: Settings) -> Settings:
        """Return a process's settings with the deciding ones as they are in force."""
        return self._backend.policy.settings_from(own)

    @property
    def difference(self) -> NotAllowedError | None:
        """How this process's own policy differs from the one in force; None where it does not."""
        return self._backend.policy.difference

    def rights(self, actor: Actor, front: str) -> Mapping[str, Right]:
        """Return what a person may do now, by operation."""
        return rights(self._backend.policy.latest(), actor, front, self._backend.clock.now())
