"""The progress of a run on the terminal: loss, steps per second, time left."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Bar:
    """One line on standard error that follows one run; empty if `shown` is false."""

    def __init__(self, name: str, steps: int, *, shown: bool):
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:>6,.0f}/{task.total:,.0f}"),
            TextColumn("{task.fields[words]:<30}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
        )
        self._progress = Progress(*columns, console=Console(stderr=True), disable=not shown)
        self._task = self._progress.add_task(name, total=steps, words="compiling")

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._progress.stop()

    def at(self, step: int, *, loss: float | None = None, rate: float | None = None) -> None:
        """Moves the line to a step."""
        words = "" if loss is None else f"loss {loss:<8.4g}"
        words += "" if rate is None else f" {rate:,.0f} steps/s"
        self._progress.update(self._task, completed=step, words=words)


def shown_by_default() -> bool:
    """Whether standard error is a terminal: progress is for people."""
    return sys.stderr.isatty()


class Stop:
    """Whether Ctrl-C was pressed."""

    requested = False


@contextmanager
def ctrl_c(*, waits: bool) -> Iterator[Stop]:
    """Turns the first Ctrl-C into `stop.requested`, so that the current step can be finished and
    saved; the second one interrupts at once. Does nothing if `waits` is false, or outside the main
    thread, where signals cannot be caught."""
    stop = Stop()
    if not waits or threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def note(*_: Any) -> None:
        stop.requested = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
