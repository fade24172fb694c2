"""`make crash`: crash runs on SQLite and PostgreSQL over seeds; exits 1 when anything was lost or done twice."""

import argparse
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import anyio

from tests.crash.results import CrashResult, CrashRun, describe
from tests.crash.run import play
from tests.crash.scenarios import ON_POSTGRES, ON_SQLITE, ScenarioOutcome, wrong
from tests.fakes.storage.postgres import PostgresServer, running_postgres

Play = Callable[[Path], Awaitable[ScenarioOutcome]]


def main() -> int:
    """Play the runs and print their table."""
    options = _parser().parse_args()
    if options.scenarios:
        return _scenarios(options.database)
    results = []
    with ExitStack() as stack:
        kinds = ["sqlite", "postgresql"] if options.database == "both" else [options.database]
        server = stack.enter_context(running_postgres()) if "postgresql" in kinds else None
        for kind in kinds:
            for seed in options.seeds:
                folder = options.keep / f"{kind}-{seed}" if options.keep else None
                if folder is None:
                    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vpsops-crash-")))
                folder.mkdir(parents=True, exist_ok=True)
                url = server.database() if kind == "postgresql" and server else f"sqlite:///{folder / 'db.sqlite3'}"
                run = _run(options, url, seed)
                result = anyio.run(partial(play, run, folder))
                results.append(result)
                _print_results(result)
    print("\n" + describe(results))  # noqa: T201
    return 0 if all(result.is_good for result in results) else 1


def _run(options: argparse.Namespace, url: str, seed: int) -> CrashRun:
    return CrashRun(
        url,
        seed,
        options.changes,
        options.kills,
        options.freeze,
        hold_seconds=options.hold,
        plans=options.plans,
        members=options.members,
        ends=options.ends,
        most_gap_seconds=options.most_gap,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--plans", type=int, default=4, help="plans of ten servers each")
    parser.add_argument("--members", type=int, default=0, help="so many members of further plans have to begin")
    parser.add_argument("--ends", type=int, default=4, help="servers with an end")
    parser.add_argument("--hold", type=float, default=20.0, help="seconds after which what no one confirms expires")
    parser.add_argument("--most-gap", type=float, default=8.0, help="seconds between two kills at most")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--keep", type=Path, help="a new folder for databases and logs, to look at afterwards")
    parser.add_argument("--freeze", action="store_true", help="stop and wake processes instead of killing them")
    parser.add_argument("--scenarios", action="store_true", help="play a moved file and stores that go back instead")
    return parser


def _scenarios(database: str) -> int:
    """Play each scenario of the databases in a folder and, on PostgreSQL, on a server of its own."""
    plays: list[tuple[str, Play]] = []
    if database != "postgresql":
        plays += [(f"sqlite: {name}", scenario) for name, scenario in ON_SQLITE.items()]
    if database != "sqlite":
        plays += [(f"postgresql: {name}", partial(_on_own_server, scenario)) for name, scenario in ON_POSTGRES.items()]
    faults: list[str] = []
    for name, scenario in plays:
        with tempfile.TemporaryDirectory(prefix="vpsops-crash-") as folder:
            results = wrong(anyio.run(scenario, Path(folder)))
        print(f"{name}: {'good' if not results else 'WRONG: ' + '; '.join(results)}", flush=True)  # noqa: T201
        faults += results
    return 1 if faults else 0


async def _on_own_server(
    scenario: Callable[[PostgresServer, Path], Awaitable[ScenarioOutcome]], folder: Path
) -> ScenarioOutcome:
    with running_postgres() as server:
        return await scenario(server, folder)


def _print_results(result: CrashResult) -> None:
    print(f"{result.run.database.split(':', 1)[0]} seed {result.run.seed}: {'good' if result.is_good else 'WRONG'}")  # noqa: T201
    for problem in result.wrong[:20]:
        print(f"  {problem}")  # noqa: T201
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
