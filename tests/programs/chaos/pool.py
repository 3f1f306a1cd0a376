"""Trials in several processes, each with its own database."""

from __future__ import annotations

import atexit
import multiprocessing
import warnings
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from programs.chaos.trial import Database, Outcome, run_trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_database: Database | None = None


def trials(seeds: Iterable[int], jobs: int) -> Iterator[Outcome]:
    """Run the trials of these seeds in parallel; the outcomes come in the seeds' order."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare) as pool:
        yield from pool.map(_trial, seeds)


def _prepare() -> None:
    global _database  # noqa: PLW0603 - a worker process has one database for all of its trials
    warnings.simplefilter("ignore")
    _database = Database()
    _database.__enter__()
    # DuckDB complains about open connections when Python ends.
    atexit.register(_database.__exit__)


def _trial(seed: int) -> Outcome:
    assert _database is not None
    return run_trial(seed, _database)
