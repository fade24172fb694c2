"""What a model chooses of a read beside the operation's own arguments: fields, and pages of the catalogue; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError

from core.changes.model import Json
from core.errors import InvalidInput
from core.operations import Operation
from core.operations.registry import Arguments, NoArguments
from mcp_server.shown import ShownServer
from mcp_server.text import clean, quote

A = TypeVar("A", bound=Arguments)
FIELDS = (*(name for name in ShownServer.model_fields if name != "extra"), "state")
OFTEN = ("state", "plan", "region", "os_template", "ipv4", "vcpus", "memory_gb", "disk_gb", "monthly_price")
"""The fields that the schema names; the others may be asked for as well."""


class ListView(Arguments):
    """Which fields of each server, beside its name."""

    fields: Annotated[tuple[str, ...], Field(json_schema_extra={"items": {"enum": list(OFTEN)}})] = ()


class GetView(Arguments):
    """Which fields of a server, beside its name and id."""

    fields: tuple[str, ...] = ()


class PageView(Arguments):
    """Which page."""

    cursor: str = ""


class CatalogueView(Arguments):
    """Which part of a catalogue, by a part of a code or name, and which page."""

    name: str = ""
    cursor: str = ""


VIEWS: Mapping[str, type[Arguments]] = {
    "list": ListView,
    "get": GetView,
    "plans": CatalogueView,
    "os_templates": CatalogueView,
    "regions": PageView,
}


@dataclass(frozen=True, slots=True)
class View:
    """What was chosen: `fields` of servers (none for the usual ones), and of a list `name`, and where a page begins."""

    fields: tuple[str, ...] = ()
    name: str = ""
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A call's arguments, sorted: those of the operation, and the view."""

    arguments: Mapping[str, Json]
    view: View = field(default_factory=View)


def view_model(operation: Operation) -> type[Arguments]:
    """Return the arguments that a tool takes beside its operation's own."""
    return VIEWS.get(operation.name, NoArguments)


def sort_out(operation: Operation, given: Mapping[str, Json], tool: str) -> Asked:
    """Sort a call's arguments; raises `InvalidInput` for a name or a field there is not."""
    model = view_model(operation)
    own, extra = operation.arguments.model_fields, model.model_fields
    known = dict.fromkeys((*own, *extra, *(() if operation.reads else ("reason",))))
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        takes = f"{tool} takes: {', '.join(known) or 'nothing'}."
        raise InvalidInput(f"{clean(unknown, 60)}: there is no such argument.", hint=takes)
    chosen = parse(model, {name: value for name, value in given.items() if name in extra}, tool)
    view = View(
        fields=_known(getattr(chosen, "fields", ())),
        name=getattr(chosen, "name", ""),
        cursor=getattr(chosen, "cursor", ""),
    )
    return Asked({name: value for name, value in given.items() if name not in extra}, view)


def _known(fields: tuple[str, ...]) -> tuple[str, ...]:
    for one in fields:
        if one not in FIELDS:
            raise InvalidInput(f"fields: there is no {quote(one, 60)}.", hint=f"There are {', '.join(FIELDS)}.")
    return tuple(dict.fromkeys(fields))


def parse(arguments: type[A], given: Mapping[str, Json], tool: str) -> A:
    """Return a call's arguments; raises `InvalidInput` naming the one that does not fit."""
    try:
        return arguments.model_validate(dict(given))
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:60] or "arguments"
        known = ", ".join(arguments.model_fields)
        raise InvalidInput(f"{where}: {first['msg']}.", hint=f"{tool} takes: {known}.") from None
