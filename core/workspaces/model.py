"""Several Slack workspaces on one core: where each has its channels, and which changes it may see."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from vpsops.core.changes.model import Change
from vpsops.core.common.text import comma_separated
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Approvers, Origin, union_of
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.policy.defaults import OWN_CHANNEL

NOBODY: Final = "-"
"""A workspace or channel that there is not: reading its members fails."""
NO_CHANNEL: Final = "This workspace has no channel for approvals, so no one can decide."


@dataclass(frozen=True, slots=True)
class Workspace:
    """One `[[workspace]]` of `vpsops.toml`; `agents` marks the one with the people who decide on agents' requests."""

    team: str
    approval_channel: str = ""
    channel: str = ""
    escalation_channel: str = ""
    agents: bool = False


@dataclass(frozen=True, slots=True)
class Workspaces:
    """All of them. Without `several` there is one workspace, and the settings' own channels are its."""

    several: bool = False
    known: tuple[Workspace, ...] = ()

    def of(self, team: str) -> Workspace:
        """Return a workspace's table, or one without channels."""
        return next((workspace for workspace in self.known if workspace.team == team), Workspace(team))

    @property
    def home(self) -> str:
        """The workspace that changes without one belong to: those of agents; `NOBODY` where none is marked."""
        return next((workspace.team for workspace in self.known if workspace.agents), NOBODY)

    def owner(self, origin: Origin) -> str:
        """Return the workspace that a change from here belongs to; empty in a single workspace."""
        return (origin.team or self.home) if self.several else origin.team

    def shows(self, change: Change, team: str) -> bool:
        """Return whether a workspace may see a change; an empty `team` is the operator, who sees all."""
        owner = self.owner(change.origin)
        return not team or owner == team or (not self.several and not owner)

    def seen_from(self, team: str) -> frozenset[str]:
        """Return the workspaces, as changes name them, with changes that `team` may see; empty means all."""
        if not (self.several and team):
            return frozenset()
        return frozenset({team, ""} if team == self.home else {team})

    def stamped(self, origin: Origin, team: str) -> Origin:
        """Return an origin with the workspace it belongs to; an actor of one workspace asks from no other."""
        owner = team or self.owner(origin)
        return replace(origin, team=owner) if self.several else origin

    def settings_of(self, settings: Settings, team: str) -> Settings:
        """Return the settings as they are for one workspace."""
        if not self.several:
            return settings
        workspace = self.of(team)
        channels = {"approval_channel": workspace.approval_channel, "channel": workspace.channel}
        return settings.model_copy(update=channels | {"escalation_channel": workspace.escalation_channel})

    def ruling_of(self, ruling: Ruling, team: str) -> Ruling:
        """Put a workspace's own channel where a rule leaves the approvers to it; without one no one may decide."""
        if not self.several or ruling.decision is not Decision.APPROVE:
            return ruling
        channel = self.of(team).approval_channel
        asked = (ruling.approvers, *ruling.requirements)
        if not channel and any(OWN_CHANNEL in approvers.channels for approvers in asked):
            return replace(
                ruling, decision=Decision.DENY, votes=0, approvers=Approvers(), requirements=(), reason=NO_CHANNEL
            )
        requirements = tuple(_put(requirement, channel) for requirement in ruling.requirements)
        approvers = union_of(requirements) if requirements else _put(ruling.approvers, channel)
        return replace(ruling, approvers=approvers, requirements=requirements)

    def stewards_of(self, team: str) -> Approvers:
        """Return who may let agents go on, and settle what is unclear: people of the agents' workspace alone."""
        channel = self.of(team).approval_channel or self.of(team).channel
        return Approvers(channels=(channel if channel and team == self.home else NOBODY,))


def _put(approvers: Approvers, channel: str) -> Approvers:
    return replace(approvers, channels=tuple(channel if name == OWN_CHANNEL else name for name in approvers.channels))


def teams_of(settings: Settings) -> Sequence[str]:
    """Return the ids of the workspaces that may install the app."""
    return comma_separated(settings.slack_teams)
