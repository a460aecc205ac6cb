"""Sine waves of random amplitude and phase."""

import math

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from ..core import check_range, Split, Task
from ._base import AbstractTasks, check_points, halves


class Sinusoids(AbstractTasks):
    """Regression of `y = amplitude * sin(frequency * x - phase)`: each task has its own amplitude,
    phase and frequency.

    The defaults are those of Finn, Abbeel & Levine 2017, *Model-Agnostic Meta-Learning*, §5.1,
    where tasks share only that they are sines. Known values: the prediction 0 costs 4.2517 (half
    the mean squared amplitude); the best function that does not depend on the task is -1.6234 cos
    x, and costs 3.006.

    `latents` are amplitude and phase (and frequency, if it varies).

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids(shots=5).sample(ls.Split.TRAIN, key=jr.key(0))
    >>> task.support.x.shape, task.query.y.shape
    ((5, 1), (10, 1))
    """

    shots: int = 10  # points of a task to learn from
    queries: int = 10  # points of a task to be scored on
    amplitude: tuple[float, float] = (0.1, 5.0)
    phase: tuple[float, float] = (0.0, math.pi)  # radians
    frequency: tuple[float, float] = (1.0, 1.0)  # radians per unit of x
    inputs: tuple[float, float] = (-5.0, 5.0)  # the range of x
    # the part of the range for the points to learn from, as in Figure 2 of MAML; default: all of it
    support_inputs: tuple[float, float] | None = None
    grid: bool = False  # points to be scored on are evenly spaced over the range, not random

    def __check_init__(self):
        check_points("Sinusoids", self.shots, self.queries)
        support = self.inputs if self.support_inputs is None else self.support_inputs
        check_range(
            "Sinusoids", amplitude=self.amplitude, phase=self.phase, frequency=self.frequency
        )
        check_range("Sinusoids", inputs=self.inputs, support_inputs=support)

    @classmethod
    def meta_sgd(cls, shots: int = 10, queries: int = 10) -> "Sinusoids":
        """The family of Li et al. 2017, *Meta-SGD*, §4.1: frequencies in [0.8, 1.2], and
        `+ phase`."""
        return cls(shots, queries, phase=(-math.pi, 0.0), frequency=(0.8, 1.2))

    @classmethod
    def reptile(cls, shots: int = 10) -> "Sinusoids":
        """The family of Nichol, Achiam & Schulman 2018, *Reptile*, §6.1: all phases, and 50 evenly
        spaced queries."""
        return cls(shots, 50, phase=(0.0, 2 * math.pi), grid=True)

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        return self._from(jr.uniform(split.fold(key), (3 + self.shots + self.queries,)))

    def draw(self, num_tasks: int, split: Split, *, key: Key[Array, ""]) -> Task:
        # One call for all tasks: a call of the generator costs more than the numbers themselves.
        uniform = jr.uniform(split.fold(key), (num_tasks, 3 + self.shots + self.queries))
        return jax.vmap(self._from)(uniform)

    def _from(self, uniform: Float[Array, "numbers"]) -> Task:
        """The task that uniform random numbers determine."""
        amplitude = _between(self.amplitude, uniform[0])
        phase = _between(self.phase, uniform[1])
        frequency = _between(self.frequency, uniform[2])
        support = _between(self.support_inputs or self.inputs, uniform[3 : 3 + self.shots])
        query = (
            jnp.linspace(*self.inputs, self.queries)
            if self.grid
            else _between(self.inputs, uniform[-self.queries :])
        )
        x = jnp.concatenate([support, query])[:, None]
        y = amplitude * jnp.sin(frequency * x - phase)
        varying = [amplitude, phase] if _fixed(self.frequency) else [amplitude, phase, frequency]
        return Task(*halves(x, y, self.shots), latents=jnp.stack(varying))

    def function(
        self, latents: Float[Array, "latents"], x: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """The true function of a task at `x`."""
        frequency = self.frequency[0] if _fixed(self.frequency) else latents[2]
        return latents[0] * jnp.sin(frequency * x - latents[1])


def _between(limits: tuple[float, float], uniform: Float[Array, "..."]) -> Float[Array, "..."]:
    low, high = limits
    return low + (high - low) * uniform


def _fixed(limits: tuple[float, float]) -> bool:
    return limits[0] == limits[1]
