"""The command `learnset`: words become objects here, and nowhere else."""

import os
import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import jax
import tyro
from jaxtyping import AbstractArray
from rich.console import Console

from ..core import DivergedError, InputError, Interrupted
from ._compare import Compare
from ._draw import Draw
from ._keep import Adapt, Predict
from ._study import Study
from ._train import Evaluate, Train

# Compiled programs are kept between runs: compiling is most of a short run's time.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "learnset" / "xla"


TABLES = {
    ".csv",
    ".tsv",
    ".txt",
    ".parquet",
    ".pq",
    ".xlsx",
    ".xls",
    ".json",
    ".feather",
    ".arrow",
}  # not all can be read
COMMANDS = {
    "compare": Compare,
    "study": Study,
    "train": Train,
    "evaluate": Evaluate,
    "draw": Draw,
    "adapt": Adapt,
    "predict": Predict,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    **Returns:** the exit code: 0, 1 for a run that failed or was stopped, 2 for input that cannot work.
    """
    arguments = _with_files(list(sys.argv[1:] if arguments is None else arguments))
    if (
        "--quick" in arguments
    ):  # most of a short run is compilation, of which LLVM's last levels take a quarter
        os.environ["XLA_FLAGS"] = (
            f"--xla_backend_optimization_level=1 {os.environ.get('XLA_FLAGS', '')}"
        )
    jax.config.update(
        "jax_compilation_cache_dir", os.environ.get("JAX_COMPILATION_CACHE_DIR", str(CACHE))
    )
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    try:
        command = parse(arguments)
        command.run(Console(width=None if sys.stdout.isatty() else 120), arguments)
    except InputError as error:
        return _say(2, str(error))
    except (DivergedError, Interrupted) as error:
        return _say(1, str(error))
    except KeyboardInterrupt:
        return _say(1, "Stopped.")
    return 0


def _with_files(arguments: list[str]) -> list[str]:
    """`compare path/to/folder` means `compare files path/to/folder`; so for an .npz file, and for `draw`. `compare data.csv`
    means `compare table data.csv`."""
    if len(arguments) > 1 and arguments[0] in ("compare", "draw"):
        word = arguments[1]
        if arguments[0] == "compare" and Path(word).suffix.lower() in TABLES:
            return [arguments[0], "table", *arguments[1:]]
        if word.endswith(".npz") or (
            not word.startswith("-") and (os.sep in word or Path(word).is_dir())
        ):
            return [arguments[0], "files", *arguments[1:]]
    return arguments


def _say(code: int, words: str) -> int:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"learnset: {words}")
    return code


def parse(arguments: Sequence[str]) -> Any:
    """The command that the words stand for. Help is printed, and ends the program, as usual.

    **Raises:** `InputError`, in one line.
    """
    heard = StringIO()
    try:
        with redirect_stderr(heard):
            return tyro.extras.subcommand_cli_from_dict(
                COMMANDS,
                prog="learnset",
                description="Learns from past tasks to solve a new one with less data and in fewer steps.",
                args=list(arguments),
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
        raise InputError(_one_line(heard.getvalue())) from None


def _registry() -> tyro.constructors.ConstructorRegistry:
    """How fields are read that may be numbers or arrays: from a word, as numbers."""
    registry = tyro.constructors.ConstructorRegistry()

    @registry.primitive_rule
    def number(
        info: tyro.constructors.PrimitiveTypeInfo,
    ) -> tyro.constructors.PrimitiveConstructorSpec | None:
        first, *others = getattr(info.type, "__args__", (None,))
        if (
            first is not float
            or not others
            or not all(issubclass(other, AbstractArray) for other in others)
        ):
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
    lines = [
        re.sub(r"[╭╮╰╯│─]+|-{5,}|[+|]", " ", re.sub(r"\x1b\[[0-9;]*m", "", line)).strip()
        for line in box.splitlines()
    ]
    words = [line for line in lines[1:] if line]
    return (
        " ".join(" ".join(words).split())
        .replace("__tyro-dummy-inner__.", "")
        .replace("For full helptext, run", "See")
        .replace("For full helptext, see", "See")
    )
