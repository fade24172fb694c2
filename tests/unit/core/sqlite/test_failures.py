"""What a driver's words mean for people, by the words that SQLite and PostgreSQL use."""

import pytest

from vpsops.core.sqlite.failures import storage_error

LACKS = "The database lacks a table or a column: its schema is missing, older, or damaged."
AWAY = "The database did not answer."


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("no such table: changes", LACKS),
        ("no such column: run_at", LACKS),
        ("table changes has no column named run_at", LACKS),
        ('relation "changes" does not exist\nLINE 1: SELECT id FROM changes', LACKS),
        ("column changes.run_at does not exist", LACKS),
        ('column "run_at" of relation "changes" does not exist', LACKS),
        ('connection failed: FATAL:  database "vpsops" does not exist', AWAY),
        ('connection failed: FATAL:  role "vpsops" does not exist', AWAY),
        ("connection refused", AWAY),
        ("database is locked", "The database stayed locked by another process."),
        ("file is not a database", "The file is not a database, or it is damaged."),
    ],
)
def test_words_of_a_driver(words: str, message: str) -> None:
    """A database that lacks something is not one that is away."""
    assert storage_error(words).message == message
    assert storage_error(words.upper()).message == message
