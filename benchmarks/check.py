"""Checks that no fast form has lost more than 30 % of its lead over the simple form next to it.

Usage: python benchmarks/run.py check [--keep]

Both forms take turns in one process, and the least processor time of each counts, so that what else
the machine does matters little. A ratio that falls short is measured again, twice at most: noise
passes one time, a loss of speed never. `ratios.json` has the ratios to hold.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("NPROC", "1")  # one thread: the time of the processor is that of the work

import equinox as eqx
import jax
import jax.random as jr

import learnset as ls
from learnset.core import _tiles, fast_dots

KEPT = Path(__file__).with_name("ratios.json")
LOST = 0.3  # of a ratio, at most
TURNS, ATTEMPTS = 7, 3


def of_maml(tasks: int, tile: bool = True, dots: bool = True) -> Callable[[], Any]:
    """The gradient of second-order MAML on sinusoids."""
    batch = ls.Sinusoids().draw(tasks, ls.Split.TRAIN, key=jr.key(1))
    model = ls.MLP(1, 1, width=40, depth=2, key=jr.key(0))

    def gradient(model: Any, batch: Any) -> Any:
        return ls.MAML(ls.mse, steps=1).gradient(model, batch, None, key=jr.key(0))[0]

    program = eqx.filter_jit(fast_dots(gradient) if dots else gradient)
    with patch.object(_tiles, "tile_size", _tiles.tile_size if tile else lambda *_: None):
        jax.block_until_ready(program(model, batch))
    return lambda: jax.block_until_ready(program(model, batch))


RATIOS: dict[str, Callable[[], tuple[Callable[[], Any], Callable[[], Any]]]] = {
    "products rewritten, 25 tasks": lambda: (of_maml(25), of_maml(25, dots=False)),
    "tiles, 1 000 tasks": lambda: (of_maml(1000), of_maml(1000, tile=False)),
}


def ratio(fast: Callable[[], Any], simple: Callable[[], Any]) -> float:
    """How many times as fast the first is as the second."""
    least = [float("inf")] * 2
    for _ in range(TURNS):
        for side, step in enumerate((fast, simple)):
            count, began = 0, time.process_time()
            while (spent := time.process_time() - began) < 0.05:
                step()
                count += 1
            least[side] = min(least[side], spent / count)
    return least[1] / least[0]


def main(words: list[str]) -> int:
    """Measures all ratios; with `--keep` they are those to hold from now on."""
    kept = {} if "--keep" in words else json.loads(KEPT.read_text())
    found, short = {}, []
    for name, forms in RATIOS.items():
        both, needed = forms(), 0.0 if "--keep" in words else (1 - LOST) * kept[name]
        found[name] = ratio(*both)
        for _ in range(ATTEMPTS - 1):
            if found[name] < needed:
                found[name] = max(found[name], ratio(*both))
        print(f"{name}: {found[name]:.2f}× (at least {needed:.2f}×)", flush=True)
        short += [name] if found[name] < needed else []
    if "--keep" in words:
        rounded = {name: round(value, 3) for name, value in found.items()}
        KEPT.write_text(json.dumps(rounded, indent=1) + "\n")
    for name in short:
        print(f"{name} has lost more than {LOST:.0%} of its ratio.")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
