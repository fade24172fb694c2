"""The composition root: settings in, a running core out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio

from core.accounts import AccountDirectory, AccountQuestions
from core.changes.claims import own_capability
from core.changes.model import Approvers
from core.changes.outbox import Outbox
from core.changes.recheck import Recheck
from core.clock import Clock, SystemClock
from core.continuity import Continuity
from core.engine import Engine
from core.errors import ConfigurationError
from core.gate import Gate
from core.inbox import Inbox
from core.limits.guard import Guard
from core.limits.load import load_limits
from core.logs import secrets_of
from core.policy import load_policy
from core.policy.force import PolicyInForce
from core.readiness import Readiness
from core.redaction import Redactor
from core.settings import Settings, state_directory
from core.storage import Database, open_database
from core.storage.engines import PostgresOptions
from core.storage.heads import HeadFile
from core.storage.leases import Process
from core.storage.schema import newer
from core.supervision import Supervisor
from core.timing import DEFAULT_TIMING, Timing
from core.wayscloud.client import Wayscloud
from core.wayscloud.credentials import Credentials
from core.workspaces import Workspaces
from core.workspaces_load import load_workspaces

SERVING = frozenset({"slack", "worker"})


@dataclass(frozen=True, slots=True)
class Core:
    """What a front end is handed. Effects go through `gate`, messages come from `outbox`."""

    settings: Settings
    clock: Clock
    database: Database
    gate: Gate
    engine: Engine
    outbox: Outbox
    inbox: Inbox
    readiness: Readiness
    workspaces: Workspaces = field(default_factory=Workspaces)

    @property
    def redactor(self) -> Redactor:
        """Prepares words from outside, wherever they come in."""
        return self.gate.redactor

    @property
    def supervisor(self) -> Supervisor:
        """The background tasks of this process, and how each one is doing."""
        return self.engine.supervisor

    def within(self, team: str) -> "Core":
        """Return the core as it is for one Slack workspace: its channels, and its changes alone."""
        return replace(self, settings=self.workspaces.settings_of(self.settings, team), gate=self.gate.within(team))

    def for_agents(self) -> "Core":
        """Return the core as it is for agents: in the workspace that decides for them, where there are several."""
        return self.within(self.workspaces.home) if self.workspaces.several else self


@asynccontextmanager
async def open_core(
    settings: Settings,
    *,
    front: str,
    clock: Clock | None = None,
    timing: Timing = DEFAULT_TIMING,
    accounts: AccountDirectory | None = None,
) -> AsyncIterator[Core]:
    """Wire the core for one front end (`slack`, `mcp`, `worker` or `cli`) and unwire it in the end.

    A process that serves others (`slack`, `worker`) runs the engine from the start, the others from their first
    change on. Who is behind an agent is asked of `accounts`, or else of the bot through the database. Needs neither the
    provider nor Slack to be reachable. Raises `ConfigurationError` or `StorageError`; in the end `OutdatedError` where
    a newer version migrated the database meanwhile.
    """
    clock = clock or SystemClock()
    failure: Exception | None = None
    supervisor = Supervisor(clock)
    workspaces = load_workspaces(settings)
    limits = load_limits(settings)
    in_force = PolicyInForce(load_policy(settings), limits)
    redactor = Redactor(secrets_of(settings))
    api = Wayscloud(credentials_of(settings), base_url=settings.api_url, clock=clock, redactor=redactor)
    options = postgres_options_of(settings)
    async with (
        open_database(settings.database, clock, supervisor=supervisor, options=options) as database,
        api,
        anyio.create_task_group() as group,
    ):
        process = Process(database, clock, front, can=own_capability())
        engine = Engine(
            database,
            api,
            clock,
            process,
            timing,
            Recheck(in_force, timing, workspaces),
            group,
            always=bool(settings.channel or workspaces.known),
            supervisor=supervisor,
            continuity=Continuity(database, clock, process.id, head_file_of(settings)),
        )
        stewards, guard = stewards_of(settings), Guard(limits)
        gate = Gate(database, api, clock, timing, in_force, engine, stewards, guard, workspaces=workspaces)
        gate = replace(gate, accounts=accounts or AccountQuestions(database, clock), redactor=redactor)
        outbox = Outbox(database, process.id, clock)
        try:
            if front in SERVING:
                await engine.start()
            readiness = Readiness(database, clock, engine, process, group)
            inbox = Inbox(database, clock, redactor)
            core = Core(settings, clock, database, gate, engine, outbox, inbox, readiness, workspaces)
            yield core.for_agents() if front == "mcp" else core
            if database.outdated.is_set():
                failure = newer()
        except Exception as error:  # noqa: BLE001 - raised below, outside the group, so that it stays itself
            failure = error
        finally:
            group.cancel_scope.cancel()
            await engine.stop()
    if failure is not None:
        raise failure


def stewards_of(settings: Settings) -> Approvers:
    """Return who may let paused agents go on and settle what is unclear: who is where approvals are asked for."""
    channel = settings.approval_channel or settings.channel
    return Approvers(channels=(channel,)) if channel else Approvers()


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
