"""Draws a pool and a swim: `python -m learnset.envs.water_maze [folder]`."""

import sys
from pathlib import Path

import jax.random as jr
import numpy as np
from jaxtyping import Array, Int, Key

from ...behaviour import Arena, draw_swims
from ...core import Split
from .._live import AbstractAgent, live, Percept
from ..water_maze import MatchingToPlace, Pool, SITES


class Wanderer(AbstractAgent):
    """An agent that keeps its direction for a while, and then takes any of the eight."""

    def begin(self) -> Int[Array, ""]:
        return jr.randint(jr.key(0), (), 0, 8)

    def act(
        self, memory: Int[Array, ""], percept: Percept, *, key: Key[Array, ""]
    ) -> tuple[Array, Array]:
        del percept
        whether, which = jr.split(key)
        new = jr.randint(which, (), 0, 8)
        way = memory + jr.bernoulli(whether, 0.2).astype(int) * (new - memory)
        return way, way


def main(folder: Path) -> None:
    """Draws four trials of a day without learning, with the zones of search preference."""
    pool = Pool()
    maze = MatchingToPlace(pool, sites=SITES).sample(Split.TEST, key=jr.key(3))
    life = live(Wanderer(), maze, key=jr.key(4))
    paths, titles = [], []
    for trial in range(maze.trials):
        steps = np.asarray(life.counts & (life.trial == trial))
        before = np.asarray(life.before.position)[steps]
        times = np.concatenate([[0.0], np.asarray(life.after.elapsed)[steps]])
        found = bool(np.asarray(life.found)[steps][-1])
        # After a trial without success the animal is put on the platform, which is not a swim.
        last = np.asarray(life.after.position)[steps][-1:] if found else before[-1:]
        paths.append((times, np.concatenate([before, last])))
        titles.append(f"trial {trial + 1}: {times[-1]:.0f} s" + ("" if found else ", not found"))
    folder.mkdir(parents=True, exist_ok=True)
    arena = Arena(pool.radius, pool.platform_radius, SITES)
    draw_swims(paths, np.asarray(maze.platforms), titles, arena, folder, "pool")
    print(f"{folder / 'pool.png'} and .svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs") / "water-maze")
