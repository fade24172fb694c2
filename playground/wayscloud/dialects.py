"""How the same servers look on the wire: pure renderers, one class for each set of names that a source uses.

`Seed` is the API page to the letter, `Terraform` what the Terraform provider reads, `Sdk` what the official Python
SDK requests and the command line prints. Where no source shows an answer, the class says what it assumes.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from playground.wayscloud.catalogue import DOCUMENTED, LIVE, Catalogue, Location, Plan, Template
from playground.wayscloud.model import Power, Server, State, uptime, usage

Json = dict[str, object]
ONE = "/v1/vps/{vps_id}"
COMMON_PATHS = {
    "get": ("GET", ONE),
    "status": ("GET", f"{ONE}/status"),
    "start": ("POST", f"{ONE}/start"),
    "stop": ("POST", f"{ONE}/stop"),
    "reboot": ("POST", f"{ONE}/reboot"),
}


class Dialect(ABC):
    """Paths, names and shapes of one edition of the API. `at` is the time in the world's seconds."""

    name: ClassVar[str]
    catalogue: ClassVar[Catalogue]
    paths: ClassVar[Mapping[str, tuple[str, str]]]
    redirect_slashes: ClassVar[bool] = True
    filters: ClassVar[bool] = False

    @abstractmethod
    def state(self, server: Server) -> str:
        """Return the `status` word."""

    @abstractmethod
    def listing(self, servers: Sequence[Server]) -> Json:
        """Return the answer to the list."""

    @abstractmethod
    def server(self, server: Server) -> Json:
        """Return one server."""

    @abstractmethod
    def created(self, server: Server) -> Json:
        """Return the answer to a create."""

    @abstractmethod
    def usage(self, server: Server, at: float) -> Json:
        """Return the answer to status."""

    @abstractmethod
    def accepted(self, server: Server, power: Power) -> Json:
        """Return the answer to a power operation that was taken."""

    @abstractmethod
    def plan(self, plan: Plan) -> Json:
        """Return one plan."""

    @abstractmethod
    def template(self, template: Template) -> Json:
        """Return one operating system."""

    @abstractmethod
    def location(self, location: Location) -> Json:
        """Return one location."""


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

    def state(self, server: Server) -> str:
        """Return the documented word; `rebooting` is none of them."""
        return State.RUNNING.value if server.state is State.REBOOTING else server.state.value

    def listing(self, servers: Sequence[Server]) -> Json:
        """Return the five documented fields of each, and the total."""
        return {"instances": [self._entry(server) for server in servers], "total": len(servers)}

    def _entry(self, server: Server) -> Json:
        return {
            "id": server.id,
            "hostname": server.hostname,
            "display_name": server.display_name,
            "status": self.state(server),
            "ipv4_address": server.ipv4 if server.addressed else None,
        }

    def server(self, server: Server) -> Json:
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

    def created(self, server: Server) -> Json:
        """Return the five documented fields; addresses under short names."""
        return {
            "id": server.id,
            "hostname": server.hostname,
            "status": self.state(server),
            "ipv4": server.ipv4,
            "ipv6": server.ipv6,
        }

    def usage(self, server: Server, at: float) -> Json:
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

    def accepted(self, server: Server, power: Power) -> Json:
        """Return the one answer that the page prints for all three operations."""
        del server, power
        return {"success": True, "action": "start", "message": "VPS is starting"}

    def plan(self, plan: Plan) -> Json:
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


class Terraform(Dialect):
    """The Terraform provider's names: `status` is a life cycle, `power_state` says whether the server runs.

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
    }

    def state(self, server: Server) -> str:
        """Return the life cycle: `active` covers on, off and everything between."""
        lasting = (State.PROVISIONING, State.ERROR, State.TERMINATED)
        return server.state.value if server.state in lasting else "active"

    def listing(self, servers: Sequence[Server]) -> Json:
        """Return whole servers without their sizes, under the documented key."""
        return {"instances": [self._entry(server) for server in servers], "total": len(servers)}

    def _entry(self, server: Server) -> Json:
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

    def server(self, server: Server) -> Json:
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
        }

    def created(self, server: Server) -> Json:
        """Return the whole server, which the provider parses here too; addresses are null."""
        return self.server(server)

    def usage(self, server: Server, at: float) -> Json:
        """Return the page's names with `power_state`."""
        return {"power_state": power_state(server)} | Seed().usage(server, at) | {"status": self.state(server)}

    def accepted(self, server: Server, power: Power) -> Json:
        """Return `ok` with the id, the shape of the delete answer in the provider's tests."""
        return {"ok": True, "action": power.value, "vps_id": server.id}

    def plan(self, plan: Plan) -> Json:
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


class Sdk(Terraform):
    """What the SDK requests and the command line prints: another list key, another set of usage names, no locations.

    Usage has no uptime, so a reboot shows as `rebooting`, a word only the command line uses. Assumed: power answers
    without `message`, for which the command line has a word of its own.
    """

    name = "sdk"
    filters = True
    paths: ClassVar = {
        "list": ("GET", "/v1/vps/"),
        "create": ("POST", "/v1/vps"),
        "plans": ("GET", "/v1/vps/plans/"),
        "os_templates": ("GET", "/v1/vps/os-templates/"),
        **COMMON_PATHS,
    }

    def state(self, server: Server) -> str:
        """Return `active` when up, else the word for what the server does."""
        return "active" if server.state is State.RUNNING else server.state.value

    def listing(self, servers: Sequence[Server]) -> Json:
        """Return the list under the key that the SDK looks for."""
        entries = [self._entry(server) | {"snapshot_supported": server.location == "NO"} for server in servers]
        return {"vps_instances": entries, "total": len(entries)}

    def server(self, server: Server) -> Json:
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
        }

    def usage(self, server: Server, at: float) -> Json:
        """Return the names the command line prints; without measurements only `power_state`."""
        shown: Json = {"power_state": power_state(server)}
        if server.booted is None:
            return shown
        plan, used = self.catalogue.plans[server.plan], usage(server, at)
        return shown | {
            "cpu_usage": used.cpu,
            "memory_used_mb": round(plan.memory_gb * 1024 * used.memory / 100),
            "memory_total_mb": plan.memory_gb * 1024,
            "disk_used_gb": round(plan.disk_gb * used.disk / 100, 1),
            "disk_total_gb": plan.disk_gb,
        }

    def accepted(self, server: Server, power: Power) -> Json:
        """Return success without a message."""
        del server
        return {"success": True, "action": power.value}

    def plan(self, plan: Plan) -> Json:
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


def power_state(server: Server) -> str | None:
    """Return `on` or `off`; null while there is no machine yet."""
    if server.state is State.PROVISIONING:
        return None
    return "on" if server.booted is not None else "off"


def zulu(moment: datetime) -> str:
    """Return a time as the documentation prints it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (Seed(), Terraform(), Sdk())}
