"""What front ends hold of a running process."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import anyio

    from vpsops.core.app.services import Services
    from vpsops.core.changes.scope import Scope
    from vpsops.core.common.clock import Clock
    from vpsops.core.common.redaction import Redactor
    from vpsops.core.common.supervision import Supervisor
    from vpsops.core.common.timings import Timing
    from vpsops.core.config.reloader import Reloader
    from vpsops.core.config.settings import Settings
    from vpsops.core.grants.queries import GrantQueries
    from vpsops.core.identity.accounts import AccountDirectory, AccountQuestions
    from vpsops.core.identity.actors import Approvers
    from vpsops.core.identity.group_names import GroupNames
    from vpsops.core.messaging.inbox import Inbox
    from vpsops.core.messaging.outbox import Outbox
    from vpsops.core.messaging.preferences import PreferenceStore
    from vpsops.core.messaging.subscriptions import Subscriptions
    from vpsops.core.monitoring.server_feed import ServerFeed
    from vpsops.core.reports.report_queries import ReportQueries
    from vpsops.core.runbooks.queries import RunbookQueries
    from vpsops.core.server.readiness import Readiness
    from vpsops.core.service.admission import Admission
    from vpsops.core.service.audit_queries import AuditQueries
    from vpsops.core.service.change_queries import ChangeQueries
    from vpsops.core.service.ends.end_queries import EndQueries
    from vpsops.core.service.gate import Gate
    from vpsops.core.service.offer_queries import OfferQueries
    from vpsops.core.service.policy_queries import PolicyQueries
    from vpsops.core.service.server_queries import ServerQueries
    from vpsops.core.telemetry.telemetry import Telemetry
    from vpsops.core.workspaces.model import Workspaces
    from vpsops.core.workspaces.slack_tables import SlackTables


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What front ends hold of a running process: commands and queries, and nothing beneath them.

    Commands go through `gate`, messages come from `outbox`. What a first read does without is loaded when it is used.

    `scope` is what the front end's callers see unless they see less: one Slack workspace, or everything.
    """

    reloader: Reloader
    clock: Clock
    redactor: Redactor
    timing: Timing
    supervisor: Supervisor
    readiness: Readiness
    outdated: anyio.Event  # set once a newer version migrated the database
    admission: Admission
    policy: PolicyQueries
    offers: OfferQueries
    servers: ServerQueries
    accounts: AccountDirectory
    account_questions: AccountQuestions
    telemetry: Telemetry
    scope: Scope
    late: Callable[[], Services] = field(repr=False)
    """Returns what a first read does without; loaded at its first use."""

    @property
    def gate(self) -> Gate:
        """Commands."""
        return self.late().gate

    @property
    def changes(self) -> ChangeQueries:
        """Reads of changes."""
        return self.late().changes

    @property
    def grants(self) -> GrantQueries:
        """Reads of grants."""
        return self.late().grants

    @property
    def ends(self) -> EndQueries:
        """Reads of servers' ends."""
        return self.late().ends

    @property
    def runbooks(self) -> RunbookQueries:
        """Reads of registered runbooks."""
        return self.late().runbooks

    @property
    def reports(self) -> ReportQueries:
        """The status report."""
        return self.late().reports

    @property
    def server_feed(self) -> ServerFeed:
        """The servers as they are followed."""
        return self.late().server_feed

    @property
    def trail(self) -> AuditQueries:
        """Reads of the audit trail."""
        return self.late().trail

    @property
    def outbox(self) -> Outbox:
        """Messages to post."""
        return self.late().outbox

    @property
    def inbox(self) -> Inbox:
        """Deliveries that came in."""
        return self.late().inbox

    @property
    def subscriptions(self) -> Subscriptions:
        """Subscriptions of people and channels."""
        return self.late().subscriptions

    @property
    def preferences(self) -> PreferenceStore:
        """What people chose."""
        return self.late().preferences

    @property
    def group_names(self) -> GroupNames:
        """What Slack calls its user groups."""
        return self.late().group_names

    @property
    def slack_tables(self) -> SlackTables:
        """The tables of Slack's own stores."""
        return self.late().slack_tables

    @property
    def workspaces(self) -> Workspaces:
        """The workspaces in force."""
        return self.policy.workspaces

    @property
    def teams(self) -> frozenset[str]:
        """The workspaces with changes that the scope shows; empty for all."""
        return self.workspaces.seen_from(self.scope.team)

    @property
    def stewards(self) -> Approvers:
        """The people who may let agents go on and settle changes, as read last."""
        return self.policy.stewards(self.scope.team)

    @property
    def settings(self) -> Settings:
        """The settings of this process, those that decide as they are in force, for the workspace it is bound to."""
        return self.workspaces.settings_of(self.policy.settings_from(self.reloader.settings), self.scope.team)

    def within(self, team: str) -> Core:
        """Return the core as it is for one Slack workspace: its channels, and its changes alone."""
        return replace(self, scope=replace(self.scope, team=team))

    def for_agents(self) -> Core:
        """Return the core as it is for agents: in the workspace that decides for them, where there are several."""
        return self.within(self.workspaces.home) if self.workspaces.several else self
