"""The errors that learnset raises. Each message says what happened, why, and what to do.

```
Exception
 ├─ InputError(ValueError)          the request cannot be met; nothing was written  exit code 2
 ├─ DivergedError(ArithmeticError)  a loss or a parameter became NaN or infinite    exit code 1
 ├─ NotWrittenError(OSError)        a file could not be written                     exit code 1
 ├─ WorkerLostError(RuntimeError)   a process that worked for this one was killed   exit code 1
 └─ Interrupted(KeyboardInterrupt)  Ctrl-C, after the state was saved               exit code 1
```
"""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

RECIPE = "Recipe: "  # before the name of a recipe that is noted with an error


class InputError(ValueError):
    """A request that cannot be met. Raised before any work begins and before anything is
    written."""


class DivergedError(ArithmeticError):
    """Training met NaN or infinity. The last good state is kept if there is an output directory."""


class NotWrittenError(OSError):
    """A file could not be written: the disk is full, the folder was deleted, or the like. Files
    that were written before are whole."""


class WorkerLostError(RuntimeError):
    """A process that worked for this one was killed again and again. What others did is kept."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C was pressed. The state was saved, and the message says how to resume."""


def check_positive(owner: str, **values: Any) -> None:
    """Raises `InputError` unless each value is finite and above zero. Arrays and tracers pass: bad
    ones show in the results."""
    for name, value in values.items():
        if isinstance(value, (int, float)) and not (math.isfinite(value) and value > 0):
            raise InputError(
                f"{owner}: `{name}={value}`, but `{name}` must be a finite number above zero."
            )


def check_not_negative(owner: str, **values: Any) -> None:
    """Raises `InputError` unless each value is finite and zero or above."""
    for name, value in values.items():
        if isinstance(value, (int, float)) and not (math.isfinite(value) and value >= 0):
            raise InputError(
                f"{owner}: `{name}={value}`, but `{name}` must be a finite number, zero or above."
            )


def check_range(owner: str, **ranges: tuple[float, float]) -> None:
    """Raises `InputError` unless each range is a finite (low, high) with low <= high."""
    for name, (low, high) in ranges.items():
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise InputError(
                f"{owner}: `{name}=({low}, {high})`, but a range is (low, high) with low <= high."
            )


@contextlib.contextmanager
def needs(extra: str) -> Iterator[None]:
    """A guard around imports of optional packages: if one is missing, the error says which extra of
    learnset installs it.

    **Raises:** `InputError` if a package is not installed.

    >>> from learnset.core import needs
    >>> with needs("tables"):
    ...     import polars
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise InputError(
            f"The package `{package}` is not installed. Install it with:"
            f" pip install 'learnset[{extra}]'."
        ) from error
