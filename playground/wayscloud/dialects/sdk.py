"""What the official Python SDK requests and the command line prints."""

from collections.abc import Sequence
from typing import ClassVar

from vpsops.playground.wayscloud.account.resources import RESOURCES
from vpsops.playground.wayscloud.dialects.base import (
    ALL_SERVICES,
    CHANGED_IN_PLACE,
    COMMON_PATHS,
    FILTERED_CATALOGUE,
    ONE,
    UPGRADED,
    Json,
    marks,
    power_state,
)
from vpsops.playground.wayscloud.dialects.terraform import Terraform
from vpsops.playground.wayscloud.hardware.catalogue import CataloguePlan, Template
from vpsops.playground.wayscloud.hardware.model import Power, ServerState, SimulatedServer, usage
from vpsops.playground.wayscloud.hardware.simulated_clock import zulu


class Sdk(Terraform):
    """The SDK's requests and the command line's output: another list key, another set of usage names, no locations.

    Usage has no uptime, so a reboot shows as `rebooting`, a word only the command line uses. Assumed: power answers
    without `message`, for which the command line has a default.
    """

    name = "sdk"
    filters = True
    paths: ClassVar = {
        "list": ("GET", "/v1/vps/"),
        "create": ("POST", "/v1/vps"),
        "plans": ("GET", "/v1/vps/plans/"),
        "os_templates": ("GET", "/v1/vps/os-templates/"),
        **COMMON_PATHS,
        **CHANGED_IN_PLACE,
        **UPGRADED,
        **FILTERED_CATALOGUE,
        **ALL_SERVICES,
        **{name: (resource.method, f"{ONE}/{resource.path}") for name, resource in RESOURCES.items()},
    }

    def state(self, server: SimulatedServer) -> str:
        """Return `active` when up, else the word for the server's state."""
        return "active" if server.state is ServerState.RUNNING else server.state.value

    def listing(self, servers: Sequence[SimulatedServer]) -> Json:
        """Return the list under the key that the SDK reads."""
        entries = [self._entry(server) | {"snapshot_supported": server.location == "NO"} for server in servers]
        return {"vps_instances": entries, "total": len(entries)}

    def server(self, server: SimulatedServer) -> Json:
        """Return a server as the command line prints it: one address, as `ip_address`."""
        plan = self.catalogue.plans[server.plan]
        supported = server.location == "NO"
        fields = {key: value for key, value in self._entry(server).items() if key != "ipv4_address"}
        return fields | {
            "ip_address": server.ipv4 if server.addressed else None,
            "ipv6_address": server.ipv6 if server.addressed else None,
            "os_template": server.template,
            "vcpu": plan.vcpus,
            "ram_mb": plan.memory_gb * 1024,
            "disk_gb": plan.disk_gb,
            "disk_format": "qcow2" if supported else "raw",
            "snapshot_supported": supported,
            "created_at": zulu(server.created_at),
            **marks(server),
        }

    def usage(self, server: SimulatedServer, at: float) -> Json:
        """Return the names the command line prints; without measurements only `power_state`."""
        document: Json = {"power_state": power_state(server)}
        if server.booted is None:
            return document
        plan, used = self.catalogue.plans[server.plan], usage(server, at)
        return document | {
            "cpu_usage": used.cpu,
            "memory_used_mb": round(plan.memory_gb * 1024 * used.memory / 100),
            "memory_total_mb": plan.memory_gb * 1024,
            "disk_used_gb": round(plan.disk_gb * used.disk / 100, 1),
            "disk_total_gb": plan.disk_gb,
        }

    def accepted(self, server: SimulatedServer, power: Power) -> Json:
        """Return success without a message."""
        del server
        return {"success": True, "action": power.value}

    def plan(self, plan: CataloguePlan) -> Json:
        """Return a plan under the names the command line prints."""
        return {
            "plan_code": plan.code,
            "vcpu": plan.vcpus,
            "ram_mb": plan.memory_gb * 1024,
            "disk_gb": plan.disk_gb,
            "monthly_price": plan.price,
            "currency": plan.currency,
        }

    def template(self, template: Template) -> Json:
        """Return an operating system under the names the command line prints."""
        return {"template_id": template.code, "name": template.name, "os_family": template.family}
