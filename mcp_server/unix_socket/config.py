"""`[mcp.socket]` of `vpsops.toml`: which user of this machine is which person, and who may open the socket."""

import grp
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator

from vpsops.core.config.schema import WrittenTable, safe_word, schema_error, schema_problem
from vpsops.core.config.settings import Settings
from vpsops.core.identity.identifiers import normal_human

SECTION: Final = "mcp"
MOST_USERS: Final = 1_000
ROOT: Final = 0
OVERFLOW: Final = Path("/proc/sys/kernel/overflowuid")
USUAL_OVERFLOW: Final = 65534


@dataclass(frozen=True, slots=True)
class SocketConfig:
    """The checked table: humans by user id, what the others may do, and the permissions of the file."""

    humans: Mapping[int, str]
    unmapped_read: bool = False
    mode: int = 0o660
    group: int | None = None


def _users(written: object) -> object:
    """Check a table of user names or ids, each with the person it stands for."""
    if not isinstance(written, dict) or not all(isinstance(human, str) for human in written.values()):
        raise schema_error("it takes users, each with an e-mail address or slack:U… in quotes")
    if len(written) > MOST_USERS:
        raise schema_error(f"it takes {MOST_USERS} users at most")
    return written


class WrittenSocket(WrittenTable):
    """The table as written."""

    unmapped: Annotated[
        Literal["nothing", "read"], Field(description="what a user who is not listed may do: nothing, or read")
    ] = "nothing"
    mode: Annotated[
        str, Field(pattern=r"^0[0-7]{3}$", description="the permissions of the socket that vpsops makes, such as 0660")
    ] = "0660"
    group: Annotated[str, Field(description="the group that the socket is given to")] = ""
    users: Annotated[
        Mapping[str, str],
        BeforeValidator(_users),
        Field(description="users by name or id, each with the person's e-mail address or slack:U…"),
    ] = Field(default_factory=dict)

    @field_validator("users")
    @classmethod
    def _check_users(cls, users: Mapping[str, str]) -> Mapping[str, str]:
        known: dict[int, str] = {}
        for name in users:
            uid = _uid_of(name)
            if uid in known:
                raise schema_error(f"{safe_word(name)} and {safe_word(known[uid])} are the same user, {uid}")
            known[uid] = name
        return {str(uid): _human(users[name], name) for uid, name in known.items()}

    @field_validator("group")
    @classmethod
    def _check_group(cls, name: str) -> str:
        if name:
            try:
                grp.getgrnam(name)
            except KeyError:
                raise schema_error(f"there is no group {safe_word(name)} on this machine") from None
        return name


class WrittenMcp(WrittenTable):
    """The section as written."""

    socket: Annotated[WrittenSocket | None, Field(description="the table `[mcp.socket]`")] = None


def _uid_of(name: str) -> int:
    """Return the id of a user; one that stands for no person is refused."""
    try:
        uid = int(name) if name.isascii() and name.isdecimal() else pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):
        raise schema_error(
            f"there is no user {safe_word(name)} on this machine", "Make it first, or write its id."
        ) from None
    if uid == ROOT:
        raise schema_error(f"{safe_word(name)} is root, who can be every user", "Name a person's own user.")
    if uid == overflow_uid() or uid >= 2**32 - 1:
        raise schema_error(f"{safe_word(name)} is the id of users that have none here", "Name a person's own user.")
    return uid


def _human(written: str, name: str) -> str:
    try:
        return normal_human(written)
    except ValueError as error:
        raise schema_error(f"{safe_word(name)}: {error}", "For example ann@example.com.") from None


def overflow_uid() -> int:
    """Return the id that the kernel shows for a user of another user namespace."""
    try:
        return int(OVERFLOW.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return USUAL_OVERFLOW


def socket_config_from(settings: Settings) -> SocketConfig:
    """Return the table of the configured file, or the defaults; raises `ConfigurationError` with file and line."""
    file = settings.config_file
    section = file.data.get(SECTION)
    if section is None:
        return SocketConfig({})
    if not isinstance(section, dict):
        raise file.error(file.line(SECTION), "[mcp] must be a table.", "Write [mcp.socket].")
    try:
        written = WrittenMcp.model_validate(section).socket or WrittenSocket()
    except ValidationError as error:
        problem = schema_problem(error, WrittenMcp, SECTION)
        raise file.error(file.line(SECTION, *problem.key), problem.message, problem.hint) from None
    return SocketConfig(
        humans={int(uid): human for uid, human in written.users.items()},
        unmapped_read=written.unmapped == "read",
        mode=int(written.mode, 8),
        group=grp.getgrnam(written.group).gr_gid if written.group else None,
    )
