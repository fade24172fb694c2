"""Faults by rule: which requests go wrong, how, and how often; equal seeds give equal faults.

A rule defines which requests it matches, when it strikes, and its effect. `kinds` has a row for each effect,
`views` and `wire` the functions that change an answer, `presets` the rules people ask for by name.
"""

from vpsops.playground.wayscloud.faults.files import explain, load, parse
from vpsops.playground.wayscloud.faults.kinds import KINDS, FaultPhase, Kind
from vpsops.playground.wayscloud.faults.presets import PRESETS
from vpsops.playground.wayscloud.faults.rules import Asked, Drawn, Fault, Faults, Match, OperationName, Strike

__all__ = [
    "KINDS",
    "PRESETS",
    "Asked",
    "Drawn",
    "Fault",
    "FaultPhase",
    "Faults",
    "Kind",
    "Match",
    "OperationName",
    "Strike",
    "explain",
    "load",
    "parse",
]
