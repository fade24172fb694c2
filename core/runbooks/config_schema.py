"""The tables of a runbook's file."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from vpsops.core.config.schema import Words, WrittenTable
from vpsops.core.runbooks.model import MOST_COMPENSATIONS, MOST_STEPS

NAME: Final = r"^[a-z0-9][a-z0-9-]{0,39}$"
LONGEST_DESCRIPTION: Final = 300
Described = Annotated[str, Field(min_length=1, max_length=LONGEST_DESCRIPTION)]


class WrittenArgument(WrittenTable):
    """One table of `[arguments]`."""

    EXAMPLES: ClassVar[Mapping[str, str]] = {"kind": 'For example kind = "servers".'}

    kind: Literal["servers", "plan", "text", "choice"]
    description: Described | None = None
    default: str | None = None
    choices: Words = ()


class WrittenCompensation(WrittenTable):
    """One `[[step.compensation]]`; without servers it is about those of its step."""

    EXAMPLES: ClassVar[Mapping[str, str]] = {"operation": 'For example operation = "start".'}

    operation: str
    servers: Words = ()
    arguments: dict[str, Any] = Field(default_factory=dict)


class WrittenStep(WrittenTable):
    """One `[[step]]`."""

    EXAMPLES: ClassVar[Mapping[str, str]] = {
        "operation": 'For example operation = "stop".',
        "servers": 'For example servers = "{servers}", or servers = ["web01", "web02"].',
    }

    operation: str
    servers: Words
    arguments: dict[str, Any] = Field(default_factory=dict)
    on_failure: Literal["stop", "compensate"] = "stop"
    compensation: Annotated[list[WrittenCompensation], Field(max_length=MOST_COMPENSATIONS)] = Field(
        default_factory=list
    )
    probe: str = ""


class WrittenRunbook(WrittenTable):
    """The top level of the file."""

    EXAMPLES: ClassVar[Mapping[str, str]] = {
        "name": 'For example name = "grow".',
        "description": 'For example description = "Move a server to a larger plan."',
        "step": 'Write each step as [[step]] with operation = "…" and servers = "…".',
        "pause": 'For example pause = "30s".',
    }
    FORMS: ClassVar[Mapping[str, str]] = {
        "name": "1 to 40 small letters, digits and hyphens",
        "pause": "seconds or minutes",
    }

    name: Annotated[str, Field(pattern=NAME)]
    description: Described
    arguments: dict[str, Any] = Field(default_factory=dict)
    order: Literal["steps", "servers"] = "steps"
    pause: Annotated[str, Field(pattern=r"^[0-9]{1,4}(s|m)$")] = "0s"
    step: Annotated[list[Any], Field(min_length=1, max_length=MOST_STEPS)]
