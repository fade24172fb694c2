"""Background tasks: what breaks is started again, is logged with an id, can be seen, and ends nothing else."""

import ast
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
import structlog
from anyio.abc import TaskGroup
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from tests.harness.patience import LOOK_SECONDS, PATIENCE_SECONDS
from tests.harness.repository import ROOT
from vpsops.core.common import supervision
from vpsops.core.common.errors import ConfigurationError, StorageError
from vpsops.core.common.supervision import (
    JITTER,
    LONGEST_PAUSE_SECONDS,
    STEADY_SECONDS,
    Supervisor,
    TaskStatus,
    pause_seconds,
)

PRODUCT = ("core", "bot", "mcp_server", "vpsops/cli")
AWAITED = {
    ("vpsops/cli/data/ship.py", "_follow"): "the one thing that the command does, until it is stopped",
    ("core/server/service_manager.py", "reported"): "signs of life for as long as the caller's block runs",
    ("vpsops/cli/operations/session.py", "until_stopped"): "cancels the one call that its caller waits for",
    ("core/limits/account.py", "_priced"): "a fan-out awaited by its caller",
    ("core/messaging/outbox.py", "_due_now"): "a read awaited by its caller, or overtaken",
    ("core/monitoring/monitor.py", "_read"): "a fan-out awaited by its caller",
    ("core/outcomes/absence.py", "completed"): "a fan-out awaited by its caller",
    ("core/execution/plans/worker.py", "_settle"): "a fan-out awaited by its caller",
    ("core/service/plans/grant_submission.py", "_read_in_full"): "a fan-out awaited by its caller",
    ("core/service/plans/runbook_selection.py", "_read_in_full"): "a fan-out awaited by its caller",
    ("core/service/plans/selection.py", "find"): "a fan-out awaited by its caller",
    ("core/execution/settlement.py", "_read_quickly"): "a fan-out awaited by its caller",
    (
        "core/execution/settlement.py",
        "_read_apart",
    ): "each read catches what breaks it, and ends with the poller's task",
    ("core/outcomes/inspector.py", "settle"): "each read catches what breaks it, and ends with the poller's task",
    ("core/execution/poller.py", "_round"): "catches what breaks it, and ends with the poller's task",
    ("core/operations/families/create.py", "check_choices"): "a fan-out awaited by its caller",
    ("core/operations/server_lists.py", "read_in_full"): "a fan-out awaited by its caller",
    ("bot/notifications/outbox_worker.py", "_in_hand"): "keeps the claim on one message, and ends with its delivery",
    ("bot/notifications/card_sync.py", "run"): "a fan-out awaited by its caller",
    ("bot/handlers/home.py", "_rounds"): "a fan-out awaited by its caller",
    ("bot/context/permalinks.py", "links_to"): "a fan-out awaited by its caller",
    ("bot/context/bot_context.py", "_read_catalogue"): "a fan-out awaited by its caller",
    ("bot/features/home_query.py", "_slow_parts"): "a fan-out awaited by its caller",
    ("bot/features/operations.py", "patiently"): "belongs to the answer that it speaks for, and ends with it",
    ("core/identity/account_questions.py", "answer_questions"): "a fan-out awaited by its caller",
    ("mcp_server/tools/change_flow.py", "_push"): "belongs to the call that it speaks for, and ends with it",
    (
        "mcp_server/fast_start/snapshot.py",
        "_converse",
    ): "a session with its own server, awaited by its caller",
    ("bot/socket_mode.py", "connect"): "the first attempt, awaited by its caller",
    ("bot/socket_mode.py", "_serve"): "ends with the connection that it closes",
    ("core/server/shutdown.py", "on_stop"): "waits for one event",
    ("core/server/http_server.py", "serve"): "waits for one event",
    ("mcp_server/http/server.py", "serve_mcp"): "waits for one event",
    ("vpsops/cli/mcp.py", "_serve_core"): "what the process is there for: it ends with its one client",
    ("vpsops/cli/mcp.py", "_begin_end"): "ends the process, and is bounded",
    ("core/common/supervision.py", "start"): "the supervisor itself",
    ("core/common/supervision.py", "start_once"): "the supervisor itself",
}


@dataclass
class Loop:
    """A task that fails a given number of times, then keeps running."""

    breaks: int
    error: Exception = field(default_factory=lambda: RuntimeError("boom"))
    starts: int = 0

    async def run(self) -> None:
        self.starts += 1
        if self.starts <= self.breaks:
            raise self.error
        await anyio.sleep_forever()


@dataclass
class Watch:
    """A supervisor in a group, and the clock that it counts by."""

    clock: FakeClock
    supervisor: Supervisor
    group: TaskGroup

    def status(self, name: str) -> TaskStatus:
        (result,) = (item for item in self.supervisor.statuses() if item.name == name)
        return result

    async def until(self, condition: Callable[[], bool], step: float = 0.0) -> None:
        """Let time pass in steps until a condition holds."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while not condition():
                self.clock.advance(step)
                await anyio.sleep(LOOK_SECONDS)


@pytest.fixture(autouse=True)
def fresh_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    """A logger that no other test has used: a used one keeps its configuration."""
    monkeypatch.setattr(supervision, "logger", structlog.get_logger())


@asynccontextmanager
async def watching() -> AsyncIterator[Watch]:
    async with anyio.create_task_group() as group:
        clock = FakeClock()
        yield Watch(clock, Supervisor(clock), group)
        group.cancel_scope.cancel()


@pytest.mark.requirement("task-supervised")
async def test_a_task_that_breaks_is_started_again_and_ends_no_other() -> None:
    async with watching() as watch:
        broken, sound = Loop(breaks=3), Loop(breaks=0)
        watch.supervisor.start("broken", broken.run, group=watch.group)
        watch.supervisor.start("sound", sound.run, group=watch.group)
        await watch.until(lambda: watch.status("broken").failures == 1)
        assert not watch.status("broken").running
        await watch.until(lambda: broken.starts == 4, step=0.1)
        assert watch.status("broken") == TaskStatus("broken", True, None, 3, watch.status("broken").last_error_id)
        assert watch.status("broken").last_error_id.startswith("err_")
        assert (sound.starts, watch.status("sound")) == (1, TaskStatus("sound", True, None, 0, ""))


@pytest.mark.requirement("task-supervised")
async def test_each_failure_is_logged_with_its_id_and_only_the_first_of_a_kind_with_its_traceback() -> None:
    with structlog.testing.capture_logs() as logged:
        async with watching() as watch:
            loop = Loop(breaks=2)
            watch.supervisor.start("loop", loop.run, group=watch.group)
            await watch.until(lambda: loop.starts == 3, step=0.1)
            last = watch.status("loop").last_error_id
    failures = [item for item in logged if item["event"] == "task_failed"]
    assert [bool(failure["exc_info"]) for failure in failures] == [True, False]
    assert failures[1]["error_id"] == last != failures[0]["error_id"]


async def test_an_error_of_ours_keeps_the_id_that_it_has() -> None:
    error = StorageError("The disk is full.")
    async with watching() as watch:
        watch.supervisor.start("loop", Loop(breaks=1, error=error).run, group=watch.group)
        await watch.until(lambda: watch.status("loop").failures == 1)
        assert watch.status("loop").last_error_id == error.error_id


async def test_a_finished_round_forgets_the_failures_and_not_the_last_id() -> None:
    async with watching() as watch:
        loop = Loop(breaks=2)
        watch.supervisor.start("loop", loop.run, group=watch.group)
        await watch.until(lambda: loop.starts == 3, step=0.1)
        watch.clock.advance(7)
        watch.supervisor.recorder("loop")()
        status = watch.status("loop")
        assert (status.failures, status.last_round) == (0, watch.clock.monotonic())
        assert status.last_error_id


async def test_a_task_that_was_steady_begins_with_the_first_pause_again() -> None:
    async with watching() as watch:
        clock, starts = watch.clock, []

        async def breaks_late() -> None:
            starts.append(clock.monotonic())
            if len(starts) == 4:
                await clock.sleep(STEADY_SECONDS)
            raise RuntimeError("boom")

        watch.supervisor.start("loop", breaks_late, group=watch.group)
        await watch.until(lambda: len(starts) == 4, step=0.1)
        assert watch.status("loop").failures == 3
        await watch.until(lambda: not watch.status("loop").running, step=1)
        assert watch.status("loop").failures == 1


async def test_a_task_that_returns_is_started_again_unless_it_ends() -> None:
    async with watching() as watch:
        returns = 0

        async def work() -> None:
            nonlocal returns
            returns += 1

        watch.supervisor.start("for ever", work, group=watch.group)
        watch.supervisor.start("ends", work, group=watch.group, ends=True)
        await watch.until(lambda: returns == 5, step=0.1)
        assert [item.name for item in watch.supervisor.statuses()] == ["for ever"]
        assert watch.status("for ever").failures >= 3


async def test_a_fatal_error_is_passed_on_and_no_other() -> None:
    async def run() -> None:
        async with watching() as watch:
            loop = Loop(breaks=1, error=ConfigurationError("No."))
            watch.supervisor.start("loop", loop.run, group=watch.group, fatal=(ConfigurationError,))
            await anyio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await run()
    assert caught.group_contains(ConfigurationError)


async def test_what_is_cancelled_is_listed_no_more() -> None:
    async with watching() as watch:
        supervisor = watch.supervisor
        supervisor.start("running", Loop(breaks=0).run, group=watch.group)
        supervisor.start("waiting", Loop(breaks=9).run, group=watch.group)
        await watch.until(lambda: watch.status("waiting").failures == 1)
        assert len(supervisor.statuses()) == 2
    assert supervisor.statuses() == []


async def test_a_single_piece_of_work_that_breaks_ends_nothing_else() -> None:
    with structlog.testing.capture_logs() as logged:
        async with watching() as watch:
            watch.supervisor.start_once("piece", Loop(breaks=1).run, group=watch.group)
            await watch.until(lambda: bool(logged))
            assert watch.supervisor.statuses() == []
    assert [(item["event"], item["task"]) for item in logged] == [("task_failed", "piece")]
    assert logged[0]["error_id"].startswith("err_")


@given(failures=st.integers(1, 10_000), jitter=st.floats(-JITTER, JITTER))
def test_pauses_grow_and_are_bounded(failures: int, jitter: float) -> None:
    now, later = pause_seconds(failures, jitter), pause_seconds(failures + 1, jitter)
    assert 0 < now <= later <= LONGEST_PAUSE_SECONDS * (1 + JITTER)


@pytest.mark.requirement("task-supervised")
def test_nothing_runs_in_the_background_without_a_supervisor() -> None:
    """Every start of a task in the product is the supervisor's, or its caller waits for it."""
    files = [path for part in PRODUCT for path in (ROOT / part).rglob("*.py")] + [*ROOT.glob("vpsops*.py")]
    results = {(path.relative_to(ROOT).as_posix(), name) for path in files for name in _starters(path)}
    assert results == AWAITED.keys()


def _starters(path: Path) -> set[str]:
    """Return the functions at the top of a module or class that start a task themselves."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bodies = [tree.body, *(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]
    outer = [item for body in bodies for item in body if isinstance(item, _FUNCTIONS)]
    return {item.name for item in outer if any(_starts(node) for node in ast.walk(item))}


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _starts(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in {"start_soon", "create_task", "ensure_future"}
