"""Runs one command: parses its words, and turns errors into one line."""

import os
import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from importlib import import_module
from io import StringIO
from typing import Any

import jax
import tyro
from jaxtyping import AbstractArray
from rich.console import Console

from ..core import DivergedError, InputError, Interrupted
from . import CACHE, COMMANDS, say


def run(arguments: list[str]) -> int:
    """Runs a command, with compiled programs kept between runs.

    **Returns:** the exit code.
    """
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR", str(CACHE))
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    try:
        command = parse(arguments)
        command.run(Console(width=None if sys.stdout.isatty() else 120), arguments)
    except InputError as error:
        return say(2, str(error))
    except (DivergedError, Interrupted) as error:
        return say(1, str(error))
    except KeyboardInterrupt:
        return say(1, "Stopped.")
    return 0


def parse(arguments: Sequence[str]) -> Any:
    """The command that the words stand for. Help is printed, and ends the program, as usual.

    **Raises:** `InputError`, in one line.
    """
    name, *options = arguments
    word = COMMANDS[name]
    command = getattr(import_module(f".{word.module}", __package__), word.name)
    errors = StringIO()
    try:
        with redirect_stderr(errors):
            return tyro.cli(
                command,
                prog=f"learnset {name}",
                args=options,
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
        raise InputError(_one_line(errors.getvalue())) from None


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


def _one_line(box: str) -> str:
    """The words of tyro's error box as one line."""
    misplaced = re.findall(r"(--[\w-]+)\s+\(applied to ([^)]+)\)", " ".join(box.split()))
    if misplaced:
        flag, command = misplaced[0]
        return f"`{flag}` is no option of `{command}`. See `{command} --help`."
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in box.splitlines()]
    lines = [re.sub(r"[╭╮╰╯│─]+|-{5,}|[+|]", " ", line).strip() for line in plain]
    words = " ".join(line for line in lines[1:] if line)
    refused = re.match(
        r"Error parsing [\w -]+: (.*?)( For full helptext.*| See learnset.*)?$", words
    )
    if refused:  # by a class of ours, whose message needs no more words
        return " ".join(refused[1].split())
    return (
        " ".join(words.split())
        .replace("For full helptext, run", "See")
        .replace("For full helptext, see", "See")
    )
