"""What is open in every process: the database, the policy in force and the provider's connection."""

from __future__ import annotations

import os
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from vpsops.core.common import timings
from vpsops.core.common.supervision import Supervisor
from vpsops.core.monitoring.change_telemetry import ChangeTelemetry
from vpsops.core.offers.memory import OfferMemory
from vpsops.core.policy_register.declaration import Declaration, declaration_of
from vpsops.core.policy_register.register import PolicyRegister
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.pools import PostgresOptions
from vpsops.core.telemetry.telemetry import Telemetry, tracer_from
from vpsops.core.wayscloud.requests.connection import ProviderConnection
from vpsops.core.wayscloud.requests.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import TaskGroup

    from vpsops.core.common.clock import Clock
    from vpsops.core.common.redaction import Redactor
    from vpsops.core.common.timings import Timing
    from vpsops.core.config.settings import Settings

FLUSH_SECONDS: Final = timings.FLUSH_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessParts:
    """What a process has open, under the name of its front end."""

    front: str
    database: Database
    connection: ProviderConnection
    clock: Clock
    timing: Timing
    policy: PolicyRegister
    group: TaskGroup
    supervisor: Supervisor
    offers: OfferMemory
    telemetry: Telemetry


@asynccontextmanager
async def open_parts(
    settings: Settings, front: str, clock: Clock, timing: Timing, redactor: Redactor
) -> AsyncIterator[ProcessParts]:
    """Open the database, the policy in force and the provider's connection, and close them in the end."""
    supervisor, options = Supervisor(clock), postgres_options_of(settings)
    async with (
        opened_telemetry() as telemetry,
        open_database(settings.database, clock, supervisor=supervisor, options=options) as database,
        register_of(database, clock, declaration_of(settings), timing, at_terminal=front == "cli") as in_force,
        provider_connection(settings, clock, redactor, telemetry) as connection,
        anyio.create_task_group() as group,
    ):
        observe_commits(database, telemetry)
        yield ProcessParts(
            front=front,
            database=database,
            connection=connection,
            clock=clock,
            timing=timing,
            policy=in_force,
            group=group,
            supervisor=supervisor,
            offers=OfferMemory(database, clock, settings.api_url),
            telemetry=telemetry,
        )


def provider_connection(
    settings: Settings, clock: Clock, redactor: Redactor, telemetry: Telemetry
) -> ProviderConnection:
    """Return a connection to the configured provider, to be opened."""
    credentials, url = credentials_of(settings), settings.api_url
    return ProviderConnection(credentials, base_url=url, clock=clock, redactor=redactor, telemetry=telemetry)


def observe_commits(database: Database, telemetry: Telemetry) -> None:
    """Have each step of a change that is committed logged, counted and traced."""
    database.observe, database.tracer = ChangeTelemetry(telemetry).observe, telemetry.tracer


@asynccontextmanager
async def opened_telemetry() -> AsyncIterator[Telemetry]:
    """Open a process's meter and tracer; in the end, send what was traced, within a bounded time."""
    telemetry = Telemetry(tracer=tracer_from(os.environ))
    try:
        yield telemetry
    finally:
        if telemetry.tracer.is_enabled:
            with anyio.move_on_after(FLUSH_SECONDS, shield=True):
                await anyio.to_thread.run_sync(telemetry.tracer.close, abandon_on_cancel=True)


@asynccontextmanager
async def register_of(
    database: Database, clock: Clock, declared: Declaration, timing: Timing, *, at_terminal: bool
) -> AsyncIterator[PolicyRegister]:
    """Open the policy in force; raises `StorageError` where it cannot be relied on."""
    register = PolicyRegister(database, clock, declared, timing, at_terminal=at_terminal)
    await register.open(f"{socket.gethostname()}-{os.getpid()}")
    yield register


def postgres_options_of(settings: Settings) -> PostgresOptions:
    """Return how this process connects to PostgreSQL."""
    listen_url = settings.database_listen_url
    return PostgresOptions(listen_url.get_secret_value() if listen_url else "", settings.database_connections)


def credentials_of(settings: Settings) -> Credentials | None:
    """Return the provider's key as configured, or none: then every call says what to set."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    token = settings.token.get_secret_value() if settings.token else None
    return Credentials.choose(key, token) if (key or token) else None
