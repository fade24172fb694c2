"""Which account the human behind an agent has in the directory where people decide: exactly one, or none that counts.

The core asks; the owner of the directory (`bot/workspaces/account_directory.py`: Slack) answers. A process of its own,
such as a stdio MCP server, has no token to ask with: it stores its question in the database, and the bot answers it.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import VpsopsError
from vpsops.core.identity.actors import SLACK, Actor
from vpsops.core.storage.database import Database

TOPIC: Final = "accounts"
MOST_NAMES: Final = 12
GUEST: Final = "that account is a guest's"
"""The one problem with which someone may still read."""

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccountAnswer:
    """What a directory says of some names: one active full member's account, or why there is none."""

    account: str = ""
    problem: str = ""


class DirectoryUnavailableError(VpsopsError):
    """The directory cannot be asked now; that is no answer."""


class AccountDirectory(Protocol):
    """Knows people by name."""

    async def find(self, names: Names) -> AccountAnswer:
        """Return the account with these names; raises `DirectoryUnavailableError`, `StorageError`."""


def names_of(actor: Actor) -> Names:
    """Return the names by which a directory may know an actor's human; none where there are none such."""
    names = (actor.human, *actor.aliases)
    return tuple(dict.fromkeys(name for name in names if name.startswith(SLACK) or "@" in name))[:MOST_NAMES]


def account_name(account: str, team: str = "") -> str:
    """Return the name by which the directory knows an account: of the agents' workspace, or of another one."""
    return f"{SLACK}{team}/{account}" if team else f"{SLACK}{account}"


class AccountQuestions:
    """Asks the directory through the database, where the Slack bot of this set-up answers."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def answer_from(self, directory: AccountDirectory) -> None:
        """Answer from a directory what other processes ask, until cancelled."""
        from vpsops.core.identity.account_questions import answer_questions  # noqa: PLC0415 - for what is asked alone

        await answer_questions(self._database, self._clock, directory)

    async def find(self, names: Names) -> AccountAnswer:
        """Return an answer of the last half minute, or wait for a new one; raises `DirectoryUnavailableError`."""
        from vpsops.core.identity import account_questions  # noqa: PLC0415 - for what is asked alone

        now, tick = self._clock.now().timestamp(), self._database.tick
        number = await self._database.transact(
            lambda connection: account_questions.asked(connection, names, now, tick(connection))
        )
        if isinstance(number, AccountAnswer):
            return number
        give_up = self._clock.monotonic() + timings.ACCOUNT_SECONDS
        while True:
            mark = self._database.signals.mark(TOPIC)
            answer = await self._database.read(lambda connection: account_questions.answered(connection, names, number))
            left = give_up - self._clock.monotonic()
            if answer is not None:
                return answer
            if left <= 0:
                raise DirectoryUnavailableError(
                    "Slack did not return this account.",
                    hint="Look into the log of `vpsops bot`, or run `vpsops doctor` there; then ask again.",
                )
            await self._database.signals.wait(left, since=mark)
