"""Results as structured content and as short text, one renderer for each kind of result."""

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from pydantic import BaseModel, Field, JsonValue, computed_field

from vpsops.core.common.text import duration, moment, money, monthly
from vpsops.core.operations.catalogue import OsTemplates, Plans, Regions
from vpsops.core.operations.servers import ServerList
from vpsops.core.wayscloud.answers.models import Server, Usage
from vpsops.mcp_server.protocol.text import join_nonempty, number, sanitize, sanitize_json, size, table

R = TypeVar("R", bound=BaseModel)


class ServerResult(Server):
    """A server with its state in people's words, which the API's own `status` may contradict."""

    @computed_field(description="running, stopped, failed, or what is under way")  # type: ignore[prop-decorator]
    @property
    def state(self) -> str:
        """Return the state in people's words."""
        return super().state


class CountResult(BaseModel):
    """How many servers have one value of a fact."""

    by: str = Field(description="state, region or name")
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


RESULT_MODELS: Mapping[type[BaseModel], type[BaseModel]] = {
    Server: ServerResult,
    ServerList: ServerListResult,
    Plans: PlansResult,
    OsTemplates: OsTemplatesResult,
    Regions: RegionsResult,
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
    return render(result) if render else "See the structured result."


def server_text(server: Server) -> str:
    """Return one server in two lines."""
    first = f"{sanitize(server.hostname)} ({sanitize(server.id)}) is {sanitize(server.state)}."
    shape = join_nonempty(
        (
            _labelled("plan", server.plan),
            _labelled("region", server.region),
            _labelled("OS", server.os_template),
            sanitize(server.ipv4 or ""),
            sanitize(server.ipv6 or ""),
            _amount(server.vcpus, "vCPU"),
            _amount(server.memory_gb, "GB memory"),
            _amount(server.disk_gb, "GB disk"),
            monthly(server.monthly_price, server.currency),
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
    rows = [(r.code, r.name, r.country, "not available" if r.available is False else None) for r in regions.regions]
    return table(("CODE", "NAME", "COUNTRY", "NOTE"), rows) if rows else "The provider lists no regions."


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
    )
)
