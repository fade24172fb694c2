"""Validates what goes into a path or a create call; everything else is refused before anything is sent."""

import ipaddress
import re
from typing import Final

from vpsops.core.common.errors import InvalidInputError

MAX_ID: Final = 128
MAX_HOSTNAME: Final = 253
MAX_TEXT: Final = 255
MAX_SSH_KEY: Final = 16_384
NETWORK_FORM: Final = "Write an address or a network such as 10.0.0.0/8 or 2001:db8::/32."
RESERVED: Final = frozenset({"plans", "addons", "os-templates", "regions"})

_UNSAFE_IN_PATH: Final = re.compile(r"[/\\?#%\s\x00-\x1f\x7f-\x9f]|\.\.")
_SNAPSHOT_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_SSH_KEY: Final = re.compile(
    r"(?:ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
    r" [A-Za-z0-9+/.=]+(?: [^\r\n]*)?"
)


def validate_part(text: str, what: str) -> str:
    """Return `text` if it can be one part of a path; raise InvalidInputError if it could reach another route."""
    if not text or len(text) > MAX_ID or text == "." or _UNSAFE_IN_PATH.search(text) or not text.isprintable():
        raise InvalidInputError(
            f"That is not a {what}.", hint="It has no spaces and none of / ? # %, and at most 128 characters."
        )
    return text


def validate_snapshot_name(text: str) -> str:
    """Return `text` if it can name a snapshot, in a path too; raise InvalidInputError otherwise."""
    if not _SNAPSHOT_NAME.fullmatch(text) or text in {".", ".."}:
        raise InvalidInputError(
            "That is not a snapshot's name.",
            hint="It has 1 to 64 letters, digits, dots, underscores and hyphens, such as before-upgrade.",
        )
    return text


MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
"""The IPv4 addresses within IPv6."""


def validate_network(text: str) -> str:
    """Return a network in its canonical form, such as 10.0.0.0/8; a single address becomes a network of its own.

    Raise InvalidInputError for anything else, and with the corrected text where bits beyond the prefix are set.
    """
    address, slash, prefix = text.strip().lower().partition("/")
    if "%" in address or (slash and not (prefix.isascii() and prefix.isdigit())):
        raise InvalidInputError("That is not a network.", hint=NETWORK_FORM)
    try:
        network = ipaddress.ip_network(f"{address}{slash}{prefix}", strict=False)
    except ValueError:
        raise InvalidInputError("That is not a network.", hint=NETWORK_FORM) from None
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(MAPPED):
        raise InvalidInputError("That is a network of IPv4 addresses, written as IPv6.", hint="Write the IPv4 network.")
    host = ipaddress.ip_address(address)
    if slash and host != network.network_address:
        raise InvalidInputError(
            f"{host}/{network.prefixlen} is an address inside of a network.",
            hint=f"Write {network} for the whole network, or {host}/{host.max_prefixlen} for the address alone.",
        )
    return str(network)


def validate_id(text: str) -> str:
    """Return `text` if it can identify one server in a path.

    Raise InvalidInputError if it could reach another route.
    """
    if not text or len(text) > MAX_ID or text == "." or _UNSAFE_IN_PATH.search(text) or not text.isprintable():
        raise InvalidInputError(
            "That is not a server id.", hint="An id has no spaces and none of / ? # %, and at most 128 characters."
        )
    if text.lower() in RESERVED:
        raise InvalidInputError(f"'{text.lower()}' is a word of the API, not a server id.")
    return text


def validate_hostname(text: str) -> str:
    """Return the hostname, trimmed, in lower case; raise InvalidInputError unless its labels follow RFC 1123."""
    name = text.strip().lower() if text.isascii() else ""
    labels = name.removesuffix(".").split(".")
    if len(name) > MAX_HOSTNAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidInputError(
            "That is not a hostname.",
            hint="Use letters, digits and hyphens, in parts joined by dots, such as web01.example.com.",
        )
    return name.removesuffix(".")


def validate_ssh_key(text: str) -> str:
    """Return the public key, trimmed; raise InvalidInputError unless it is one line in OpenSSH form."""
    key = text.strip()
    if "PRIVATE KEY" in key:
        raise InvalidInputError(
            "That is a private SSH key.", hint="Send the public key; and replace this one, it was shown."
        )
    if len(key) > MAX_SSH_KEY or not _SSH_KEY.fullmatch(key):
        raise InvalidInputError(
            "That is not a public SSH key.", hint="Paste one line that starts with ssh-ed25519, ssh-rsa or ecdsa-sha2-."
        )
    return key


def validate_text(text: str, what: str) -> str:
    """Return a code or a name, trimmed; raise InvalidInputError when empty, too long, or holding control characters."""
    value = text.strip()
    if not value or len(value) > MAX_TEXT or not value.isprintable():
        raise InvalidInputError(
            f"That is not a {what}.", hint=f"It is empty, longer than {MAX_TEXT}, or not printable."
        )
    return value
