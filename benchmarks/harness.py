"""The parts that all benchmarks share: processes of their own, least times, tables, the page."""

import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import tyro

HISTORY = "history.json"
Clock = Callable[[], float]
Worker = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class Benchmark:
    """Measures everything and writes the page."""

    out: Path
    """where the page goes"""
    rounds: int = 2
    """turns that each side takes"""
    redraw: bool = False
    """write the page again, from the numbers that are kept"""
    worker: str = ""
    """what a process of its own measures, as JSON; for this program itself"""


@dataclass(frozen=True)
class Pieces(Benchmark):
    """Measures everything, or some pieces of it, and writes the page."""

    only: tuple[str, ...] = ()
    """names of pieces; the numbers of others stay as they are. Default: all"""


def in_pieces(
    benchmark: Pieces,
    worker: Worker,
    names: Sequence[str],
    environment: dict[str, str] | None = None,
) -> dict[str, Any]:
    """What a worker measures of each piece by its `name`, in a process of its own; of pieces that
    are not asked for, the numbers that are kept."""
    if unknown := set(benchmark.only) - set(names):
        raise SystemExit(f"There is no piece {min(unknown)!r}. There are: {', '.join(names)}.")
    numbers = benchmark.out / "result.json"
    result = json.loads(numbers.read_text()) if numbers.exists() else {}
    for name in benchmark.only or names:
        result[name] = in_own_process(worker, environment, name=name)
        result = {name: result[name] for name in names if name in result}
        numbers.write_text(json.dumps(result, indent=1) + "\n")
        print(name, "measured", flush=True)
    return result


def run(
    default: Any,
    workers: Sequence[Worker],
    measure: Callable[[Any], dict[str, Any]],
    page: Callable[[dict[str, Any]], str],
    ratios: Callable[[dict[str, Any]], dict[str, float]] | None = None,
) -> None:
    """The whole program: one of the `workers` in a process of its own, or measure and write.

    All numbers of the page are in `result.json`, those of earlier measurements in `history.json`:
    the `ratios` of each, with the commit, the processor and the load.
    """
    benchmark = tyro.cli(type(default), default=default)
    if benchmark.worker:
        name, arguments = json.loads(benchmark.worker)
        print(json.dumps({worker.__name__: worker for worker in workers}[name](**arguments)))
        return
    numbers = benchmark.out / "result.json"
    if not benchmark.redraw:
        benchmark.out.mkdir(parents=True, exist_ok=True)
        before = os.getloadavg()[0]
        result = measure(benchmark) | {"machine": machine(before)}
        numbers.write_text(json.dumps(result, indent=1) + "\n")
        if ratios is not None:
            note(benchmark.out / HISTORY, result["machine"], ratios(result))
    result = json.loads(numbers.read_text())
    text = page(result) + over_time(benchmark.out / HISTORY) + footer(result)
    (benchmark.out / "README.md").write_text(text)
    print(text)


def note(path: Path, machine: dict[str, Any], ratios: dict[str, float]) -> None:
    """Adds a measurement to the history."""
    known = json.loads(path.read_text()) if path.exists() else []
    short = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(short, capture_output=True, text=True).stdout.strip()
    about = {"commit": commit, "processor": machine["processor"], "load": machine["load"]}
    known.append(about | {"ratios": {name: round(ratio, 3) for name, ratio in ratios.items()}})
    path.write_text(json.dumps(known, indent=1) + "\n")


def over_time(path: Path) -> str:
    """The ratios of all measurements, the last first; empty where there are none."""
    known = json.loads(path.read_text())[::-1] if path.exists() else []
    if not known:
        return ""
    names = list(dict.fromkeys(name for entry in known for name in entry["ratios"]))
    rows = []
    for entry in known:
        cells = [entry["ratios"].get(name) for name in names]
        load = " to ".join(map(str, entry["load"]))
        rows.append([entry["commit"], load, *("" if c is None else f"{c:.2f}×" for c in cells)])
    return f"\n## Over time\n\n{table(['commit', 'load', *names], rows)}\n"


def machine(load: float) -> dict[str, Any]:
    """The machine and versions of what is measured; `load` is that before the first measurement."""
    info = Path("/proc/cpuinfo")  # of Linux
    model = re.search(r"model name\s*: (.*)", info.read_text() if info.exists() else "")
    names = [name for name in ("jax", "torch") if find_spec(name) is not None]
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],  # before and after
        "versions": [f"{name} {version(name)}" for name in names],
    }


def footer(result: dict[str, Any]) -> str:
    """The last paragraph of a page: the machine, if it was noted."""
    if "machine" not in result:
        return ""
    of = result["machine"]
    before, after = of["load"]
    return (
        f"\nMeasured on {of['processor']} with {of['cores']} cores, {', '.join(of['versions'])}; "
        f"load {before} before and {after} after (all programs of the machine).\n"
    )


def in_own_process(
    worker: Worker,
    environment: dict[str, str] | None = None,
    timeout: float | None = None,
    **arguments: Any,
) -> dict[str, Any]:
    """The result of a worker of this program in a process of its own, which has `timeout` seconds
    if they are given."""
    if "--worker" in sys.argv:
        raise RuntimeError("A worker starts no workers: the program does not know `--worker`.")
    call = json.dumps([worker.__name__, arguments])
    try:
        done = subprocess.run(
            [sys.executable, sys.argv[0], "--worker", call],
            capture_output=True,
            text=True,
            env=dict(os.environ) | (environment or {}),
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"not ready after {timeout:g} s") from None
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def timed(step: Callable[[], Any], clock: Clock = time.process_time) -> tuple[float, Any]:
    """Seconds of one call, by default of the processor, and its result."""
    began = clock()
    result = step()
    return clock() - began, result


def least_seconds(
    step: Callable[[], Any], seconds: float, clock: Clock = time.process_time
) -> float:
    """Seconds of a call: the least of the calls that fit into `seconds`, after a warm-up."""
    step()
    least, spent = float("inf"), 0.0
    while spent < seconds:
        took, _ = timed(step, clock)
        least, spent = min(least, took), spent + took
    return least


def clock_for(threads: int) -> Clock:
    """The time of the processor for one thread, and that of the clock for more."""
    return time.process_time if threads == 1 else time.perf_counter


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(line)} |" for line in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])
