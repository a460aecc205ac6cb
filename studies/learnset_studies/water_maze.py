"""The Morris water maze: one place for many days, and a new place every day."""

import dataclasses
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from learnset.behaviour import (
    animate_swim,
    Arena,
    between,
    compare_curves,
    draw_search_maps,
    draw_swims,
    read_water_maze_rats,
    read_water_maze_relearning,
    search_preference,
)
from learnset.comparison import seed_keys
from learnset.core import InputError, Split
from learnset.envs import (
    AbstractEnv,
    AbstractEnvs,
    Life,
    MatchingToPlace,
    Pool,
    ReferenceMemory,
    SITES,
)
from learnset.rl import (
    A2C,
    CoordinateActorCritic,
    MatchingToPlaceDays,
    PlaceActorCritic,
    ReactiveAgent,
    RecurrentAgent,
)

from ._agents import drawn, life_of, lives, store, stored, summary, Training, without
from ._water_maze_page import draw_latencies, draw_learning, draw_real, page, TRIALS
from ._water_maze_weights import best_lrs, by_step, by_trial, maml

PROBE_SECONDS = 60.0
POOL = Pool(cells=49, cell_width=0.2)
ARENA = Arena(POOL.radius, POOL.platform_radius, SITES)
EASIER = MatchingToPlace(POOL, largest=0.2)  # what all train on
BY_WEIGHTS = {
    "scratch": "scratch: new policy",
    "transfer": "transfer: pretrained policy",
    "MAML": "meta: MAML",
}


class Told(AbstractEnv):
    """The same maze for one who is told where the platform is: the upper bound."""

    env: AbstractEnv

    @property
    def trials(self) -> int:
        return self.env.trials

    @property
    def trial_steps(self) -> int:
        return self.env.trial_steps

    @property
    def actions(self) -> Any:
        return self.env.actions

    def reset(self, trial: Any, *, key: Key[Array, ""]) -> Any:
        return self.env.reset(trial, key=key)

    def step(self, state: Any, action: Array, *, key: Key[Array, ""]) -> Any:
        return self.env.step(state, action, key=key)

    def observe(self, state: Any) -> Float[Array, "observation"]:
        return jnp.concatenate([self.env.observe(state), self.env.secret(state)])

    def secret(self, state: Any) -> Float[Array, "secret"]:
        return self.env.secret(state)


class ToldDays(AbstractEnvs):
    """Days of those who are told."""

    days: MatchingToPlace

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Told:
        return Told(self.days.sample(split, key=key))


@dataclasses.dataclass(frozen=True)
class WaterMazeStudy:
    """The study's sizes."""

    steps: int = 1200
    seeds: int = 5
    days: int = 200  # held-out days, the same for all
    animals: int = 64  # held-out days, or whole lives, of those who learn by weights and take long
    tasks_per_step: int = 32
    width: int = 64
    horizon: int = 300  # environment steps of a training day

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if value < 1:
                raise InputError(f"water-maze: `{name}={value}`, but it must be at least 1.")

    @property
    def maml_steps(self) -> int:
        """Training steps of MAML, each of which costs as much as several of the others."""
        return max(1, self.steps // 8)

    def quick(self) -> "WaterMazeStudy":
        """A fast run of all parts, whose agents have not learnt much."""
        return WaterMazeStudy(40, 2, 40, 8, 16, 32)

    def with_steps(self, steps: int) -> "WaterMazeStudy":
        """The same study with other training."""
        return dataclasses.replace(self, steps=steps)

    def run(
        self, folder: Path, key: Key[Array, ""], from_pretrained: bool = False, **options: Any
    ) -> dict[str, Any]:
        """Trains, scores, draws and writes everything into `folder`. `options` go to `train`.

        **Returns:** what `result.json` holds.
        """
        if (
            from_pretrained
        ):  # there is no training to wait for, so neither should there be for pictures
            self = dataclasses.replace(self, days=min(self.days, 40), animals=min(self.animals, 8))
        test = drawn(MatchingToPlace(POOL), self.days, Split.TEST, jr.fold_in(key, 20))
        agents, said, seconds = self._agents(test, folder, key, from_pretrained, options)
        policies, lrs, took = self._policies(test, folder, key, from_pretrained, options)
        seconds |= took
        found, life = self._matching_to_place(agents, policies, lrs, test, key)
        swims = self._many_swims(policies, lrs, key)
        slow = self._reference_memory(agents["RL2"], key)
        preference, probe = self._preference(agents["RL2"], key)
        rows = _rows("matching to place", found, "trial") + _rows("reference memory", slow, "trial")
        rows += _rows("many swims", swims, "step", first=0)
        rows += [
            {"part": "probe", "quantity": "search preference, %", "chance": 12.5} | row
            for row in preference
        ]
        rows += [
            {"part": "stages", "recipe": name, "tasks": "new", "steps": stage, "trial": trial + 1}
            | {"quantity": "latency, s", "value": float(np.mean(values, axis=0)[trial])}
            | {"by_seed": [round(seed[trial], 2) for seed in values]}
            for name, stages in said.items()
            for stage, values in stages.items()
            for trial in range(TRIALS)
        ]
        real = beside_animals(found["meta: RL²"], slow["scratch: actor-critic"])
        self._draw(life, test, probe, rows, real, folder)
        result = {
            "rows": rows,
            "training": seconds,
            "real": {name: fit for name, (_, fit) in real.items()},
        }
        result["step_sizes"] = {
            name: [round(float(lr), 3) for lr in chosen] for name, chosen in lrs.items()
        }
        (folder / "README.md").write_text(page(result, self, POOL))
        return result

    def _agents(
        self, test: Any, folder: Path, key: Key[Array, ""], from_pretrained: bool, options: Any
    ) -> tuple[dict[str, RecurrentAgent], dict[str, dict], dict[str, dict]]:
        """Recurrent agents, what was said of them in the course of training, and the seconds that it took."""
        agents, said, seconds = {}, {}, {}
        for number, name, envs, at_the_end, options_of_agent in (
            (0, "RL2", EASIER, test, {"critic_shapes_memory": True}),
            (4, "told the place", ToldDays(EASIER), Told(test), {"keeps_memory": False}),
        ):
            training = self._training(short=name != "RL2", guesses=name == "RL2")
            seeds = self.seeds if name == "RL2" else min(self.seeds, 2)
            start = training.new(envs, seed_keys(key, number, seeds), **options_of_agent)
            if from_pretrained:
                agents[name] = stored(_file(name), start)
                continue
            agents[name], said[name], seconds[name] = training.run(
                name,
                start,
                envs,
                folder,
                seed_keys(key, number + 1, seeds),
                _score(at_the_end, key),
                options,
            )
            store(agents[name], folder / "trained" / f"{_file(name)}.npz")
        return agents, said, seconds

    def _policies(
        self, test: Any, folder: Path, key: Key[Array, ""], from_pretrained: bool, options: Any
    ) -> tuple[dict[str, ReactiveAgent], dict[str, Array], dict[str, dict]]:
        """Policies without memory, which learn a new place by their weights: new ones, pretrained ones, and those of MAML;
        their step sizes, chosen on validation days; and the seconds that training took."""
        env, training = (
            EASIER.sample(Split.TRAIN, key=jr.key(0)),
            self._training(short=True, guesses=False),
        )
        new = eqx.filter_vmap(lambda k: ReactiveAgent(env, width=self.width, key=k))(
            seed_keys(key, 6, self.seeds)
        )
        names = ("scratch", "transfer", "MAML")
        if from_pretrained:
            policies = {
                name: new if name == "scratch" else stored(_file(name), new) for name in names
            }
            return policies, stored(_file("step sizes"), dict.fromkeys(names, jnp.zeros(2))), {}
        validation = drawn(
            MatchingToPlace(POOL), min(self.days, 24), Split.VALIDATION, jr.fold_in(key, 28)
        )
        lr_key, policies, lrs, seconds = jr.fold_in(key, 29), {"scratch": new}, {}, {}
        policies["transfer"], _, seconds["reactive policy"] = training.run(
            "reactive policy",
            new,
            EASIER,
            folder,
            seed_keys(key, 7, self.seeds),
            _score(test, key),
            options,
        )
        lrs["transfer"] = best_lrs(policies["transfer"], validation, lr_key)
        policies["MAML"], seconds["MAML"] = maml(
            policies["transfer"],
            EASIER,
            float(lrs["transfer"][1]),
            steps=self.maml_steps,
            folder=folder,
            key=key,
            **options,
        )
        lrs |= {name: best_lrs(policies[name], validation, lr_key) for name in ("scratch", "MAML")}
        for name in ("transfer", "MAML"):
            store(policies[name], folder / "trained" / f"{_file(name)}.npz")
        store(lrs, folder / "trained" / f"{_file('step sizes')}.npz")
        return policies, lrs, seconds

    def _matching_to_place(
        self, agents: dict, policies: dict, lrs: dict, test: Any, key: Key[Array, ""]
    ) -> tuple[dict[str, np.ndarray], Life]:
        """Seconds on trials of new days, by learner; and what RL² lived through."""
        score_key = jr.fold_in(key, 21)
        life = jax.tree.map(np.asarray, lives(agents["RL2"], test, score_key))
        robbed = lives(without(agents["RL2"], keeps_memory=False), test, score_key)
        found = {
            "meta: RL²": latencies(life),
            "RL², memory emptied before each trial": latencies(robbed),
        }
        for name, words in BY_WEIGHTS.items():
            found[f"{words}, a step after each trial"] = np.asarray(
                by_trial(policies[name], test, lrs[name][0], score_key)
            )
        found |= {
            "multi-task: averaged policy": latencies(lives(policies["transfer"], test, score_key)),
            "told the place (bound)": latencies(
                lives(agents["told the place"], Told(test), score_key)
            ),
        }
        return found | self._by_weights(key), life

    def _many_swims(self, policies: dict, lrs: dict, key: Key[Array, ""]) -> dict[str, np.ndarray]:
        """Seconds before and after steps of descent, each along a gradient of many swims."""
        mazes = drawn(MatchingToPlace(POOL), self.animals, Split.TEST, jr.fold_in(key, 20))
        return {
            words: np.asarray(by_step(policies[name], mazes, lrs[name][1], jr.fold_in(key, 30)))
            for name, words in BY_WEIGHTS.items()
        }

    def _training(self, short: bool, guesses: bool) -> Training:
        steps = max(1, self.steps // 3) if short else self.steps
        parts = (0.0, 1.0) if short else (0.0, 0.15, 0.3, 0.5, 0.75, 1.0)
        stages = tuple(sorted({max(1, round(steps * part)) for part in parts}))
        rate = optax.linear_schedule(1e-3, 1e-4, steps)
        optimiser = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(rate))
        method = A2C(
            self.horizon,
            True,
            discount=0.98,
            entropy=0.02,
            entropy_end=0.002,
            anneal=steps,
            value_cost=0.1,
            guess_cost=float(guesses),
        )
        return Training(method, optimiser, stages, self.tasks_per_step, self.width)

    def _by_weights(self, key: Key[Array, ""]) -> dict[str, np.ndarray]:
        """Actor-critics on place cells, which learn slowly: a new one every day, and one that goes from day to day."""
        pool = dataclasses.replace(POOL, cells=97, cell_width=0.16)
        days = drawn(MatchingToPlaceDays(pool), self.animals, Split.TEST, jr.fold_in(key, 22))
        one_day = drawn(MatchingToPlace(pool), self.animals, Split.TEST, jr.fold_in(key, 23))
        habits, key = PlaceActorCritic(pool), jr.fold_in(key, 24)
        whole = {
            "transfer: actor-critic after eight other days": habits,
            "actor-critic with coordinates, day 9": CoordinateActorCritic(habits),
        }
        found = {
            "scratch: actor-critic, a new one each day": latencies(life_of(habits, one_day, key))
        }
        for name, agent in whole.items():
            found[name] = latencies(life_of(agent, days, key), days.trials)[..., -TRIALS:]
        return found

    def _reference_memory(
        self, agents: RecurrentAgent, key: Key[Array, ""]
    ) -> dict[str, np.ndarray]:
        """Nine days of four trials; the platform moves after the seventh."""
        pool = dataclasses.replace(POOL, cells=97, cell_width=0.16)
        key = jr.fold_in(key, 25)
        many = drawn(ReferenceMemory(pool), self.animals, Split.TEST, key)
        habits = PlaceActorCritic(pool)
        found = {
            "scratch: actor-critic": latencies(life_of(habits, many, key), 36),
            "actor-critic with coordinates": latencies(
                life_of(CoordinateActorCritic(habits), many, key), 36
            ),
        }
        mine = drawn(ReferenceMemory(POOL), self.animals, Split.TEST, key)
        found["meta: RL²"] = latencies(lives(agents, mine, key), 36)
        return found

    def _preference(
        self, agents: RecurrentAgent, key: Key[Array, ""]
    ) -> tuple[list[dict[str, Any]], Life]:
        """Where it is searched for in the first minute of a probe trial, after one trial at one of eight places."""
        # As many trials as days have, though two would do: the program is compiled already.
        days = drawn(
            MatchingToPlace(POOL, sites=SITES, probe=1), self.days, Split.TEST, jr.fold_in(key, 26)
        )
        rows, life = [], None
        for name, robbed in (("RL²", False), ("RL², memory emptied before each trial", True)):
            model = without(agents, keeps_memory=False) if robbed else agents
            # On the host at once: thousands of paths are read from it, one by one.
            now = jax.tree.map(np.asarray, lives(model, days, jr.fold_in(key, 27)))
            life = now if life is None else life
            shares = [
                [
                    search_preference(
                        *between(*path(now, (seed, day), 1), 0.0, PROBE_SECONDS),
                        np.asarray(days.platforms[day, 0]),
                        np.array(SITES),
                    )
                    for day in range(self.days)
                ]
                for seed in range(now.reward.shape[0])
            ]
            known = np.asarray(shares)
            rows.append(
                {"recipe": name, "tasks": "new", "undefined": int(np.isnan(known).sum())}
                | _filled(100 * known)
            )
        return rows, life

    def _draw(
        self, life: Life, test: Any, probe: Life, rows: list, real: dict, folder: Path
    ) -> None:
        # The first held-out days on which the first seed found the platform in the first trial: a day with no first
        # finding shows no memory of it.
        ends = np.asarray(life.found[0] & (life.trial[0] == 0)).any(axis=-1)
        day = int(np.argmax(ends))
        paths = [path(life, (0, day), trial) for trial in range(TRIALS)]
        platform = np.asarray(test.platforms[day, 0])
        titles = [f"trial {t + 1}: {times[-1]:.0f} s" for t, (times, _) in enumerate(paths)]
        draw_swims(
            paths,
            np.stack([platform] * TRIALS),
            titles,
            Arena(POOL.radius, POOL.platform_radius),
            folder,
            "swims",
        )
        animate_swim(
            *_joined(paths),
            platform,
            Arena(POOL.radius, POOL.platform_radius),
            folder,
            "swim",
            speed=6.0,
        )
        draw_latencies(rows, folder)
        draw_learning(rows, folder)
        self._draw_search(probe, folder)
        draw_real(real, folder)

    def _draw_search(self, probe: Life, folder: Path) -> None:
        """Search in probe trials, of all seeds, by the place where the platform had been."""
        groups: dict[tuple[float, float], list[Any]] = {site: [] for site in SITES}
        ended = np.asarray(probe.after.position)
        found = np.asarray(probe.over & (probe.trial == 0))
        for seed in range(found.shape[0]):
            for day in range(found.shape[1]):
                place = ended[seed, day][found[seed, day]][
                    0
                ]  # who runs out of time is put on the platform
                site = min(SITES, key=lambda s: float(np.hypot(*(np.array(s) - place))))
                groups[site].append(between(*path(probe, (seed, day), 1), 0.0, PROBE_SECONDS))
        shown = [site for site in SITES if groups[site]]
        draw_search_maps(
            [groups[site] for site in shown],
            np.array(shown),
            [f"({100 * x:.0f}, {100 * y:.0f}) cm" for x, y in shown],
            ARENA,
            folder,
            "search",
            columns=4,
        )


def _file(name: str) -> str:
    """Under what name agents are stored."""
    return f"water-maze-{name.lower().replace(' ', '-')}"


def _score(mazes: Any, key: Key[Array, ""]) -> Any:
    """What is said of agents in the course of training: mean latencies, by seed and trial."""
    return lambda model: latencies(lives(model, mazes, jr.fold_in(key, 21))).mean(axis=1)


def _rows(
    part: str, found: dict[str, np.ndarray], axis: str, first: int = 1
) -> list[dict[str, Any]]:
    """A row for each recipe and trial (or whatever the last axis is), counted from `first`."""
    return [
        {"part": part, "recipe": name, "tasks": "new", axis: i + first, "quantity": "latency, s"}
        | summary(values[..., i])
        for name, values in found.items()
        for i in range(values.shape[-1])
    ]


def latencies(life: Life, trials: int = TRIALS) -> Float[np.ndarray, "seeds days trials"]:
    """Seconds to the platform, or the limit, in each trial."""
    ends = np.asarray(life.over)[..., None] & (
        np.asarray(life.trial)[..., None] == np.arange(trials)
    )
    return (np.asarray(life.after.elapsed)[..., None] * ends).sum(axis=-2)


def path(life: Life, which: tuple[int, int], trial: int) -> tuple[np.ndarray, np.ndarray]:
    """Times and places of one swim."""
    mine = np.asarray(life.counts[which] & (life.trial[which] == trial))
    after, before = (
        jax.tree.map(lambda leaf: np.asarray(leaf[which])[mine], s)
        for s in (life.after, life.before)
    )
    times, places = after.elapsed.copy(), after.position.copy()
    if not np.asarray(life.found[which])[mine][-1]:
        places[-1] = before.position[-1]  # where it swam, and not where it was put
    return np.concatenate([before.elapsed[:1], times]), np.concatenate(
        [before.position[:1], places]
    )


def _joined(paths: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Swims one after the other, with a second's rest on the platform."""
    times, places, clock = [], [], 0.0
    for moment, place in paths:
        times.append(moment + clock)
        places.append(place)
        clock = times[-1][-1] + 1.0
    return np.concatenate(times), np.concatenate(places)


def _filled(values: Float[np.ndarray, "seeds days"]) -> dict[str, Any]:
    """The summary of means over days, days without a value left out."""
    means = np.nanmean(values, axis=1, keepdims=True)
    return summary(np.where(np.isnan(values), means, values))


def beside_animals(
    meta: np.ndarray, slow: np.ndarray
) -> dict[str, tuple[dict[str, list[float]], str]]:
    """Real curves, simulated ones, and how they differ; nothing, where the data are not at hand."""
    try:
        moved, fixed = read_water_maze_relearning(), read_water_maze_rats()
    except InputError:
        return {}
    found = {}
    for name, swims, group, simulated in (
        ("a moved platform, saline rats", moved, "saline", meta.mean(axis=(0, 1))),
        ("a fixed platform, control rats", fixed, "control", slow.mean(axis=(0, 1))[:12]),
    ):
        table = swims.by_trial(swims.duration, group)
        real, count = np.nanmean(table, axis=0), np.isfinite(table).sum(axis=0)
        error = np.nanstd(table, axis=0, ddof=1) / np.sqrt(count)
        fit = compare_curves(real, simulated, unit="s", standard_error=error)
        found[name] = (
            {"real": real.tolist(), "error": error.tolist(), "simulated": simulated.tolist()},
            str(fit),
        )
    return found
