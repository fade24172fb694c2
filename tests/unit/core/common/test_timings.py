"""Time limits agree with each other, and stand in one module."""

import ast
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Final

import pytest

from tests.fakes.timing import QUICK
from tests.harness.repository import ROOT
from vpsops.core.common import timings
from vpsops.core.common.timings import DEFAULT_TIMING, DEFAULT_TRANSPORT
from vpsops.core.config.timing_relations import RELATIONS, Relation, holds, seconds_of

PRODUCT: Final = ("core", "bot", "mcp_server", "vpsops/cli")
TIMES: Final = ("SECONDS", "MINUTES", "HOURS", "DAYS", "WAIT", "PATIENCE", "TIMEOUT", "GRACE", "DELAY", "TTL", "LEEWAY")
ELSEWHERE: Final = {
    # How a screen is kept current: nothing waits for it, and no other limit rests on it.
    "bot/features/operations.py": {"PATIENCE", "CARD_SECONDS", "LOOK_SECONDS"},
    "bot/context/home_state.py": {"OPEN_SECONDS", "LIST_SECONDS", "TROUBLE_SECONDS", "WAIT_SECONDS"},
    "bot/context/permalinks.py": {"LINK_SECONDS"},
    "bot/notifications/card_sync.py": {"REFRESH_SECONDS"},
    "bot/commands/notify_parser.py": {"MINUTES"},  # a word's unit
    "bot/handlers/home.py": {"SETTLE_SECONDS", "PAUSE_SECONDS", "EACH_SECONDS", "LOOK_SECONDS"},
    "bot/context/bot_context.py": {"CATALOGUE_SECONDS"},
    "bot/notifications/direct_messages.py": {"BURST_SECONDS"},
    "bot/handlers/options.py": {"SECONDS"},
    "vpsops/cli/audit.py": {"FOLLOW_SECONDS"},
    "core/outcomes/typical_durations.py": {"FRESH_SECONDS"},
    "core/diagnostics/database.py": {"SLOW_SECONDS"},
    "mcp_server/presenters/tasks.py": {"YOUNG_SECONDS"},
    "mcp_server/prompts/completions.py": {"PATIENCE", "SERVERS_SECONDS", "CATALOGUE_SECONDS", "FAILED_SECONDS"},
    "mcp_server/resources/updates.py": {"READY_SECONDS"},
    "mcp_server/prompts/prompts.py": {"PATIENCE", "MOST_HOURS"},
    # The pipe loads nothing of the core: what it waits for is its own.
    "mcp_server/pipe/pipe.py": {"FIRST_PAUSE_SECONDS", "LONGEST_PAUSE_SECONDS", "GIVE_UP_SECONDS", "RESUME_SECONDS"},
    "mcp_server/protocol/skills.py": {"TTL_MS"},
    "mcp_server/resources/resources.py": {"CATALOGUE_TTL_MS", "SETTLED_TTL_MS"},
    "mcp_server/server.py": {"LIST_TTL_MS"},
    "vpsops/cli/token.py": {"MOST_DAYS"},  # what may be typed
    # Not one of our limits: how the kernel handles idle connections.
    "core/storage/pools.py": {"PG_PATIENCE"},
    "core/server/rejections.py": {"EVERY_SECONDS"},  # of log lines
    # The pace that Slack documents for one channel.
    "bot/slack_api/rate_limiter.py": {"POST_SECONDS", "EDIT_SECONDS"},
    # How the event loop is shared within a process, in thousandths.
    "bot/ingress/ack_scheduler.py": {"QUIET_SECONDS", "PATIENCE_SECONDS", "SLOW_SECONDS"},
    "core/server/event_loop.py": {"SWITCH_SECONDS"},
    # What an HTTP server sends to a client, and how it closes a socket.
    "core/server/http_server.py": {"CLOSE_SECONDS", "RETRY_SECONDS"},
}


def written_here(path: Path) -> Iterator[str]:
    """Yield the module-level names of times that are written as a number."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        numbers = value is not None and any(
            isinstance(part, ast.Constant) and isinstance(part.value, int | float) for part in ast.walk(value)
        )
        for target in targets:
            if numbers and isinstance(target, ast.Name) and set(target.id.split("_")) & set(TIMES):
                yield target.id


@pytest.mark.parametrize(
    "relation", RELATIONS, ids=lambda relation: f"{' + '.join(relation.shorter)} <= {' + '.join(relation.longer)}"
)
@pytest.mark.requirement("time-limits-agree")
def test_a_relation_holds(relation: Relation) -> None:
    """Checked with the defaults, which are what runs."""
    shorter, longer = [[seconds_of(name) for name in names] for names in (relation.shorter, relation.longer)]
    assert holds(relation), f"{relation.why}: {shorter} is longer than {longer}"


def test_a_relation_that_does_not_hold_is_noticed() -> None:
    """Two limits that contradict each other, as a window shorter than what it had to hold once did."""
    broken = {relation for relation in RELATIONS if not holds(relation, replace(DEFAULT_TIMING, read_budget=30.0))}
    assert {item.shorter[0] for item in broken} == {"timing.read_budget"}
    broken = {
        relation
        for relation in RELATIONS
        if not holds(relation, transport=replace(DEFAULT_TRANSPORT, change_seconds=600.0))
    }
    assert len(broken) == 1


def test_no_limit_is_forgotten() -> None:
    """Each limit on how the engine, the provider and Slack wait for each other has a relation, or a reason for none."""
    alone = {
        "timing.write_burst", "timing.sends", "timing.poll_idle", "timing.poll_jitter", "timing.outage_seconds",
        "timing.breaks", "timing.escalate_share", "timing.remind_share", "timing.clock_skew",
        "transport.write_seconds", "transport.wait_initial", "transport.wait_jitter",
    }  # fmt: skip
    named = {name for relation in RELATIONS for name in (*relation.shorter, *relation.longer)}
    every = {f"timing.{field.name}" for field in fields(DEFAULT_TIMING)}
    every |= {
        f"transport.{item.name}" for item in fields(DEFAULT_TRANSPORT) if item.type is float or item.type == "float"
    }
    assert every - named == alone


def test_no_limit_is_written_elsewhere() -> None:
    """A time limit that is written where it is used is compared with no other: it belongs in `core/common/timings.py`.

    What only a screen or a socket knows of is named in `ELSEWHERE`, with the reason.
    """
    results: dict[str, set[str]] = {}
    for folder in PRODUCT:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if name != "core/common/timings.py" and (names := set(written_here(path))):
                results[name] = names
    strangers = {name: names - ELSEWHERE.get(name, set()) for name, names in results.items()}
    assert {name: names for name, names in strangers.items() if names} == {}
    gone = {name: names - results.get(name, set()) for name, names in ELSEWHERE.items()}
    assert {name: names for name, names in gone.items() if names} == {}


def test_every_relation_says_why() -> None:
    """A bound without its reason is moved by the next who is in its way."""
    assert all(len(relation.why.split()) >= 3 for relation in RELATIONS)
    assert len(set(RELATIONS)) == len(RELATIONS)


def test_the_tests_own_limits_are_in_proportion() -> None:
    """The relations on the order of write, end and query hold for shortened times as well."""
    kept = {"timing.read_budget", "timing.poll_young", "timing.poll_grown", "timing.late_pause"}
    broken = [
        relation
        for relation in RELATIONS
        if set(relation.shorter) | set(relation.longer) <= kept and not holds(relation, QUICK)
    ]
    assert broken == []


def test_days_count_as_days() -> None:
    """A name includes its unit."""
    assert seconds_of("HOLD_DAYS") == 7 * timings.DAY_SECONDS
    assert seconds_of("MESSAGE_RETRY_SECONDS") == max(timings.MESSAGE_RETRY_SECONDS)
