"""The progress of a run on the terminal: loss, steps per second, time left."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Bar:
    """One line on standard error that follows one run; empty if `shown` is false."""

    def __init__(self, name: str, steps: int, *, shown: bool):
        from rich import console, progress  # here: the import takes a tenth of a second

        columns = (
            progress.TextColumn("{task.description:<28}"),
            progress.BarColumn(bar_width=24),
            progress.TextColumn("{task.completed:>6,.0f}/{task.total:,.0f}"),
            progress.TextColumn("{task.fields[status]:<30}"),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(compact=True),
        )
        terminal = console.Console(stderr=True)
        self._progress = progress.Progress(*columns, console=terminal, disable=not shown)
        self._task = self._progress.add_task(name, total=steps, status="compiling")

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._progress.stop()

    def at(self, step: int, *, loss: float | None = None, rate: float | None = None) -> None:
        """Moves the line to a step."""
        status = "" if loss is None else f"loss {loss:<8.4g}"
        status += "" if rate is None else f" {rate:,.0f} steps/s"
        self._progress.update(self._task, completed=step, status=status)


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
