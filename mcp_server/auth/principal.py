"""The caller of a request: the client as an agent, acting for a human."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.limits.access import EVERYTHING, AccessScope, Restriction
from vpsops.core.limits.tool_names import TOOLSETS
from vpsops.mcp_server.protocol.text import sanitize

LONGEST_NAME = 60
FINGERPRINT_CHARACTERS = 32
NAMELESS = "unnamed client"
READ = "vps:read"
WRITE = "vps:write"
SCOPES = (READ, WRITE)
TOOLSET_SCOPES = {f"vps:{name}": name for name in TOOLSETS}
"""Scopes that narrow: a token with any of them may use these toolsets alone."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a session or request, and its grants.

    `subject` is the subject of the token, empty on stdio, where only the local user calls.
    `human` is the person behind it: an e-mail address, `slack:U…`, or a user of this machine. `aliases` are other names
    of the same person, `named_in` is the setting that lists them.
    """

    human: str
    subject: str = ""
    aliases: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset(SCOPES)
    reach: AccessScope = EVERYTHING
    named_in: str = ""
    credential: str = ""  # a fingerprint of the token and what it allows; empty without a token

    @property
    def may_change(self) -> bool:
        """Return whether a change scope was granted, and changes are possible at all."""
        return WRITE in self.scopes and not self.reach.read_only


def known_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """Return the known scopes among these; the change scope implies the read scope."""
    known = frozenset(scopes) & frozenset(SCOPES)
    return known | {READ} if WRITE in known else known


def token_reach(toolsets: Iterable[str] = (), servers: Iterable[str] = ()) -> AccessScope:
    """Return the access of a token that names these toolsets and servers; without names it is not narrowed."""
    narrowing = Restriction("this token's", toolsets=frozenset(toolsets), servers=frozenset(servers))
    return AccessScope((narrowing,)) if narrowing.described() else EVERYTHING


def fingerprint(*parts: str) -> str:
    """Return a fingerprint of a token and what it allows, from which neither can be read."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:FINGERPRINT_CHARACTERS]


def agent_from(client_name: str, caller: Caller) -> Actor:
    """Return the actor behind a call; a client's name is only its own claim."""
    name = sanitize(client_name, LONGEST_NAME) or NAMELESS
    ident = f"{sanitize(caller.subject)}:{name.replace(':', '.')}" if caller.subject else name
    return Actor(
        kind=ActorKind.AGENT,
        id=f"mcp:{ident}",
        name=name,
        human=caller.human,
        aliases=caller.aliases,
        groups=caller.groups,
    )


def principal_of(client_name: str, caller: Caller) -> str:
    """Return the key that binds an open question: the same client of the same human by the same subject."""
    return json.dumps([caller.subject, caller.human, client_name])
