"""`vpsops changes ID --settle`: without Slack, the requester states at a terminal the outcome of a change.

In Slack it is a click on the card, by a person the policy knows; here it is typed, so that no program does it in
passing.
"""

import argparse
import sys
from collections.abc import Callable
from typing import Final

import anyio

from vpsops.core.app import Core, open_core
from vpsops.core.changes.model import Change, State
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import ConfigurationError, StaleChangeError
from vpsops.core.common.hostnames import lookalike_warning
from vpsops.core.config.local_identity import human_of
from vpsops.core.config.logging import configure_logging
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.console.terminal import cell, print_line
from vpsops.core.identity.actors import LOCAL, Actor, ActorKind
from vpsops.core.messaging.outbox import topic_of

ANSWERS: Final = ("happened", "not-happened")
IN_SLACK: Final = "This change is settled in Slack: on its card, or on App Home."
Ask = Callable[[str], str]


def run(arguments: argparse.Namespace) -> int:
    """Ask at the terminal and settle. Raises what the gate raises, `ConfigurationError` without a terminal."""
    if not sys.stdin.isatty():
        raise ConfigurationError("Settling needs a person at a terminal.", hint="Run it by hand, with no pipe.")
    settings = load_settings()
    configure_logging(settings)
    return anyio.run(settle, settings, arguments.id, arguments.settle == ANSWERS[0], input)


async def settle(settings: Settings, change_id: str, happened: bool, ask: Ask, clock: Clock | None = None) -> int:
    """Settle a change once its server's name was typed; return 1 when another was.

    Raises `ConfigurationError` where Slack is there to do it, `NotAllowedError`, `StaleChangeError`,
    `UnknownChangeError`.
    """
    if settings.slack_configured:
        raise ConfigurationError(IN_SLACK)
    async with open_core(settings, front="cli", clock=clock) as core:
        if core.settings.slack_configured:  # by the channels in force, whatever this terminal's settings are
            raise ConfigurationError(IN_SLACK)
        change = await _waiting(core, change_id)
        names = [name for name in (change.target.hostname, change.target.id) if name]
        print_line(f"{change.id}: {change.operation} {cell(names[0])}, asked for by {cell(change.actor.cited, 120)}.")
        print_line(" ".join(part for part in (lookalike_warning(names[0]), cell(change.note, 500)) if part))
        became = "happened" if happened else "did not happen"
        if ask(f"Look at the server first. To say that it {became}, type {cell(names[0])}: ").strip() not in names:
            print_line("Another name was typed, so nothing was settled.")
            return 1
        done = await core.gate.resolve(
            change.id, _actor(settings), happened=happened, evidence="typed at a terminal", scope=core.scope
        )
    print_line(f"{done.id} {done.state.value}: {cell(done.note)}")
    return 0


async def _waiting(core: Core, change_id: str) -> Change:
    change = await core.changes.get(change_id, scope=core.scope)
    if change.state is not State.NEEDS_PERSON:
        raise StaleChangeError(f"{change.id} does not wait for a person: it is {change.state.value.replace('_', ' ')}.")
    if await core.outbox.copies(topic_of(change.id)):
        raise ConfigurationError(IN_SLACK, hint="Another process of this set-up has Slack.")
    return change


def _actor(settings: Settings) -> Actor:
    human = human_of(settings)
    return Actor(ActorKind.PERSON, human, human.removeprefix(LOCAL), human)
