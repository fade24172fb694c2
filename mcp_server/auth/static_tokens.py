"""Static bearer tokens for small set-ups: a TOML file, read again when it changes, so that a token can be revoked."""

import hashlib
import hmac
import os
import stat
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import structlog
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.schema import CUSTOM
from vpsops.core.identity.identifiers import looks_like_slack, normal_email, slack_name
from vpsops.core.limits.config_schema import Toolsets, lowered
from vpsops.core.policy.config_schema import Servers
from vpsops.mcp_server.auth.principal import Caller, fingerprint, known_scopes, token_reach

MAX_BYTES = 1_000_000
SHORTEST_TOKEN = 32
AGAIN_SECONDS: Final = timings.TOKENS_SECONDS

logger = structlog.get_logger(__name__)

Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S+$")]


class TokenEntry(BaseModel):
    """A token as written: by its SHA-256, or in clear when the file itself is a secret."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    subject: Word
    human: str = ""
    slack_user: str = ""
    scopes: Annotated[tuple[Literal["vps:read", "vps:write"], ...], Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
    token: Annotated[SecretStr, Field(min_length=SHORTEST_TOKEN)] | None = None
    aliases: tuple[Word, ...] = ()
    groups: tuple[Word, ...] = ()
    toolsets: Toolsets = ()
    servers: Servers = ()
    expires: AwareDatetime | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.sha256 is None) == (self.token is None):
            raise ValueError("it needs sha256, or token, and not both")
        if not self.names:
            raise ValueError("it needs human, an e-mail address, or slack_user, a Slack user id, or both")
        return self

    @field_validator("human")
    @classmethod
    def _check_human(cls, human: str) -> str:
        if human and "@" not in human:
            raise ValueError("human is an e-mail address; a Slack user id is written as slack_user")
        return normal_email(human) if human else ""

    @field_validator("slack_user")
    @classmethod
    def _check_slack_user(cls, ident: str) -> str:
        return slack_name(ident) if ident else ""

    @property
    def names(self) -> tuple[str, ...]:
        """The human's names, the display name first; a word that only resembles a Slack id is excluded."""
        others = (_alias(alias) for alias in self.aliases)
        return tuple(dict.fromkeys(name for name in (self.human, self.slack_user, *others) if name))

    @property
    def digest(self) -> str:
        """The token's SHA-256 in lower case."""
        return digest_of(self.token.get_secret_value()) if self.token else (self.sha256 or "").lower()


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A token that is accepted until it expires, and its caller."""

    digest: str
    caller: Caller
    expires: datetime | None


class StaticTokens:
    """The tokens of a file. Raises `ConfigurationError` where it cannot be used at the start.

    While the file is invalid, no token is accepted.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._version = _version(path)
        self._known = read_tokens(path)
        self._wrong = False
        self._read_at = clock.monotonic()

    def find(self, token: str) -> Caller | None:
        """Return a token's caller, or None; every entry is compared, in constant time each."""
        digest = digest_of(token)
        matches = [known for known in self._current() if hmac.compare_digest(known.digest, digest)]
        valid = [known for known in matches if known.expires is None or self._clock.now() < known.expires]
        return valid[0].caller if valid else None

    def _current(self) -> Sequence[StaticToken]:
        version, now = _version(self._path), self._clock.monotonic()
        if version != self._version or (self._wrong and now - self._read_at >= AGAIN_SECONDS):
            self._known, self._wrong = (), True  # no token is accepted if reading fails
            self._version, self._read_at = version, now
            known = self._read_again()
            self._known, self._wrong = known or (), known is None
        return self._known

    def _read_again(self) -> Sequence[StaticToken] | None:
        """Return the file's tokens; None when they cannot be read, for any reason."""
        try:
            known = read_tokens(self._path)
        except Exception as error:  # noqa: BLE001 - fail closed on any error
            words = str(error) if isinstance(error, ConfigurationError) else type(error).__name__
            logger.error("static_tokens_unusable", error=words)
            return None
        logger.info("tokens_reloaded", count=len(known))
        return known


def digest_of(token: str) -> str:
    """Return a token's SHA-256 in hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_tokens(path: Path) -> Sequence[StaticToken]:
    """Read a file of `[[token]]` tables. Raises `ConfigurationError` that names the entry and never its content."""
    return _tokens_of(path, _parsed(path))


def parse_tokens(path: Path, text: str) -> Sequence[StaticToken]:
    """Parse a file's text, as `read_tokens` would. Raises `ConfigurationError`."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError):  # a syntax error's own text may quote a secret
        raise _wrong(path, "it is not TOML in UTF-8") from None
    return _tokens_of(path, data)


def _tokens_of(path: Path, data: dict[str, object]) -> Sequence[StaticToken]:
    written = data.get("token")
    if set(data) != {"token"} or not isinstance(written, list):
        raise _wrong(path, "it must hold [[token]] tables and nothing else")
    known = [_known(path, number, table) for number, table in enumerate(written, 1)]
    if len({token.digest for token in known}) != len(known):
        raise _wrong(path, "the same token stands there twice")
    return known


def _parsed(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            raw, mode = file.read(MAX_BYTES + 1), os.fstat(file.fileno()).st_mode
        if mode & stat.S_IWOTH:
            raise _wrong(path, "every user of this machine may write it")
        if len(raw) > MAX_BYTES:
            raise _wrong(path, "it is over a megabyte")
        return tomllib.loads(raw.decode())
    except OSError as error:
        raise _wrong(path, f"it cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):  # a syntax error's own text may quote a secret
        raise _wrong(path, "it is not TOML in UTF-8") from None


def _known(path: Path, number: int, written: object) -> StaticToken:
    try:
        entry = TokenEntry.model_validate(written)
    except ValidationError as error:
        raise _wrong(path, f"token {number}: {_fault_text(error)}") from None
    caller = Caller(
        human=entry.names[0],
        subject=entry.subject,
        aliases=entry.names[1:],
        groups=entry.groups,
        scopes=known_scopes(entry.scopes),
        reach=token_reach(entry.toolsets, lowered(entry.servers)),
        named_in=f"the token of {entry.subject} in VPSOPS_HTTP_TOKENS_FILE",
        credential=fingerprint(entry.digest, *entry.scopes, "toolsets", *entry.toolsets, "servers", *entry.servers),
    )
    return StaticToken(entry.digest, caller, entry.expires)


def _alias(word: str) -> str:
    """Return an alias in its stored form: a normalised address, or another word unless it resembles an id."""
    if "@" in word:
        return normal_email(word)
    return "" if looks_like_slack(word) else word


def _fault_text(error: ValidationError) -> str:
    """Describe a token's fault, without quoting it: names of toolsets and servers are no secret."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == CUSTOM:
        key = ".".join(part for part in first["loc"] if isinstance(part, str))
        return f"{key}: {first['ctx']['text']}. {first['ctx']['hint']}".strip().removesuffix(".")
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}{': ' if where else ''}{first['msg']}"


def _wrong(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(f"VPSOPS_HTTP_TOKENS_FILE, {path}: {why}.", hint="docs/mcp.md shows how it is written.")


def _version(path: Path) -> tuple[int, ...] | None:
    """Return a fingerprint that differs after any change of the file, that of a permission included."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino, about.st_mtime_ns, about.st_ctime_ns, about.st_size
