"""Results as structured content and as short text, one renderer for each kind of result."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final, TypeVar, cast

from pydantic import BaseModel, Field, JsonValue, PlainSerializer, SecretStr, computed_field

from vpsops.core.common.text import duration, moment, money, monthly
from vpsops.core.operations.catalogue import Addons, OsTemplates, Plans, Regions
from vpsops.core.operations.families.backup_policy import ShownPolicy, policy_facts
from vpsops.core.operations.servers import ServerList
from vpsops.core.wayscloud.answers.models import Server, Usage
from vpsops.core.wayscloud.answers.region_names import name_of
from vpsops.mcp_server.protocol.text import join_nonempty, number, sanitize, sanitize_json, size, table

R = TypeVar("R", bound=BaseModel)
SAID: Final = 400
SENTENCES: Final = frozenset({"lacking", "advice"})
"""Fields that are sentences by themselves."""


def _label_words(labels: Mapping[str, str] | None) -> list[str] | None:
    return None if labels is None else [f"{key}={value}" for key, value in sorted(labels.items())]


class ServerResult(Server):
    """A server with its state in people's words, which the API's own `status` may contradict."""

    labels: Annotated[
        dict[str, str] | None, PlainSerializer(_label_words, return_type=list[str] | None, when_used="json")
    ] = None

    @computed_field(description="running, stopped, failed, or what is under way")  # type: ignore[prop-decorator]
    @property
    def state(self) -> str:
        """Return the state in people's words."""
        return super().state


class CountResult(BaseModel):
    """How many servers have one value of a fact."""

    by: str = Field(description="state, region, label or name")
    value: str
    servers: int


class ServerListResult(BaseModel):
    """A page of servers, each with its state."""

    servers: list[ServerResult]
    total: int
    next_cursor: str | None = None
    lacking: str | None = Field(None, description="what is not known of the list")
    counts: list[CountResult] | None = Field(None, description="of all that match, on the first page of several")


class PlansResult(Plans):
    """A page of plans."""

    total: int | None = None
    next_cursor: str | None = None


class OsTemplatesResult(OsTemplates):
    """A page of operating systems."""

    total: int | None = None
    next_cursor: str | None = None


class RegionsResult(Regions):
    """A page of regions."""

    total: int | None = None
    next_cursor: str | None = None


class AddonsResult(Addons):
    """A page of add-ons."""

    total: int | None = None
    next_cursor: str | None = None


RESULT_MODELS: Mapping[type[BaseModel], type[BaseModel]] = {
    Server: ServerResult,
    ServerList: ServerListResult,
    Plans: PlansResult,
    OsTemplates: OsTemplatesResult,
    Regions: RegionsResult,
    Addons: AddonsResult,
}


def result_model(result: type[BaseModel]) -> type[BaseModel]:
    """Return the model that a tool's structured content follows, for a registry's result model."""
    return RESULT_MODELS.get(result, result)


def structured_content(result: BaseModel) -> dict[str, JsonValue]:
    """Return the structured content of a read: known values, cleaned."""
    model = result_model(type(result))
    lacking = {"lacking": result.lacking} if isinstance(result, ServerList) and result.lacking else {}
    whole = result if model is type(result) else model.model_validate({**result.model_dump(), **lacking})
    return cast("dict[str, JsonValue]", sanitize_json(whole.model_dump(mode="json", exclude_none=True)))


def result_text(result: BaseModel) -> str:
    """Return the short text of a read; a result without a renderer is described by its structured content."""
    render = RENDERERS.get(type(result))
    return render(result) if render else fields_text(result)


def fields_text(result: BaseModel) -> str:
    """Return what is known of a result by its fields: lists as tables, the rest in sentences.

    Many hosts hand a model this text alone.
    """
    parts: list[str] = []
    for name, value in result:
        label = name.replace("_", " ").capitalize()
        if name == "extra" or value is None or value == "":
            continue
        if isinstance(value, BaseModel):
            parts.append(f"{label}: {_facts_of(value) or 'no details'}.")
        elif isinstance(value, list | tuple):
            parts.append(_rows_text(label, value))
        else:
            parts.append(f"{label}: {_value_text(value)}." if name not in SENTENCES else sanitize(str(value), SAID))
    return join_nonempty(parts, "\n") or "The provider gave no details."


def _rows_text(label: str, rows: Sequence[object]) -> str:
    models = [row for row in rows if isinstance(row, BaseModel)]
    if not models:
        return f"{label}: {', '.join(_value_text(row) for row in rows) or 'none'}."
    names = [name for name in type(models[0]).model_fields if name != "extra"]
    return table(
        [name.replace("_", " ").upper() for name in names],
        [[None if (value := getattr(row, name)) is None else _value_text(value) for name in names] for row in models],
    )


def _facts_of(model: BaseModel) -> str:
    known = ((name, value) for name, value in model if name != "extra" and value is not None)
    return join_nonempty((f"{name.replace('_', ' ')} {_value_text(value)}" for name, value in known), ", ")


def _value_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, int | float):
        return number(value)
    return sanitize(value.get_secret_value() if isinstance(value, SecretStr) else str(value), SAID)


def server_text(server: Server) -> str:
    """Return one server in two lines."""
    first = f"{sanitize(server.hostname)} ({sanitize(server.id)}) is {sanitize(server.state)}."
    shape = join_nonempty(
        (
            _labelled("plan", server.plan),
            _labelled("region", server.place),
            _labelled("OS", server.os_template),
            sanitize(server.ipv4 or ""),
            sanitize(server.ipv6 or ""),
            _amount(server.vcpus, "vCPU"),
            _amount(server.memory_gb, "GB memory"),
            _amount(server.disk_gb, "GB disk"),
            monthly(server.monthly_price, server.currency),
            _labelled("labels", ", ".join(_label_words(server.labels) or ())),
            f"since {moment(server.created_at)}" if server.created_at else "",
        )
    )
    return join_nonempty((first, f"{shape[:1].upper()}{shape[1:]}." if shape else ""), "\n")


def usage_text(usage: Usage) -> str:
    """Return a server's use in a line."""
    facts = join_nonempty(
        (
            sanitize(usage.status or ""),
            _labelled("power", usage.power_state),
            f"up {duration(usage.uptime_seconds)}" if usage.uptime_seconds is not None else "",
            _percent("CPU", usage.cpu_percent),
            _percent("memory", usage.memory_percent),
            _percent("disk", usage.disk_percent),
            f"in {size(usage.network_in_bytes)}" if usage.network_in_bytes is not None else "",
            f"out {size(usage.network_out_bytes)}" if usage.network_out_bytes is not None else "",
        )
    )
    return f"{facts[:1].upper()}{facts[1:]}." if facts else "The provider gave no figures."


def plans_text(plans: Plans) -> str:
    """Return the plans as a table."""
    rows = [
        (p.code, p.name, p.vcpus, p.memory_gb, p.disk_gb, p.bandwidth_tb, money(p.monthly_price, p.currency))
        for p in plans.plans
    ]
    head = ("CODE", "NAME", "VCPU", "MEMORY GB", "DISK GB", "TRAFFIC TB", "A MONTH")
    return table(head, rows) if rows else "The provider lists no plans."


def templates_text(templates: OsTemplates) -> str:
    """Return the operating systems as a table."""
    rows = [(o.id, o.name, o.family, o.version) for o in templates.os_templates]
    return table(("ID", "NAME", "FAMILY", "VERSION"), rows) if rows else "The provider lists no OS templates."


def regions_text(regions: Regions) -> str:
    """Return the regions as a table."""
    rows = [(r.code, name_of(r), r.country, "not available" if r.available is False else None) for r in regions.regions]
    return table(("CODE", "NAME", "COUNTRY", "NOTE"), rows) if rows else "The provider lists no regions."


def addons_text(addons: Addons) -> str:
    """Return the add-ons as a table."""
    rows = [(a.code, a.name, a.kind, money(a.monthly_price, a.currency)) for a in addons.addons]
    return table(("CODE", "NAME", "KIND", "A MONTH"), rows) if rows else "The provider lists no add-ons."


def policy_text(shown: ShownPolicy) -> str:
    """Return a server's backup policy, a fact in each line."""
    if shown.policy is None:
        return "The server has no backup policy."
    return join_nonempty((sanitize(fact.line, SAID) for fact in policy_facts(shown.policy)), "\n")


def _labelled(label: str, value: str | None) -> str:
    return f"{label} {sanitize(value)}" if value else ""


def _amount(value: float | None, unit: str) -> str:
    return "" if value is None else f"{number(value)} {unit}"


def _percent(label: str, value: float | None) -> str:
    return "" if value is None else f"{label} {number(round(value, 1))} %"


def _for(kind: type[R], render: Callable[[R], str]) -> tuple[type[BaseModel], Callable[[BaseModel], str]]:
    return kind, cast("Callable[[BaseModel], str]", render)


RENDERERS: Mapping[type[BaseModel], Callable[[BaseModel], str]] = dict(
    (
        _for(Server, server_text),
        _for(Usage, usage_text),
        _for(Plans, plans_text),
        _for(OsTemplates, templates_text),
        _for(Regions, regions_text),
        _for(Addons, addons_text),
        _for(ShownPolicy, policy_text),
    )
)
