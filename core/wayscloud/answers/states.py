"""The meaning of the provider's words for a server's state: open lists, of which an unknown word is none.

Sources name `provisioning, running, active, stopped, terminated, error` and `on, off` as power; other clouds' words of
the same meaning are taken too, for no source is complete. `active` and its like mean that a server exists and is in
order: they are a life cycle and state nothing about power.
"""

from enum import StrEnum
from functools import lru_cache
from typing import Final


class Meaning(StrEnum):
    """The meaning of one word."""

    FAILED = "failed"
    OFF = "off"
    ON = "on"
    LIVE = "live"  # in order; nothing about whether it runs
    OTHER = "other"  # in progress, or a word without a known meaning


GONE: Final = frozenset({"terminated", "deleted", "destroyed"})
FAILURES: Final = frozenset({"error", "errored", "failed", "failure"}) | GONE
OFF: Final = frozenset({"stopped", "off", "poweroff", "poweredoff", "shutoff", "shutdown", "halted", "down"})
ON: Final = frozenset({"running", "on", "poweron", "poweredon", "started", "up", "online"})
LIVE: Final = frozenset({"active", "ready", "available", "ok"})


@lru_cache(maxsize=256)
def meaning_of_status(word: str) -> Meaning:
    """Return the meaning of a `status`; a compound such as `build_failed` is the failure that it ends in."""
    parts = word.strip().lower().replace("-", "_").replace(" ", "_").split("_")
    if parts[-1] in FAILURES:
        return Meaning.FAILED
    joined = "".join(parts)
    for words, meaning in ((OFF, Meaning.OFF), (ON, Meaning.ON), (LIVE, Meaning.LIVE)):
        if joined in words:
            return meaning
    return Meaning.OTHER


def meaning_of_power(word: str) -> Meaning:
    """Return the meaning of a `power_state`: on, off or other. A failure named here is no state that lasts."""
    meaning = meaning_of_status(word)
    if meaning is Meaning.LIVE:
        return Meaning.ON
    return meaning if meaning in {Meaning.ON, Meaning.OFF} else Meaning.OTHER


def is_gone(status: str) -> bool:
    """Return whether a server with this status no longer exists or costs."""
    return status.strip().lower() in GONE
