"""The regions of a policy by their names: `vpsops policy show`, `diff` and `apply` print them beside the ids."""

from collections.abc import Iterable

from vpsops.core.common.clock import Clock
from vpsops.core.config.settings import Settings
from vpsops.core.console.terminal import cell, print_line
from vpsops.core.diagnostics.provider import read_region_names
from vpsops.core.policy_register.document import Document
from vpsops.core.wayscloud.answers.regions import region_text


async def print_regions(settings: Settings, clock: Clock, *documents: Document | None, lead: str = "") -> None:
    """Print the names of the regions that rules are about, behind `lead`; nothing where no name can be read."""
    codes = sorted({code for document in documents if document for code in _regions_of(document)})
    if not codes:
        return
    names = await read_region_names(settings, clock)
    places = [cell(region_text(code, names.name_of(code))) for code in codes if names.name_of(code)]
    if places:
        print_line(f"{lead}Regions: {'; '.join(places)}.\n")


def _regions_of(document: Document) -> Iterable[str]:
    for rule in document.rules:
        regions = rule.get("region")
        if isinstance(regions, list | tuple):
            yield from (str(code) for code in regions)
