"""Every documented example of a core operation becomes the right values in our models."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.fakes.provider import Provider, Reply
from vpsops.core.wayscloud.answers.errors import ProviderRefusedError, RateLimitedError, WayscloudError
from vpsops.core.wayscloud.answers.models import NewServer
from vpsops.core.wayscloud.client import Wayscloud

DESCRIPTION: Final = Path(__file__).parents[2] / "playground" / "wayscloud" / "openapi.yaml"
ID: Final = "b5c6d7e8-f9a0-1234-5678-90abcdef1234"
NEW: Final = NewServer(hostname="web01.example.com", plan="vps-4gb-2cpu", region="oslo", os_template="ubuntu-24.04")

Ask = Callable[[Wayscloud], Awaitable[Any]]
ASKS: Final[dict[str, Ask]] = {
    "listVps": lambda client: client.list_servers(),
    "createVps": lambda client: client.create_server(NEW),
    "listVpsPlans": lambda client: client.list_plans(),
    "listVpsOsTemplates": lambda client: client.list_os_templates(),
    "listVpsRegions": lambda client: client.list_regions(),
    "getVps": lambda client: client.get_server(ID),
    "getVpsStatus": lambda client: client.server_status(ID),
    "startVps": lambda client: client.start_server(ID),
    "stopVps": lambda client: client.stop_server(ID),
    "rebootVps": lambda client: client.reboot_server(ID),
}

WEB01: Final[dict[str, Any]] = {
    "id": ID,
    "hostname": "web01.example.com",
    "display_name": "Production Web Server",
    "status": "running",
    "plan": "vps-4gb-2cpu",
    "region": "oslo",
    "os_template": "ubuntu-22.04",
    "ipv4": "185.35.202.45",
    "ipv6": "2a01:4f9:c010:1234::1",
    "vcpus": 2,
    "memory_gb": 4.0,
    "disk_gb": 80.0,
    "created_at": datetime(2024, 2, 15, 14, 30, tzinfo=UTC),
}
LISTED: Final = {key: WEB01[key] for key in ("id", "hostname", "display_name", "status", "ipv4")}
DB01: Final = {
    "id": "c6d7e8f9-a0b1-2345-6789-0abcdef12345",
    "hostname": "db01.example.com",
    "display_name": "Database Server",
    "status": "running",
    "ipv4": "185.35.202.46",
}
TERRAFORM_PLAN: Final = "NO-Start-Linux-2cpu-4096mb-30gb"
YES: Final = {"ok": True}


def _plan(code: str, gb: int, cpus: int, disk: float, price: float) -> dict[str, Any]:
    sizes = {"vcpus": cpus, "memory_gb": gb, "disk_gb": disk, "bandwidth_tb": gb, "monthly_price": price}
    return {"code": code, "name": f"{gb} GB RAM, {cpus} vCPU", **sizes, "currency": "NOK"}


def _template(ident: str, name: str, family: str, version: str) -> dict[str, Any]:
    return {"id": ident, "name": name, "family": family, "version": version, "windows": family == "windows"}


def _region(code: str, name: str, country: str) -> dict[str, Any]:
    return {"code": code, "name": name, "country": country, "available": True}


# What each named example must become; fields that are not named are None.
EXPECTED: Final[dict[tuple[str, str], Any]] = {
    ("listVps", "documented"): [LISTED, DB01],
    ("listVps", "empty"): [],
    ("listVps", "sdk_key"): [
        {**LISTED, "status": "active", "power_state": "on", "region": "NO", "plan": TERRAFORM_PLAN},
    ],
    ("createVps", "documented"): {
        "id": ID,
        "hostname": "web01.example.com",
        "status": "provisioning",
        "ipv4": "185.35.202.45",
        "ipv6": "2a01:4f9:c010:1234::1",
    },
    ("createVps", "no_address_yet"): {
        "id": ID,
        "hostname": "web01.example.com",
        "display_name": "web01.example.com",
        "status": "provisioning",
        "region": "NO",
    },
    ("listVpsPlans", "documented"): [
        _plan("vps-2gb-1cpu", 2, 1, 40, 99),
        _plan("vps-4gb-2cpu", 4, 2, 80, 199),
        _plan("vps-8gb-4cpu", 8, 4, 160, 399),
    ],
    ("listVpsPlans", "terraform_names"): [
        {
            "code": TERRAFORM_PLAN,
            "name": "Start",
            "vcpus": 2,
            "memory_gb": 4.0,
            "disk_gb": 30.0,
            "monthly_price": 199.0,
            "currency": "NOK",
        },
    ],
    ("listVpsOsTemplates", "documented"): [
        _template("ubuntu-24.04", "Ubuntu 24.04 LTS", "ubuntu", "24.04"),
        _template("debian-12", "Debian 12", "debian", "12"),
        _template("rocky-9", "Rocky Linux 9", "rocky", "9"),
        _template("windows-server-2025", "Windows Server 2025", "windows", "2025"),
    ],
    ("listVpsOsTemplates", "terraform_names"): [
        {"id": "ubuntu-24.04", "name": "Ubuntu 24.04 LTS", "family": "ubuntu", "windows": False},
        {"id": "windows-server-2025", "name": "Windows Server 2025", "family": "windows", "windows": True},
    ],
    ("listVpsRegions", "documented"): [
        _region("oslo", "Oslo, Norway", "NO"),
        _region("stockholm", "Stockholm, Sweden", "SE"),
        _region("frankfurt", "Frankfurt, Germany", "DE"),
    ],
    ("getVps", "documented"): WEB01,
    ("getVps", "terraform_names"): {
        **WEB01,
        "status": "active",
        "power_state": "on",
        "plan": TERRAFORM_PLAN,
        "region": "NO",
        "os_template": "ubuntu-24.04",
        "ipv6": None,
        "disk_gb": 30.0,
        "monthly_price": 199.0,
        "currency": "NOK",
        "created_at": datetime(2026, 9, 16, 12, tzinfo=UTC),
        "labels": {"team": "shop"},
        "tags": ("web",),
    },
    ("getVps", "provisioning"): {
        **WEB01,
        "status": "provisioning",
        "os_template": "ubuntu-24.04",
        "ipv4": None,
        "ipv6": None,
    },
    ("getVps", "stopped"): {**WEB01, "status": "stopped"},
    ("getVpsStatus", "documented"): {
        "status": "running",
        "uptime_seconds": 2592000,
        "cpu_percent": 12.5,
        "memory_percent": 68.3,
        "disk_percent": 42.1,
        "network_in_bytes": 157286400,
        "network_out_bytes": 52428800,
    },
    ("getVpsStatus", "cli_names"): {
        "power_state": "on",
        "cpu_percent": 12.5,
        "memory_percent": 68.3,
        "disk_percent": 42.1,
    },
    ("getVpsStatus", "stopped"): {"status": "stopped", "uptime_seconds": 0},
    ("startVps", "documented"): YES,
    ("stopVps", "documented"): YES,
    ("stopVps", "plausible"): YES,
    ("rebootVps", "documented"): YES,
    ("rebootVps", "plausible"): YES,
}


@cache
def description() -> dict[str, Any]:
    """The description, read once."""
    loaded: dict[str, Any] = yaml.safe_load(DESCRIPTION.read_text(encoding="utf-8"))
    return loaded


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference inside the description."""
    if "$ref" not in node:
        return node
    results: dict[str, Any] = description()
    for part in node["$ref"].removeprefix("#/").split("/"):
        results = results[part]
    return results


def examples() -> list[tuple[str, str, str, int, str, Any]]:
    """Every example of every answer of a core operation: operation, method, path, status, name, value."""
    results = []
    for path, methods in description()["paths"].items():
        for method, operation in methods.items():
            if method == "parameters" or "core" not in operation["tags"]:
                continue
            for status, response in operation["responses"].items():
                for content in resolve(response)["content"].values():
                    for name, example in content["examples"].items():
                        row = (operation["operationId"], method.upper(), path.replace("{vps_id}", ID))
                        results.append((*row, int(status), name, example["value"]))
    return results


GOOD: Final = [example for example in examples() if example[3] < 300]
BAD: Final = [example for example in examples() if example[3] >= 300]


def dumped(value: Any) -> Any:
    """A model, or a list of them, as the fields that have a value."""
    return [dumped(item) for item in value] if isinstance(value, list) else value.model_dump(exclude_none=True)


def known(value: Any) -> Any:
    """Return the expected fields without those that are to be None."""
    return (
        [known(item) for item in value]
        if isinstance(value, list)
        else {k: v for k, v in value.items() if v is not None}
    )


@pytest.mark.parametrize("example", GOOD, ids=lambda example: f"{example[0]}-{example[4]}")
async def test_every_good_example_becomes_the_right_values(example: tuple[str, str, str, int, str, Any]) -> None:
    """The example, answered on its documented path with its documented code, is read field by field."""
    operation, method, path, status, name, value = example
    provider = Provider().on(method, path, Reply(status, value))
    async with provider.client() as client:
        answer = await ASKS[operation](client)
    assert dumped(answer) == known(EXPECTED[operation, name])
    assert provider.paths() == [f"{method} {path}"]


@pytest.mark.parametrize("example", BAD, ids=lambda example: f"{example[0]}-{example[3]}-{example[4]}")
async def test_every_error_example_tells_a_person_why(example: tuple[str, str, str, int, str, Any]) -> None:
    """Each documented error is an error of ours; a clear refusal carries the sentence out of its body."""
    operation, method, path, status, _, value = example
    provider = Provider().on(method, path, Reply(status, value)).on(method, _other(path), Reply(status, value))
    async with provider.client() as client:
        with pytest.raises(WayscloudError) as caught:
            await ASKS[operation](client)
    error = caught.value
    assert isinstance(error, ProviderRefusedError) == (status < 500)
    assert isinstance(error, RateLimitedError) == (status == 429)
    assert error.detail.split(": ")[-1] in str(value)
    assert error.detail


def test_every_core_operation_and_example_is_covered() -> None:
    """An operation or an example that the description gains must be added here, and one it loses removed."""
    assert {example[0] for example in GOOD} == set(ASKS)
    assert {(example[0], example[4]) for example in GOOD} == set(EXPECTED)


def _other(path: str) -> str:
    return path.removesuffix("/") if path.endswith("/") else f"{path}/"
