"""What a process needs from its first change on, and what serves people: loaded with its first use.

This brings SQLAlchemy, the engine and its background tasks. A process that only reads does without.
"""

from dataclasses import dataclass

from vpsops.core.app.process_parts import ProcessParts
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import Settings, state_directory
from vpsops.core.continuity.anchors import AnchorPublisher, anchor_targets_from
from vpsops.core.continuity.continuity_monitor import ContinuityMonitor
from vpsops.core.continuity.heads import HeadFile
from vpsops.core.execution.claims import own_capability
from vpsops.core.execution.engine import EngineParts
from vpsops.core.execution.retention import RetentionDays
from vpsops.core.grants.queries import GrantQueries
from vpsops.core.identity.accounts import AccountDirectory
from vpsops.core.identity.group_names import GroupNames
from vpsops.core.messaging.inbox import Inbox
from vpsops.core.messaging.outbox import Outbox
from vpsops.core.messaging.preferences import PreferenceStore
from vpsops.core.messaging.subscriptions import Subscriptions
from vpsops.core.monitoring.server_feed import ServerFeed
from vpsops.core.reports.report_queries import ReportQueries
from vpsops.core.runbooks.queries import RunbookQueries
from vpsops.core.service.admission import Admission
from vpsops.core.service.audit_queries import AuditQueries
from vpsops.core.service.backend import Backend
from vpsops.core.service.change_queries import ChangeQueries
from vpsops.core.service.ends.end_queries import EndQueries
from vpsops.core.service.gate import Gate
from vpsops.core.service.server_queries import ServerQueries
from vpsops.core.storage.leases import Process
from vpsops.core.workspaces.slack_tables import SlackTables


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The services beside those of a read."""

    gate: Gate
    changes: ChangeQueries
    grants: GrantQueries
    ends: EndQueries
    runbooks: RunbookQueries
    reports: ReportQueries
    server_feed: ServerFeed
    trail: AuditQueries
    outbox: Outbox
    inbox: Inbox
    subscriptions: Subscriptions
    preferences: PreferenceStore
    group_names: GroupNames
    slack_tables: SlackTables


def head_file_of(settings: Settings) -> HeadFile | None:
    """Return where this machine keeps what it has seen of the database; nothing for a user without a home."""
    try:
        return HeadFile(state_directory(), settings.database)
    except ConfigurationError:
        return None


def engine_parts_of(opened: ProcessParts, settings: Settings, accounts: AccountDirectory | None = None) -> EngineParts:
    """Return what an engine runs on; raises `ConfigurationError`."""
    database, clock, in_force = opened.database, opened.clock, opened.policy
    process = Process(database, clock, opened.front, can=own_capability(), policy=in_force.declared)
    return EngineParts(
        database=database,
        connection=opened.connection,
        clock=clock,
        process=process,
        timing=opened.timing,
        policy=in_force,
        group=opened.group,
        supervisor=opened.supervisor,
        continuity=ContinuityMonitor(database, clock, process.id, head_file_of(settings)),
        offers=opened.offers,
        accounts=accounts,
        anchors=AnchorPublisher(database, clock, anchor_targets_from(settings, in_force.latest_workspaces())),
        always=bool(in_force.settings_from(settings).channel or in_force.latest_workspaces().known),
        telemetry=opened.telemetry,
        retention=RetentionDays(settings.keep_given_up_days, settings.keep_cards_days),
    )


def services_of(backend: Backend, admission: Admission, servers: ServerQueries, parts: EngineParts) -> Services:
    """Wire the services over a backend."""
    database, clock, changes = backend.database, backend.clock, ChangeQueries(backend)
    return Services(
        gate=Gate(backend, admission, servers),
        changes=changes,
        grants=GrantQueries(database, clock, backend.visibility),
        ends=EndQueries(database, backend.visibility),
        runbooks=RunbookQueries(database, backend.visibility),
        reports=ReportQueries(servers, changes, clock),
        server_feed=backend.engine.fleet,
        trail=AuditQueries(backend),
        outbox=Outbox(database, parts.process.id, clock),
        inbox=Inbox(database, clock, backend.redactor),
        subscriptions=Subscriptions(database, clock),
        preferences=PreferenceStore(database, clock),
        group_names=GroupNames(database, clock, backend.redactor),
        slack_tables=SlackTables(database),
    )
