"""What `gpu.py` measures of learnset: trainings, balancers, the water maze."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gpu_page import WAYS
from harness import least_seconds

SINUSOIDS, IMAGES = (25, 1_000, 10_000), (16, 128)  # tasks a step
MATRICES, MAZES, SEEDED = ((32, 10**5), (128, 10**5)), (64, 4_096, 16_384), (64,)
BALANCERS = ("UPGrad", "MGDA", "IMTL-G", "Aligned-MTL")
PRECISIONS = {"TF32": "tensorfloat32", "float32": "highest"}


@dataclass(frozen=True)
class Work:
    """Something to measure: `prepare` compiles it, and gives what measures it."""

    section: str
    setting: str
    name: str
    prepare: Callable[[], Callable[[float], Any]]
    precision: str = "TF32"

    @property
    def title(self) -> str:
        return f"{self.section}, {self.setting}, {self.name}"


def precisions(tiny: bool) -> list[str]:
    return list(PRECISIONS)[: 1 if tiny else None]


def images(name: str, tiny: bool) -> Iterator[Work]:
    """MAML, strided, and a prototypical network, pooled."""
    import few_shot

    import learnset as ls

    for precision in precisions(tiny):
        for tasks in (1,) if tiny else IMAGES:

            def maml(tasks: int = tasks) -> Callable[[float], float]:
                episodes = few_shot._episodes(5, 1, 15)
                method = ls.MAML(ls.cross_entropy, 0.4)
                return _training(method, few_shot._classifier(), episodes, tasks, 16)

            yield Work("images", f"{tasks} {precision}", name, maml, precision)

        def protonet() -> Callable[[float], float]:
            model = ls.models.Headed(few_shot._encoder(strided=False), None)
            episodes = few_shot._episodes(WAYS, 5, 5)
            return _training(ls.ProtoNet(), model, episodes, 1, 32)

        yield Work("protonet", f"1 {precision}", name, protonet, precision)


def sinusoids(name: str, tiny: bool) -> Iterator[Work]:
    import training

    import learnset as ls

    for precision in precisions(tiny):
        for tasks in (2,) if tiny else SINUSOIDS:

            def maml(tasks: int = tasks) -> Callable[[float], float]:
                method = ls.MAML(ls.mse, inner_lr=0.01)
                return _training(method, training.network(), ls.Sinusoids(), tasks, 256)

            yield Work("sinusoids", f"{tasks} {precision}", name, maml, precision)


def others(tiny: bool) -> Iterator[Work]:
    """Balancers, and the water maze."""
    for tasks, params in ((2, 10),) if tiny else MATRICES:
        for name in BALANCERS:

            def balancer(
                name: str = name, tasks: int = tasks, params: int = params
            ) -> Callable[[float], float]:
                return _balancer(name, tasks, params)

            yield Work("balancers", f"{name} {tasks} {params}", "learnset", balancer, "float32")
    for batch in (2,) if tiny else MAZES:
        yield Work("mazes", str(batch), "learnset", lambda batch=batch: _mazes(batch))
    for batch in (2,) if tiny else SEEDED:
        yield Work("seeds", str(batch), "seconds", lambda batch=batch: _seeds(batch))


def _training(
    method: Any, model: Any, tasks: Any, tasks_per_step: int, window: int
) -> Callable[[float], float]:
    """What measures tasks a second of `learnset.train`, drawing, Adam and all."""
    import jax.random as jr
    import optax

    import learnset as ls

    def seconds_of(steps: int) -> float:
        return ls.train(
            method,
            model,
            tasks,
            optax.adam(1e-3),
            steps=steps,
            key=jr.key(1),
            tasks_per_step=tasks_per_step,
            log_every=window,
            progress=False,
        ).seconds

    seconds_of(1)

    def measure(seconds: float) -> float:
        windows = max(1, round(seconds / 3 / seconds_of(window)))
        least = min(seconds_of(windows * window) for _ in range(3))
        return tasks_per_step * windows * window / least

    return measure


def _balancer(name: str, tasks: int, params: int) -> Callable[[float], float]:
    """What measures seconds of one aggregation."""
    import balancers
    import jax
    import jax.numpy as jnp
    import jax.random as jr

    rows = jnp.asarray(balancers.matrix("independent", tasks, params))
    method = balancers._methods()[name]
    program = jax.jit(lambda rows, key: method.direction(rows, key=key))

    def call() -> Any:
        return jax.block_until_ready(program(rows, jr.key(0)))

    call()
    return lambda seconds: least_seconds(call, seconds / 4, time.perf_counter)


def _mazes(batch: int) -> Callable[[float], float]:
    """What measures steps a second of the water maze with training."""
    import envs
    import jax.random as jr

    agent = envs.new_agent()
    envs.trained(1, batch, agent, jr.key(2))

    def measure(seconds: float) -> float:
        one = envs.trained(1, batch, agent, jr.key(2)).seconds
        steps = max(1, round(seconds / 3 / one))
        least = min(envs.trained(steps, batch, agent, jr.key(2)).seconds for _ in range(3))
        return steps * batch * envs.HORIZON / least

    return measure


def _seeds(batch: int) -> Callable[[float], dict[str, float]]:
    """What measures seconds of a step of five runs, one after another and together."""
    import envs

    envs.seeds_rate(batch, 0)
    return lambda seconds: envs.seeds_rate(batch, 2 * seconds)
