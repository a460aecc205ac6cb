"""2-D navigation to an unseen goal with MAML: table 4 and figure 4 of Finn et al. 2017."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from learnset.comparison import (
    ByGradient,
    Experience,
    learn,
    Lives,
    Recipe,
    TotalReward,
)
from learnset.core import InputError, interval, Split, trainable
from learnset.envs import AbstractEnv, Navigation, Point, PointNavigation
from learnset.rl import MAMLPolicy, PolicyDescent, ReactiveAgent, Rollout

from . import _navigation_page
from ._agents import seeds_of, summary, TRAINING_OPTIONS
from ._navigation_page import BASELINES, ORACLE, PUBLISHED, SETTINGS
from ._pages import select

SOURCE = "Finn, Abbeel & Levine 2017, table 4"
THEIR_GOALS = 40  # in the authors' test code
LRS = (0.1, 0.25, 0.5, 1.0)  # the grid on which the baselines' step size is tuned
HORIZON = 100
PICTURED = 4  # goals


@dataclasses.dataclass(frozen=True)
class NavigationStudy:
    """The study's sizes.

    **Arguments:**

    - `steps`: meta-iterations; the paper's text says at most 500, its authors' code 100 of 40
      goals.
    - `seeds`: repetitions, trained together; the paper has one.
    - `goals`: held-out goals, the same for all seeds; step sizes are chosen on as many others.
    - `tasks_per_step`: goals of one meta-iteration.
    - `episodes`: before each gradient step. The first number is that of training and of the
      paper's text, the second of its authors' test code; policies are scored with all of them.
    - `inner_lr`: MAML's step size, halved after the first step; `lr`: of the outer optimiser, Adam,
      falling to a tenth.
    """

    reads: ClassVar[frozenset[str]] = TRAINING_OPTIONS

    steps: int = 100
    seeds: int = 3
    goals: int = 60
    tasks_per_step: int = 20
    episodes: tuple[int, ...] = (20, 40, 80)
    width: int = 100
    inner_lr: float = 0.5
    lr: float = 5e-3

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            least = min(value) if isinstance(value, tuple) else value
            if least <= 0 or (least < 1 and isinstance(least, int)):
                raise InputError(
                    f"navigation: `{name}={value}`, but it must be at least 1 (a step size: above"
                    " 0)."
                )

    def quick(self) -> "NavigationStudy":
        """A fast run of all parts, whose policies learn little."""
        return NavigationStudy(3, 2, 4, 2, (4,), 16)

    def with_steps(self, steps: int) -> "NavigationStudy":
        """The same study with other training."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains and scores. `options` go to `learn`."""
        agents, seconds = self._trained(folder, key, options)
        draw_key, score_key = jr.fold_in(key, 10), jr.fold_in(key, 11)
        goals = Navigation(squared=False).draw(self.goals, Split.TEST, key=draw_key)
        told = GoalsTold(squared=False).draw(self.goals, Split.TEST, key=draw_key)
        lrs = {"MAML": self.inner_lr} | {
            name: self._tuned(agents[name], score_key) for name in BASELINES
        }
        rows, paths = [], {}
        for name, lr in lrs.items():
            for episodes in self.episodes if name == "MAML" else self.episodes[:1]:
                walks = walk(agents[name], goals, halved(lr), score_key, episodes=episodes)
                rows += rows_of(name, walks, episodes=episodes, lr=lr)
                paths.setdefault(name, pictured(walks))
        oracle = walk(agents[ORACLE], told, jnp.zeros(1), score_key, episodes=self.episodes[0])
        rows += rows_of(ORACLE, oracle, episodes=self.episodes[0])
        spread = {
            name: np.exp(np.asarray(agent.spread)).mean(axis=1).tolist()
            for name, agent in agents.items()
        }
        pictured_goals = np.round(goals.goal[:PICTURED], 4).tolist()
        return {
            "rows": rows + orderings(rows),
            "training": seconds,
            "spread": spread,
            "figures": {"paths": {"goals": pictured_goals, "policies": paths}},
        }

    draw = staticmethod(_navigation_page.draw)
    page = staticmethod(_navigation_page.page)

    def _trained(
        self, folder: Path, key: Key[Array, ""], options: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Agents by name, with a leading `seeds` axis, and the seconds that they took."""
        optimiser = optax.chain(
            optax.clip_by_global_norm(1.0),
            optax.adam(optax.linear_schedule(self.lr, self.lr / 10, self.steps)),
        )

        def recipe(name: str, steps: int) -> Recipe:
            adapter = PolicyDescent(HORIZON, self.inner_lr, steps, self.episodes[0])
            learner = ByGradient(
                MAMLPolicy(adapter),
                steps=self.steps,
                tasks_per_step=self.tasks_per_step,
                optimiser=optimiser,
            )
            return Recipe(name, SETTINGS[name], (learner,))

        def experience(name: str, envs: Navigation) -> Experience:
            env = envs.sample(Split.TRAIN, key=jr.key(0))
            return learn(
                lambda key: ReactiveAgent(env, width=self.width, key=key),
                Lives(envs, TotalReward(), self.seeds),
                key=key,
                out=folder / "checkpoints" / name,
                **options,
            )

        plane = experience("plane", Navigation(squared=False))
        told = experience("told", GoalsTold(squared=False))
        learnt = {
            "MAML": plane.learnt(recipe("MAML", 1)),
            BASELINES[0]: plane.learnt(recipe(BASELINES[0], 0)),
            ORACLE: told.learnt(recipe(ORACLE, 0)),
        }
        agents = {name: each.of_one for name, each in learnt.items()}
        seconds = {
            name: {"train_seconds": each.seconds, "compile_seconds": each.compile_seconds}
            for name, each in learnt.items()
        }
        return agents | {BASELINES[1]: plane.models}, seconds

    def _tuned(self, agents: Any, key: Key[Array, ""]) -> float:
        """The step size with the best return on validation goals, after the last step."""
        goals = Navigation(squared=False).draw(self.goals, Split.VALIDATION, key=key)
        last = [
            walk(agents, goals, halved(lr), key, episodes=self.episodes[0]).reward[..., -1].mean()
            for lr in LRS
        ]
        return LRS[int(np.argmax(last))]


class GoalTold(PointNavigation):
    """Navigation for the oracle: an observation is the position and the goal."""

    def observe(self, state: Point) -> Float[Array, "observation"]:
        return jnp.concatenate([state.position, self.goal])


class GoalsTold(Navigation):
    """The goals of `Navigation`, with the goal observed."""

    def sample(self, split: Split, *, key: Key[Array, ""]) -> GoalTold:
        return GoalTold(
            super().sample(split, key=key).goal, self.squared, self.trials, self.trial_steps
        )


def halved(lr: float) -> Float[Array, "steps"]:
    """A step size for each gradient step, halved after the first, as in the paper; zero after the
    last return."""
    return jnp.array([lr, lr / 2, lr / 2, 0.0])


class Walks(eqx.Module):
    """Walks of policies before each gradient step and after the last: `path` and `still` with their
    mean action, `reward` and `trial` with exploration."""

    reward: Float[Array, "*seeds goals steps"]  # mean return of all episodes
    still: Float[Array, "*seeds goals steps"]
    path: Float[Array, "*seeds goals steps time 2"]
    trial: Float[Array, "*seeds goals steps time 2"]  # the first episode


@eqx.filter_jit
def walk(
    agents: Any,
    envs: AbstractEnv,
    lrs: Float[Array, "steps"],
    key: Key[Array, ""],
    *,
    episodes: int,
) -> Walks:
    """Several agents adapt to the same goals; a gradient step follows each return."""
    explore, alone = PolicyDescent(HORIZON, 1.0, 1, episodes), PolicyDescent(HORIZON, episodes=1)
    goals = jax.tree.leaves(envs)[0].shape[0]
    moving, fixed = trainable(agents)
    fixed = jax.tree.map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, fixed)

    def one(moving: Any, env: AbstractEnv, key: Key[Array, ""]) -> Walks:
        def step(moving: Any, given: tuple[Array, Array]) -> tuple[Any, Walks]:
            lr, key = given
            agent = eqx.combine(moving, fixed)
            after, lived = eqx.tree_at(lambda e: e.lr, explore, lr).descend(agent, env, key=key)
            lived = jax.tree.map(lambda leaf: leaf[0], lived)
            calm = eqx.tree_at(lambda a: a.spread, agent, jnp.full_like(agent.spread, -30.0))
            calmly = alone.live(calm, env, key=key)
            reward, still = (lives.reward.sum(axis=0).mean() for lives in (lived, calmly))
            return trainable(after)[0], Walks(reward, still, way(calmly), way(lived))

        return jax.lax.scan(step, moving, (lrs, jr.split(key, len(lrs))))[1]

    def of_seed(given: tuple[Any, Array]) -> Walks:
        moving, key = given
        # A few goals at a time: the episodes of all of them would not fit into memory.
        return jax.lax.map(
            lambda both: one(moving, *both), (envs, jr.split(key, goals)), batch_size=20
        )

    return jax.lax.map(of_seed, (moving, jr.split(key, seeds_of(agents))))


def way(lived: Rollout) -> Float[Array, "time 2"]:
    """The path of the first episode, NaN after its end."""
    return jnp.where(lived.alive[:, :1], lived.percept.observation[:, 0, :2], jnp.nan)


def pictured(walks: Walks) -> dict[str, list]:
    """The paths of seed 0 to the first goals, "goals steps time 2"; `None` after their end."""

    def values(path: Array) -> list:
        places = np.round(np.asarray(path[0, :PICTURED], np.float64), 3)
        numbers = places.astype(object)
        numbers[np.isnan(places)] = None
        return numbers.tolist()

    return {"mean action": values(walks.path), "exploring": values(walks.trial)}


def rows_of(
    name: str, walks: Walks, *, episodes: int, lr: float | None = None
) -> list[dict[str, Any]]:
    """Rows of the result. `agrees`: ours and theirs differ by less than the drawing of goals
    explains, 40 of them for theirs."""
    rows = []
    for part, values in (("returns", walks.reward), ("without exploration", walks.still)):
        for step, by_seed in enumerate(np.moveaxis(np.asarray(values, np.float64), -1, 0)):
            setting = SETTINGS[name].value
            row: dict[str, Any] = {"part": part, "recipe": name, "setting": setting, "tasks": "new"}
            row |= {"steps": step, "episodes": episodes, "lr": lr, "quantity": "return"}
            row |= summary(by_seed)
            if name == "MAML" and part == "returns":
                ours = interval(by_seed.reshape(1, -1))[1]
                theirs = 1.96 * by_seed.std() / np.sqrt(THEIR_GOALS)
                agrees = bool(abs(row["value"] - PUBLISHED[step]) <= np.hypot(ours, theirs))
                row |= {"published": PUBLISHED[step], "source": SOURCE, "agrees": agrees}
            rows.append(row)
    return rows


def orderings(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The orderings of figure 4, as differences of returns, by seed; they agree where the 95 %
    interval is above zero."""

    def by_seed(recipe: str, steps: int) -> np.ndarray:
        return np.array(select(rows, part="returns", recipe=recipe, steps=steps)[0]["by_seed"])

    maml = {steps: by_seed("MAML", steps) for steps in range(4)}
    pairs = {
        f"MAML after one step is better than {name} after three": maml[1] - by_seed(name, 3)
        for name in BASELINES
    }
    pairs["one step makes MAML's policy better"] = maml[1] - maml[0]
    pairs["MAML, trained for one step, improves further with a second"] = maml[2] - maml[1]
    source = "Finn, Abbeel & Levine 2017, §5.3, figure 4"
    common = {"part": "orderings", "quantity": "difference of returns", "source": source}
    return [
        common
        | {"claim": claim}
        | summary(difference[:, None])
        | {"agrees": bool(difference.mean() > interval(difference[:, None])[1])}
        for claim, difference in pairs.items()
    ]
