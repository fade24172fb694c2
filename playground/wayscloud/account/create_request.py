"""Reading a create request: pydantic's own error lists, as the service's framework answers them."""

import json
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from vpsops.playground.wayscloud.account.account import Order
from vpsops.playground.wayscloud.hardware.catalogue import Catalogue, CataloguePlan, Template

WINDOWS_MEMORY_GB = 4
WINDOWS_DISK_GB = 64
Text = Annotated[str, Field(min_length=1)]


class OrderRefusedError(Exception):
    """The order is not acceptable; `detail` is the answer's detail."""

    def __init__(self, detail: object) -> None:
        super().__init__("order refused")
        self.detail = detail


class CreateBody(BaseModel):
    """The documented fields; others are ignored."""

    hostname: Text
    plan_code: Text
    region: Text
    os_template: Text
    display_name: str | None = None
    ssh_keys: list[Text] = []


def read(body: bytes, catalogue: Catalogue) -> Order:
    """Return a valid order. Raises `OrderRefusedError`. An absent display name becomes the hostname (Terraform)."""
    order = _validated(body)
    plan = catalogue.plans.get(order.plan_code)
    place = catalogue.locate(order.region)
    template = catalogue.templates.get(order.os_template)
    if plan is None:
        raise OrderRefusedError("Unknown plan_code")
    if place is None or plan.location not in ("", place.country):
        raise OrderRefusedError("Invalid region" if place is None else "Plan is not available in this region")
    if template is None:
        raise OrderRefusedError("Unknown os_template")
    _check_windows(plan, template)
    return Order(
        hostname=order.hostname,
        display_name=order.display_name or order.hostname,
        plan=plan.code,
        location=place.country,
        template=template.code,
    )


def wanted_in(body: bytes) -> dict[str, str]:
    """Return the texts in a create body; for matching only."""
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return (
        {key: value for key, value in document.items() if isinstance(value, str)} if isinstance(document, dict) else {}
    )


def _validated(body: bytes) -> CreateBody:
    if not body:
        raise OrderRefusedError([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}])
    try:
        document = json.loads(body)
    except ValueError as error:
        position = getattr(error, "pos", 0)
        item = {"type": "json_invalid", "loc": ["body", position], "msg": "JSON decode error", "input": {}}
        raise OrderRefusedError([item]) from error
    try:
        return CreateBody.model_validate(document)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False)
        raise OrderRefusedError([{**item, "loc": ["body", *item["loc"]]} for item in errors]) from error


def _check_windows(plan: CataloguePlan, template: Template) -> None:
    """Windows needs memory, disk and a Windows plan if plans name a system (Terraform)."""
    if not template.windows:
        return
    too_small = plan.memory_gb < WINDOWS_MEMORY_GB or plan.disk_gb < WINDOWS_DISK_GB
    if too_small or "Linux" in plan.code:
        raise OrderRefusedError("Windows needs a Windows plan with at least 4096 MB of memory and 64 GB of disk")
