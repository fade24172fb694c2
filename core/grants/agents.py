"""The agents that asked for changes: whom a person can name in a request for a grant, by their last request."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.text import one_line
from vpsops.core.identity.actors import SLACK, Actor, Origin

MOST_NAMED: Final = 8
HINT: Final = "An agent is known once it has asked for a change. It can ask for the grant itself, with vps_grant_ask."


@dataclass(frozen=True, slots=True)
class KnownAgent:
    """An agent as its last request for a change had it: with the token of that."""

    actor: Actor
    origin: Origin
    change_id: str
    seen_at: datetime

    @property
    def human(self) -> str:
        """The person behind it, as configured or proven."""
        return self.actor.human or self.actor.account

    @property
    def words(self) -> str:
        """Its name and its person."""
        return f"{one_line(self.actor.label, 60)} of {one_line(self.human, 80) or 'an unknown person'}"

    def is_called(self, name: str, human: str) -> bool:
        """Return whether words name it: its name or id, and where one is given, its person."""
        names = {_key(self.actor.name), _key(self.actor.id), _key(self.actor.id.partition(":")[2])} - {""}
        known = (*self.actor.aliases, self.actor.human, self.actor.account)
        people = {_key(word.removeprefix(SLACK)) for word in known if word}
        return _key(name) in names and (not human or _key(human.removeprefix(SLACK)) in people)


def _key(text: str) -> str:
    return "-".join(text.casefold().split()).lstrip("@")


def find_agent(agents: Sequence[KnownAgent], name: str, human: str) -> KnownAgent:
    """Return the one agent that words name; raises `InvalidInputError` for none and for several."""
    called = [agent for agent in agents if agent.is_called(name, human)]
    if len(called) == 1:
        return called[0]
    who = f"{one_line(name, 60)} of {one_line(human, 80)}" if human else one_line(name, 60)
    if not called:
        known = ", ".join(agent.words for agent in agents[:MOST_NAMED])
        raise InvalidInputError(f"No agent {who} is known.", hint=f"Known: {known}. {HINT}" if known else HINT)
    named = "; ".join(agent.words for agent in called[:MOST_NAMED])
    raise InvalidInputError(f"{who} may be several agents: {named}.", hint="Write its person too: NAME of PERSON.")
