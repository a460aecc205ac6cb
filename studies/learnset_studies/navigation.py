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
    NothingLearnt,
    Outcome,
    Recipe,
    TotalReward,
)
from learnset.core import at, InputError, interval, Split
from learnset.envs import (
    AbstractAgent,
    AbstractEnv,
    AbstractEnvs,
    live,
    Navigation,
    RevealedEnvs,
)
from learnset.rl import MAMLPolicy, PolicyDescent, ReactiveAgent
from learnset.transfer import AsIs

from . import _navigation_page
from ._agents import answered, seconds_of, summary, TRAINING_OPTIONS
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
        return NavigationStudy(3, 2, 4, 2, (4, 5), 16)

    def with_steps(self, steps: int) -> "NavigationStudy":
        """The same study with other training."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains and scores. `options` go to `learn`."""
        goals = Navigation(squared=False)
        plane = self._experience("plane", goals, folder, key, options)
        told = self._experience("told", RevealedEnvs(goals), folder, key, options)
        few, question = self.episodes[0], self._question(goals)
        tuned = tuple(descent(lr, few) for lr in LRS)
        maml = [
            self._recipe("MAML", 1, descent(self.inner_lr, episodes)) for episodes in self.episodes
        ]
        pretrained, untrained = (self._recipe(name, 0, *tuned) for name in BASELINES)
        untrained = dataclasses.replace(untrained, learners=(NothingLearnt(),))
        envs, _ = question.ask(Split.TEST, lambda envs: envs, key)
        rows, paths, spread, seconds = [], {}, {}, {}
        for experience, asked, recipe in (
            *((plane, question, recipe) for recipe in (*maml, pretrained, untrained)),
            (told, self._question(RevealedEnvs(goals)), self._recipe(ORACLE, 0, AsIs())),
        ):
            outcome = answered(experience.ask(asked, [recipe]))[recipe.name]
            chosen = [recipe.adapters[choice.adapter] for choice in outcome.chosen[0]]
            about = {"episodes": getattr(chosen[0], "episodes", few), "lr": sizes_of(chosen)}
            still = self._still(experience, asked, outcome)
            rows += rows_of(recipe.name, outcome.of_tasks[0], still, **about)
            if recipe.name in spread:  # MAML with more episodes
                continue
            spread[recipe.name] = np.exp(np.asarray(outcome.models.spread)).mean(axis=1).tolist()
            if recipe.learns:
                seconds[recipe.name] = seconds_of(outcome.cost)
            if recipe.name != ORACLE:
                paths[recipe.name] = pictured(chosen[0], outcome.models, envs, key)
        return {
            "rows": rows + orderings(rows),
            "training": seconds,
            "spread": spread,
            "figures": {"paths": {"goals": goals_of(envs), "policies": paths}},
        }

    draw = staticmethod(_navigation_page.draw)
    page = staticmethod(_navigation_page.page)

    def _question(self, envs: AbstractEnvs) -> Lives:
        """Returns of as many episodes as precede a step; a few goals at a time, or the episodes
        would not fit into memory."""
        goals = (self.goals, self.goals)
        return Lives(envs, Return(), self.seeds, *goals, repeats=self.episodes[0], at_once=10)

    def _experience(
        self, name: str, envs: AbstractEnvs, folder: Path, key: Key[Array, ""], options: Any
    ) -> Experience:
        env = envs.sample(Split.TRAIN, key=jr.key(0))
        return learn(
            lambda key: ReactiveAgent(env, width=self.width, key=key),
            self._question(envs),
            key=key,
            out=folder / "checkpoints" / name,
            **options,
        )

    def _recipe(self, name: str, steps: int, *adapters: AsIs | PolicyDescent) -> Recipe:
        """Policies that are trained for that many steps of adaptation."""
        rate = optax.linear_schedule(self.lr, self.lr / 10, self.steps)
        learner = ByGradient(
            MAMLPolicy(PolicyDescent(HORIZON, self.inner_lr, steps, self.episodes[0])),
            steps=self.steps,
            tasks_per_step=self.tasks_per_step,
            optimiser=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate)),
        )
        return Recipe(name, SETTINGS[name], (learner,), adapters)

    def _still(
        self, experience: Experience, question: Lives, outcome: Outcome
    ) -> Float[np.ndarray, "seeds goals steps"]:
        """The returns of mean actions, with the step sizes that were chosen."""
        question = dataclasses.replace(question, measure=MeanAction(), repeats=1)
        recipe, values = outcome.recipe, {}
        for adapter in {choice.adapter for choice in outcome.chosen[0]}:
            one = dataclasses.replace(recipe, adapters=recipe.adapters[adapter : adapter + 1])
            found = answered(experience.ask(question, [one], models={one.name: outcome.models}))
            values[adapter] = found[one.name].of_tasks[0]
        return np.stack([values[c.adapter][seed] for seed, c in enumerate(outcome.chosen[0])])


class Return(TotalReward):
    """The return; after the last step it counts for the choice."""

    name = "return"

    def for_choice(self, scores: Float[np.ndarray, "... steps"]) -> Float[np.ndarray, "..."]:
        return scores[..., -1]


class MeanAction(Return):
    """The return of a policy that explores no more."""

    def living(self, agent: AbstractAgent) -> AbstractAgent:
        return calm(agent)


def calm(agent: Any) -> Any:
    """The policy that takes the mean action."""
    return eqx.tree_at(lambda a: a.spread, agent, jnp.full_like(agent.spread, -30.0))


def descent(lr: float, episodes: int) -> PolicyDescent:
    """Three gradient steps, whose size is halved after the first, as in the paper."""
    return PolicyDescent(HORIZON, jnp.array([lr, lr / 2, lr / 2]), 3, episodes)


def sizes_of(adapters: list[Any]) -> float | list[float] | None:
    """The first step size of each seed's adapter, or the one that all have."""
    lrs = [round(float(adapter.lr[0]), 4) for adapter in adapters if hasattr(adapter, "lr")]
    return lrs if len(set(lrs)) > 1 else lrs[0] if lrs else None


def goals_of(envs: Any) -> list[list[float]]:
    """The goals that are pictured."""
    return np.round(np.asarray(envs.goal[:PICTURED], np.float64), 4).tolist()


def pictured(
    adapter: Any, agents: ReactiveAgent, envs: AbstractEnv, key: Key[Array, ""]
) -> dict[str, list]:
    """The paths of seed 0 to the first goals, "goals steps time 2"; `None` after their end."""
    few = jax.tree.map(lambda leaf: leaf[:PICTURED], envs)
    agent = at(agents, 0)

    def values(path: Array) -> list:
        places = np.round(np.asarray(path, np.float64), 3)
        numbers = places.astype(object)
        numbers[np.isnan(places)] = None
        return numbers.tolist()

    still, trial = _paths(adapter, agent, few, key)
    return {"mean action": values(still), "exploring": values(trial)}


@eqx.filter_jit
def _paths(
    adapter: Any, agent: ReactiveAgent, envs: AbstractEnv, key: Array
) -> tuple[Array, Array]:
    """Paths of the mean action and of an exploring episode, NaN after their end."""

    def of_env(env: AbstractEnv, key: Key[Array, ""]) -> tuple[Array, Array]:
        def way(agent: ReactiveAgent, key: Key[Array, ""]) -> Float[Array, "time 2"]:
            life = live(agent, env, key=key, steps=HORIZON)
            return jnp.where(life.counts[:, None], life.before.position, jnp.nan)

        return adapter.course(agent, env, lambda a, k: (way(calm(a), k), way(a, k)), key=key)

    return jax.vmap(of_env)(envs, jr.split(key, len(jax.tree.leaves(envs)[0])))


def rows_of(
    name: str,
    returns: Float[np.ndarray, "seeds goals steps"],
    still: Float[np.ndarray, "seeds goals steps"],
    **about: Any,
) -> list[dict[str, Any]]:
    """Rows of the result. `agrees`: ours and theirs differ by less than the drawing of goals
    explains, 40 of them for theirs."""
    setting, rows = SETTINGS[name].value, []
    for part, values in (("returns", returns), ("without exploration", still)):
        for step, by_seed in enumerate(np.moveaxis(np.asarray(values, np.float64), -1, 0)):
            row: dict[str, Any] = {"part": part, "recipe": name, "setting": setting, "tasks": "new"}
            row |= {"steps": step, "quantity": "return"} | about | summary(by_seed)
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
