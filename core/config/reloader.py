"""Reloading: a running process reads its sources again, and takes all of it or nothing.

What each part makes of new settings is prepared first; a part may refuse there. Only when all are prepared are they
committed, one after the other without a pause, so that no request meets half of them.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import structlog
from anyio import to_thread

from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.common.redaction import Redactor
from vpsops.core.config.logging import configure_logging, secrets_of
from vpsops.core.config.reload_table import MergedSettings, merge_settings
from vpsops.core.config.settings import Settings

logger = structlog.get_logger(__name__)
Commit = Callable[[], None]
Preparation = Callable[[Settings], Awaitable[Commit]]
"""Checks new settings and returns how they are taken up, which must not fail; raises `ConfigurationError`."""


def do_nothing() -> None:
    """Commit nothing: the part had only something to check."""


class Reloader:
    """The settings of a running process, and how they are replaced."""

    def __init__(self, settings: Settings, clock: Clock, redactor: Redactor) -> None:
        self._settings = settings.model_copy()
        self._settings.keep(settings.config_file)  # as it is now: a reload compares with it
        self._clock = clock
        self._redactor = redactor
        self._preparations: list[Preparation] = []
        self._requested = anyio.Event()

    @property
    def settings(self) -> Settings:
        """The settings that count now."""
        return self._settings

    def add(self, preparation: Preparation) -> None:
        """Have a part take up new settings."""
        self._preparations.append(preparation)

    def request(self) -> None:
        """Ask for a reload; several requests within a moment cause one reload."""
        self._requested.set()

    async def run(self) -> None:
        """Reload on request, until cancelled."""
        while True:
            await self._requested.wait()
            await self._clock.sleep(timings.RELOAD_SETTLE_SECONDS)
            self._requested = anyio.Event()
            await self.reload()

    async def reload(self) -> bool:
        """Read the sources again and take up what changed; return whether they could be used."""
        merged: MergedSettings | None = None
        try:
            candidate = await to_thread.run_sync(self._settings.read_again)
            merged = merge_settings(self._settings, candidate)
            commits = [await prepare(merged.settings) for prepare in self._preparations]
        except ConfigurationError as error:
            hint = f"{error.hint} Nothing changed.".strip()
            logger.error("config_reload_refused", error=error.message, hint=hint, **_restart_fields(merged))
            return False
        self._redactor.hide(*secrets_of(candidate))
        self._settings = merged.settings
        for commit in commits:
            commit()
        _log(merged)
        return True

    async def prepare_logging(self, settings: Settings) -> Commit:
        """Have the log follow the settings; secrets of before stay out of it."""
        return partial(configure_logging, settings, self._redactor)


def _restart_fields(merged: MergedSettings | None) -> dict[str, str]:
    return {"restart_needed": ", ".join(merged.restart)} if merged is not None and merged.restart else {}


def _log(merged: MergedSettings) -> None:
    changed = [*merged.changed, *(f"[{name}]" for name in merged.sections)]
    if not changed and not merged.restart:
        logger.info("config_unchanged")
        return
    fields = {"changed": ", ".join(changed) or "nothing", "file": merged.settings.config_file.path}
    if merged.restart:
        logger.warning("config_reloaded", **fields, **_restart_fields(merged))
    else:
        logger.info("config_reloaded", **fields)
