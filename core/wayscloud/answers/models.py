"""The provider's objects under one set of names, in any dialect they arrived in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from vpsops.core.wayscloud.answers.regions import canonical_region, region_text, same_region
from vpsops.core.wayscloud.answers.states import Meaning, meaning_of_power, meaning_of_status
from vpsops.core.wayscloud.answers.validate import validate_hostname, validate_ssh_key, validate_text

__all__ = [
    "JSON",
    "AcceptedOperation",
    "Addon",
    "HeldList",
    "NewServer",
    "OsTemplate",
    "Plan",
    "ProviderList",
    "ProviderObject",
    "Region",
    "Server",
    "Usage",
    "canonical_region",
    "same_region",
]

JSON = JsonValue
T = TypeVar("T")

MAX_SSH_KEYS: Final = 20


class ProviderObject(BaseModel):
    """A frozen value; `extra` holds what the API sent beyond the names we know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    extra: dict[str, JSON] = Field(default_factory=dict, exclude=True, repr=False)


class Server(ProviderObject):
    """One VPS, as far as this answer describes it; `memory_gb` and `disk_gb` in GB, `created_at` aware, in UTC.

    Exactly one of `failed`, `off`, `ready`, `power_unknown`, `pending` holds. `status` may be a life cycle: a server
    that is off may be `active` too, so there `power_state` decides, and without it the power is unknown.
    Words that contradict each other, and words without a meaning to us, are pending. Without `labels` or `tags` an
    answer does not tell them, which is not that there are none.
    """

    id: str
    hostname: str
    display_name: str | None = None
    status: str
    power_state: str | None = None
    plan: str | None = None
    region: str | None = None
    region_name: str | None = None  # from the list of regions, never from an answer about a server
    end: str | None = None  # when it is stopped by vpsops, in words; never from an answer about a server
    os_template: str | None = None
    ipv4: str | None = None
    ipv6: str | None = None
    vcpus: int | None = None
    memory_gb: float | None = None
    disk_gb: float | None = None
    monthly_price: float | None = None
    currency: str | None = None
    created_at: datetime | None = None
    labels: dict[str, str] | None = None
    tags: tuple[str, ...] | None = None

    @property
    def place(self) -> str:
        """Return the region for people, `Oslo, Norway (oslo)`, or its id alone; empty where it is not known."""
        return region_text(self.region or "", self.region_name or "")

    @property
    def _life(self) -> Meaning:
        return meaning_of_status(self.status)

    @property
    def _power(self) -> Meaning | None:
        return meaning_of_power(self.power_state) if self.power_state else None

    @property
    def failed(self) -> bool:
        """Return whether it ended in a state it does not leave by itself."""
        return self._life is Meaning.FAILED

    @property
    def off(self) -> bool:
        """Return whether it is stopped."""
        if self._life is Meaning.OFF:
            return self._power in {None, Meaning.OFF}
        return self._life in {Meaning.ON, Meaning.LIVE} and self._power is Meaning.OFF

    @property
    def ready(self) -> bool:
        """Return whether it is up."""
        if self._life is Meaning.ON:
            return self._power in {None, Meaning.ON}
        return self._life is Meaning.LIVE and self._power is Meaning.ON

    @property
    def in_order(self) -> bool:
        """Return whether `status` by itself means that it exists and is up, or may be."""
        return self._life in {Meaning.ON, Meaning.LIVE}

    @property
    def power_unknown(self) -> bool:
        """Return whether it exists and is in order, and whether it runs is not known."""
        return self._life is Meaning.LIVE and self._power is None

    @property
    def pending(self) -> bool:
        """Return whether it is between states, or in a state we have no word for."""
        return not (self.failed or self.off or self.ready or self.power_unknown)

    @property
    def state(self) -> str:
        """Return the state for people: running, stopped, failed, or the API's word for what is in progress."""
        if self.failed:
            return "failed"
        if self.off:
            return "stopped"
        if self.power_unknown:
            return f"{self.status}, power unknown"
        if self.ready:
            return "running"
        settled = self._life is not Meaning.OTHER  # then it is the power that is changing, or contradicts it
        return f"{self.status}, power {self.power_state}" if settled else self.status


class Plan(ProviderObject):
    """A size with a price for one month; `code` is opaque and may be long."""

    code: str
    name: str | None = None
    vcpus: int | None = None
    memory_gb: float | None = None
    disk_gb: float | None = None
    bandwidth_tb: float | None = None
    monthly_price: float | None = None
    currency: str | None = None


class Addon(ProviderObject):
    """An extra for a server, such as disk or vCPU, with a price for one month; no source shows an entry."""

    code: str
    name: str | None = None
    kind: str | None = None
    monthly_price: float | None = None
    currency: str | None = None


class OsTemplate(ProviderObject):
    """An operating system that a server can be made with; `family` in lower case."""

    id: str
    name: str | None = None
    family: str | None = None
    version: str | None = None
    windows: bool | None = None


class Region(ProviderObject):
    """A region; `code` is as the API spells it, so compare with `same_region`."""

    code: str
    name: str | None = None
    city: str | None = None
    country: str | None = None
    available: bool | None = None


class Usage(ProviderObject):
    """Live usage of one server: percentages 0 to 100, network counters in bytes."""

    status: str | None = None
    power_state: str | None = None
    uptime_seconds: int | None = None
    cpu_percent: float | None = None
    memory_percent: float | None = None
    disk_percent: float | None = None
    network_in_bytes: int | None = None
    network_out_bytes: int | None = None


class AcceptedOperation(ProviderObject):
    """An accepted power operation. The answer's own text is in `extra` and never shown: it is often wrong."""

    ok: bool = True


class NewServer(BaseModel):
    """The data of a server to create; raises InvalidInputError for an invalid hostname, SSH key or code."""

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


class ProviderList(list[T], Generic[T]):
    """A list that reports its gaps: `unreadable` entries, the `total` the API claims, whether there is `more`.

    One bad entry does not hide the rest, and is not hidden either. Check `complete` before concluding anything from
    absence (did that create happen?).
    """

    def __init__(
        self, items: list[T], *, unreadable: tuple[str, ...] = (), total: int | None = None, more: bool = False
    ) -> None:
        super().__init__(items)
        self.unreadable = unreadable
        self.total = total
        self.more = more

    @property
    def complete(self) -> bool:
        """Return whether every entry the API has was received and read."""
        return not self.unreadable and not self.more and (self.total is None or self.total <= len(self))

    @property
    def lack(self) -> str:
        """Return what is missing, for people; empty where it is complete."""
        listed, read = len(self) + len(self.unreadable), len(self)
        parts = [f"{read} of {listed} could be read"] if self.unreadable else []
        if self.total is not None and self.total > listed:
            parts.append(f"{listed} of {self.total} are listed, the rest cannot be seen")
        elif self.more:
            parts.append(f"more than the {listed} listed exist, which cannot be seen")
        return "; ".join(parts)


@dataclass(slots=True)
class HeldList:
    """The account's servers as one read returned them, for all later steps of that work; empty until it is read."""

    servers: ProviderList[Server] | None = None
