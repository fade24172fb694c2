"""What every dialect answers, and the paths that all of them share."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from vpsops.playground.wayscloud.hardware.catalogue import Catalogue, CataloguePlan, Location, Template
from vpsops.playground.wayscloud.hardware.model import Power, ServerState, SimulatedServer

Json = dict[str, object]
ONE = "/v1/vps/{vps_id}"
COMMON_PATHS = {
    "get": ("GET", ONE),
    "status": ("GET", f"{ONE}/status"),
    "start": ("POST", f"{ONE}/start"),
    "stop": ("POST", f"{ONE}/stop"),
    "reboot": ("POST", f"{ONE}/reboot"),
}


CHANGED_IN_PLACE = {"delete": ("DELETE", ONE), "update": ("PATCH", ONE)}
UPGRADED = {"upgrade": ("POST", f"{ONE}/upgrade")}
FILTERED_CATALOGUE = {
    "plans_of_region": ("GET", "/v1/vps/plans/region/{region}"),
    "addons": ("GET", "/v1/vps/addons/"),
}
ALL_SERVICES = {"all_regions": ("GET", "/v1/regions")}
"""What the official clients call beside the pages of the service."""


class Dialect(ABC):
    """Paths, names and shapes of one edition of the API. `at` is the time in the world's seconds."""

    name: ClassVar[str]
    catalogue: ClassVar[Catalogue]
    paths: ClassVar[Mapping[str, tuple[str, str]]]
    redirect_slashes: ClassVar[bool] = True
    both_slashes: ClassVar[bool] = False
    described: ClassVar[bool] = False
    filters: ClassVar[bool] = False

    @abstractmethod
    def state(self, server: SimulatedServer) -> str:
        """Return the `status` word."""

    def matches(self, server: SimulatedServer, status: str) -> bool:
        """Return whether a filter by `status` keeps a server."""
        return self.state(server) == status

    @abstractmethod
    def listing(self, servers: Sequence[SimulatedServer]) -> Json:
        """Return the answer to the list."""

    @abstractmethod
    def server(self, server: SimulatedServer) -> Json:
        """Return one server."""

    @abstractmethod
    def created(self, server: SimulatedServer) -> Json:
        """Return the answer to a create."""

    @abstractmethod
    def usage(self, server: SimulatedServer, at: float) -> Json:
        """Return the answer to status."""

    @abstractmethod
    def accepted(self, server: SimulatedServer, power: Power) -> Json:
        """Return the answer to an accepted power operation."""

    @abstractmethod
    def plan(self, plan: CataloguePlan) -> Json:
        """Return one plan."""

    @abstractmethod
    def template(self, template: Template) -> Json:
        """Return one operating system."""

    @abstractmethod
    def location(self, location: Location) -> Json:
        """Return one location."""


def power_state(server: SimulatedServer) -> str | None:
    """Return `on` or `off`; null while there is no machine yet."""
    if server.state is ServerState.PROVISIONING:
        return None
    return "on" if server.booted is not None else "off"


def marks(server: SimulatedServer) -> Json:
    """Return labels and tags, which no source shows in a list."""
    return {"labels": dict(server.labels), "tags": list(server.tags)}
