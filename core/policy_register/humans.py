"""The part of `vpsops policy explain` about the humans behind agents: the account of each, and who has none."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import ConfigurationError, StorageError
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import Check, Level
from vpsops.core.identity.accounts import AccountQuestions, DirectoryUnavailableError, names_of
from vpsops.core.identity.actors import LOCAL, Actor, ActorKind
from vpsops.core.identity.identifiers import normal_human
from vpsops.core.storage import open_database

REFUSED: Final = "what is asked for in that name is refused"


def human_named(text: str) -> str:
    """Return the human that `--human` names, as it is kept; raises `ConfigurationError`."""
    if text.startswith(LOCAL):
        return text
    try:
        return normal_human(text)
    except ValueError as error:
        raise ConfigurationError(f"--human {text[:60]!r}: {error}.", hint="For example ann@example.com.") from None


async def with_account(actor: Actor, settings: Settings, clock: Clock) -> tuple[Actor, str]:
    """Return an agent with the account of its human, and a note on that; nothing without a human."""
    if actor.kind is not ActorKind.AGENT or not actor.human:
        return actor, ""
    who = f"human {actor.human}"
    if not settings.slack_configured:
        return actor, f"{who}: not looked up, since there is no Slack here; a yes is the client's own confirmation."
    names = names_of(actor)
    if not names:
        return actor, f"{who}: no account in Slack, so {REFUSED}."
    try:
        async with open_database(settings.database, clock, make=False) as database:
            answer = await AccountQuestions(database, clock).find(names)
    except (DirectoryUnavailableError, StorageError, ConfigurationError) as error:
        return actor, f"{who}: not looked up. {error.message} {error.hint}".rstrip()
    if answer.account:
        return replace(actor, account=answer.account), f"{who}: the account {answer.account}."
    return actor, f"{who}: no account: {answer.problem}, so {REFUSED}."


async def unresolved(settings: Settings, checks: Sequence[Check], clock: Clock) -> list[str]:
    """Return a line for each configured human without an account, or why that is not known."""
    lines: list[str] = []
    for check in checks:
        try:
            findings = await check(settings, clock)
        except (StorageError, ConfigurationError) as error:
            lines.append(f"humans: not looked up. {error.message} {error.hint}".rstrip())
            continue
        lines += [f"humans: {finding.what}. {finding.todo}." for finding in findings if finding.level is not Level.OK]
    return lines
