"""Names of regions from the provider's list: beside ids where they are shown, in their place where they are typed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.text import one_line
from vpsops.core.wayscloud.answers.models import Region, Server
from vpsops.core.wayscloud.answers.regions import ALIASES, canonical_region, region_text, same_region

LONGEST: Final = 60
COUNTRY_CODE: Final = 2
SHOWN: Final = re.compile(r"(.+) \(([^()]+)\)")
"""A region as it is shown: its name and its id."""


@dataclass(frozen=True, slots=True)
class RegionNames:
    """The names by the canonical ids, and the ids by each word that stands for them, in lower case."""

    names: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def name_of(self, code: str) -> str:
        """Return the name of a region, or ""."""
        return self.names.get(canonical_region(code), "")

    def applied_to(self, server: Server) -> Server:
        """Return a server with the name of its region, where that is known."""
        name = self.name_of(server.region) if server.region else ""
        return server.model_copy(update={"region_name": name}) if name else server

    def id_of(self, text: str) -> str:
        """Return the id that an id or a name stands for; other text is returned as it is.

        Raise `InvalidInputError` for a name of several regions, and for one beside the id of another region.
        """
        if canonical_region(text) in self.names or text.strip().upper() in ALIASES:
            return text
        ids = sorted(self.ids.get(_folded(text), ()))
        if len(ids) > 1:
            raise InvalidInputError(f"Several regions have this name: {', '.join(ids)}.", hint="Name one by its id.")
        shown = None if ids else SHOWN.fullmatch(text.strip())
        if shown is not None:
            return self._id_shown(shown[1], shown[2].strip())
        return ids[0] if ids else text

    def _id_shown(self, name: str, code: str) -> str:
        """Return an id that stands behind a name, unless it is known to have another name."""
        known = self.name_of(code)
        named = {canonical_region(ident) for ident in self.ids.get(_folded(name), ())}
        if known and canonical_region(code) not in named and not same_region(name, code):
            raise InvalidInputError(
                f"{one_line(code, LONGEST)} is another region: {region_text(code, known)}.", hint="Name one by its id."
            )
        return code


NO_NAMES: Final = RegionNames()


def region_names(regions: Sequence[Region]) -> RegionNames:
    """Return the names that a list of regions holds."""
    names: dict[str, str] = {}
    ids: dict[str, set[str]] = {}
    for region in regions:
        name = name_of(region)
        names.setdefault(canonical_region(region.code), name)
        for word in (name, region.name, region.city, region.country):
            if word:
                ids.setdefault(_folded(word), set()).add(region.code)
    return RegionNames(names, {word: frozenset(codes) for word, codes in ids.items()})


def name_of(region: Region) -> str:
    """Return a region's city, name and country, without what another of them says: `Oslo, Norway`; or ""."""
    country = region.country if len(region.country or "") > COUNTRY_CODE else None
    words = [one_line(word, LONGEST) for word in (region.city, region.name, country) if word]
    distinct = list({word.casefold(): word for word in reversed(words)}.values())[::-1]
    return ", ".join(word for word in distinct if not any(_is_part(word, other) for other in distinct))


def _is_part(word: str, other: str) -> bool:
    return word.casefold() in other.casefold() and word.casefold() != other.casefold()


def _folded(text: str) -> str:
    return " ".join(text.casefold().replace(",", " ").split())
