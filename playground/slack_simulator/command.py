"""`vpsops slack-simulator`: serve the simulated workspace until it is stopped, and print what connects an app."""

import argparse
import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.console.terminal import number
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack_simulator.page import WorkspacePage, variables
from vpsops.playground.web import manifest

DEFAULT_PORT: Final = 8441
HIGHEST_PORT: Final = 65_535
LONGEST_MANIFEST: Final = 200_000
WEB: Final = ("http://", "https://")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vpsops slack-simulator`."""
    parser.formatter_class = argparse.ArgumentDefaultsHelpFormatter
    parser.description = (
        "Run a stand-in for a Slack workspace on 127.0.0.1, with a page to type and click in. Any app can connect to "
        "it, by Socket Mode or over signed HTTP. It prints the variables that connect one."
    )
    add = parser.add_argument
    add("--port", type=lambda text: number(text, 0, HIGHEST_PORT), default=DEFAULT_PORT, help="0 takes a free one")
    add(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="the app's manifest in YAML: its scopes, commands and shortcuts; without it, the one of vpsops",
    )
    add("--request-url", metavar="URL", help="send commands, clicks and events there over HTTP, signed")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; the first line on standard output is `slack-simulator: ` and the address."""
    text = _manifest(arguments.manifest)
    config = _config(text, arguments)
    try:
        anyio.run(_serve, config, text)
    except* OSError as group:
        reason = next(iter(group.exceptions))
        raise ConfigurationError(
            f"Port {arguments.port} on 127.0.0.1 cannot be used: {getattr(reason, 'strerror', None) or reason}.",
            hint="Try --port 0.",
        ) from None
    return 0


def _manifest(path: Path | None) -> str:
    if path is None:
        return manifest.text()
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LONGEST_MANIFEST)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"The manifest {path} cannot be read: {reason}.", hint="Check --manifest.") from None
    if not manifest.scopes(text):
        raise ConfigurationError(
            f"The manifest {path} lists no scopes of a bot.",
            hint="It is read as Slack writes YAML: oauth_config, scopes, bot, and one scope a line.",
        )
    return text


def _config(text: str, arguments: argparse.Namespace) -> WorkspaceConfig:
    url = arguments.request_url
    if url is not None and not url.startswith(WEB):
        raise ConfigurationError("--request-url is no address.", hint="It begins with http:// or https://.")
    config = WorkspaceConfig(port=arguments.port, request_url=url, scopes=manifest.scopes(text))
    return replace(config, bot_name=manifest.bot_name(text) or config.bot_name)


async def _serve(config: WorkspaceConfig, text: str) -> None:
    page = WorkspacePage(text)
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with running_workspace(config, extend=page.extend) as workspace, anyio.create_task_group() as group:
            group.start_soon(page.watch)
            sys.stdout.write(announcement(workspace))
            sys.stdout.flush()
            async for _ in signals:
                break
            page.feed.close()
            group.cancel_scope.cancel()


def announcement(workspace: SimulatedWorkspace) -> str:
    """Return the address, and how an app connects, as a shell takes it; the tokens open nothing else."""
    lines = [f"slack-simulator: {workspace.base_url}", "", "The page is there. An app connects with these:"]
    lines += [f"  export {name}={shlex.quote(value)}" for name, value in variables(workspace).items()]
    lines += ["Leave SLACK_APP_TOKEN out for HTTP, and give --request-url.", "", "Channels"]
    rooms = [room for room in workspace.desk.state.channels.values() if room.name and not room.archived]
    lines += [f"  {room.id:<14} #{room.name}{'  private' if room.kind == 'private' else ''}" for room in rooms]
    lines += ["People"]
    people = [user for user in workspace.desk.state.users.values() if not user.is_bot and not user.deleted]
    lines += [f"  {user.id:<14} {user.real_name}  {user.email}" for user in people]
    return "\n".join(lines) + "\n"
