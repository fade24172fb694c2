"""The order of a new server: its arguments, what the catalogue knows of it before people are asked, and its end."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Annotated, Final, TypeVar, cast

import anyio
from pydantic import Field, ValidationError

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.timings import DETAIL_SECONDS, Pace
from vpsops.core.operations.arguments import ArgumentKind as K
from vpsops.core.operations.arguments import Arguments, ArgumentSpec, problem_text
from vpsops.core.operations.facts import Fact
from vpsops.core.operations.families.lifetimes import lifetime_seconds, lifetime_text, lifetime_word
from vpsops.core.operations.prices import price
from vpsops.core.operations.registry import Observation, Operation, Progress, Risk, Synonyms
from vpsops.core.operations.strategies import LiveState, Precheck
from vpsops.core.operations.target import Target
from vpsops.core.wayscloud.answers.errors import NotOfferedError, WayscloudError
from vpsops.core.wayscloud.answers.hostnames import same_hostname
from vpsops.core.wayscloud.answers.models import (
    MAX_SSH_KEYS,
    NewServer,
    OsTemplate,
    Plan,
    ProviderList,
    Region,
    Server,
    same_region,
)
from vpsops.core.wayscloud.answers.region_names import name_of
from vpsops.core.wayscloud.answers.regions import region_text
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.send_hook import SendHook

T = TypeVar("T")
SHOWN: Final = 12
LONGEST: Final = 80
UNCHECKED: Final = "The provider's list of servers is not whole"
TAKEN_OR_NOT: Final = f"{UNCHECKED} ({{lack}}), so a server by this name may exist already, and be paid for twice."


OURS: Final = {"lifetime"}
"""What the provider is not sent."""


class CreateArguments(Arguments):
    """The server to make. Facts: the API documentation's create section."""

    hostname: Annotated[str, ArgumentSpec(K.HOSTNAME, "Hostname")]
    plan: Annotated[str, ArgumentSpec(K.PLAN, "Plan"), Field(description="of vps_plans")]
    region: Annotated[str, ArgumentSpec(K.REGION, "Region"), Field(description="id or name")]
    os_template: Annotated[str, ArgumentSpec(K.SYSTEM, "System", word="os"), Field(description="of vps_os_templates")]
    display_name: Annotated[str | None, ArgumentSpec(K.TEXT, "Name")] = None
    ssh_keys: Annotated[tuple[str, ...], ArgumentSpec(K.KEYS, "SSH keys"), Field(max_length=MAX_SSH_KEYS)] = ()
    lifetime: Annotated[str | None, ArgumentSpec(K.DURATION, "Ends after", word="for"), Field(description="3d")] = None


def ordered(spec: CreateArguments) -> NewServer:
    """Return an order as it would be sent, names in one spelling; raises `InvalidInputError` for what is none."""
    try:
        return NewServer.model_validate(spec.model_dump(exclude=OURS))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError(f"{where}: {problem_text(first)}.") from None


async def check_create(api: Wayscloud, arguments: Arguments, _server: Server | None) -> Precheck:
    """Refuse a hostname in use, and a plan that there is not; find the price."""
    order = ordered(cast("CreateArguments", arguments))
    servers, hostname = await api.list_servers(), order.hostname
    twin = next((server for server in servers if same_hostname(server.hostname, hostname)), None)
    if twin is not None:
        raise InvalidInputError(
            f"A server called {twin.hostname} exists already ({twin.id}, {twin.state}).",
            hint="Choose another hostname, so that no server is paid for twice.",
        )
    plan = find_plan(await read_plans(api), order.plan)
    return Precheck(
        arguments=with_lifetime(order, cast("CreateArguments", arguments).lifetime),
        target=Target(id="", hostname=hostname, region=order.region, plan=plan.code if plan else order.plan, labels=()),
        cost=price(plan),
        monthly=plan.monthly_price if plan else None,
        currency=(plan.currency or "") if plan else "",
        warning="" if servers.complete else TAKEN_OR_NOT.format(lack=servers.lack),
        known=tuple(server.id for server in servers),
    )


def with_lifetime(order: NewServer, lifetime: str | None) -> NewServer | CreateArguments:
    """Return an order with the time after which its server ends, in one spelling; raises `InvalidInputError`."""
    if lifetime is None:
        return order
    word = lifetime_word(lifetime_seconds(lifetime))
    return CreateArguments.model_validate({**order.model_dump(), "lifetime": word})


def describe_create(arguments: Arguments, _live: LiveState) -> tuple[Fact, ...]:
    """State when a server ends that is made for a time."""
    lifetime = cast("CreateArguments", arguments).lifetime
    if lifetime is None:
        return ()
    return (Fact("End", f"{lifetime_text(lifetime_seconds(lifetime))} after it is there: it is stopped then"),)


async def read_plans(api: Wayscloud) -> ProviderList[Plan]:
    """Return the plans; none where the API has no such list, and judges codes itself. Raises `WayscloudError`."""
    try:
        return await api.list_plans()
    except NotOfferedError:
        return ProviderList([])


def find_plan(plans: ProviderList[Plan], code: str) -> Plan | None:
    """Return the plan of a code, or nothing where not all are seen; raises `InvalidInputError` for one there is not."""
    match = next((plan for plan in plans if plan.code.lower() == code.lower()), None)
    if match is None and plans and plans.complete:
        raise InvalidInputError(
            f"There is no plan {code[:LONGEST]}.", hint=f"The plans are {_some(p.code for p in plans)}."
        )
    return match


async def check_choices(api: Wayscloud, arguments: Arguments) -> None:
    """Raise `InvalidInputError`, with what there is, for a region, a system or both that cannot be had.

    A list that is not offered, or cannot be read soon, refuses nothing: then the provider judges.
    """
    spec = cast("CreateArguments", arguments)
    regions: list[Region] = []
    systems: list[OsTemplate] = []

    async def read(make: Callable[[], Awaitable[ProviderList[T]]], into: list[T]) -> None:
        try:
            listed = await make()
        except WayscloudError:
            return
        if listed.complete:
            into.extend(listed)

    with anyio.move_on_after(DETAIL_SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(read, api.list_regions, regions)
            group.start_soon(read, api.list_os_templates, systems)
    errors: list[InvalidInputError] = []
    for check in (partial(check_region, regions, spec.region), partial(check_system, systems, spec.os_template)):
        try:
            check()
        except InvalidInputError as error:
            errors.append(error)
    if errors:
        raise InvalidInputError(
            " ".join(error.message for error in errors), hint=" ".join(error.hint for error in errors)
        )


def check_region(regions: Sequence[Region], code: str) -> None:
    """Raise `InvalidInputError` for a region that is not listed, or not available."""
    named = [region for region in regions if same_region(region.code, code) or same_region(region.country or "-", code)]
    usable = [region for region in regions if region.available is not False]
    hint = f"The regions are {_some(region_text(item.code, name_of(item)) for item in usable)}."
    if regions and not named:
        raise InvalidInputError(f"There is no region {code[:LONGEST]}.", hint=hint)
    if named and all(item.available is False for item in named):
        place = region_text(code[:LONGEST], name_of(named[0]))
        raise InvalidInputError(f"The region {place} is not available now.", hint=hint)


def check_system(systems: Sequence[OsTemplate], code: str) -> None:
    """Raise `InvalidInputError` for a system that is neither listed nor another version of one that is.

    The provider takes versions that it does not list any more, as its documented example shows.
    """
    word = code.strip().lower()
    if not systems or any(system.id.lower() == word for system in systems):
        return
    named = next((system for system in systems if (system.name or "").lower() == word), None)
    if named is not None:
        raise InvalidInputError(f"{code[:LONGEST]} is the name of a system.", hint=f"Its id is {named.id}.")
    families = {system.family or system.id.split("-")[0].lower() for system in systems}
    if not any(word.startswith(family) for family in families):
        hint = f"The systems are {_some(system.id for system in systems)}."
        raise InvalidInputError(f"There is no system {code[:LONGEST]}.", hint=hint)


def _some(codes: Iterable[str]) -> str:
    known = list(codes)
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return f"{('; ' if any(',' in code for code in known) else ', ').join(known[:SHOWN])}{more}"


def create_settled(seen: Observation) -> Progress:
    """A new server is there once it is ready, or in order where the power state is missing.

    `error` and its like are final.
    """
    if seen.server.failed:
        return Progress.FAILED
    if seen.server.power_unknown:
        return Progress.SETTLED if seen.in_full else Progress.NEEDS_SERVER
    return Progress.SETTLED if seen.server.ready else Progress.PENDING


async def _create(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> Server:
    spec = cast("CreateArguments", arguments)
    return await api.create_server(NewServer(**spec.model_dump(exclude=OURS)), departure=departure)


CREATE: Final = Operation(
    name="create",
    title="Create {server}",
    synonyms=Synonyms(("new", "provision", "make"), offered=("add", "deploy", "order", "buy", "clone")),
    summary="Make a new server. It costs money from then on.",
    guidance="Make a billed server.",
    risk=Risk.CHANGE,
    arguments=CreateArguments,
    result=Server,
    run=_create,
    effect="A new server is made, ready in one to three minutes, and billed monthly from then on.",
    settled=create_settled,
    check=check_create,
    describe=describe_create,
    check_request=check_choices,
    billed=True,
    makes_server=True,
    pace=Pace.CREATE,
    outcomes=("It was created", "It was not created"),
    done="{hostname} is ready.",
    advice="Tell your human why. vps_plans, vps_regions and vps_os_templates list what can be ordered.",
)
