"""What a database's own words about a failure mean for people."""

import re
from typing import Final

from vpsops.core.common.errors import StorageError

LACKING: Final = re.compile(r"no such (table|column)|has no column|\b(relation|column) .*does not exist")
"""What SQLite and PostgreSQL say of a table or a column that is not there."""


def storage_error(words: str, *, committing: bool = False) -> StorageError:
    """Return the error for a driver's words, in any case; `committing` where it is not known what was stored."""
    text = words.lower()
    if committing:
        return StorageError("The database went away during a commit; it is not known whether it was stored.")
    if any(word in text for word in ("locked", "busy", "lock timeout")):
        return StorageError("The database stayed locked by another process.", hint="Try again in a moment.")
    if any(word in text for word in ("full", "no space", "readonly", "read-only", "i/o error")):
        hint = "Nothing was stored or sent. Make room, or let this user write to the file and its folder."
        return StorageError("The database cannot be written: disk full or read-only.", hint=hint)
    if "unable to open" in text:
        hint = "Copy it together with its -wal file into a folder that this user may write to, and read it there."
        return StorageError("The database file cannot be opened in its folder.", hint=hint)
    if LACKING.search(text):
        hint = "Nothing was stored. See `vpsops doctor`, and start vpsops again: that brings an older schema up"
        return StorageError(
            "The database lacks a table or a column: its schema is missing, older, or damaged.",
            hint=f"{hint} to date. If the tables were lost, restore the last backup.",
        )
    if "not a database" in text or "malformed" in text:
        hint = "Check VPSOPS_DATABASE_URL; if that is the right file, restore its last backup."
        return StorageError("The file is not a database, or it is damaged.", hint=hint)
    return StorageError("The database did not answer.", hint="Nothing was stored. Check VPSOPS_DATABASE_URL.")
