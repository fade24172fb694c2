"""The operations on the catalogue: plans, OS templates, regions, add-ons."""

from typing import Annotated, Self, cast

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from vpsops.core.operations.arguments import ArgumentKind, Arguments, ArgumentSpec
from vpsops.core.operations.prices import price
from vpsops.core.operations.registry import NoArguments, Operation, Risk, Synonyms
from vpsops.core.operations.strategies import Choice
from vpsops.core.wayscloud.answers.models import Addon, OsTemplate, Plan, Region
from vpsops.core.wayscloud.answers.regions import canonical_region
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests import endpoints
from vpsops.core.wayscloud.requests.send_hook import SendHook


class RegionArguments(Arguments):
    """A region, where only what is on offer there counts."""

    region: Annotated[str | None, ArgumentSpec(ArgumentKind.REGION, "Region"), Field(description="id or name")] = None

    @property
    def place(self) -> str:
        """The region as the API spells it; empty for all regions."""
        return canonical_region(self.region or "")


class _CatalogueList(BaseModel):
    """A part of the catalogue, and what of it could not be seen."""

    model_config = ConfigDict(frozen=True)

    _lack: str = PrivateAttr("")

    @property
    def lacking(self) -> str:
        """What of the list is not known, in a sentence; empty where all of it is."""
        return f"{self._lack}." if self._lack else ""

    def without(self, lack: str) -> Self:
        """Return this list as one that lacks something."""
        self._lack = lack
        return self


class Plans(_CatalogueList):
    """The plans on offer; prices are a month's, in the account's currency."""

    plans: list[Plan]


class OsTemplates(_CatalogueList):
    """The operating systems a server can be made with."""

    os_templates: list[OsTemplate]


class Regions(_CatalogueList):
    """The regions a server can be made in."""

    regions: list[Region]


class Addons(_CatalogueList):
    """The extras for servers; prices are a month's."""

    addons: list[Addon]


async def _plans(api: Wayscloud, arguments: Arguments, _: SendHook | None) -> Plans:
    listing = await api.list_plans(cast("RegionArguments", arguments).place)
    return Plans(plans=listing).without(listing.lack)


async def _os_templates(api: Wayscloud, _arguments: Arguments, _: SendHook | None) -> OsTemplates:
    listing = await api.list_os_templates()
    return OsTemplates(os_templates=listing).without(listing.lack)


async def _regions(api: Wayscloud, _arguments: Arguments, _: SendHook | None) -> Regions:
    listing = await api.list_regions()
    return Regions(regions=await api.named_regions(listing)).without(listing.lack)


async def _addons(api: Wayscloud, arguments: Arguments, _: SendHook | None) -> Addons:
    listing = await api.list_addons(cast("RegionArguments", arguments).place)
    return Addons(addons=listing).without(listing.lack)


def _plan_choices(listed: BaseModel) -> tuple[Choice, ...]:
    return tuple(Choice(plan.code, plan.name or plan.code, price(plan)) for plan in cast("Plans", listed).plans)


CATALOGUE = (
    Operation(
        name="plans",
        title="List the plans",
        synonyms=Synonyms(("sizes", "flavors", "flavours", "prices", "pricing"), offered=("plan", "size", "price")),
        summary="List the plans and their monthly prices, of all regions or of one.",
        guidance="List plans and prices.",
        risk=Risk.READ,
        toolset="catalogue",
        arguments=RegionArguments,
        result=Plans,
        run=_plans,
        lists=ArgumentKind.PLAN,
        choices=_plan_choices,
    ),
    Operation(
        name="os_templates",
        title="List the operating systems",
        command="os",
        synonyms=Synonyms(("os-templates", "templates", "systems", "distros"), offered=("images", "image")),
        summary="List the operating systems on offer.",
        guidance="List operating systems.",
        risk=Risk.READ,
        toolset="catalogue",
        arguments=NoArguments,
        result=OsTemplates,
        run=_os_templates,
    ),
    Operation(
        name="regions",
        title="List the regions",
        synonyms=Synonyms(("locations", "zones", "datacenters", "datacentres"), offered=("region", "location")),
        summary="List the regions.",
        guidance="List regions.",
        risk=Risk.READ,
        toolset="catalogue",
        arguments=NoArguments,
        result=Regions,
        run=_regions,
        routes=(endpoints.REGIONS,),
    ),
    Operation(
        name="addons",
        title="List the add-ons",
        summary="List the add-ons for servers and their monthly prices, of all regions or of one.",
        guidance="List add-ons.",
        risk=Risk.READ,
        toolset="catalogue",
        arguments=RegionArguments,
        result=Addons,
        run=_addons,
        documented=False,
        routes=(endpoints.ADDONS,),
    ),
)
