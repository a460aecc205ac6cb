"""Runs one command: parses its words, and turns errors into one line."""

import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr
from importlib import import_module
from io import StringIO
from typing import Any

import jax
import tyro
from jaxtyping import AbstractArray

from ..core import (
    DivergedError,
    in_precision,
    InputError,
    NotWrittenError,
    prune,
    RECIPE,
    WorkerLostError,
)
from ..data import failure_of
from . import CACHE, leave, say, with_subject, word_of
from ._console import terminal
from ._launch import PROCESS
from ._limits import check_numbers, options
from ._messages import as_typed, is_memory, of_parser, of_system, unexpected

# Variables with the number of processes: of SLURM (`srun`, not the script of a job), Open MPI.
STARTED = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")
MOST_CACHED = 2 * 2**30  # bytes of compiled programs
TRACEBACK = "LEARNSET_TRACEBACK"  # a variable that shows where an error was raised


def run(arguments: list[str]) -> int:
    """Runs a command, with compiled programs kept between runs.

    **Returns:** the exit code.
    """
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    jax.config.update("jax_compilation_cache_dir", str(CACHE) if cache is None else cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    shown = bool(os.environ.get(TRACEBACK)) or "--traceback" in arguments
    arguments = [word for word in arguments if word != "--traceback"]
    command, first = None, True
    with warnings.catch_warnings():
        warnings.showwarning = _say_warning
        try:
            first = _join_processes(arguments)
            arguments = with_subject(arguments)
            command = parse(arguments)
            asked = [value for _, name, value in options(command) if name == "precision"]
            with in_precision(asked[0] if asked else None):
                command.run(terminal(), arguments)
        except KeyboardInterrupt as error:
            signal.signal(signal.SIGINT, leave)
            return say(1, str(error) or "Stopped.") if first else 1
        except Exception as error:
            if shown:
                traceback.print_exc()
            error = failure_of(error)
            code, line = _code_and_line(error, arguments, command)
            # The recipe that a comparison notes with an error, unless the error names it.
            notes = [note for note in getattr(error, "__notes__", ()) if note.startswith(RECIPE)]
            names = [name for note in notes if (name := note.removeprefix(RECIPE)) not in line]
            if not first and isinstance(error, InputError | DivergedError):
                return code  # the first one says the same
            return say(code, ": ".join([*names, line]))
    if cache is None:
        prune(CACHE, MOST_CACHED)
    return 0


def _join_processes(arguments: list[str]) -> bool:
    """Joins the processes that train together: those of `learnset launch`, of `srun` or `mpirun`.

    **Returns:** whether this is the first, or the only one; the others print no results.
    """
    if arguments[0] != "train":
        return True
    if place := os.environ.get(PROCESS):
        number, count, address = re.split("[/@]", place)
        jax.distributed.initialize(address, int(count), int(number), [int(number)])
    elif any(int(os.environ.get(name, 1)) > 1 for name in STARTED):
        jax.distributed.initialize()
    else:
        return True
    if jax.process_index() == 0:
        return True
    sys.stdout = open(os.devnull, "w")
    return False


def _code_and_line(error: Exception, arguments: list[str], command: Any) -> tuple[int, str]:
    match error:
        case InputError():
            return 2, as_typed(str(error), arguments, command)
        case DivergedError() | WorkerLostError():
            return 1, str(error)
        case NotWrittenError():
            return 1, as_typed(str(error), arguments, command)
        case BrokenPipeError():  # nobody reads on, as after `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1, "The output is not read any more."
        case OSError():
            return 1, of_system(error)
        case _ if is_memory(error):
            return 1, (
                "There is not enough memory for that. Lower the sizes, the number of seeds, or the"
                " number of tasks at once."
            )
    return 1, unexpected(error)


def _say_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """A warning of ours in one line; those of other libraries are for programmers."""
    if category is UserWarning:
        say(0, str(message))


def parse(arguments: Sequence[str]) -> Any:
    """The command that the words stand for. Help is printed, and ends the program, as usual.

    **Raises:** `InputError`, in one line.
    """
    for word in arguments:
        try:
            readable = b"\0" not in os.fsencode(word)
        except UnicodeEncodeError:
            readable = False
        if not readable:
            raise InputError(f"{word!r} is no text that a file or a word could be called.")
    name, *words = arguments
    word = word_of(arguments)
    kind = getattr(import_module(f".{word.module}", __package__), word.name)
    errors = StringIO()
    try:
        with redirect_stderr(errors):
            command = tyro.cli(
                kind,
                prog=f"learnset {name}",
                args=words,
                registry=_registry(),
                config=(
                    tyro.conf.SuppressFixed,
                    tyro.conf.CascadeSubcommandArgs,
                    tyro.conf.FlagCreatePairsOff,
                ),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise InputError(of_parser(errors.getvalue(), f"learnset {name}")) from None
    check_numbers(command)
    return command


def _registry() -> tyro.constructors.ConstructorRegistry:
    """How fields are read that may be numbers or arrays: from a word, as numbers."""
    registry = tyro.constructors.ConstructorRegistry()

    @registry.primitive_rule
    def number(
        info: tyro.constructors.PrimitiveTypeInfo,
    ) -> tyro.constructors.PrimitiveConstructorSpec | None:
        first, *others = getattr(info.type, "__args__", (None,))
        if first is not float or not others:
            return None
        if not all(issubclass(other, AbstractArray) for other in others):
            return None
        return tyro.constructors.PrimitiveConstructorSpec(
            nargs=1,
            metavar="FLOAT",
            instance_from_str=lambda words: float(words[0]),
            is_instance=lambda value: isinstance(value, float),
            str_from_instance=lambda value: [str(value)],
        )

    return registry
