"""The vendor's released Python SDK against the simulator: every call that our description of the API knows."""

import inspect
from collections.abc import Iterator

import pytest
from wayscloud import NotFoundError, WaysCloudClient
from wayscloud.exceptions import ConflictError, NotImplementedError_, RateLimitError, ValidationError
from wayscloud.services.vps import VPSService

from tests.contract.vendor.simulator import DB, HOUR, KEY, ORDER, WEB, effects, served
from vpsops.playground.wayscloud.account.account import World
from vpsops.playground.wayscloud.serve import SimulatorHandle

pytestmark = [pytest.mark.slow, pytest.mark.real_time]  # the SDK reads the machine's clock
CALLED = {
    *("list", "get", "create", "start", "stop", "reboot", "status", "plans", "os_templates", "regions", "addons"),
    *("delete", "update", "upgrade"),
    *("snapshots", "create_snapshot", "delete_snapshot", "rollback_snapshot"),
    *("backups", "create_backup", "delete_backup", "restore_backup", "download_backup", "backup_usage"),
    *("backup_policy", "set_backup_policy", "delete_backup_policy"),
    *("firewall_rules", "add_firewall_rule", "remove_firewall_rule"),
}


@pytest.fixture(scope="module")
def service() -> Iterator[SimulatorHandle]:
    with served() as handle:
        yield handle


@pytest.fixture
def world(service: SimulatorHandle) -> World:
    service.simulator.reset()
    return service.simulator.world


@pytest.fixture
def vps(service: SimulatorHandle, world: World) -> Iterator[VPSService]:
    del world
    with WaysCloudClient(token=KEY, base_url=service.url) as client:
        yield client.vps


def test_every_call_of_the_sdk_is_tested() -> None:
    """A new release of the SDK with a new call fails here."""
    public = {name for name, _ in inspect.getmembers(VPSService, inspect.isfunction) if not name.startswith("_")}
    assert public == CALLED


@pytest.mark.requirement("vendor-clients")
def test_the_reads_give_lists_and_objects(vps: VPSService, world: World) -> None:
    """`list` is a list of servers, filters included; the catalogue has codes; usage has figures."""
    assert [server["hostname"] for server in vps.list()] == ["web01.example.com", "db01.example.com"]
    assert len(vps.list(status="active", region="oslo")) == 2
    assert vps.list(status="stopped") == []
    assert vps.get(WEB)["ipv4_address"] == "185.35.202.45"
    assert vps.status(WEB)["cpu_usage"] > 0
    assert [plan["plan_code"] for plan in vps.plans()] == ["vps-2gb-1cpu", "vps-4gb-2cpu", "vps-8gb-4cpu"]
    assert {template["id"] for template in vps.os_templates()} >= {"ubuntu-24.04", "windows-server-2025"}
    assert [region["code"] for region in vps.regions()] == ["oslo", "stockholm", "frankfurt"]
    assert len(vps.plans(region="NO")) == 3
    assert vps.plans(region="atlantis") == []
    assert [addon["code"] for addon in vps.addons()] == ["disk-50gb", "vcpu-1"]
    assert [addon["code"] for addon in vps.addons(region="SE")] == ["disk-50gb"]
    with pytest.raises(NotFoundError, match="VPS not found"):
        vps.get("none")
    assert effects(world) == {}


@pytest.mark.requirement("vendor-clients")
def test_a_server_lives(vps: VPSService, world: World) -> None:
    """Create, stop, start and reboot each take effect once."""
    made = vps.create(**ORDER)
    assert (made["hostname"], made["status"]) == ("new.example.com", "provisioning")
    for operation, state in ((None, "active"), ("stop", "stopped"), ("start", "active"), ("reboot", "active")):
        if operation:
            assert getattr(vps, operation)(made["id"])["action"] == operation
        world.time.advance(HOUR)
        assert vps.get(made["id"])["status"] == state
    assert effects(world) == {"create": 1, "stop": 1, "start": 1, "reboot": 1}


@pytest.mark.requirement("vendor-clients")
def test_a_server_is_renamed_enlarged_and_deleted(vps: VPSService, world: World) -> None:
    """Each takes effect once; a smaller plan and a server at another place are refused."""
    assert vps.update(WEB, display_name="Web 01")["display_name"] == "Web 01"
    assert vps.update(WEB, labels={"team": "shop"}, tags=["web"])["labels"] == {"team": "shop"}
    assert vps.update(WEB, labels={})["tags"] == ["web"]
    assert vps.upgrade(WEB, "vps-8gb-4cpu")["plan_code"] == "vps-8gb-4cpu"
    assert vps.get(WEB)["memory_gb"] == 8
    with pytest.raises(ValidationError, match="only be upgraded"):
        vps.upgrade(WEB, "vps-2gb-1cpu")
    vps.delete(WEB)
    with pytest.raises(NotFoundError):
        vps.get(WEB)
    with pytest.raises(NotFoundError):
        vps.delete(WEB)
    assert effects(world) == {"update": 3, "upgrade": 1, "delete": 1}


@pytest.mark.requirement("vendor-clients")
def test_snapshots_live(vps: VPSService, world: World) -> None:
    """Snapshots are made, listed, rolled back to while the server is off, deleted; an eleventh exceeds the limit."""
    assert vps.snapshots(WEB) == []
    assert vps.create_snapshot(WEB, "before", "before the upgrade")["status"] == "creating"
    world.time.advance(HOUR)
    (snapshot,) = vps.snapshots(WEB)
    assert (snapshot["snapshot_name"], snapshot["status"]) == ("before", "available")
    with pytest.raises(ConflictError, match="already exists"):
        vps.create_snapshot(WEB, "before")
    with pytest.raises(ConflictError, match="must be stopped"):
        vps.rollback_snapshot(WEB, "before")
    vps.stop(WEB)
    world.time.advance(HOUR)
    vps.rollback_snapshot(WEB, "before")
    vps.delete_snapshot(WEB, "before")
    with pytest.raises(NotFoundError):
        vps.delete_snapshot(WEB, "before")
    assert effects(world) == {"create_snapshot": 1, "stop": 1, "rollback_snapshot": 1, "delete_snapshot": 1}


def test_an_eleventh_snapshot_is_a_limit_reached(
    vps: VPSService, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """429 means a limit here, not a pace: the SDK, which tries again, makes nothing more."""
    monkeypatch.setattr(WaysCloudClient, "BACKOFF_FACTOR", 0)
    for number in range(10):
        vps.create_snapshot(WEB, f"s{number}")
    with pytest.raises(RateLimitError, match="At most 10"):
        vps.create_snapshot(WEB, "s10")
    assert effects(world) == {"create_snapshot": 10}


@pytest.mark.requirement("vendor-clients")
def test_a_backup_is_restored_where_the_service_has_a_worker_for_it() -> None:
    """On a stopped server, once; without the worker the SDK raises what it has for 501."""
    with served(restores=True) as service, WaysCloudClient(token=KEY, base_url=service.url) as client:
        world, vps = service.simulator.world, client.vps
        backup = vps.create_backup(DB)["backup_id"]
        world.time.advance(HOUR)
        with pytest.raises(ConflictError, match="must be stopped"):
            vps.restore_backup(DB, backup)
        vps.stop(DB)
        world.time.advance(HOUR)
        assert vps.restore_backup(DB, backup) == {"message": "Restore queued"}
        assert effects(world) == {"create_backup": 1, "stop": 1, "restore_backup": 1}


@pytest.mark.requirement("vendor-clients")
def test_backups_live(vps: VPSService, world: World) -> None:
    """Backups are made, counted, offered for download, not restored yet, deleted; a policy sets the next date."""
    made = vps.create_backup(DB)
    assert made["status"] == "creating"
    with pytest.raises(ConflictError, match="not complete"):
        vps.download_backup(DB, made["backup_id"])
    world.time.advance(HOUR)
    (backup,) = vps.backups(DB)
    assert (backup["backup_id"], backup["status"]) == (made["backup_id"], "completed")
    assert vps.backup_usage(DB) == {"total_backups": 1, "total_size_gb": backup["size_gb"]}
    assert vps.download_backup(DB, made["backup_id"])["backup_id"] == made["backup_id"]
    with pytest.raises(NotImplementedError_):
        vps.restore_backup(DB, made["backup_id"])
    assert vps.backup_policy(DB) == {"policy": None}
    policy = vps.set_backup_policy(DB, frequency="weekly", day_of_week=0)
    assert vps.backup_policy(DB)["policy"]["next_backup_at"] == policy["next_backup_at"]
    vps.delete_backup_policy(DB)
    assert vps.backup_policy(DB) == {"policy": None}
    vps.delete_backup(DB, made["backup_id"])
    assert vps.backups(DB) == []
    wanted = ("create_backup", "set_backup_policy", "delete_backup_policy", "delete_backup")
    assert effects(world) == dict.fromkeys(wanted, 1)


@pytest.mark.requirement("vendor-clients")
def test_a_firewall_lives(vps: VPSService, world: World) -> None:
    """Rules are added, with the SDK's defaults too, listed and removed; one that is no rule is refused."""
    assert vps.firewall_rules(WEB) == []
    made = vps.add_firewall_rule(WEB, 22)
    vps.add_firewall_rule(WEB, 53, protocol="udp", source="10.0.0.0/8")
    rules = vps.firewall_rules(WEB)
    assert rules[0] == made == {"id": made["id"], "port": 22, "protocol": "tcp", "source": "0.0.0.0/0"}
    assert [(rule["port"], rule["protocol"], rule["source"]) for rule in rules[1:]] == [(53, "udp", "10.0.0.0/8")]
    for port, protocol, source in ((0, "tcp", "10.0.0.0/8"), (22, "icmp", "10.0.0.0/8"), (22, "tcp", "here")):
        with pytest.raises(ValidationError):
            vps.add_firewall_rule(WEB, port, protocol, source)
    vps.remove_firewall_rule(WEB, made["id"])
    with pytest.raises(NotFoundError):
        vps.remove_firewall_rule(WEB, made["id"])
    assert vps.firewall_rules(WEB) == rules[1:]
    assert effects(world) == {"add_firewall_rule": 2, "remove_firewall_rule": 1}
