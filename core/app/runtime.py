"""The composition root: settings in, a running core out."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from vpsops.core.app.core import Core
from vpsops.core.app.installed_release import check_release, installed_release
from vpsops.core.app.process_parts import ProcessParts, credentials_of, open_parts
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.clock import Clock, SystemClock
from vpsops.core.common.redaction import Redactor
from vpsops.core.common.timings import DEFAULT_TIMING, Timing
from vpsops.core.config.logging import secrets_of
from vpsops.core.config.reloader import Commit, Reloader
from vpsops.core.identity.accounts import AccountDirectory, AccountQuestions
from vpsops.core.policy_register.declaration import declaration_of
from vpsops.core.server.readiness import Readiness
from vpsops.core.service.admission import Admission
from vpsops.core.service.backend import Backend
from vpsops.core.service.offer_queries import OfferQueries
from vpsops.core.service.policy_queries import PolicyQueries
from vpsops.core.service.region_directory import RegionDirectory
from vpsops.core.service.server_queries import ServerQueries
from vpsops.core.storage.schema import newer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from vpsops.core.app.services import Services
    from vpsops.core.config.settings import Settings
    from vpsops.core.execution.engine import Engine, EngineParts
    from vpsops.core.storage import Database

SERVING: Final = frozenset({"slack", "worker"})


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
    reloader = Reloader(settings, clock := clock or SystemClock(), redactor := Redactor(secrets_of(settings)))
    failure: Exception | None = None
    async with open_parts(settings, front, clock, timing, redactor) as opened:
        engine = LateEngine(opened, settings, directory := accounts or AccountQuestions(opened.database, clock))
        backend = backend_of(reloader, opened, engine, directory, redactor)
        follow_sources(reloader, opened)
        try:
            if front in SERVING:
                await backend.engine.start()
            elif settings.anchor_webhook is not None:
                _ = engine.parts  # one that cannot serve is said now
            core = core_of(reloader, backend, directory, opened, engine)
            yield Runtime(core.for_agents() if front == "mcp" else core, opened.database)
            if opened.database.outdated.is_set():
                failure = newer()
        except Exception as error:  # noqa: BLE001 - raised below, outside the group, so that it stays itself
            failure = error
        finally:
            opened.group.cancel_scope.cancel()
            await engine.stop()
    if failure is not None:
        raise failure


def follow_sources(reloader: Reloader, opened: ProcessParts) -> None:
    """Have the policy's register and the provider's connection follow what is read again.

    A policy that was applied and is another than this process's own is a reason to read its file again.
    """

    async def prepare(settings: Settings) -> Commit:
        declared, credentials = declaration_of(settings), credentials_of(settings)

        def commit() -> None:
            opened.policy.declare(declared)
            opened.connection.use(credentials)

        return commit

    reloader.add(prepare)
    opened.supervisor.start("reload", reloader.run, group=opened.group)
    opened.supervisor.start("policy_file", partial(opened.policy.follow, reloader.request), group=opened.group)


class LateEngine:
    """The engine of a process, and what it runs on: made with the first change, or for what serves people."""

    def __init__(self, opened: ProcessParts, settings: Settings, accounts: AccountDirectory) -> None:
        self._opened = opened
        self._settings = settings
        self._accounts = accounts
        self._release = installed_release()
        self._parts: EngineParts | None = None
        self._engine: Engine | None = None

    @property
    def parts(self) -> EngineParts:
        """What the engine runs on; raises `ConfigurationError`."""
        if self._parts is None:
            check_release(self._release)
            from vpsops.core.app.services import engine_parts_of  # noqa: PLC0415 - not for what only reads

            self._parts = engine_parts_of(self._opened, self._settings, self._accounts)
        return self._parts

    def engine(self) -> Engine:
        """Return the engine."""
        if self._engine is None:
            from vpsops.core.execution.engine import Engine  # noqa: PLC0415 - not for what only reads

            self._engine = Engine(self.parts)
        return self._engine

    @property
    def front(self) -> str:
        """The front end of the process."""
        return self._opened.front

    @property
    def is_running(self) -> bool:
        """Return whether there is an engine that runs changes."""
        return self._engine is not None and self._engine.running

    @property
    def last_beat(self) -> float:
        """When the last heartbeat was stored, by the steady clock."""
        return float("-inf") if self._parts is None else self._parts.process.last_beat

    async def stop(self) -> None:
        """Stop the engine, if it was made."""
        if self._engine is not None:
            await self._engine.stop()


def backend_of(
    reloader: Reloader, opened: ProcessParts, engine: LateEngine, accounts: AccountDirectory, redactor: Redactor
) -> Backend:
    """Return what commands and queries run on."""
    return Backend(
        opened.database,
        opened.connection,
        opened.clock,
        opened.timing,
        opened.policy,
        engine.engine,
        opened.offers,
        RegionDirectory(opened.clock),
        accounts=accounts,
        slack=lambda: opened.policy.settings_from(reloader.settings).slack_configured,
        redactor=redactor,
        telemetry=opened.telemetry,
    )


def core_of(
    reloader: Reloader, backend: Backend, accounts: AccountDirectory, opened: ProcessParts, engine: LateEngine
) -> Core:
    """Wire the services of reads over a backend, and the way to the others."""
    admission = Admission(backend)
    servers = ServerQueries(backend, admission)
    return Core(
        reloader=reloader,
        clock=backend.clock,
        redactor=backend.redactor,
        timing=backend.timing,
        supervisor=opened.supervisor,
        readiness=Readiness(opened.database, opened.clock, engine, opened.supervisor, opened.group, opened.telemetry),
        outdated=backend.database.outdated,
        scope=OPERATOR,
        admission=admission,
        policy=PolicyQueries(backend),
        offers=OfferQueries(backend),
        servers=servers,
        accounts=accounts,
        account_questions=AccountQuestions(backend.database, backend.clock),
        telemetry=backend.telemetry,
        late=late_services(backend, admission, servers, engine),
    )


def late_services(
    backend: Backend, admission: Admission, servers: ServerQueries, engine: LateEngine
) -> Callable[[], Services]:
    """Return what makes the other services at its first call."""
    made: list[Services] = []

    def services() -> Services:
        if not made:
            from vpsops.core.app.services import services_of  # noqa: PLC0415 - not for what only reads

            made.append(services_of(backend, admission, servers, engine.parts))
        return made[0]

    return services
