"""The command `learnset`: words become objects here, and nowhere else.

This file loads neither JAX nor the commands: `--help` answers at once, and what has to be set
before JAX starts is set before it does.
"""

import difflib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

# Compiled programs are kept between runs: compiling is most of a short run's time.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "learnset" / "xla"
HAS_EMITTERS = ("0.10.",)  # versions of jaxlib with the flag `xla_cpu_use_fusion_emitters`
TABLES = (".csv", ".tsv", ".txt", ".parquet", ".pq", ".xlsx", ".xls", ".json", ".feather", ".arrow")


class Word(NamedTuple):
    """A command, and the class that reads its options."""

    module: str
    name: str
    help: str


COMMANDS = {
    "compare": Word("_compare", "Compare", "compares ways to use past tasks, on the same tasks"),
    "study": Word("_study", "Study", "reproduces published results"),
    "launch": Word("_launch", "launch", "trains by several processes: launch -n 4 -- train ..."),
    "train": Word("_train", "Train", "trains one method on one family of tasks"),
    "evaluate": Word("_train", "Evaluate", "scores a run of `train` on new tasks"),
    "draw": Word("_draw", "Draw", "draws sampled tasks"),
    "lab": Word("_lab", "Lab", "opens a page to try learning to learn by hand"),
    "fit": Word("_use", "Fit", "fits the model that `compare` recommends"),
    "predict": Word("_keep", "Predict", "predicts rows, or the classes of images, by a kept model"),
    "adapt": Word("_keep", "Adapt", "adapts a kept model to new tasks, or to your own classes"),
    "inspect": Word("_use", "Inspect", "shows the card of a model: data, scores, limits"),
    "serve": Word("_use", "Serve", "serves a model over HTTP, with a page to try it"),
}
OF_TABLES = {  # the same words for a file that `fit` wrote
    "predict": Word("_use", "PredictRows", ""),
    "adapt": Word("_use", "AdaptRows", ""),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    **Returns:** the exit code: 0, 1 for a run that failed or was stopped, 2 for input that cannot
    work.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        return _help()
    if arguments[0] == "--version":
        print(f"learnset {import_module('learnset').__version__}")
        return 0
    if arguments[0] not in COMMANDS:
        return _unknown(arguments[0])
    if arguments[0] == "launch":
        return import_module("._launch", __package__).launch(arguments[1:])
    if "--quick" in arguments or "--from-pretrained" in arguments:
        os.environ["XLA_FLAGS"] = f"{_quick_flags()} {os.environ.get('XLA_FLAGS', '')}".rstrip()
    if threading.current_thread() is not threading.main_thread():
        return import_module("._run", __package__).run(arguments)
    before = signal.signal(signal.SIGINT, _stop)
    try:
        return import_module("._run", __package__).run(arguments)
    except KeyboardInterrupt:  # before the command began
        return say(1, "Stopped.")
    finally:
        if signal.getsignal(signal.SIGINT) is _stop:
            signal.signal(signal.SIGINT, before)


def _quick_flags() -> str:
    """Flags of XLA for a short run, most of which is compilation: without LLVM's last levels it
    takes a quarter less, and without the emitters of fusions half."""
    from importlib import metadata  # here and not above: `--help` has no need of it

    flags = "--xla_backend_optimization_level=1"
    # XLA ends a process that has a flag which it does not know.
    if metadata.version("jaxlib").startswith(HAS_EMITTERS):
        flags += " --xla_cpu_use_fusion_emitters=false"
    return flags


def _stop(*_: Any) -> NoReturn:
    """The first Ctrl-C ends a command in order; a second one, while it ends, ends it at once."""
    signal.signal(signal.SIGINT, leave)
    raise KeyboardInterrupt


def leave(*_: Any) -> NoReturn:
    """Ends the program at once."""
    os.write(2, b"learnset: Stopped.\n")
    os._exit(1)


def word_of(arguments: Sequence[str]) -> Word:
    """The command that is meant: `adapt` and `predict` are of tables where they are given a
    `.learnset` file."""
    name, *options = arguments
    if name in OF_TABLES and any(option.endswith(".learnset") for option in options[:1]):
        return OF_TABLES[name]
    return COMMANDS[name]


def _help() -> int:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    console.print("Learns from past tasks to solve a new one with less data and in fewer steps.\n")
    console.print("usage: learnset COMMAND ...\n", markup=False)
    for name, word in COMMANDS.items():
        console.print(f"  {name:9} {word.help}", markup=False)
    console.print("\n`learnset COMMAND --help` shows the options of a command.", markup=False)
    return 0


def _unknown(word: str) -> int:
    near = difflib.get_close_matches(word, COMMANDS, 1)
    hint = f"Did you mean `{near[0]}`?" if near else f"There are {', '.join(COMMANDS)}."
    return say(2, f"There is no command {word!r}. {hint}")


def with_subject(arguments: Sequence[str]) -> list[str]:
    """`compare path/to/folder` means `compare files path/to/folder`; so it is for an .npz file, and
    for `draw`. `compare data.csv` means `compare table data.csv`."""
    if len(arguments) > 1 and arguments[0] in ("compare", "draw"):
        word = arguments[1]
        if arguments[0] == "compare" and Path(word).suffix.lower() in TABLES:
            return [arguments[0], "table", *arguments[1:]]
        is_folder = os.sep in word or os.path.isdir(word)
        if word.endswith(".npz") or (not word.startswith("-") and is_folder):
            return [arguments[0], "files", *arguments[1:]]
    return list(arguments)


def say(code: int, message: str) -> int:
    """Prints one line on standard error.

    **Returns:** `code`.
    """
    from ._console import terminal

    terminal(errors=True).print(f"learnset: {' '.join(message.split())}")
    return code


def parse(arguments: Sequence[str]) -> Any:
    """The command that the words stand for. Help is printed, and ends the program, as usual.

    **Raises:** `InputError`, in one line.
    """
    return import_module("._run", __package__).parse(arguments)
