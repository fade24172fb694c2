"""Draw mutants, run the tests of their modules, and say which were not noticed."""

import argparse
import queue
import sys
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.mutants.areas import AREAS, missing
from tests.mutants.copies import MutantVerdict, TreeCopy, copied
from tests.mutants.draw import all_mutants, drawn, survivors
from tests.mutants.operators import Mutant
from tests.mutants.report import LAST, PAGE, Result, complaints, mutant_line, note, noticed_before, page, score

DRAW: Final = 120
WORKERS: Final = 2
LEAST_SECONDS: Final = 60.0
PATIENCE: Final = 4  # times as long as the tests take without a fault


def main() -> int:
    """Run, report, and return 0 where all is well."""
    options = _options()
    if absent := missing():
        print("not there: " + ", ".join(absent), file=sys.stderr)  # noqa: T201 - a command
        return 2
    named = survivors()
    pool = all_mutants({name: area for name, area in AREAS.items() if not options.area or name in options.area})
    expected = [(area, mutant, True) for area, mutant in drawn(pool, options.seed, options.draw)]
    chosen = {mutant.ident for _, mutant, _ in expected}
    expected += [
        (area, mutant, False)
        for area, mutants in pool.items()
        for mutant in mutants
        if mutant.ident in named and mutant.ident not in chosen
    ]
    run = Run([item for item in expected if not options.only or item[1].ident in options.only])
    if options.again:
        run.keep(noticed_before(LAST))
    run.work(options.workers)
    if options.area or options.only:
        results = [f"not noticed: {mutant_line(result.mutant)}" for result in run.results if not result.is_noticed]
    else:
        results = complaints(run.results, named)
        sizes = {name: len(mutants) for name, mutants in pool.items()}
        if not run.broken:  # a part of a draw is no figure
            PAGE.write_text(page(run.results, named, sizes, options.seed), encoding="utf-8")
    print("\n".join([*run.broken, *results, f"{score(run.results):.1%} of the drawn mutants were noticed"]))  # noqa: T201
    return 1 if results or run.broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="which mutants are drawn")
    parser.add_argument("--draw", type=int, default=DRAW, help="how many are drawn")
    parser.add_argument("--workers", type=int, default=WORKERS, help="how many are tried at once")
    parser.add_argument("--area", action="append", choices=list(AREAS), help="only these areas; writes no page")
    parser.add_argument("--again", action="store_true", help="try only what the last run did not notice or come to")
    parser.add_argument("--only", action="append", help="only mutants of these names; writes no page")
    return parser.parse_args()


@dataclass(slots=True)
class Run:
    """The mutants to try, and what came of those that were tried."""

    chosen: Sequence[tuple[str, Mutant, bool]]
    results: list[Result] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    _total: int = 0
    _limits: dict[str, float] = field(default_factory=dict)
    _locks: dict[str, threading.Lock] = field(default_factory=lambda: {area: threading.Lock() for area in AREAS})
    _left: "queue.SimpleQueue[tuple[str, Mutant, bool]]" = field(default_factory=queue.SimpleQueue)

    def keep(self, noticed: Collection[str]) -> None:
        """Take mutants for noticed that an earlier run noticed: tests that were added since lose nothing."""
        self.results += [
            Result(*item[:2], MutantVerdict.FAILED, item[2]) for item in self.chosen if item[1].ident in noticed
        ]
        self.chosen = [item for item in self.chosen if item[1].ident not in noticed]

    def work(self, workers: int) -> None:
        """Try every mutant, in so many copies of the tree at once."""
        self._total = len(self.results) + len(self.chosen)
        for item in self.chosen:
            self._left.put(item)
        threads = [threading.Thread(target=self._worker, args=(number,)) for number in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _worker(self, number: int) -> None:
        try:
            with copied(number) as copy:
                while True:
                    self._try(copy, *self._left.get_nowait())
        except queue.Empty:
            return
        except Exception as error:  # noqa: BLE001 - reported at the end by the main thread
            self.broken.append(f"a worker ended: {error}")

    def _try(self, copy: TreeCopy, area: str, mutant: Mutant, chosen: bool) -> None:
        tests = AREAS[area].tests_of(mutant.path)
        limit = self._limit(copy, area)
        begun = time.perf_counter()
        with copy.mutated(mutant):
            verdict = copy.test(tests, limit)
        self.results.append(Result(area, mutant, verdict, chosen))
        note(LAST, self.results)  # a run that is stopped goes on with --again
        word = "NOT NOTICED" if verdict is MutantVerdict.PASSED else "noticed"
        done = f"{len(self.results)} of {self._total}"
        print(f"{done} {word} in {time.perf_counter() - begun:.0f} s: {mutant_line(mutant)}", flush=True)  # noqa: T201

    def _limit(self, copy: TreeCopy, area: str) -> float:
        """Return the seconds that the tests of a module may take; raises where they fail without any fault."""
        with self._locks[area]:
            if area not in self._limits:
                begun = time.perf_counter()
                if copy.test(AREAS[area].all_tests, 20 * LEAST_SECONDS) is not MutantVerdict.PASSED:
                    raise RuntimeError(f"the tests of {area} fail without a mutant")
                self._limits[area] = max(PATIENCE * (time.perf_counter() - begun), LEAST_SECONDS)
            return self._limits[area]


if __name__ == "__main__":
    sys.exit(main())
