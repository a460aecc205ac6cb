"""Starting is quick: nothing is loaded before it is used."""

import os
import subprocess
import sys

LIMITS = {  # seconds of the processor
    "import learnset": (1.5, ("-c", "import learnset")),
    "learnset --help": (1.0, ("-c", "import learnset.cli; learnset.cli.main(['--help'])")),
}


def processor_seconds(words: tuple[str, ...]) -> float:
    """User and system time of a Python process, which waiting for a core does not add to."""
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


def test_starting_takes_little_of_the_processor():
    """The least of three counts: other programs on a core only add to the time."""
    least = {
        name: min(processor_seconds(words) for _ in range(3)) for name, (_, words) in LIMITS.items()
    }
    assert {name: took for name, took in least.items() if took > LIMITS[name][0]} == {}
