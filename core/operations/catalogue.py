"""The operations on the catalogue: plans, OS templates, regions."""

from typing import Self

from pydantic import BaseModel, ConfigDict, PrivateAttr

from vpsops.core.operations.arguments import Arguments
from vpsops.core.operations.registry import NoArguments, Operation, Risk
from vpsops.core.wayscloud.answers.models import OsTemplate, Plan, Region
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.send_hook import SendHook


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


async def _plans(api: Wayscloud, _arguments: Arguments, _: SendHook | None) -> Plans:
    listing = await api.list_plans()
    return Plans(plans=listing).without(listing.lack)


async def _os_templates(api: Wayscloud, _arguments: Arguments, _: SendHook | None) -> OsTemplates:
    listing = await api.list_os_templates()
    return OsTemplates(os_templates=listing).without(listing.lack)


async def _regions(api: Wayscloud, _arguments: Arguments, _: SendHook | None) -> Regions:
    listing = await api.list_regions()
    return Regions(regions=listing).without(listing.lack)


CATALOGUE = (
    Operation(
        name="plans",
        summary="List the plans and their monthly prices.",
        guidance="List plans and prices.",
        risk=Risk.READ,
        toolset="catalogue",
        arguments=NoArguments,
        result=Plans,
        run=_plans,
    ),
    Operation(
        name="os_templates",
        command="os",
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
        summary="List the regions.",
        guidance="List regions.",
        risk=Risk.READ,
        toolset="catalogue",
        arguments=NoArguments,
        result=Regions,
        run=_regions,
    ),
)
