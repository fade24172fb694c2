"""What the catalogue knows of an order, checked before people are asked: plans, regions, operating systems."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

import anyio

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.timings import DETAIL_SECONDS
from vpsops.core.operations.servers import CreateArguments
from vpsops.core.wayscloud.answers.errors import NotOfferedError, WayscloudError
from vpsops.core.wayscloud.answers.models import OsTemplate, Plan, ProviderList, Region, same_region
from vpsops.core.wayscloud.client import Wayscloud

T = TypeVar("T")
SHOWN: Final = 12
LONGEST: Final = 80


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


async def check_choices(api: Wayscloud, spec: CreateArguments) -> None:
    """Raise `InvalidInputError`, with what there is, for a region or a system that cannot be had.

    A list that is not offered, or cannot be read soon, refuses nothing: then the provider judges.
    """
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
    check_region(regions, spec.region)
    check_system(systems, spec.os_template)


def check_region(regions: Sequence[Region], code: str) -> None:
    """Raise `InvalidInputError` for a region that is not listed, or not available."""
    named = [region for region in regions if same_region(region.code, code) or same_region(region.country or "-", code)]
    usable = [region for region in regions if region.available is not False]
    hint = f"The regions are {_some(item.code for item in usable)}."
    if regions and not named:
        raise InvalidInputError(f"There is no region {code[:LONGEST]}.", hint=hint)
    if named and all(item.available is False for item in named):
        raise InvalidInputError(f"The region {code[:LONGEST]} is not available now.", hint=hint)


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
    return f"{', '.join(known[:SHOWN])}{more}"
