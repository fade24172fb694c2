"""The API page to the letter."""

from collections.abc import Sequence
from typing import ClassVar

from vpsops.playground.wayscloud.dialects.base import COMMON_PATHS, Dialect, Json
from vpsops.playground.wayscloud.hardware.catalogue import DOCUMENTED, CataloguePlan, Location, Template
from vpsops.playground.wayscloud.hardware.model import Power, ServerState, SimulatedServer, uptime, usage
from vpsops.playground.wayscloud.hardware.simulated_clock import zulu


class Seed(Dialect):
    """The API page. A reboot shows only in `uptime_seconds`; stop and reboot answer as start does, as printed there.

    The create answer carries the addresses, as documented; reads leave them null until the server is ready.
    """

    name = "seed"
    catalogue = DOCUMENTED
    redirect_slashes = False
    paths: ClassVar = {
        "list": ("GET", "/v1/vps"),
        "create": ("POST", "/v1/vps"),
        "plans": ("GET", "/v1/vps/plans/"),
        "os_templates": ("GET", "/v1/vps/os-templates"),
        "regions": ("GET", "/v1/vps/regions"),
        **COMMON_PATHS,
    }

    def state(self, server: SimulatedServer) -> str:
        """Return the documented status; `rebooting` is not one of them."""
        return ServerState.RUNNING.value if server.state is ServerState.REBOOTING else server.state.value

    def listing(self, servers: Sequence[SimulatedServer]) -> Json:
        """Return the five documented fields of each, and the total."""
        return {"instances": [self._entry(server) for server in servers], "total": len(servers)}

    def _entry(self, server: SimulatedServer) -> Json:
        return {
            "id": server.id,
            "hostname": server.hostname,
            "display_name": server.display_name,
            "status": self.state(server),
            "ipv4_address": server.ipv4 if server.addressed else None,
        }

    def server(self, server: SimulatedServer) -> Json:
        """Return the thirteen documented fields."""
        plan = self.catalogue.plans[server.plan]
        return {
            "id": server.id,
            "hostname": server.hostname,
            "display_name": server.display_name,
            "status": self.state(server),
            "plan_code": server.plan,
            "region": self.catalogue.locations[server.location].city,
            "os_template": server.template,
            "ipv4_address": server.ipv4 if server.addressed else None,
            "ipv6_address": server.ipv6 if server.addressed else None,
            "vcpus": plan.vcpus,
            "memory_gb": plan.memory_gb,
            "disk_gb": plan.disk_gb,
            "created_at": zulu(server.created_at),
        }

    def created(self, server: SimulatedServer) -> Json:
        """Return the five documented fields; addresses under short names."""
        return {
            "id": server.id,
            "hostname": server.hostname,
            "status": self.state(server),
            "ipv4": server.ipv4,
            "ipv6": server.ipv6,
        }

    def usage(self, server: SimulatedServer, at: float) -> Json:
        """Return the seven documented fields; a server that is off has no measurements (assumed)."""
        if server.booted is None:
            return {"status": self.state(server), "uptime_seconds": 0}
        used = usage(server, at)
        return {
            "status": self.state(server),
            "uptime_seconds": uptime(server, at),
            "cpu_usage_percent": used.cpu,
            "memory_usage_percent": used.memory,
            "disk_usage_percent": used.disk,
            "network_in_bytes": used.bytes_in,
            "network_out_bytes": used.bytes_out,
        }

    def accepted(self, server: SimulatedServer, power: Power) -> Json:
        """Return the one answer that the page prints for all three operations."""
        del server, power
        return {"success": True, "action": "start", "message": "VPS is starting"}

    def plan(self, plan: CataloguePlan) -> Json:
        """Return a plan under the documented names."""
        return {
            "plan_code": plan.code,
            "name": plan.name,
            "vcpus": plan.vcpus,
            "ram_gb": plan.memory_gb,
            "storage_gb": plan.disk_gb,
            "bandwidth_tb": plan.traffic_tb,
            "price": plan.price,
            "currency": plan.currency,
        }

    def template(self, template: Template) -> Json:
        """Return an operating system under the documented names."""
        return {
            "id": template.code,
            "name": template.name,
            "family": template.family,
            "version": template.version,
            "is_windows": template.windows,
        }

    def location(self, location: Location) -> Json:
        """Return a location under the documented names."""
        return {"id": location.city, "name": location.name, "country": location.country, "available": True}
