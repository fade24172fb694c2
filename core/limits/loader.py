"""Loads `[limits]` of `vpsops.toml`, strictly: what is unknown, impossible or without effect refuses to start."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import Settings, read_config
from vpsops.core.config.toml_locations import Table, tables
from vpsops.core.limits.access import EVERYTHING, Narrowing, Reach
from vpsops.core.limits.config_schema import WrittenLimits, WrittenNarrowing, lowered, said
from vpsops.core.limits.model import UNLIMITED, Limits
from vpsops.core.policy.config_schema import shown

SECTION = "limits"
Misfit = tuple[tuple[str, ...], str, str]
"""A key, what is wrong with it, and what to do."""


def load_limits(settings: Settings) -> Limits:
    """Return the limits of the configured file, or none; raises `ConfigurationError` with file, line and a hint."""
    if settings.config is None:
        return UNLIMITED
    read_config(str(settings.config))  # says in words what cannot be read or parsed
    return parse_limits(Path(settings.config).read_text(encoding="utf-8-sig"), str(settings.config))


def parse_limits(text: str, path: str) -> Limits:
    """Return the limits of a valid TOML text; raises `ConfigurationError`."""
    given = tomllib.loads(text).get(SECTION)
    if given is None:
        return UNLIMITED
    places = _Places(path, tables(text))
    if not isinstance(given, dict):
        raise places.error((), "[limits] must be a table.", "")
    try:
        written = WrittenLimits.model_validate(given)
    except ValidationError as error:
        errors = [dict(one) for one in error.errors(include_url=False)]
        first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
        raise places.error(*said(first)) from None
    for misfit in _misfits(written):
        raise places.error(*misfit)
    return limits_of(written)


class _Places:
    """Where the keys of `[limits]` stand: in a table of the file, or in several, or in a line of the top level."""

    def __init__(self, path: str, places: Sequence[Table]) -> None:
        self._path = path
        self._tables = [table for table in places if table.name[:1] == (SECTION,)]
        self._top = places[0]

    def error(self, key: tuple[str, ...], message: str, hint: str) -> ConfigurationError:
        """Return an error with file and line."""
        return ConfigurationError(f"{self._path}:{self._line(key)}: {message}", hint=hint)

    def _line(self, key: tuple[str, ...]) -> int:
        for table in self._tables:
            inside = key[len(table.name) - 1 :] if (SECTION, *key)[: len(table.name)] == table.name else ()
            if inside and inside[0] in table.keys:
                return table.key(*inside)
        exact = next((one.line for one in self._tables if one.name == (SECTION, *key[: len(one.name) - 1])), 0)
        return exact or self._top.key(SECTION, *key)


def _misfits(written: WrittenLimits) -> Iterator[Misfit]:
    twice = lowered(written.protected) & lowered(written.protected_from_agents)
    if twice:
        what = f"{shown(min(twice))} is protected from everybody already."
        yield ("protected_from_agents",), f"protected_from_agents: {what}", "Leave it out here."
    if written.currency is not None and written.max_monthly_spend is None:
        yield ("currency",), "currency goes with max_monthly_spend only.", "Set that too, or leave it out."
    if written.mcp is not None:
        nothing = nothing_left(Reach((written.mcp.narrowing("[limits.mcp]"),)))
        if nothing:
            yield ("mcp",), f"mcp: {nothing}", "Allow at least one tool, or do not run `vpsops mcp`."


def nothing_left(reach: Reach) -> str:
    """Say that no tool is left, or nothing."""
    return "" if reach.tools else "these limits together leave no tool."


def limits_of(written: WrittenLimits) -> Limits:
    """Return limits as they are applied."""
    return Limits(
        protected=lowered(written.protected),
        protected_from_agents=lowered(written.protected_from_agents),
        max_monthly_spend=written.max_monthly_spend,
        currency=written.currency or "",
        max_servers=written.max_servers,
        max_changes_per_hour=written.max_changes_per_hour,
        calls_per_minute=written.calls_per_minute,
        mcp=Reach((written.mcp.narrowing("[limits.mcp]"),)) if written.mcp else EVERYTHING,
    )


def narrowing_of(given: Mapping[str, Any], where: str) -> Narrowing:
    """Return a narrowing from flags; raises `ConfigurationError` that names the flag."""
    try:
        return WrittenNarrowing.model_validate(dict(given)).narrowing(where)
    except ValidationError as error:
        key, message, hint = said(dict(error.errors(include_url=False)[0]))
        flag = f"--{'-'.join(key[:1]).replace('_', '-')}"
        raise ConfigurationError(f"{flag}: {message.partition(': ')[2] or message}", hint=hint) from None
