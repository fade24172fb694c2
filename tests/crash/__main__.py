"""`make crash`: crash runs on SQLite and PostgreSQL over seeds; exits 1 when anything was lost or done twice."""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import anyio

from tests.crash.run import Result, Run, describe, play
from tests.fakes.postgres import running_postgres


def main() -> int:
    """Play the runs and print their table."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--freeze", action="store_true", help="stop and wake processes instead of killing them")
    wanted = parser.parse_args()
    results = []
    with ExitStack() as stack:
        kinds = ["sqlite", "postgresql"] if wanted.database == "both" else [wanted.database]
        server = stack.enter_context(running_postgres()) if "postgresql" in kinds else None
        for kind in kinds:
            for seed in wanted.seeds:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vpsops-crash-")))
                url = server.database() if kind == "postgresql" and server else f"sqlite:///{folder / 'db.sqlite3'}"
                result = anyio.run(partial(play, Run(url, seed, wanted.changes, wanted.kills, wanted.freeze), folder))
                results.append(result)
                _tell(result)
    print("\n" + describe(results))  # noqa: T201
    return 0 if all(result.good for result in results) else 1


def _tell(result: Result) -> None:
    problems = [*result.verdict.wrong, *result.audit_faults, *result.cards_wrong, *result.died]
    print(f"{result.run.database.split(':', 1)[0]} seed {result.run.seed}: {'good' if result.good else 'WRONG'}")  # noqa: T201
    for problem in problems[:20]:
        print(f"  {problem}")  # noqa: T201
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
