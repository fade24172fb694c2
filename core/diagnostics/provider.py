"""What `vpsops doctor` asks the provider: the list, one server in full and its figures, and the plans.

Each variant of the API has limits of its own, which show only where two answers are held beside each other.
"""

from collections.abc import Sequence
from typing import Final

from vpsops.core.app import credentials_of
from vpsops.core.common.clock import Clock
from vpsops.core.common.timings import TransportSettings
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import DoctorFinding, ok, warn
from vpsops.core.messaging.subscriptions import METRICS
from vpsops.core.monitoring.thresholds import figure
from vpsops.core.service.region_directory import RegionDirectory
from vpsops.core.wayscloud.answers.errors import NotAuthenticatedError, WayscloudError
from vpsops.core.wayscloud.answers.models import ProviderList, Server, Usage
from vpsops.core.wayscloud.answers.region_names import NO_NAMES, RegionNames
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import ProviderConnection

AREA: Final = "provider"
ONCE: Final = TransportSettings(attempts=1, attempt_seconds=10.0, total_seconds=15.0)
COMPARED: Final = ("plan", "region", "os_template", "power_state")
NAMED: Final = 3


async def check_provider(settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    """Ask the provider for the list of servers, and one of them in full; report what this API lacks."""
    credentials = credentials_of(settings)
    if credentials is None:
        raise NotAuthenticatedError("There is no WAYSCloud key.", hint="Set WAYSCLOUD_API_KEY or WAYSCLOUD_TOKEN.")
    async with Wayscloud(ProviderConnection(credentials, base_url=settings.api_url, clock=clock, settings=ONCE)) as api:
        servers = await api.list_servers()
        answers = f"{settings.api_url} answers, the key is accepted, {len(servers)} servers"
        findings = [ok(AREA, answers)] if servers.complete else [_partial(settings, servers)]
        sample = next((server for server in servers if server.ready or server.power_unknown), next(iter(servers), None))
        findings += _both_keys(settings)
        return [*findings, *(await _sample(api, sample) if sample else []), *await _prices(api)]


async def read_region_names(settings: Settings, clock: Clock) -> RegionNames:
    """Return the names of the provider's regions, or none where there is no key or no answer in time."""
    credentials = credentials_of(settings)
    if credentials is None:
        return NO_NAMES
    async with Wayscloud(ProviderConnection(credentials, base_url=settings.api_url, clock=clock, settings=ONCE)) as api:
        return await RegionDirectory(clock).names(api)


def _both_keys(settings: Settings) -> list[DoctorFinding]:
    if settings.api_key is None or settings.token is None:
        return []
    what = "WAYSCLOUD_API_KEY and WAYSCLOUD_TOKEN are both set: the first is sent, and the second is not"
    return [warn(AREA, what, "Keep one of them")]


def _partial(settings: Settings, servers: ProviderList[Server]) -> DoctorFinding:
    what = f"{len(servers)} servers at {settings.api_url}, but the list is not complete: {servers.lack}"
    todo = "A person has to confirm each create, and its outcome cannot be checked safely; report it to the provider"
    return warn(AREA, what, todo)


async def _sample(api: Wayscloud, listed: Server) -> list[DoctorFinding]:
    """Read one server in full and its figures, and compare."""
    try:
        full = await api.get_server(listed.id)
    except WayscloudError as error:
        return [warn(AREA, f"{listed.hostname} is listed and cannot be read: {error.message}", error.hint)]
    findings = [finding for finding in (_fewer_fields(listed, full), _no_power(full)) if finding is not None]
    if not (full.ready or full.power_unknown):
        return findings
    try:
        usage = await api.server_status(listed.id)
    except WayscloudError as error:
        return [*findings, warn(AREA, f"the figures of {listed.hostname} cannot be read: {error.message}", UNSEEN)]
    return [*findings, *_no_uptime(usage), *_no_metrics(usage)]


UNSEEN: Final = 'Nothing to do: a reboot that never shows as a state ends after a minute as "accepted, not verified"'


def _fewer_fields(listed: Server, full: Server) -> DoctorFinding | None:
    """Return which facts the list leaves out."""
    missing = [name for name in COMPARED if getattr(listed, name) is None and getattr(full, name) is not None]
    if not missing:
        return None
    what = f"the list of servers leaves out {', '.join(name.replace('_', ' ') for name in missing)}"
    return warn(AREA, what, "Nothing to do: servers are read one by one where it matters, 40 at most for one question")


def _no_power(full: Server) -> DoctorFinding | None:
    if not full.power_unknown:
        return None
    what = f"a server that is {full.status} does not say whether it runs"
    todo = 'Nothing to do: starts and stops that nothing shows end after five minutes as "accepted, not verified"'
    return warn(AREA, what, todo)


def _no_uptime(usage: Usage) -> list[DoctorFinding]:
    return [warn(AREA, "figures come without an uptime", UNSEEN)] if usage.uptime_seconds is None else []


def _no_metrics(usage: Usage) -> list[DoctorFinding]:
    """Return which metrics of thresholds the figures leave out."""
    missing = [metric for metric in METRICS if figure(usage, metric) is None]
    if not missing:
        return []
    todo = "Nothing to do: `/vps notify` takes such a threshold, and it is never reached"
    return [warn(AREA, f"figures come without {', '.join(missing)}", todo)]


async def _prices(api: Wayscloud) -> list[DoctorFinding]:
    """Return where plans have no price that a limit on money could use."""
    try:
        plans = await api.list_plans()
    except WayscloudError as error:
        return [warn(AREA, f"the plans cannot be read: {error.message}", "Prices are not shown until they can be")]
    odd = [plan.code for plan in plans if plan.monthly_price is None or not plan.currency]
    if not odd:
        return []
    what = f"{len(odd)} of {len(plans)} plans have no usable price or currency: {', '.join(odd[:NAMED])}"
    return [warn(AREA, what, "A limit on monthly spend refuses what it cannot add up")]
