"""Loads `[[workspace]]` of `vpsops.toml`, strictly: what is unknown, double or pointless refuses to start."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, ValidationError

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.config_file import ConfigFile
from vpsops.core.config.schema import WrittenTable, schema_problem
from vpsops.core.config.settings import Settings
from vpsops.core.config.toml_locations import TomlTable
from vpsops.core.workspaces.model import Workspace, Workspaces, teams_of

SECTION: Final = "workspace"
CHANNELS: Final = ("approval_channel", "channel", "escalation_channel")
MAX_WORKSPACES = 200
SHORTEST_KEY = 32
Channel = Annotated[str, Field(pattern=r"^[CG][A-Z0-9]{1,39}$")]


class WrittenWorkspace(WrittenTable):
    """A workspace as written."""

    EXAMPLES: ClassVar[Mapping[str, str]] = {"team": 'Write team = "T…".'}
    FORMS: ClassVar[Mapping[str, str]] = {
        "team": "the id of a workspace, which begins with T",
        **dict.fromkeys(CHANNELS, "the id of a channel, which begins with C or G"),
    }

    team: Annotated[str, Field(pattern=r"^T[A-Z0-9]{1,39}$")]
    approval_channel: Channel | None = None
    channel: Channel | None = None
    escalation_channel: Channel | None = None
    agents: bool = False


def load_workspaces(settings: Settings) -> Workspaces:
    """Return the workspaces; raises `ConfigurationError` with file, line and a hint."""
    several = settings.slack_client_id != ""
    file = settings.config_file
    written = file.data.get(SECTION, [])
    if several:
        check_several(settings)
    elif written or settings.slack_teams:
        what = f"{file.path} has [[workspace]]" if written else "VPSOPS_SLACK_TEAMS is set"
        raise ConfigurationError(
            f"{what}, and SLACK_CLIENT_ID is not set.",
            hint="One workspace needs neither: its channels are VPSOPS_APPROVAL_CHANNEL and VPSOPS_CHANNEL.",
        )
    return Workspaces(several, workspaces_in(file, teams_of(settings)) if written else ())


def workspaces_in(file: ConfigFile, teams: Sequence[str]) -> tuple[Workspace, ...]:
    """Return the workspaces of a file that has some; raises `ConfigurationError`."""
    written, line = file.data[SECTION], file.line(SECTION)
    if not isinstance(written, list) or not all(isinstance(table, dict) for table in written):
        raise file.error(line, "workspaces are written as [[workspace]].")
    if len(written) > MAX_WORKSPACES:
        raise ConfigurationError(f"{file.path}: {len(written)} workspaces are more than {MAX_WORKSPACES}.")
    places = file.elements(SECTION)
    workspaces = [_workspace(table, file, place) for table, place in zip(written, places, strict=True)]
    for index, workspace in enumerate(workspaces):
        _check(workspace, workspaces[:index], f"{file.path}:{places[index].line}", teams)
    return tuple(workspaces)


def _workspace(table: dict[str, Any], file: ConfigFile, place: TomlTable) -> Workspace:
    try:
        written = WrittenWorkspace.model_validate(table)
    except ValidationError as error:
        problem = schema_problem(error, WrittenWorkspace, SECTION)
        raise file.error(place.key(*problem.key), f"workspace: {problem.message}", problem.hint) from None
    return Workspace(
        written.team,
        written.approval_channel or "",
        written.channel or "",
        written.escalation_channel or "",
        written.agents,
    )


def _check(workspace: Workspace, earlier: Sequence[Workspace], place: str, teams: Sequence[str]) -> None:
    if any(workspace.team == other.team for other in earlier):
        raise ConfigurationError(f"{place}: workspace {workspace.team} is there already.")
    if workspace.team not in teams:
        raise ConfigurationError(
            f"{place}: workspace {workspace.team} may not install the app.", hint="Add it to VPSOPS_SLACK_TEAMS."
        )
    if workspace.agents and any(other.agents for other in earlier):
        raise ConfigurationError(f"{place}: agents = true is another workspace's already.")
    if workspace.agents and not workspace.approval_channel:
        raise ConfigurationError(f"{place}: agents = true needs an approval_channel, where people decide.")


def check_several(settings: Settings) -> None:
    """Raise `ConfigurationError` unless the settings fit a set-up of several workspaces."""
    missing = [name for name, value in _needed(settings) if not value]
    if missing:
        raise ConfigurationError(
            f"SLACK_CLIENT_ID is for several workspaces, which need {' and '.join(missing)} too.",
            hint="See docs/slack.md; one workspace needs SLACK_BOT_TOKEN alone.",
        )
    single = [name for name, value in _single(settings) if value]
    if single:
        raise ConfigurationError(
            f"{' and '.join(single)} belong to one workspace, SLACK_CLIENT_ID to several.",
            hint="Set one or the other; channels of several workspaces are written as [[workspace]].",
        )
    if len(_state_key(settings)) < SHORTEST_KEY:
        raise ConfigurationError(
            f"VPSOPS_STATE_KEY needs {SHORTEST_KEY} characters or more.", hint="Make one with: openssl rand -hex 32"
        )


def _state_key(settings: Settings) -> str:
    return settings.state_key.get_secret_value().split(",")[0].strip() if settings.state_key else ""


def _needed(settings: Settings) -> list[tuple[str, object]]:
    return [
        ("SLACK_CLIENT_SECRET", settings.slack_client_secret),
        ("VPSOPS_SLACK_URL", settings.slack_url),
        ("VPSOPS_SLACK_TEAMS", teams_of(settings)),
        ("VPSOPS_STATE_KEY", settings.state_key),
    ]


def _single(settings: Settings) -> list[tuple[str, object]]:
    return [
        ("SLACK_BOT_TOKEN", settings.slack_bot_token),
        ("VPSOPS_APPROVAL_CHANNEL", settings.approval_channel),
        ("VPSOPS_CHANNEL", settings.channel),
    ]
