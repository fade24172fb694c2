"""Spellings of regions: the provider maps what it is sent, so two of them can mean one region."""

from typing import Final

# Seen in the tests of the provider's Terraform plugin, which cite the service's own table.
ALIASES: Final = {
    "OSLO": "NO",
    "NORWAY": "NO",
    "NO-OSLO-1": "NO",
    "STOCKHOLM": "SE",
    "SWEDEN": "SE",
    "FRANKFURT": "DE",
    "GERMANY": "DE",
    "PARIS": "FR",
    "FRANCE": "FR",
}


def canonical_region(text: str) -> str:
    """Return the spelling a server is read back with: trimmed, upper-cased, cities and countries as codes."""
    word = text.strip().upper()
    return ALIASES.get(word, word)


def same_region(first: str, second: str) -> bool:
    """Return whether two spellings mean one region."""
    return canonical_region(first) == canonical_region(second)


def region_text(code: str, name: str) -> str:
    """Return a region for people: its name, and the id behind it, unless they are the same."""
    return f"{name} ({code})" if name and name.casefold() != code.casefold() else code
