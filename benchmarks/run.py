"""Runs benchmarks by name, each in a process of its own, or checks a few of their ratios.

Usage: python benchmarks/run.py [NAME ...] [OPTION ...]

Without a name it lists them. Options go to each program; `--help` after a name shows them.
"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
PARTS = ("run", "harness")  # and what other libraries do, *_reference.py
PROGRAMS = {
    path.stem.replace("_", "-"): path
    for path in sorted(FOLDER.glob("*.py"))
    if path.stem not in PARTS and not path.stem.endswith(("reference", "torch_few_shot"))
}


def main(words: list[str]) -> int:
    """Runs what the words name.

    **Returns:** the exit code of the first program that failed, or 0.
    """
    first_option = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    names, options = words[:first_option], words[first_option:]
    if not names:
        print("\n".join(PROGRAMS))
        return 0
    if unknown := [name for name in names if name not in PROGRAMS]:
        print(f"There is no benchmark {unknown[0]!r}. There are: {', '.join(PROGRAMS)}.")
        return 2
    for name in names:
        if code := subprocess.run([sys.executable, str(PROGRAMS[name]), *options]).returncode:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
