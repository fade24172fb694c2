"""`[limits]` as `vpsops.toml` has it, and the same values as flags and tokens have them: each checked by itself."""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.config.schema import Words, WrittenTable, nearest_hint, one_of, safe_word, schema_error
from vpsops.core.limits.access import Restriction, matched
from vpsops.core.limits.tool_names import TOOLS, TOOLSETS
from vpsops.core.operations.families.lifetimes import is_lifetime, lifetime_seconds
from vpsops.core.plans.model import DEFAULT_MOST
from vpsops.core.policy.config_schema import Labels, Servers
from vpsops.core.wayscloud.answers.labels import label_term

PATTERN = re.compile(r"[a-z_*?]{1,60}")
SHARE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?=[1-9][0-9]{0,5}")
LIFE_NAME = re.compile(r"plan:\S{1,200}|[A-Za-z0-9*?][A-Za-z0-9*?._-]{0,252}")
CURRENCY = r"^[A-Z]{3}$"
MOST = 1_000_000
MOST_MANY = 1_000


def _tools(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if not PATTERN.fullmatch(word):
            raise schema_error(
                f"{safe_word(word)} is not the name of a tool or a pattern", "For example vps_list or vps_change_*."
            )
        if not matched(word):
            raise schema_error(f"{safe_word(word)} means no tool there is", nearest_hint(word, tuple(TOOLS)))
    return words


def _shares(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if not SHARE.fullmatch(word):
            raise schema_error(f"{safe_word(word)} is no label's key with a number", "For example tier=1.")
    keys = [label_term(word.partition("=")[0]) for word in words]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise schema_error(f"{safe_word(twice)} is there twice", "Give each label one number.")
    return words


def _lives(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        name, _, time = word.rpartition("=")
        if not LIFE_NAME.fullmatch(name) or not is_lifetime(time):
            raise schema_error(
                f"{safe_word(word)} is no server pattern or plan:CODE with a duration", "For example load-*=3d."
            )
        try:
            lifetime_seconds(time)
        except InvalidInputError as error:
            raise schema_error(f"{safe_word(word)}: {error.message}", "For example load-*=3d.") from None
    names = [word.rpartition("=")[0].lower() for word in words]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise schema_error(f"{safe_word(twice)} is there twice", "Give each pattern one duration.")
    return words


Lives = Annotated[Words, AfterValidator(_lives)]
Shares = Annotated[Words, AfterValidator(_shares)]
Tools = Annotated[Words, AfterValidator(_tools)]
Toolsets = Annotated[Words, one_of("toolset", tuple(TOOLSETS))]


class WrittenRestriction(WrittenTable):
    """MCP's restriction, as written."""

    read_only: Annotated[bool, Field(description="only tools that read")] = False
    toolsets: Annotated[Toolsets, Field(description=f"only these toolsets, of {', '.join(TOOLSETS)}")] = ()
    tools: Annotated[Tools, Field(description="only these tools, by name or pattern")] = ()
    deny_tools: Annotated[Tools, Field(description="none of these tools")] = ()
    secrets: Annotated[
        bool, Field(description="models may get addresses that are keys themselves; in `[limits.mcp]` alone")
    ] = False
    servers: Annotated[Servers, Field(description="only these servers; for MCP there are no others")] = ()

    def narrowing(self, where: str) -> Restriction:
        """Return it as it is applied; `where` is its name in refusals."""
        return Restriction(
            where=where,
            read_only=self.read_only,
            toolsets=frozenset(self.toolsets),
            tools=frozenset(self.tools),
            deny_tools=frozenset(self.deny_tools),
            secrets=self.secrets,
            servers=lowered(self.servers),
        )


class WrittenLimits(WrittenTable):
    """The section as written."""

    EXAMPLES: ClassVar[Mapping[str, str]] = {"currency": "For example EUR."}
    FORMS: ClassVar[Mapping[str, str]] = {"currency": "a currency's three capital letters"}

    protected: Annotated[Servers, Field(description="servers that must not be changed")] = ()
    protected_from_agents: Annotated[Servers, Field(description="servers that no agent changes")] = ()
    protected_labels: Annotated[
        Labels,
        Field(description="labels such as `env=prod`, or `env` with any value, whose servers must not be changed"),
    ] = ()
    protected_labels_from_agents: Annotated[Labels, Field(description="labels whose servers no agent changes")] = ()
    max_monthly_spend: Annotated[
        Annotated[float, Field(ge=0, le=1e12)] | None, Field(description="what all servers together may cost a month")
    ] = None
    currency: Annotated[
        Annotated[str, Field(pattern=CURRENCY)] | None,
        Field(description="the currency of that; prices in another are refused"),
    ] = None
    max_servers: Annotated[
        Annotated[int, Field(ge=0, le=MOST)] | None, Field(description="how many servers there may be")
    ] = None
    max_changes_per_hour: Annotated[
        Annotated[int, Field(ge=1, le=MOST)] | None,
        Field(description="how many changes one person, or all agents of one person, may ask for in an hour"),
    ] = None
    calls_per_minute: Annotated[
        Annotated[int, Field(ge=1, le=MOST)] | None,
        Field(description="how many calls they may make in a minute, reads too; each process counts for itself"),
    ] = None
    undocumented: Annotated[
        bool, Field(description="operations that the provider does not document may run; false switches them off")
    ] = True
    max_many: Annotated[
        Annotated[int, Field(ge=2, le=MOST_MANY)] | None,
        Field(description=f"how many servers one plan may have; {DEFAULT_MOST} where it is left out"),
    ] = None
    max_unavailable: Annotated[
        Shares,
        Field(description="such as tier=1: how many servers with the same value of that label may be down at a time"),
    ] = ()
    max_life: Annotated[
        Lives,
        Field(
            description="such as load-*=3d or plan:vps-large=7d: new servers by that name, or of that plan, need an end"
            " within that time"
        ),
    ] = ()
    deletion_at_end: Annotated[
        bool,
        Field(
            description="a server that was stopped at its end asks for its deletion, where people approve that by the"
            " policy; false leaves it to them"
        ),
    ] = True
    mcp: Annotated[
        WrittenRestriction | None, Field(description="what MCP may use and see: the table `[limits.mcp]`")
    ] = None


def lowered(words: tuple[str, ...]) -> frozenset[str]:
    """Return server patterns as they are compared."""
    return frozenset(word.lower().rstrip(".") for word in words)
