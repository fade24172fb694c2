"""The part that a member has in a runbook: a step, or what is done where one fails."""

from collections.abc import Mapping
from dataclasses import dataclass

from vpsops.core.common.json_types import Json
from vpsops.core.common.stored_values import UnreadableValueError


@dataclass(frozen=True, slots=True)
class StepPart:
    """Which step of a runbook a member is, or compensates.

    With `only` a compensation is about the failure of the member on that server. `alternatives` are digests of what was
    shown of it in other states of its server: a compensation begins before or after the effect of what failed.
    `monthly` is the price that its ruling was decided by.
    """

    number: int
    compensates: bool = False
    only: str = ""
    probe: str = ""
    monthly: float | None = None
    alternatives: tuple[str, ...] = ()

    @property
    def stored(self) -> dict[str, Json]:
        """The part as its column holds it, and as the digest over all members has it."""
        return {
            "number": self.number,
            "compensates": self.compensates,
            "only": self.only,
            "probe": self.probe,
            "monthly": self.monthly,
            "alternatives": list(self.alternatives),
        }


def part_of(stored: object) -> StepPart | None:
    """Return a stored part, None for a member of a plan that is no runbook; raises `UnreadableValueError`."""
    if stored is None:
        return None
    match stored:
        case {
            "number": int(number),
            "compensates": bool(compensates),
            "only": str(only),
            "probe": str(probe),
            "monthly": float() | int() | None as monthly,
            "alternatives": list(alternatives),
        } if isinstance(stored, Mapping):
            return StepPart(number, compensates, only, probe, monthly, tuple(map(str, alternatives)))
        case _:
            raise UnreadableValueError("the part of a member")
