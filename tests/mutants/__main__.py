"""`python -m tests.mutants`: plants every mistake of the catalogue, one at a time, and says which the tests miss.

First all judges are asked about the tree as it is: a judge that fails there would catch everything.

Exit codes: 0 all are caught · 1 some survived · 2 the catalogue is older than the program, or a judge fails by itself.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import groupby
from pathlib import Path

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant
from tests.mutants.trying import ROOT, THE_COPY, Fate, Trial, asked, copied, tried


def main() -> int:
    options = _options()
    chosen = [one for one in MUTANTS if not options.names or any(name in one.name for name in options.names)]
    if options.list:
        print(*(f"{one.name:30} {one.rule}" for one in chosen), sep="\n")
        return 0
    if stale := [problem for one in chosen if (problem := _stale(one))]:
        print("the catalogue is older than the program:", *stale, sep="\n  ")
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        base = copied(Path(folder))
        if not _sound(base, chosen, options.workers):
            return 2
        trials = _trials(base, chosen, options.workers)
    return _summed_up(trials, time.monotonic() - began)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="only the mutants whose name contains one of these")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="how many at a time (default: 2)")
    parser.add_argument("--list", action="store_true", help="name them and the rules they break, and stop")
    return parser.parse_args()


def _stale(mutant: Mutant) -> str:
    try:
        mutant.planted((ROOT / mutant.file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        return str(problem)
    return ""


def _sound(base: Path, chosen: Sequence[Mutant], workers: int) -> bool:
    """Whether the tree passes all judges while nothing is planted."""
    judges = sorted({judge for one in chosen for judge in one.judges} | {THE_COPY})
    files = [list(found) for _, found in groupby(judges, key=lambda judge: judge.partition("::")[0])]
    began = time.monotonic()
    with ThreadPoolExecutor(workers) as pool:
        trials = list(pool.map(lambda found: asked(base, found), files))
    bad = [(found[0], trial) for found, trial in zip(files, trials, strict=True) if trial.fate is not Fate.SURVIVED]
    for judge, trial in bad:
        print(f"unsound: {judge.partition('::')[0]} fails while nothing is planted: {trial.by}")
    said = f"{len(judges)} judges find {'no mistake' if not bad else 'mistakes'} where none is planted"
    print(f"{'sound' if not bad else 'UNSOUND':9} {time.monotonic() - began:5.1f} s  {said}", flush=True)
    return not bad


def _trials(base: Path, chosen: Sequence[Mutant], workers: int) -> dict[str, Trial]:
    trials: dict[str, Trial] = {}
    pool = ThreadPoolExecutor(workers)
    try:
        waiting = {pool.submit(tried, base, one): one for one in chosen}
        for done in as_completed(waiting):
            mutant, trial = waiting[done], done.result()
            trials[mutant.name] = trial
            told = trial.by if trial.fate is not Fate.SURVIVED else mutant.rule
            print(f"{trial.fate.value:9} {trial.seconds:5.1f} s  {mutant.name:30} {told}", flush=True)
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupt ends with the trials that are under way
    return trials


def _summed_up(trials: dict[str, Trial], seconds: float) -> int:
    fates = [trial.fate for trial in trials.values()]
    caught, survived, broken = (fates.count(fate) for fate in Fate)
    print(f"{len(fates)} planted, {caught} caught, {survived} survived, {broken} broken, {seconds:.0f} s")
    return 2 if broken else 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
