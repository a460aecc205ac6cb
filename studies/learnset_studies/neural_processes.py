"""Neural processes on curves from Gaussian processes, whose optimal prediction is known: how near
does a network come that reads the points of a curve?

Source: Nguyen & Grover 2022, *Transformer Neural Processes*, §4.1, and its code, whose protocol and
networks these are; the published log-likelihoods were measured with that code, over five runs.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from learnset.comparison import Setting
from learnset.core import Batch, gaussian_nll, InputError, interval, Split, Task
from learnset.meta import CNP
from learnset.models import MLP
from learnset.tasks import AbstractTasks, GaussianProcesses
from learnset.training import train

from ._neural_processes_page import draw, page

POINTS, FEWEST = 50, 3  # of a curve, and to learn from or to be scored on
WIDTH, RATE = 128, 5e-4
AT_ONCE = 250  # curves that are scored at once
SHOWN = 10  # points of the curves of a figure
PUBLISHED = {"rbf": (0.265, 0.015), "matern": (0.045, 0.014), "periodic": (-1.435, 0.020)}
RUNS = 5  # of which the published numbers are mean and standard deviation
SOURCE = "Nguyen & Grover 2022, Transformer Neural Processes, code; five runs"
OPTIMUM, OURS = "exact Gaussian process", "CNP"


class Curves(AbstractTasks):
    """Curves of at most 50 points, some to learn from and some to be scored on: 3 to 46 to learn
    from, and from 3 up to what is left, less one.

    **Arguments:** `all_points`: whether points to learn from are scored too, as in training.
    """

    kernel: str = "rbf"
    all_points: bool = False
    shots: int = POINTS - FEWEST - 1
    queries: int = POINTS

    @property
    def family(self) -> GaussianProcesses:
        """The curves, of which all points are drawn."""
        return GaussianProcesses(self.shots, self.queries - self.shots, kernel=self.kernel)

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        curve_key, learn_key, score_key = jr.split(key, 3)
        drawn = self.family.sample(split, key=curve_key)
        x, y = (
            jnp.concatenate([getattr(drawn.support, name), getattr(drawn.query, name)])
            for name in ("x", "y")
        )
        learn = jr.randint(learn_key, (), FEWEST, POINTS - FEWEST)
        number = jnp.arange(POINTS)
        scored = number < learn + jr.randint(score_key, (), FEWEST, POINTS - learn)
        scored = scored if self.all_points else scored & (number >= learn)
        known, scored = (which.astype(x.dtype) for which in (number < learn, scored))
        support = Batch(x[: self.shots], y[: self.shots], known[: self.shots])
        return Task(support, Batch(x, y, scored), latents=drawn.latents)


class TwoEncoders(eqx.Module):
    """The network: two encoders average what they made of each point, and transform the average; a
    decoder reads both next to an input."""

    points: tuple[MLP, MLP]
    averages: tuple[MLP, MLP]
    decoder: MLP

    def __init__(self, *, width: int = WIDTH, key: Key[Array, ""]):
        *keys, decoder_key = jr.split(key, 5)
        net = partial(MLP, width=width)
        self.points = (net(2, width, depth=3, key=keys[0]), net(2, width, depth=3, key=keys[1]))
        self.averages = tuple(net(width, width, depth=1, key=key) for key in keys[2:])  # pyright: ignore[reportAttributeAccessIssue]
        self.decoder = net(1 + 2 * width, 2, depth=2, key=decoder_key)

    def condition(self, support: Batch) -> "Read":
        """The predictor of a curve."""
        pairs = jnp.concatenate([support.x, support.y], axis=1)
        share = support.weight / support.weight.sum()
        read = [
            average(share @ jax.vmap(points)(pairs))
            for points, average in zip(self.points, self.averages, strict=True)
        ]
        return Read(self.decoder, jnp.concatenate(read))


class Read(eqx.Module):
    """The predictor of a curve whose points have been read."""

    decoder: MLP
    code: Float[Array, "codes"]

    def gaussian(self, x: Float[Array, "1"]) -> tuple[Float[Array, "1"], Float[Array, "1"]]:
        """Mean and standard deviation of the prediction."""
        mean, raw = jnp.split(self.decoder(jnp.concatenate([self.code, x])), 2)
        return mean, 0.1 + 0.9 * jax.nn.softplus(raw)

    def __call__(self, x: Float[Array, "1"]) -> Float[Array, "1"]:
        return self.gaussian(x)[0]


@dataclasses.dataclass(frozen=True)
class NeuralProcessesStudy:
    """The study's sizes.

    **Arguments:** `steps`: of Adam, with `batch` curves each. `curves`: that are scored, of each
    kernel.
    """

    steps: int = 100_000
    batch: int = 16
    curves: int = 48_000

    reads: ClassVar = frozenset({"seed", "steps", "checkpoint_every", "resume"})
    draw = staticmethod(draw)
    page = staticmethod(page)

    def __post_init__(self):
        least = {"steps": 1, "batch": 1, "curves": AT_ONCE}
        for name, value in dataclasses.asdict(self).items():
            if value < least[name]:
                raise InputError(
                    f"neural-processes: `{name}={value}`, but it must be at least {least[name]}."
                )

    def quick(self) -> "NeuralProcessesStudy":
        """A few steps, after which nothing is near its best."""
        return NeuralProcessesStudy(30, 4, AT_ONCE)

    def with_steps(self, steps: int) -> "NeuralProcessesStudy":
        """The same study with another number of steps."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains the network on curves of one kernel, and scores it on those of three.

        **Returns:** a row for each learner and kernel, the log-likelihood by number of points, and
        one curve of each kernel with what is predicted.
        """
        train_key, score_key, figure_key = jr.split(key, 3)
        run = train(
            CNP(),
            TwoEncoders(key=train_key),
            Curves(all_points=True),
            optax.adam(optax.cosine_decay_schedule(RATE, self.steps)),
            steps=self.steps,
            key=train_key,
            tasks_per_step=self.batch,
            out=folder / "network",
            **options,
        )
        rows, by_points, curves = [], [], []
        for kernel, (published, spread) in PUBLISHED.items():
            family = Curves(kernel)
            for name, score in (
                (OPTIMUM, partial(optimal, family.family)),
                (OURS, partial(predicted, run.model)),
            ):
                worth, count = scored(score, family, self.curves, score_key)
                mean, half = interval(worth[None])
                setting = Setting.BOUND if name == OPTIMUM else Setting.META
                row = {"kernel": kernel, "recipe": name, "setting": setting.value}
                row |= {"measure": "log-likelihood per point", "value": mean, "ci95": half}
                row["num_tasks"] = len(worth)
                if name == OURS:
                    row |= {"published": published, "published_spread": spread, "source": SOURCE}
                    # One run differs from the mean of five by more than these differ by chance.
                    chance = 1.96 * spread * (1 + 1 / RUNS) ** 0.5
                    row["agrees"] = bool(mean - published >= -np.hypot(half, chance))
                rows.append(row)
                by_points.append({"kernel": kernel, "recipe": name} | binned(worth, count))
            curves.append({"kernel": kernel} | example(run.model, kernel, figure_key))
        about = {"steps": self.steps, "seconds": round(run.seconds)}
        return {"rows": rows, "training": about, "figures": {"points": by_points, "curves": curves}}


def optimal(family: GaussianProcesses, task: Task) -> Float[Array, ""]:
    """The log-likelihood of the optimal prediction, in nats per point."""
    mean, std = family.gaussian(task.support, task.latents, task.query.x)
    log = -0.5 * ((task.query.y - mean) / std) ** 2 - jnp.log(std) - 0.5 * jnp.log(2 * jnp.pi)
    return (log[:, 0] * task.query.weight).sum() / task.query.weight.sum()


def predicted(model: TwoEncoders, task: Task) -> Float[Array, ""]:
    """The log-likelihood of the network's prediction."""
    return -gaussian_nll(model.condition(task.support), task.query)


def scored(
    score: Callable[[Task], Array], family: Curves, curves: int, key: Key[Array, ""]
) -> tuple[Float[np.ndarray, "curves"], Int[np.ndarray, "curves"]]:
    """The log-likelihoods of curves, and how many points each has to learn from."""

    def one(key: Key[Array, ""]) -> tuple[Array, Array]:
        task = family.sample(Split.TEST, key=key)
        return score(task), task.support.weight.sum().astype(int)

    keys = jr.split(key, curves)
    all_of = eqx.filter_jit(lambda keys: jax.lax.map(one, keys, batch_size=AT_ONCE))
    worth, count = all_of(keys)
    return np.asarray(worth, np.float64), np.asarray(count)


def binned(worth: np.ndarray, count: np.ndarray) -> dict[str, list[float]]:
    """Mean log-likelihoods of curves with as many points, a few together."""
    edges = np.array([3, 4, 6, 8, 11, 15, 20, 26, 33, 40, POINTS - FEWEST])
    which = np.digitize(count, edges) - 1
    bins = [i for i in range(len(edges) - 1) if (which == i).any()]
    return {
        "points": [round(float(count[which == i].mean()), 2) for i in bins],
        "value": [round(float(worth[which == i].mean()), 4) for i in bins],
    }


def example(model: TwoEncoders, kernel: str, key: Key[Array, ""]) -> dict[str, Any]:
    """A few points of a curve, and what is predicted from them."""
    family = GaussianProcesses(SHOWN, 1, kernel=kernel)
    task = family.sample(Split.TEST, key=key)
    x = jnp.linspace(-2, 2, 161)[:, None]
    reader = model.condition(Batch(task.support.x, task.support.y))
    network = jax.vmap(reader.gaussian)(x)
    exact = family.gaussian(task.support, task.latents, x)

    def rounded(values: Array) -> list[float]:
        return np.round(np.asarray(values, np.float64).ravel(), 4).tolist()

    return {
        "x": rounded(task.support.x),
        "y": rounded(task.support.y),
        "at": rounded(x),
        OURS: list(map(rounded, network)),
        OPTIMUM: list(map(rounded, exact)),
    }
