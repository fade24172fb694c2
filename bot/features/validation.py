"""Errors of a form that its fields show at once, without a read."""

from collections.abc import Callable, Mapping

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.hostnames import is_same_hostname
from vpsops.core.common.text import one_line
from vpsops.core.operations.families.lifetimes import lifetime_seconds
from vpsops.core.wayscloud.answers.validate import validate_hostname, validate_ssh_key

MAX_KEYS = 20
LONGEST_NAME = 400  # a hostname, and the name of something on it


def create_errors(values: Mapping[str, str]) -> Mapping[str, str]:
    """Return what is wrong with a new server's form, by field."""
    checks: Mapping[str, Callable[[], object]] = {
        "hostname": lambda: validate_hostname(values.get("hostname", "")),
        "lifetime": lambda: lifetime_seconds(values["lifetime"]) if values.get("lifetime") else None,
        "ssh_keys": lambda: keys_of(values.get("ssh_keys", "")),
    }
    return {name: words for name, check in checks.items() if (words := _error_text(check))}


def deny_errors(values: Mapping[str, str]) -> Mapping[str, str]:
    """Return what is wrong with a denial: it needs a reason."""
    return {} if values.get("reason") else {"reason": "Say why; the asker reads it."}


def name_errors(typed: str, name: str) -> Mapping[str, str]:
    """Return what is wrong with a server's name that was typed to agree to its end."""
    if same_name(typed, name):
        return {}
    return {"name": f"That is not its name. Type {one_line(name, LONGEST_NAME)}."}


def same_name(typed: str, name: str) -> bool:
    """Return whether the typed name is this name: a hostname in any case, and what follows it exactly.

    Hostnames have no case (RFC 4343); the provider's snapshots `Monday` and `monday` are two.
    """
    expected, entered = one_line(name, LONGEST_NAME).split(" "), one_line(typed, LONGEST_NAME).split(" ")
    if not name.strip() or len(expected) != len(entered):
        return False
    return is_same_hostname(expected[0], entered[0]) and expected[1:] == entered[1:]


def keys_of(text: str) -> tuple[str, ...]:
    """Return the public keys in a text of one a line; raises `InvalidInputError` naming the line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > MAX_KEYS:
        raise InvalidInputError(f"At most {MAX_KEYS} keys.")
    keys = []
    for number, line in enumerate(lines, start=1):
        try:
            keys.append(validate_ssh_key(line))
        except InvalidInputError as error:
            raise InvalidInputError(f"Line {number}: {error.message}", hint=error.hint) from None
    return tuple(keys)


def _error_text(check: Callable[[], object]) -> str:
    try:
        check()
    except InvalidInputError as error:
        return str(error)
    return ""
