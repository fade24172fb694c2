"""What a model chooses of a read beside the operation's own arguments: fields, and pages of the catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import Field

from vpsops.core.common.json_types import Json
from vpsops.core.operations import Operation
from vpsops.core.operations.arguments import Arguments
from vpsops.core.operations.registry import NoArguments
from vpsops.mcp_server.presenters.schemas import Schema
from vpsops.mcp_server.presenters.servers import ServerResult

FIELDS: Final = (*(name for name in ServerResult.model_fields if name not in {"extra", "tags", "region_name"}), "state")

FIELD_NAMES: Final[Schema] = {"type": "array", "items": {"type": "string", "enum": list(FIELDS)}}


class ListProjection(Arguments):
    """Which fields of each server, beside its name."""

    fields: Annotated[tuple[str, ...], Field(json_schema_extra=FIELD_NAMES)] = ()


class GetProjection(Arguments):
    """Which fields of a server, beside its name and id; the schema of the list names them, once for both."""

    fields: tuple[str, ...] = ()


class PageProjection(Arguments):
    """Which page."""

    cursor: Annotated[str, Field(description="next_cursor")] = ""


class CatalogueProjection(Arguments):
    """Which part of a catalogue, by a part of a code or name, and which page."""

    name: str = ""
    cursor: Annotated[str, Field(description="next_cursor")] = ""


PROJECTIONS: Mapping[str, type[Arguments]] = {
    "list": ListProjection,
    "get": GetProjection,
    "plans": CatalogueProjection,
    "os_templates": CatalogueProjection,
    "regions": PageProjection,
    "addons": PageProjection,
}


@dataclass(frozen=True, slots=True)
class Projection:
    """The chosen view: `fields` of servers (empty for the usual ones), `name` of a list, and where a page begins."""

    fields: tuple[str, ...] = ()
    name: str = ""
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class ReadArguments:
    """A call's arguments, sorted: those of the operation, and the view."""

    arguments: Mapping[str, Json]
    view: Projection = field(default_factory=Projection)
    walk: str = ""  # over which list of servers that is kept


def projection_model(operation: Operation) -> type[Arguments]:
    """Return the arguments that a tool takes beside its operation's own."""
    return PROJECTIONS.get(operation.name, NoArguments)


def split_arguments(operation: Operation, arguments: Mapping[str, Json]) -> ReadArguments:
    """Sort a call's arguments, which its tool's signature has let pass, into the operation's own and the view."""
    model = projection_model(operation)
    chosen = model.model_validate({name: value for name, value in arguments.items() if name in model.model_fields})
    view = Projection(
        fields=tuple(dict.fromkeys(getattr(chosen, "fields", ()))),
        name=getattr(chosen, "name", ""),
        cursor=getattr(chosen, "cursor", ""),
    )
    return ReadArguments({name: value for name, value in arguments.items() if name not in model.model_fields}, view)
