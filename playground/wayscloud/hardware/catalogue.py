"""The catalogue: plans, operating systems and locations, in two editions.

`DOCUMENTED` is the provider's API page to the letter; `LIVE` uses the codes that the Terraform provider and the
command line show. Prices, and every value the sources leave open, are invented.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CataloguePlan:
    """A size one can order; `price` is for a month, `location` a country code or empty for anywhere."""

    code: str
    name: str
    vcpus: int
    memory_gb: int
    disk_gb: int
    traffic_tb: float
    price: float
    currency: str = "NOK"
    location: str = ""


@dataclass(frozen=True, slots=True)
class Extra:
    """An add-on to a server, for a month; `location` a country code or empty for anywhere."""

    code: str
    name: str
    kind: str
    price: float
    currency: str = "NOK"
    location: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """An operating system; an unlisted one can be ordered but is not shown."""

    code: str
    name: str
    family: str
    version: str
    windows: bool = False
    listed: bool = True


@dataclass(frozen=True, slots=True)
class Location:
    """A location, by country code and by the city word the documentation uses."""

    country: str
    city: str
    name: str
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that can be ordered, by code."""

    plans: Mapping[str, CataloguePlan]
    templates: Mapping[str, Template]
    locations: Mapping[str, Location]
    extras: Sequence[Extra] = ()

    def plans_at(self, place: Location | None) -> list[CataloguePlan]:
        """Return the plans of a place; none at a place that there is not (assumed)."""
        return [plan for plan in self.plans.values() if place and plan.location in ("", place.country)]

    def locate(self, text: str) -> Location | None:
        """Return the place a caller means: trimmed, upper-cased, then mapped, as the Terraform tests describe."""
        word = text.strip().upper()
        return next((place for place in self.locations.values() if word in (place.country, *place.aliases)), None)

    def listed(self) -> list[Template]:
        """Return the operating systems that the list shows."""
        return [template for template in self.templates.values() if template.listed]


LOCATIONS = {
    place.country: place
    for place in (
        Location("NO", "oslo", "Oslo, Norway", ("OSLO", "NORWAY", "NO-OSLO-1")),
        Location("SE", "stockholm", "Stockholm, Sweden", ("STOCKHOLM", "SWEDEN")),
        Location("DE", "frankfurt", "Frankfurt, Germany", ("FRANKFURT", "GERMANY")),
    )
}

# The documented create example orders ubuntu-22.04, which the documented list does not hold.
TEMPLATES = {
    template.code: template
    for template in (
        Template("ubuntu-24.04", "Ubuntu 24.04 LTS", "ubuntu", "24.04"),
        Template("debian-12", "Debian 12", "debian", "12"),
        Template("rocky-9", "Rocky Linux 9", "rocky", "9"),
        Template("windows-server-2025", "Windows Server 2025", "windows", "2025", windows=True),
        Template("ubuntu-22.04", "Ubuntu 22.04 LTS", "ubuntu", "22.04", listed=False),
    )
}

# Assumed altogether: the SDK calls for "extra disk, vCPU", and no source shows one.
EXTRAS = (
    Extra("disk-50gb", "50 GB disk", "disk", 49.0),
    Extra("vcpu-1", "1 vCPU", "vcpu", 79.0, location="NO"),
)

DOCUMENTED = Catalogue(
    plans={
        plan.code: plan
        for plan in (
            CataloguePlan("vps-2gb-1cpu", "2 GB RAM, 1 vCPU", 1, 2, 40, 2.0, 99.0),
            CataloguePlan("vps-4gb-2cpu", "4 GB RAM, 2 vCPU", 2, 4, 80, 4.0, 199.0),
            CataloguePlan("vps-8gb-4cpu", "8 GB RAM, 4 vCPU", 4, 8, 160, 8.0, 399.0),
        )
    },
    templates=TEMPLATES,
    locations=LOCATIONS,
    extras=EXTRAS,
)


def _live_plans() -> list[CataloguePlan]:
    sizes = (
        ("Start-Linux", 2, 4, 30, 4.0, 199.0),
        ("Medium-Linux", 4, 8, 60, 8.0, 349.0),
        ("Medium-Windows", 4, 4, 64, 8.0, 429.0),
        ("Premium-Windows", 4, 8, 100, 8.0, 599.0),
    )
    return [
        CataloguePlan(
            f"{at}-{name}-{vcpus}cpu-{ram * 1024}mb-{disk}gb", name, vcpus, ram, disk, traffic, price, location=at
        )
        for at in LOCATIONS
        for name, vcpus, ram, disk, traffic, price in sizes
    ]


LIVE = Catalogue(
    plans={plan.code: plan for plan in _live_plans()}, templates=TEMPLATES, locations=LOCATIONS, extras=EXTRAS
)
