"""What the Terraform provider requests and reads."""

from collections.abc import Sequence
from typing import ClassVar

from vpsops.playground.wayscloud.dialects.base import CHANGED_IN_PLACE, COMMON_PATHS, Dialect, Json, marks, power_state
from vpsops.playground.wayscloud.dialects.seed import Seed
from vpsops.playground.wayscloud.hardware.catalogue import LIVE, CataloguePlan, Location, Template
from vpsops.playground.wayscloud.hardware.model import Power, ServerState, SimulatedServer


class Terraform(Dialect):
    """The Terraform provider's names: `status` is a life cycle, `power_state` is whether the server runs.

    Neither start, stop nor reboot shows in `status`; start and stop show in `power_state` once done. Assumed: fuller
    list entries (Terraform lists nothing), `ok` in power answers as in its delete answer, the page's status names.
    """

    name = "terraform"
    catalogue = LIVE
    paths: ClassVar = {
        "list": ("GET", "/v1/vps/"),
        "create": ("POST", "/v1/vps/"),
        "plans": ("GET", "/v1/vps/plans/"),
        "os_templates": ("GET", "/v1/vps/os-templates/"),
        "regions": ("GET", "/v1/vps/regions"),
        **COMMON_PATHS,
        **CHANGED_IN_PLACE,
    }

    def state(self, server: SimulatedServer) -> str:
        """Return the life cycle: `active` covers on, off and everything between."""
        lasting = (ServerState.PROVISIONING, ServerState.ERROR, ServerState.TERMINATED)
        return server.state.value if server.state in lasting else "active"

    def listing(self, servers: Sequence[SimulatedServer]) -> Json:
        """Return whole servers without their sizes, under the documented key."""
        return {"instances": [self._entry(server) for server in servers], "total": len(servers)}

    def _entry(self, server: SimulatedServer) -> Json:
        return {
            "id": server.id,
            "hostname": server.hostname,
            "display_name": server.display_name,
            "status": self.state(server),
            "power_state": power_state(server),
            "plan_code": server.plan,
            "region": server.location,
            "ipv4_address": server.ipv4 if server.addressed else None,
        }

    def server(self, server: SimulatedServer) -> Json:
        """Return a server as the provider reads it."""
        plan = self.catalogue.plans[server.plan]
        ready = server.ready_at if server.addressed else None
        return self._entry(server) | {
            "provider_vm_id": f"vm-{1000 + server.number}",
            "os_template": server.template,
            "ipv6_address": server.ipv6 if server.addressed else None,
            "vcpu": plan.vcpus,
            "ram_mb": plan.memory_gb * 1024,
            "disk_gb": plan.disk_gb,
            "monthly_price": plan.price,
            "currency": plan.currency,
            "created_at": server.created_at.isoformat(),
            "provisioned_at": ready and ready.isoformat(),
            **marks(server),
        }

    def created(self, server: SimulatedServer) -> Json:
        """Return the whole server, which the provider parses here too; addresses are null."""
        return self.server(server)

    def usage(self, server: SimulatedServer, at: float) -> Json:
        """Return the page's names with `power_state`."""
        return {"power_state": power_state(server)} | Seed().usage(server, at) | {"status": self.state(server)}

    def accepted(self, server: SimulatedServer, power: Power) -> Json:
        """Return `ok` with the id, the shape of the delete answer in the provider's tests."""
        return {"ok": True, "action": power.value, "vps_id": server.id}

    def plan(self, plan: CataloguePlan) -> Json:
        """Return a plan as the provider reads it."""
        return {
            "sku": plan.code,
            "plan_code": plan.code,
            "name": plan.name,
            "provider": "proxmox" if plan.location == "NO" else "partner",
            "cpu_cores": plan.vcpus,
            "ram_mb": plan.memory_gb * 1024,
            "disk_gb": plan.disk_gb,
            "monthly_price": plan.price,
            "currency": plan.currency,
            "is_active": True,
        }

    def template(self, template: Template) -> Json:
        """Return an operating system as the provider reads it."""
        return {
            "slug": template.code,
            "name": template.name,
            "family": template.family.capitalize(),
            "platform": "windows" if template.windows else "linux",
        }

    def location(self, location: Location) -> Json:
        """Return a location under the names the provider read before September 2026."""
        return {"code": location.country, "name": location.name, "country": location.country, "available": True}
