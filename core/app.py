"""The composition root: settings in, a running core out."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import anyio

from vpsops.core.authorization.recheck import Recheck
from vpsops.core.changes.scope import OPERATOR, Scope
from vpsops.core.common.clock import Clock, SystemClock
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.common.redaction import Redactor
from vpsops.core.common.supervision import Supervisor
from vpsops.core.common.timings import DEFAULT_TIMING, Timing
from vpsops.core.config.logging import secrets_of
from vpsops.core.config.settings import Settings, state_directory
from vpsops.core.continuity.anchors import AnchorPublisher, anchor_targets_from
from vpsops.core.continuity.continuity_monitor import ContinuityMonitor
from vpsops.core.continuity.heads import HeadFile
from vpsops.core.execution.claims import own_capability
from vpsops.core.execution.engine import Engine
from vpsops.core.identity.accounts import AccountDirectory, AccountQuestions
from vpsops.core.identity.actors import Approvers
from vpsops.core.messaging.inbox import Inbox
from vpsops.core.messaging.outbox import Outbox
from vpsops.core.messaging.preferences import PreferenceStore
from vpsops.core.messaging.subscriptions import Subscriptions
from vpsops.core.monitoring.server_feed import ServerFeed
from vpsops.core.policy_register.declaration import Declaration, declaration_of
from vpsops.core.policy_register.register import PolicyRegister
from vpsops.core.server.readiness import Readiness
from vpsops.core.service.admission import Admission
from vpsops.core.service.audit_queries import AuditQueries
from vpsops.core.service.backend import Backend
from vpsops.core.service.change_queries import ChangeQueries
from vpsops.core.service.gate import Gate
from vpsops.core.service.policy_queries import PolicyQueries
from vpsops.core.service.server_queries import ServerQueries
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.engines import PostgresOptions
from vpsops.core.storage.leases import Process
from vpsops.core.storage.schema import newer
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.credentials import Credentials
from vpsops.core.workspaces.model import Workspaces
from vpsops.core.workspaces.slack_tables import SlackTables

SERVING = frozenset({"slack", "worker"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What front ends hold of a running process: commands and queries, and nothing beneath them.

    Commands go through `gate`, messages come from `outbox`.

    `scope` is what the front end's callers see unless they see less: one Slack workspace, or everything.
    """

    own: Settings
    clock: Clock
    redactor: Redactor
    timing: Timing
    supervisor: Supervisor
    readiness: Readiness
    outdated: anyio.Event  # set once a newer version migrated the database
    gate: Gate
    admission: Admission
    policy: PolicyQueries
    changes: ChangeQueries
    servers: ServerQueries
    server_feed: ServerFeed
    trail: AuditQueries
    accounts: AccountDirectory
    account_questions: AccountQuestions
    outbox: Outbox
    inbox: Inbox
    subscriptions: Subscriptions
    preferences: PreferenceStore
    slack_tables: SlackTables
    scope: Scope = OPERATOR

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
        return self.workspaces.settings_of(self.policy.settings_from(self.own), self.scope.team)

    def within(self, team: str) -> "Core":
        """Return the core as it is for one Slack workspace: its channels, and its changes alone."""
        return replace(self, scope=replace(self.scope, team=team))

    def for_agents(self) -> "Core":
        """Return the core as it is for agents: in the workspace that decides for them, where there are several."""
        return self.within(self.workspaces.home) if self.workspaces.several else self


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a composition root owns: the core that it gives to front ends, and the database that they never get."""

    core: Core
    database: Database


@asynccontextmanager
async def open_core(
    settings: Settings,
    *,
    front: str,
    clock: Clock | None = None,
    timing: Timing = DEFAULT_TIMING,
    accounts: AccountDirectory | None = None,
) -> AsyncIterator[Core]:
    """Open a runtime, for those that need its core alone; raises as `open_runtime` does."""
    async with open_runtime(settings, front=front, clock=clock, timing=timing, accounts=accounts) as runtime:
        yield runtime.core


@asynccontextmanager
async def open_runtime(
    settings: Settings,
    *,
    front: str,
    clock: Clock | None = None,
    timing: Timing = DEFAULT_TIMING,
    accounts: AccountDirectory | None = None,
) -> AsyncIterator[Runtime]:
    """Wire the core for one front end (`slack`, `mcp`, `worker` or `cli`) and unwire it in the end.

    A process that serves others (`slack`, `worker`) runs the engine from the start, the others from their first
    change on. Who is behind an agent is asked of `accounts`, or else of the bot through the database. Needs neither the
    provider nor Slack to be reachable. Raises `ConfigurationError` or `StorageError`; in the end `OutdatedError` where
    a newer version migrated the database meanwhile.
    """
    clock = clock or SystemClock()
    failure: Exception | None = None
    supervisor = Supervisor(clock)
    declared = declaration_of(settings)
    redactor = Redactor(secrets_of(settings))
    api = Wayscloud(credentials_of(settings), base_url=settings.api_url, clock=clock, redactor=redactor)
    options = postgres_options_of(settings)
    async with (
        open_database(settings.database, clock, supervisor=supervisor, options=options) as database,
        register_of(database, clock, declared, timing) as in_force,
        api,
        anyio.create_task_group() as group,
    ):
        process = Process(database, clock, front, can=own_capability(), policy=in_force.declared)
        engine = Engine(
            database,
            api,
            clock,
            process,
            timing,
            Recheck(in_force, timing),
            group,
            always=bool(in_force.settings_from(settings).channel or in_force.latest_workspaces().known),
            supervisor=supervisor,
            continuity=ContinuityMonitor(database, clock, process.id, head_file_of(settings)),
            anchors=AnchorPublisher(database, clock, anchor_targets_from(settings, in_force.latest_workspaces())),
        )
        directory = accounts or AccountQuestions(database, clock)
        backend = Backend(database, api, clock, timing, in_force, engine, accounts=directory, redactor=redactor)
        try:
            if front in SERVING:
                await engine.start()
            core = core_of(settings, backend, directory, process, Readiness(database, clock, engine, process, group))
            yield Runtime(core.for_agents() if front == "mcp" else core, database)
            if database.outdated.is_set():
                failure = newer()
        except Exception as error:  # noqa: BLE001 - raised below, outside the group, so that it stays itself
            failure = error
        finally:
            group.cancel_scope.cancel()
            await engine.stop()
    if failure is not None:
        raise failure


def core_of(
    own: Settings, backend: Backend, accounts: AccountDirectory, process: Process, readiness: Readiness
) -> Core:
    """Wire the services over a backend."""
    database, clock = backend.database, backend.clock
    admission = Admission(backend)
    servers = ServerQueries(backend, admission)
    return Core(
        own=own,
        clock=clock,
        redactor=backend.redactor,
        timing=backend.timing,
        supervisor=backend.engine.supervisor,
        readiness=readiness,
        outdated=database.outdated,
        gate=Gate(backend, admission, servers),
        admission=admission,
        policy=PolicyQueries(backend),
        changes=ChangeQueries(backend),
        servers=servers,
        server_feed=backend.engine.fleet,
        trail=AuditQueries(backend),
        accounts=accounts,
        account_questions=AccountQuestions(database, clock),
        outbox=Outbox(database, process.id, clock),
        inbox=Inbox(database, clock, backend.redactor),
        subscriptions=Subscriptions(database, clock),
        preferences=PreferenceStore(database, clock),
        slack_tables=SlackTables(database),
    )


@asynccontextmanager
async def register_of(
    database: Database, clock: Clock, declared: Declaration, timing: Timing
) -> AsyncIterator[PolicyRegister]:
    """Open the policy in force; raises `StorageError` where it cannot be relied on."""
    register = PolicyRegister(database, clock, declared, timing)
    await register.open(f"{socket.gethostname()}-{os.getpid()}")
    yield register


def head_file_of(settings: Settings) -> HeadFile | None:
    """Return where this machine keeps what it has seen of the database; nothing for a user without a home."""
    try:
        return HeadFile(state_directory(), settings.database)
    except ConfigurationError:
        return None


def postgres_options_of(settings: Settings) -> PostgresOptions:
    """Return how this process connects to PostgreSQL."""
    listen_url = settings.database_listen_url
    return PostgresOptions(listen_url.get_secret_value() if listen_url else "", settings.database_connections)


def credentials_of(settings: Settings) -> Credentials | None:
    """Return the provider's key as configured, or none: then every call says what to set."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    token = settings.token.get_secret_value() if settings.token else None
    return Credentials.choose(key, token) if (key or token) else None
