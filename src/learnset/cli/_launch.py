"""`learnset launch`: one training by several processes of this machine. It loads no JAX."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from . import say

PROCESS = "LEARNSET_PROCESS"  # a variable: "NUMBER/COUNT@HOST:PORT"
USAGE = "learnset launch -n NUMBER -- train ..."
SECONDS = 0.05  # between looks at the processes


def launch(arguments: Sequence[str]) -> int:
    """Starts the same command several times, each with its cores, and waits for all.

    **Returns:** the exit code: that of the first one that failed, after the others are stopped.
    """
    match list(arguments):
        case ["-h" | "--help"]:
            print(f"usage: {USAGE}\n\nTrains one model by several processes of this machine.")
            return 0
        case ["-n", number, *command] if number.isdecimal() and int(number) > 0:
            count = int(number)
        case _:
            return say(2, f"`learnset launch` needs a number of processes. Usage: {USAGE}")
    command = command[1:] if command[:1] == ["--"] else command
    if command[:1] != ["train"]:
        return say(
            2,
            f"`learnset launch` starts `train`. Usage: {USAGE}. Recipes of `compare` and `study`"
            " are shared by `--workers`.",
        )
    cores = _cores()
    if count > len(cores):
        return say(2, f"`-n {count}`, but this machine has {len(cores)} cores to use. Lower it.")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    each = len(cores) // count
    processes = [
        _started(command, f"{i}/{count}@{address}", cores[i * each : (i + 1) * each])
        for i in range(count)
    ]
    return _waited(processes)


def _started(command: Sequence[str], place: str, cores: Sequence[int]) -> subprocess.Popen:
    """One process, which inherits the cores of the one that starts it."""
    environment = os.environ | {PROCESS: place}
    before = _cores()
    _take(cores)
    try:
        return subprocess.Popen([sys.executable, "-m", "learnset", *command], env=environment)
    finally:
        _take(before)


def _take(cores: Sequence[int]) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def _waited(processes: Sequence[subprocess.Popen]) -> int:
    """Waits for all; where one fails, the others are stopped."""
    stopping = signal.signal(signal.SIGINT, signal.SIG_IGN)  # they save, and then end
    try:
        while True:
            codes = [process.poll() for process in processes]
            failed = [(number, code) for number, code in enumerate(codes) if code]
            if failed:
                break
            if None not in codes:
                return 0
            time.sleep(SECONDS)
    finally:
        signal.signal(signal.SIGINT, stopping)
    number, code = failed[0]
    if code in (1, 2):  # it has said why; the others may be about to
        time.sleep(1)
    for process in processes:
        process.kill()
        process.wait()
    if code in (1, 2):
        return code
    reason = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return say(
        1,
        f"Process {number} of {len(processes)} {reason}, so that the others were stopped."
        " Continue with `--resume`.",
    )


def _cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
