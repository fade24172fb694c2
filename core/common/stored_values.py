"""Typed reads of stored values: a value of another type is an error that names its place. Times are UTC seconds."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


class UnreadableValueError(ValueError):
    """A value is not what this version knows in its place; the text names the place and never the value."""


Row = Mapping[Any, Any]  # SQLAlchemy's rows are keyed by name or column


def value_of(stored: object, name: str) -> Any:
    """Return the value under a name. Raises `UnreadableValueError` if it is missing."""
    if not isinstance(stored, Mapping) or name not in stored:
        raise UnreadableValueError(f"{name} is missing")
    return stored[name]


def text_of(stored: Row, name: str) -> str:
    """Return a text. Raises `UnreadableValueError` for any other type."""
    value = value_of(stored, name)
    if not isinstance(value, str):
        raise UnreadableValueError(f"{name} is no text")
    return value


def number_of(stored: Row, name: str) -> float | None:
    """Return a number; None where there is none, as in what older versions stored."""
    value = stored.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise UnreadableValueError(f"{name} is no number")
    return None if value is None else float(value)


def mapping_of(stored: Row, name: str) -> Mapping[str, Any]:
    """Return an object. Raises `UnreadableValueError` for any other type."""
    value = stored[name]
    if not isinstance(value, dict):
        raise UnreadableValueError(f"{name} is no object")
    return value


def list_of(stored: Row, name: str) -> list[Any]:
    """Return a list. Raises `UnreadableValueError` for any other type."""
    value = value_of(stored, name)
    if not isinstance(value, list):
        raise UnreadableValueError(f"{name} is no list")
    return value


def names_of(stored: Row, name: str) -> tuple[str, ...]:
    """Return a list of texts. Raises `UnreadableValueError` for any other type."""
    value = list_of(stored, name)
    if not all(isinstance(item, str) for item in value):
        raise UnreadableValueError(f"{name} holds what is no text")
    return tuple(value)


def seconds(moment: datetime | None) -> float | None:
    """Return UTC seconds since 1970, as stored."""
    return None if moment is None else moment.timestamp()


def moment(value: float | None) -> datetime | None:
    """Return the aware UTC time of stored seconds."""
    return None if value is None else datetime.fromtimestamp(value, UTC)
