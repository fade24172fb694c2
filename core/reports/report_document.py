"""The status report as one document: figures as numbers, for programs and assistants."""

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, Field

from vpsops.core.changes.model import Change
from vpsops.core.common.text import one_line
from vpsops.core.operations.prices import NOT_KNOWN, WITHOUT, LabelCost
from vpsops.core.reports.status_report import SHOWN, StatusReport

MOST: Final = 20
LONGEST: Final = 120


class CostRow(BaseModel):
    """What the servers of one value of a label cost a month, by currency; one of `value` and `labels` is there."""

    value: str | None = None
    labels: str | None = Field(None, description="none, or not known")
    servers: int
    a_month: dict[str, float]
    without_a_known_price: int = 0


class ReportedChange(BaseModel):
    """A change in a line."""

    change: str
    state: str
    operation: str
    server: str


class ReportDocument(BaseModel):
    """How everything stands; without `servers`, `problem` says why they could not be read."""

    at: str
    servers: dict[str, int] | None = None
    problem: str | None = None
    lacking: str | None = None
    a_month: dict[str, float] | None = None
    without_a_known_price: int | None = None
    without_a_known_currency: int | None = None
    cost_by: str
    costs: list[CostRow] = Field(default_factory=list)
    costs_left_out: int = 0
    agents_paused: bool
    open: list[ReportedChange] = Field(default_factory=list)
    open_in_all: int
    more_are_open: bool = False
    ended: list[ReportedChange] = Field(default_factory=list)
    ended_in_24_hours: dict[str, int] = Field(default_factory=dict)


def report_document(report: StatusReport) -> ReportDocument:
    """Return the report as a document, bounded."""
    fleet, costs = report.fleet, report.fleet.costs
    named = [cost for cost in fleet.labelled if cost.label not in {WITHOUT, NOT_KNOWN}]
    rest = [cost for cost in fleet.labelled if cost.label in {WITHOUT, NOT_KNOWN}]
    return ReportDocument(
        at=report.at.isoformat(timespec="minutes"),
        servers=None if fleet.problem else {one_line(state, 40): count for state, count in fleet.states.items()},
        problem=one_line(fleet.problem, 400) or None,
        lacking=one_line(fleet.lack, 200) or None,
        a_month={currency: round(amount, 2) for currency, amount in costs.sums.items()} if costs else None,
        without_a_known_price=costs.unknown if costs else None,
        without_a_known_currency=costs.nameless if costs else None,
        cost_by=report.key,
        costs=[_cost_row(cost) for cost in (*named[:MOST], *rest)],
        costs_left_out=max(len(named) - MOST, 0),
        agents_paused=report.pause.paused,
        open=_changes(report.going_on),
        open_in_all=len(report.going_on),
        more_are_open=report.crowded,
        ended=_changes(report.ended),
        ended_in_24_hours={state.value: count for state, count in report.counted.items() if count},
    )


def _cost_row(cost: LabelCost) -> CostRow:
    value = one_line(cost.label.partition("=")[2], LONGEST) or None
    return CostRow(
        value=value,
        labels=None if value else cost.label,
        servers=cost.servers,
        a_month={currency: round(amount, 2) for currency, amount in cost.sums.items()},
        without_a_known_price=cost.unpriced,
    )


def _changes(changes: Sequence[Change]) -> list[ReportedChange]:
    return [
        ReportedChange(
            change=change.id,
            state=change.state.value,
            operation=change.operation,
            server=one_line(change.target.hostname or change.target.id, 253),
        )
        for change in changes[:SHOWN]
    ]
