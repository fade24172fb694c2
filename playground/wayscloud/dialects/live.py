"""A service that the API page and every released client of the vendor can work with: the default.

No public source shows which of the competing names the live service uses, so this dialect sends all of them, and
answers both slash forms. Codes, places and prices are those of the API page. Assumed: `status` is Terraform's word
(`active`, `stopped`) with `power_state` beside it, and `starting` and `stopping` as documented.
"""

from collections.abc import Sequence
from typing import ClassVar

from vpsops.playground.wayscloud.account.resources import RESOURCES
from vpsops.playground.wayscloud.dialects.base import (
    ALL_SERVICES,
    CHANGED_IN_PLACE,
    FILTERED_CATALOGUE,
    ONE,
    UPGRADED,
    Json,
)
from vpsops.playground.wayscloud.dialects.sdk import Sdk
from vpsops.playground.wayscloud.dialects.seed import Seed
from vpsops.playground.wayscloud.dialects.terraform import Terraform
from vpsops.playground.wayscloud.hardware.catalogue import DOCUMENTED, CataloguePlan, Location, Template
from vpsops.playground.wayscloud.hardware.model import Power, ServerState, SimulatedServer

SEED = Seed()
MESSAGES = {Power.START: "VPS is starting", Power.STOP: "VPS is stopping", Power.REBOOT: "VPS is rebooting"}


class Live(Sdk):
    """The union of the API page, the Terraform provider, the SDK and the command line."""

    name = "live"
    catalogue = DOCUMENTED
    both_slashes = True
    described = True
    paths: ClassVar = {
        **Seed.paths,
        **CHANGED_IN_PLACE,
        **UPGRADED,
        **FILTERED_CATALOGUE,
        **ALL_SERVICES,
        **{name: (resource.method, f"{ONE}/{resource.path}") for name, resource in RESOURCES.items()},
    }

    def state(self, server: SimulatedServer) -> str:
        """Return `active` when up, a reboot included, else the word for the server's state."""
        return "active" if server.state in (ServerState.RUNNING, ServerState.REBOOTING) else server.state.value

    def matches(self, server: SimulatedServer, status: str) -> bool:
        """Compare with the life cycle's word and with the documented word."""
        return status in (self.state(server), SEED.state(server))

    def listing(self, servers: Sequence[SimulatedServer]) -> Json:
        """Return the list under both keys."""
        entries = [self._entry(server) for server in servers]
        return {"instances": entries, "vps_instances": entries, "total": len(entries)}

    def _entry(self, server: SimulatedServer) -> Json:
        city = self.catalogue.locations[server.location].city
        return super()._entry(server) | {"region": city, "snapshot_supported": server.location == "NO"}

    def server(self, server: SimulatedServer) -> Json:
        """Return every field that any source has for a server."""
        terraform = Terraform.server(self, server)
        return terraform | Sdk.server(self, server) | SEED.server(server) | {"status": self.state(server)}

    def created(self, server: SimulatedServer) -> Json:
        """Return the whole server with the documented short names beside; addresses are null, as on reads."""
        return self.server(server) | {"ipv4": None, "ipv6": None}

    def usage(self, server: SimulatedServer, at: float) -> Json:
        """Return the documented figures and those of the command line."""
        return SEED.usage(server, at) | Sdk.usage(self, server, at) | {"status": self.state(server)}

    def accepted(self, server: SimulatedServer, power: Power) -> Json:
        """Return the fields of all sources, with the operation that was really requested."""
        return {"success": True, "ok": True, "action": power.value, "message": MESSAGES[power], "vps_id": server.id}

    def plan(self, plan: CataloguePlan) -> Json:
        """Return a plan under all names."""
        return Terraform.plan(self, plan) | Sdk.plan(self, plan) | SEED.plan(plan) | {"provider": "proxmox"}

    def template(self, template: Template) -> Json:
        """Return an operating system under all names."""
        return Terraform.template(self, template) | Sdk.template(self, template) | SEED.template(template)

    def location(self, location: Location) -> Json:
        """Return a location under all names; each of them has the documented code."""
        documented = SEED.location(location)
        return documented | {
            "code": location.city,
            "region": location.city,
            "label": location.name,
            "city": location.name.split(",", maxsplit=1)[0],
            "status": "active",
        }
