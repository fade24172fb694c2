"""Names of servers: whether two are one, and whether one may be taken for another's."""

import unicodedata

from vpsops.core.common.text import is_hidden


def is_same_hostname(first: str, second: str) -> bool:
    """Return whether two names are one: in any case of the letters a to z (RFC 4343), and otherwise exactly."""
    return first == second or (first.isascii() and second.isascii() and first.lower() == second.lower())


def lookalike_warning(hostname: str) -> str:
    """Return in plain words why a name may not be the one it reads as; empty for a name of plain ASCII."""
    if hostname.isascii() and hostname.isprintable():
        return ""
    if any(is_hidden(char) for char in hostname):
        return "The server's name holds characters that are not shown. Compare its id."
    scripts = {unicodedata.name(char, "UNKNOWN").split()[0] for char in hostname if char.isalpha()}
    if len(scripts) > 1:
        return "The server's name mixes letters of several scripts, which look alike. Compare its id."
    return "The server's name holds letters other than a to z, which may look like them. Compare its id."
