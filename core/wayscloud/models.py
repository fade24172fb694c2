"""The provider's objects under one set of names, whatever dialect they arrived in."""

from datetime import datetime
from typing import Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from core.wayscloud.regions import canonical_region, same_region
from core.wayscloud.validate import validate_hostname, validate_ssh_key, validate_text

__all__ = [
    "JSON",
    "Accepted",
    "Listing",
    "NewServer",
    "OsTemplate",
    "Plan",
    "Region",
    "Server",
    "Usage",
    "canonical_region",
    "same_region",
]

JSON = JsonValue
T = TypeVar("T")

FAILED: Final = frozenset({"error", "terminated"})
OFF: Final = frozenset({"stopped"})
UP: Final = frozenset({"running", "active"})
MAX_SSH_KEYS: Final = 20


class _Object(BaseModel):
    """A frozen value; `extra` holds what the API sent beyond the names we know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    extra: dict[str, JSON] = Field(default_factory=dict, exclude=True, repr=False)


class Server(_Object):
    """One VPS, as far as the answer at hand told; `memory_gb` and `disk_gb` in GB, `created_at` aware, in UTC.

    Exactly one of `failed`, `off`, `ready`, `pending` holds. The live service may call a healthy server `running`
    or `active`, and may leave `active` standing on one that is powered off, so `power_state` has a say there and
    only there: a server that is being made is powered off too, and is pending. An unknown word is pending.
    """

    id: str
    hostname: str
    display_name: str | None = None
    status: str
    power_state: str | None = None
    plan: str | None = None
    region: str | None = None
    os_template: str | None = None
    ipv4: str | None = None
    ipv6: str | None = None
    vcpus: int | None = None
    memory_gb: float | None = None
    disk_gb: float | None = None
    monthly_price: float | None = None
    currency: str | None = None
    created_at: datetime | None = None

    @property
    def failed(self) -> bool:
        """Tell whether it ended in a state it does not leave by itself."""
        return self.status in FAILED

    @property
    def off(self) -> bool:
        """Tell whether it is stopped."""
        return self.status in OFF or (self.status in UP and self.power_state == "off")

    @property
    def ready(self) -> bool:
        """Tell whether it is up."""
        return self.status in UP and self.power_state != "off"

    @property
    def pending(self) -> bool:
        """Tell whether it is on its way somewhere, or in a state we have no word for."""
        return not (self.failed or self.off or self.ready)

    @property
    def state(self) -> str:
        """Return the state in people's words: running, stopped, failed, or the API's word for what is under way."""
        if self.failed:
            return "failed"
        if self.off:
            return "stopped"
        return "running" if self.ready else self.status


class Plan(_Object):
    """A size with a price for one month; `code` is opaque and may be long."""

    code: str
    name: str | None = None
    vcpus: int | None = None
    memory_gb: float | None = None
    disk_gb: float | None = None
    bandwidth_tb: float | None = None
    monthly_price: float | None = None
    currency: str | None = None


class OsTemplate(_Object):
    """An operating system that a server can be made with; `family` in lower case."""

    id: str
    name: str | None = None
    family: str | None = None
    version: str | None = None
    windows: bool = False


class Region(_Object):
    """A place; `code` is as the API spells it, so compare with `same_region`."""

    code: str
    name: str | None = None
    country: str | None = None
    available: bool = True


class Usage(_Object):
    """Live figures of one server: percentages 0 to 100, network counters in bytes."""

    status: str | None = None
    power_state: str | None = None
    uptime_seconds: int | None = None
    cpu_percent: float | None = None
    memory_percent: float | None = None
    disk_percent: float | None = None
    network_in_bytes: int | None = None
    network_out_bytes: int | None = None


class Accepted(_Object):
    """A power operation was taken on. The answer's own words are in `extra` and never shown: they are often wrong."""

    ok: bool = True


class NewServer(BaseModel):
    """What a server is made from; raises InvalidInput for what could not be a hostname, an SSH key or a code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hostname: str
    plan: str
    region: str
    os_template: str
    display_name: str | None = None
    ssh_keys: tuple[str, ...] = Field(default=(), max_length=MAX_SSH_KEYS)

    @field_validator("hostname")
    @classmethod
    def _hostname(cls, value: str) -> str:
        return validate_hostname(value)

    @field_validator("plan", "region", "os_template")
    @classmethod
    def _code(cls, value: str) -> str:
        return validate_text(value, "code")

    @field_validator("display_name")
    @classmethod
    def _display_name(cls, value: str | None) -> str | None:
        return None if value is None else validate_text(value, "display name")

    @field_validator("ssh_keys")
    @classmethod
    def _ssh_keys(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(validate_ssh_key(key) for key in value)


class Listing(list[T], Generic[T]):
    """A list that says what it lacks: `unreadable` entries, and the `total` the API claims.

    One bad entry does not hide the rest, and is not hidden either. Whoever concludes from absence (did that create
    happen?) asks `complete` first.
    """

    def __init__(self, items: list[T], *, unreadable: tuple[str, ...] = (), total: int | None = None) -> None:
        super().__init__(items)
        self.unreadable = unreadable
        self.total = total

    @property
    def complete(self) -> bool:
        """Tell whether every entry the API has was received and read."""
        return not self.unreadable and (self.total is None or self.total <= len(self))
