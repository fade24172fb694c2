"""The operations on the catalogue: plans, OS templates, regions."""

from pydantic import BaseModel, ConfigDict

from core.operations.registry import Arguments, NoArguments, Operation, Risk
from core.wayscloud.client import Wayscloud
from core.wayscloud.departure import Departure
from core.wayscloud.models import OsTemplate, Plan, Region


class Plans(BaseModel):
    """The plans on offer; prices are a month's, in the account's currency."""

    model_config = ConfigDict(frozen=True)

    plans: list[Plan]


class OsTemplates(BaseModel):
    """The operating systems a server can be made with."""

    model_config = ConfigDict(frozen=True)

    os_templates: list[OsTemplate]


class Regions(BaseModel):
    """The regions a server can be made in."""

    model_config = ConfigDict(frozen=True)

    regions: list[Region]


async def _plans(api: Wayscloud, _arguments: Arguments, _: Departure | None) -> Plans:
    return Plans(plans=await api.list_plans())


async def _os_templates(api: Wayscloud, _arguments: Arguments, _: Departure | None) -> OsTemplates:
    return OsTemplates(os_templates=await api.list_os_templates())


async def _regions(api: Wayscloud, _arguments: Arguments, _: Departure | None) -> Regions:
    return Regions(regions=await api.list_regions())


CATALOGUE = (
    Operation(
        name="plans",
        summary="List the plans and their monthly prices.",
        guidance="List plans and monthly prices.",
        risk=Risk.READ,
        arguments=NoArguments,
        result=Plans,
        run=_plans,
    ),
    Operation(
        name="os_templates",
        summary="List the operating systems on offer.",
        guidance="List operating systems.",
        risk=Risk.READ,
        arguments=NoArguments,
        result=OsTemplates,
        run=_os_templates,
    ),
    Operation(
        name="regions",
        summary="List the regions.",
        guidance="List regions.",
        risk=Risk.READ,
        arguments=NoArguments,
        result=Regions,
        run=_regions,
    ),
)
