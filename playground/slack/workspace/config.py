"""How a simulated workspace is furnished."""

from dataclasses import dataclass, field, replace

from vpsops.playground.slack.workspace.entities import Channel, Group, User

TEAM_ID = "T0ACME"
BOT_USER_ID = "U0VPSBOT"
BOT_ID = "B0VPSBOT"
APP_ID = "A0VPSOPS"

USERS = (
    User("U0ALICE", "alice", "Alice Aune", "alice@acme.example", is_admin=True),
    User("U0BOB", "bob", "Bob Berg", "bob@acme.example"),
    User("U0CAROL", "carol", "Carol Cruz", "carol@acme.example", tz="America/New_York", tz_offset=-18000),
    User("U0DAVE", "dave", "Dave Dahl", "dave@acme.example"),
    User("U0ERIN", "erin", "Erin Eide", "erin@acme.example", deleted=True),
)
EVERYONE = frozenset({"U0ALICE", "U0BOB", "U0CAROL", "U0DAVE", BOT_USER_ID})
CHANNELS = (
    Channel("C0GENERAL", "general", EVERYONE),
    Channel("C0OPS", "ops", EVERYONE),
    Channel("C0APPROVALS", "approvals", EVERYONE, kind="private"),
    Channel("C0NOBOT", "nobot", EVERYONE - {BOT_USER_ID}),
    Channel("C0SECRET", "secret", frozenset({"U0ALICE"}), kind="private"),
    Channel("C0OLD", "old", EVERYONE, archived=True),
)
GROUPS = (Group("S0APPROVERS", "approvers", "Approvers", ("U0BOB", "U0CAROL")),)
SCOPES = frozenset({"commands", "chat:write", "usergroups:read", "users:read", "app_mentions:read", "im:history"})


@dataclass(frozen=True, slots=True)
class Rates:
    """How much the workspace lets through; `enforced` off lets everything pass."""

    enforced: bool = True
    post_per_second: float = 1.0
    post_burst: int = 5
    posts_per_minute: int = 300
    update_per_minute: int = 50


@dataclass(frozen=True, slots=True)
class WorkspaceConfig:
    """Everything a workspace starts with."""

    team_id: str = TEAM_ID
    team_name: str = "Acme"
    team_domain: str = "acme"
    enterprise_id: str = ""
    bot_user_id: str = BOT_USER_ID
    bot_id: str = BOT_ID
    app_id: str = APP_ID
    bot_name: str = "vpsops"
    bot_token: str = "xoxb-simulated-bot-token"  # noqa: S105 - opens nothing but the simulator
    app_token: str = "xapp-simulated-app-token"  # noqa: S105 - opens nothing but the simulator
    signing_secret: str = "simulated-signing-secret"  # noqa: S105 - opens nothing but the simulator
    request_url: str | None = None
    scopes: frozenset[str] = SCOPES
    users: tuple[User, ...] = USERS
    channels: tuple[Channel, ...] = CHANNELS
    groups: tuple[Group, ...] = GROUPS
    rates: Rates = field(default_factory=Rates)
    ack_deadline: float = 3.0
    edit_window: float | None = None
    refused_blocks: frozenset[str] = frozenset()
    """Kinds of blocks that it does not take, as a workspace to which Slack has not given them yet."""
    host: str = "127.0.0.1"
    port: int = 0

    def with_scopes(self, *scopes: str) -> "WorkspaceConfig":
        """Return the same workspace with these scopes granted too."""
        return replace(self, scopes=self.scopes | set(scopes))


OUTSIDERS = (
    User("U0EVE", "eve", "Eve of another company", "eve@rival.example", team="T0RIVAL"),
    User("U0ORG", "ole", "Ole of another organisation", "ole@grid.example", team="T0GRID", enterprise="E0GRID"),
    User("U0FAR", "fay", "Fay, a stranger", "fay@rival.example", team="T0RIVAL", is_stranger=True),
)
"""People of other companies, as a channel that is shared with them brings them in."""
COLLEAGUE = User(
    "U0COLE", "cole", "Cole", "cole@acme.example", team="T0SISTER", enterprise="E0ACME", teams=("T0SISTER",)
)
"""A person of another workspace of the organisation E0ACME."""


def connected(config: WorkspaceConfig, channel: str, *guests: User) -> WorkspaceConfig:
    """Return a workspace in which a channel is shared with other people's workspaces."""
    ids = {guest.id for guest in guests}
    channels = tuple(
        replace(item, members=item.members | ids, shared=True) if channel in {item.id, item.name} else item
        for item in config.channels
    )
    return replace(config, users=(*config.users, *guests), channels=channels)
