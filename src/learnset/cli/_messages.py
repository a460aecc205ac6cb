"""Errors in one line, in the words that were typed."""

import difflib
import re
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core import short
from ._limits import options

ISSUES = "https://github.com/learnset/learnset/issues"
KINDS = {"INT": "a whole number", "FLOAT": "a number", "PATH": "a path", "STR": "a word"}
# Arguments of `read_table` that have another name on the command line.
OTHER = {"task": "--task-column", "classification": "--kind"}


def of_parser(box: str, command: str) -> str:
    """The words of tyro's error box."""
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in box.splitlines()]
    lines = [re.sub(r"[╭╮╰╯│─]+|-{5,}|[+|]", " ", line).strip() for line in plain]
    text = " ".join(" ".join(line for line in lines[1:] if line).split())
    text = re.split(r" For full helptext.*$| See:? learnset \w+ --help$", text)[0]
    see = f"See `{command} --help`."
    if misplaced := re.search(r"(--[\w.-]+) \(applied to ([^)]+)\)", text):
        return f"`{misplaced[1]}` is no option of `{misplaced[2]}`. See `{misplaced[2]} --help`."
    if unknown := re.match(r"Unrecognized options: (.+?),? (?=[A-Z][a-z])|Unrecogn.*?: (.+)", text):
        return f"{_unknown(unknown[1] or unknown[2], text, command)} {see}"
    if wrong := re.search(r"Argument helptext: (--[\w.-]+) (.+?) (?=[a-z(])", text):
        return f"{_wrong(wrong[1], wrong[2], text)} {see}"
    if refused := re.match(r"Error parsing [\w. -]+?: (.*)", text):  # by a class of ours
        return refused[1]
    if missing := re.match(rf"Missing from {command}[\w ]*: (\S+) (.*?) \(required\)", text):
        return f"`{command}` needs {missing[1]}: {missing[2]}. {see}"
    return f"{text} {see}"


def _unknown(words: str, text: str, command: str) -> str:
    """A word that no option and no subcommand is called."""
    word, *_ = words.split(", ")
    if word.startswith("-"):
        near = re.findall(r"Perhaps you meant: (--[\w.-]+)", text)
        known, kind = near, "option"
    else:
        listed = re.search(r"Available subcommands: ([\w, -]+?)(?= Perhaps|$)", text)
        known = listed[1].split(", ") if listed else []
        near, kind = difflib.get_close_matches(word, known, 1), "word"
    hint = f"There are {', '.join(known)}." if known and not near else ""
    hint = f"Did you mean `{near[0]}`?" if near else hint
    return f"`{command}` has no {kind} `{short(word, 60)}`. {hint}".rstrip()


def _wrong(flag: str, kind: str, text: str) -> str:
    """A value that an option cannot have."""
    given = re.findall(r"(?:\[|: )('.*?')(?:\]| )", text)
    value = given[-1].replace("'", "").replace(",", "") if given else ""
    choices = [word for word in re.findall(r"[\w-]+", kind) if word not in ("None", *KINDS)]
    names = [KINDS[word] for word in re.findall(r"[A-Z]+", kind) if word in KINDS]
    must = names[0] if names else f"one of {', '.join(choices)}"
    if "..." in kind:
        must += " or several"
    return f"`{flag} {short(value, 60)}`, but it must be {must}."


def as_typed(message: str, arguments: Sequence[str], command: Any) -> str:
    """A message of the library, with arguments as the options that they are called by: `min_rows=0`
    is `--min-rows 0`. What was typed as a word (a method, a file) stays, and so do names of arrays
    and packages."""
    flags = dict(OTHER)
    flags |= {name: flag for flag, name, _ in ([] if command is None else options(command))}
    for word in arguments:
        if word.startswith("--"):
            flag = word.partition("=")[0]
            flags[flag[2:].split(".")[-1].replace("-", "_")] = flag

    def typed(match: re.Match) -> str:
        name, value = match[1], match[2]
        if name not in flags or (value is None and name in arguments):
            return match[0]
        return f"`{flags[name]}`" if value is None else f"`{flags[name]} {value}`"

    no_thing = r"(?<!array )(?<!arrays )(?<!package )"
    return re.sub(rf"{no_thing}`([a-z_]+)(?:=([^`]+))?`", typed, message)


def unexpected(error: BaseException) -> str:
    """An error that nobody foresaw: its kind, the place, and how to report it."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "learnset" in Path(frame.filename).parts] or frames
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "an unknown place"
    if lines := re.findall(r'File "(.*learnset.*)", line (\d+)', str(error.__cause__ or "")):
        place = f"{Path(lines[-1][0]).name}:{lines[-1][1]}"  # of the worker that met it
    return (
        f"unexpected {type(error).__name__} in {place}: {short(str(error), 300)}. That is a fault"
        f" of learnset: please report it at {ISSUES} with what the same command says after"
        " `--traceback` is added."
    )


def of_system(error: OSError) -> str:
    """What the operating system refused."""
    file = f"{error.filename}: " if error.filename else ""
    return f"{short(file, 200)}{error.strerror or error}."


def is_memory(error: Exception) -> bool:
    """Whether an error says that memory was not enough."""
    words = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory", "bad_alloc")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)
