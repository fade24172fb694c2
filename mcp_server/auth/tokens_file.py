"""Writes the file of tokens atomically, readable by its owner, with people's comments and layout unchanged."""

import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from vpsops.core.common.errors import ConfigurationError, InvalidInputError
from vpsops.core.files.staged_file import replace_file
from vpsops.core.identity.actors import SLACK
from vpsops.mcp_server.auth.static_tokens import StaticToken, digest_of, parse_tokens, read_tokens

HEADER: Final = re.compile(r"^[ \t]*\[\[[ \t]*token[ \t]*\]\]", re.MULTILINE)
PREFIX: Final = "vpsops_"
PRIVATE: Final = 0o600
OTHERS: Final = 0o007


@dataclass(frozen=True, slots=True)
class NewToken:
    """The claims of a new token."""

    subject: str
    human: str
    scopes: tuple[str, ...]
    groups: tuple[str, ...] = ()
    toolsets: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    expires: datetime | None = None


def new_secret() -> str:
    """Return a token of 256 random bits, with a prefix that secret scanners can find."""
    return PREFIX + secrets.token_urlsafe(32)


def add_token(path: Path, token: NewToken, secret: str) -> int:
    """Add a token, and return how many its name now has. Raises `ConfigurationError`, changing nothing."""
    with _locked(path):
        before = _text(path)
        known = _known(path, before)
        separate = f"{before.rstrip()}\n\n" if before.strip() else before
        after = separate + _entry(token, digest_of(secret))
        _check(path, after, known, more=1)
        _replace(path, after)
    return 1 + sum(other.caller.subject == token.subject for other in known)


def remove_tokens(path: Path, subject: str, *, older: bool) -> tuple[int, int]:
    """Remove the tokens of a name, or all but the newest; return the number removed and the number left in the file.

    Raises `InvalidInputError` when the name has none to remove, `ConfigurationError` when the file cannot be used.
    """
    with _locked(path):
        before = _text(path)
        known = _known(path, before)
        matches = [index for index, token in enumerate(known) if token.caller.subject == subject]
        gone = matches[:-1] if older else matches
        if not gone:
            raise InvalidInputError(
                f"{path} has no {'older ' if older else ''}token of {subject}.",
                hint="`vpsops token list` shows those it has.",
            )
        after = _without(before, gone)
        kept = [token for index, token in enumerate(known) if index not in gone]
        left = len(kept)
        _check(path, after, kept)
        _replace(path, after)
    return len(gone), left


def write_secret(path: Path, secret: str) -> None:
    """Write a secret into a new file for its owner only. Raises `ConfigurationError`, also when the file exists."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w", encoding="ascii") as file:
            file.write(secret)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be made: {error.strerror}.",
            hint="Name a file that does not exist yet, in a folder of yours.",
        ) from None


def known_tokens(path: Path) -> Sequence[StaticToken]:
    """Return the tokens of a file; one that holds none yet is no error here."""
    return _known(path, _text(path))


def _known(path: Path, text: str) -> Sequence[StaticToken]:
    return read_tokens(path) if HEADER.search(text) or _has_statements(text) else ()


def _has_statements(text: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"{path} cannot be read: {why}.", hint="Check its path and its owner.") from None


def _entry(token: NewToken, digest: str) -> str:
    lists = {"groups": token.groups, "toolsets": token.toolsets, "servers": token.servers}
    lines = [
        "[[token]]",
        f'sha256 = "{digest}"',
        f"subject = {_quoted(token.subject)}",
        f"slack_user = {_quoted(token.human.removeprefix(SLACK))}"
        if token.human.startswith(SLACK)
        else f"human = {_quoted(token.human)}",
        f"scopes = {_listed(token.scopes)}",
        *(f"{name} = {_listed(values)}" for name, values in lists.items() if values),
    ]
    if token.expires is not None:
        lines.append(f"expires = {token.expires.isoformat(timespec='seconds')}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _listed(values: Sequence[str]) -> str:
    return f"[{', '.join(_quoted(value) for value in values)}]"


def _without(text: str, gone: Sequence[int]) -> str:
    """Return a text without some of its entries; the text before the first entry stays."""
    starts = [result.start() for result in HEADER.finditer(text)]
    if not starts:
        return text
    ends = [*starts[1:], len(text)]
    kept = [text[start:end] for index, (start, end) in enumerate(zip(starts, ends, strict=True)) if index not in gone]
    return "".join([text[: starts[0]], *kept])


def _check(path: Path, text: str, kept: Sequence[StaticToken], more: int = 0) -> None:
    """Raise `ConfigurationError` unless a text holds these tokens unchanged, and `more` after them."""
    known = list(parse_tokens(path, text)) if kept or more else []
    if known[: len(kept)] != list(kept) or len(known) != len(kept) + more or (not known and _has_statements(text)):
        raise ConfigurationError(
            f"{path} is written in a way that cannot be changed safely here.", hint="Change it with an editor."
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder's lock, so that concurrent commands lose nothing."""
    try:
        folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _replace(path: Path, text: str) -> None:
    """Replace a file's text atomically; its owner and group stay, and others lose their access."""
    target = path.resolve()
    try:
        replace_file(target, text.encode(), partial(_like, target))
    except OSError as error:
        raise _unwritable(path, error) from None


def _like(target: Path, descriptor: int) -> None:
    """Give a file the owner, the group and the mode of the one it replaces."""
    if target.exists():
        about = target.stat()
        os.fchown(descriptor, about.st_uid, about.st_gid)
        os.fchmod(descriptor, about.st_mode & 0o777 & ~OTHERS)


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{path} cannot be written: {error.strerror}.", hint="Run this as the file's owner.")
