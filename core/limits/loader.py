"""Loads `[limits]` of `vpsops.toml`, strictly: an unknown, impossible or ineffective entry refuses to start."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.config_file import ConfigFile, parse_config
from vpsops.core.config.schema import Problem, safe_word, schema_problem
from vpsops.core.config.settings import Settings
from vpsops.core.limits.access import EVERYTHING, IN_FORCE, AccessScope, Restriction
from vpsops.core.limits.config_schema import WrittenLimits, WrittenRestriction, lowered
from vpsops.core.limits.model import UNLIMITED, Limits
from vpsops.core.operations.families.lifetimes import lifetime_seconds
from vpsops.core.plans.model import DEFAULT_MOST
from vpsops.core.wayscloud.answers.labels import label_term

SECTION = "limits"


def load_limits(settings: Settings) -> Limits:
    """Return the limits of the configured file, or none; raises `ConfigurationError` with file, line and a hint."""
    return limits_in(settings.config_file)


def parse_limits(text: str, path: str) -> Limits:
    """Return the limits of a TOML text; raises `ConfigurationError`."""
    return limits_in(parse_config(text, path))


def limits_in(file: ConfigFile) -> Limits:
    """Return the limits of a file, or none; raises `ConfigurationError`."""
    section = file.data.get(SECTION)
    if section is None:
        return UNLIMITED
    if not isinstance(section, dict):
        raise file.error(file.line(SECTION), "[limits] must be a table.")
    try:
        written = WrittenLimits.model_validate(section)
    except ValidationError as error:
        problem = schema_problem(error, WrittenLimits, SECTION)
    else:
        misfit = next(_misfits(written), None)
        if misfit is None:
            return limits_of(written)
        problem = misfit
    raise file.error(file.line(SECTION, *problem.key), problem.message, problem.hint)


def _misfits(written: WrittenLimits) -> Iterator[Problem]:
    twice = lowered(written.protected) & lowered(written.protected_from_agents)
    if twice:
        what = f"{safe_word(min(twice))} is protected from every caller already."
        yield Problem(("protected_from_agents",), f"protected_from_agents: {what}", "Leave it out here.")
    shared = set(map(label_term, written.protected_labels)) & set(map(label_term, written.protected_labels_from_agents))
    if shared:
        what = f"{safe_word(min(shared))} is protected from every caller already."
        yield Problem(("protected_labels_from_agents",), f"protected_labels_from_agents: {what}", "Leave it out here.")
    if written.currency is not None and written.max_monthly_spend is None:
        yield Problem(("currency",), "currency goes with max_monthly_spend only.", "Set that too, or leave it out.")
    if written.mcp is not None:
        nothing = nothing_left(AccessScope((written.mcp.narrowing(IN_FORCE),)))
        if nothing:
            yield Problem(("mcp",), f"mcp: {nothing}", "Allow at least one tool, or do not run `vpsops mcp`.")


def nothing_left(reach: AccessScope) -> str:
    """Return a message if no tool is left, else nothing."""
    return "" if reach.tools else "these limits together leave no tool."


def limits_of(written: WrittenLimits) -> Limits:
    """Return limits as they are applied."""
    return Limits(
        protected=lowered(written.protected),
        protected_from_agents=lowered(written.protected_from_agents),
        protected_labels=frozenset(map(label_term, written.protected_labels)),
        protected_labels_from_agents=frozenset(map(label_term, written.protected_labels_from_agents)),
        max_monthly_spend=written.max_monthly_spend,
        currency=written.currency or "",
        max_servers=written.max_servers,
        max_changes_per_hour=written.max_changes_per_hour,
        calls_per_minute=written.calls_per_minute,
        undocumented=written.undocumented,
        max_many=DEFAULT_MOST if written.max_many is None else written.max_many,
        max_unavailable=tuple(sorted(map(_share, written.max_unavailable))),
        max_life=tuple(sorted(map(_life, written.max_life))),
        deletion_at_end=written.deletion_at_end,
        mcp=AccessScope((written.mcp.narrowing(IN_FORCE),)) if written.mcp else EVERYTHING,
    )


def _share(word: str) -> tuple[str, int]:
    key, _, most = word.partition("=")
    return label_term(key), int(most)


def _life(word: str) -> tuple[str, int]:
    name, _, time = word.rpartition("=")
    return name.lower().rstrip("."), lifetime_seconds(time)


def restriction_from(flags: Mapping[str, Any], where: str) -> Restriction:
    """Return a narrowing from flags; raises `ConfigurationError` that names the flag."""
    try:
        return WrittenRestriction.model_validate(dict(flags)).narrowing(where)
    except ValidationError as error:
        problem = schema_problem(error, WrittenRestriction, SECTION)
        flag = f"--{'-'.join(problem.key[:1]).replace('_', '-')}"
        message = problem.message.partition(": ")[2] or problem.message
        raise ConfigurationError(f"{flag}: {message}", hint=problem.hint) from None
