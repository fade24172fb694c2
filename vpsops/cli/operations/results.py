"""The result of a read, as lines or as a document: by its fields, whatever operation it is of."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel, SecretStr

from vpsops.core.common.json_types import Json
from vpsops.core.common.text import duration, moment
from vpsops.core.console.layout import Style, facts, table
from vpsops.core.console.terminal import cell
from vpsops.core.operations.facts import Fact
from vpsops.core.operations.families.backup_policy import ShownPolicy, policy_facts
from vpsops.core.wayscloud.answers.models import Server

LONGEST: Final = 8192
LONGEST_CELL: Final = 120
FIELDS: Final[Mapping[type[BaseModel], tuple[str, ...]]] = {
    Server: (
        "hostname",
        "state",
        "plan",
        "place",
        "os_template",
        "ipv4",
        "ipv6",
        "vcpus",
        "memory_gb",
        "disk_gb",
        "monthly_price",
        "currency",
        "display_name",
        "labels",
        "tags",
        "created_at",
        "end",
        "id",
    )
}
"""What is shown of an answer, in this order, where that is not each of its fields."""
COLUMNS: Final[Mapping[type[BaseModel], tuple[str, ...]]] = {
    Server: ("hostname", "state", "plan", "place", "ipv4", "display_name", "id")
}
"""What a table shows of it."""
LABELS: Final = {
    "id": "ID",
    "ipv4": "IPv4",
    "ipv6": "IPv6",
    "vcpus": "vCPU",
    "cpu_percent": "CPU",
    "os_template": "OS",
    "place": "Region",
}
BYTES: Final = ("B", "kB", "MB", "GB", "TB", "PB")


def _size(count: float) -> str:
    unit = 0
    while count >= 1000 and unit < len(BYTES) - 1:  # noqa: PLR2004 - decimal units, as networks count
        count, unit = count / 1000, unit + 1
    return f"{count:.3g} {BYTES[unit]}"


UNITS: Final[Mapping[str, Callable[[float], str]]] = {
    "_percent": lambda value: f"{value:.0f} %",
    "_seconds": duration,
    "_bytes": _size,
    "_gb": lambda value: f"{value:g} GB",
    "_tb": lambda value: f"{value:g} TB",
}
"""How a number is written, by the end of its field's name."""


def result_lines(result: BaseModel, style: Style, *, narrowed: bool = False) -> list[str]:
    """Return a result as lines: a table of what it lists, or each of its fields; `narrowed` if a filter was given."""
    rows = rows_of(result)
    if rows is None:
        return facts(_pairs(result), style)
    if not rows:
        listed = str(listed_field(result)).replace("_", " ")
        return [f"No {listed} match." if narrowed else f"There are no {listed}."]
    names = COLUMNS.get(type(rows[0])) or _names(rows[0])
    heads = [label_of(name).upper() for name in names]
    return table(heads, [[_cell(row, name) for name in names] for row in rows], style)


def result_notes(result: BaseModel) -> list[str]:
    """Return what is not known of a result, and what to ask for instead."""
    notes = (str(getattr(result, name, "") or "") for name in ("lacking", "advice"))
    return [cell(note, 500) for note in notes if note]


def result_document(result: BaseModel) -> Json:
    """Return a result as a JSON document; what an answer held beyond the fields we know is not in it."""
    document: dict[str, Json] = result.model_dump(mode="json", exclude_none=True)
    rows = rows_of(result) or ()
    listed = next((value for value in document.values() if isinstance(value, list)), [])
    for entry, row in zip(listed, rows, strict=False):
        if isinstance(row, Server) and isinstance(entry, dict):
            entry["state"] = row.state
    if isinstance(result, Server):
        document["state"] = result.state
    notes = result_notes(result)
    return document | ({"notes": list(notes)} if notes else {})


def rows_of(result: BaseModel) -> Sequence[BaseModel] | None:
    """Return what a result lists, or None if it is one thing."""
    name = listed_field(result)
    return None if name is None else getattr(result, name)


def listed_field(result: BaseModel) -> str | None:
    """Return the field with what a result lists, or None if it is one thing."""
    for name, info in type(result).model_fields.items():
        kinds = get_args(info.annotation)
        if (
            get_origin(info.annotation) in {list, tuple}
            and isinstance(kinds[0], type)
            and issubclass(kinds[0], BaseModel)
        ):
            return name
    return None


def label_of(name: str) -> str:
    """Return a field's name for people, without the unit that its value carries."""
    if name in LABELS:
        return LABELS[name]
    unit = next((suffix for suffix in UNITS if name.endswith(suffix)), "")
    return name.removesuffix(unit).replace("_", " ").capitalize()


def _pairs(result: BaseModel) -> list[tuple[str, str]]:
    if isinstance(result, ShownPolicy):
        shown = policy_facts(result.policy) if result.policy is not None else (Fact("Policy", "none"),)
        return [(fact.label, cell(fact.value, LONGEST)) for fact in shown]
    pairs: list[tuple[str, str]] = []
    for name in _names(result):
        value = getattr(result, name)
        pairs += _pairs(value) if isinstance(value, BaseModel) else [(label_of(name), value_text(name, value))]
    return pairs


def _names(result: BaseModel) -> tuple[str, ...]:
    every = tuple(name for name in type(result).model_fields if name != "extra")
    return FIELDS.get(type(result), every)


def _cell(row: BaseModel, name: str) -> str:
    return cell(value_text(name, getattr(row, name)), LONGEST_CELL)


def value_text(name: str, value: Any) -> str:
    """Return a field's value for people, with its unit; nothing where it is not known."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, int | float):
        unit = next((suffix for suffix in UNITS if name.endswith(suffix)), "")
        return UNITS[unit](value) if unit else f"{value:g}"
    if isinstance(value, dict):
        value = [f"{key}={item}" for key, item in value.items()]
    if isinstance(value, list | tuple):
        return ", ".join(value_text(name, item) for item in value)
    return cell(value.get_secret_value() if isinstance(value, SecretStr) else value, LONGEST)


def stored_text(name: str, value: Json) -> str:
    """Return a field's value for people as `value_text` does, of a result as it is stored: moments are text there."""
    if name.endswith("_at") and isinstance(value, str):
        with suppress(ValueError):
            return moment(datetime.fromisoformat(value))
    return value_text(name, value)
