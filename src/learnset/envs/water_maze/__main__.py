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
    """Keeps its direction for a while, and then takes any of the eight."""

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
    """Four trials of a day without any learning, with the zones of search preference."""
    pool = Pool()
    maze = MatchingToPlace(pool, sites=SITES).sample(Split.TEST, key=jr.key(3))
    life = live(Wanderer(), maze, key=jr.key(4))
    paths, titles = [], []
    for trial in range(maze.trials):
        mine = np.asarray(life.counts & (life.trial == trial))
        before, after = (
            np.asarray(life.before.position)[mine],
            np.asarray(life.after.position)[mine],
        )
        times = np.concatenate([[0.0], np.asarray(life.after.elapsed)[mine]])
        found = bool(np.asarray(life.found)[mine][-1])
        # Who ran out of time was put on the platform: that is no swim.
        last = after[-1:] if found else before[-1:]
        paths.append((times, np.concatenate([before, last])))
        titles.append(f"trial {trial + 1}: {times[-1]:.0f} s" + ("" if found else ", not found"))
    folder.mkdir(parents=True, exist_ok=True)
    draw_swims(
        paths,
        np.asarray(maze.platforms),
        titles,
        Arena(pool.radius, pool.platform_radius, SITES),
        folder,
        "pool",
    )
    print(f"{folder / 'pool.png'} and .svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs") / "water-maze")
