"""The training loop, written once for all methods."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key, PyTree

from ..core import (
    AbstractMethod,
    all_finite,
    as_key,
    DivergedError,
    fast_dots,
    in_shards,
    InputError,
    Interrupted,
    Model,
    sparing,
    State,
    traced,
    trainable,
)
from ..data import failure_of
from ..tasks import AbstractDistribution
from ._ahead import read_ahead
from ._check import check_training, does_not_fit, reason_of
from ._checkpoint import Checkpoints, Saved
from ._compiled import compiled
from ._folder import run_folder
from ._identity import identity
from ._log import MetricsLog
from ._loop import Loop, Run
from ._processes import any_of, check_shared, everywhere, here, is_first, meet
from ._program import computed, versions
from ._progress import Bar, ctrl_c, shown_by_default
from ._scoring import Scoring, scoring
from ._traced import is_traced

CHECKPOINT_SECONDS = 30


class Trained(eqx.Module):
    """The result of training.

    `model` is the trained model and `state` what the method remembers. `metrics` holds the mean of
    each logged number over windows of steps: `loss`, and what the method adds. `scores` holds what
    `score` returned, by step. `seconds` includes neither `compile_seconds` nor those of scores.
    """

    model: Model
    state: State
    metrics: dict[str, Float[Array, "*seeds windows"]]
    steps: int = eqx.field(static=True)
    seconds: float = eqx.field(static=True, default=0.0)  # running, without compilation
    compile_seconds: float = eqx.field(static=True, default=0.0)
    scores: Mapping[int, np.ndarray] = eqx.field(default_factory=dict)


def train(
    method: AbstractMethod,
    model: Model,
    tasks: AbstractDistribution,
    optimiser: optax.GradientTransformation,
    *,
    steps: int,
    key: Key[Array, "*seeds"],
    tasks_per_step: int = 25,
    log_every: int | None = None,
    score: Callable[[Model], Any] | None = None,
    score_at: Sequence[int] = (),
    out: str | Path | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool | None = None,
    name: str | None = None,
    parts: int | None = None,
) -> Trained:
    """Trains `model` by `method` on tasks drawn from the training split.

    The loop is one compiled program: it draws tasks, takes the gradient and applies the optimiser.
    Control returns to the host only between windows of `log_every` steps. Step `i` has the random
    key `fold_in(key, i)`.

    **Arguments:**

    - `method`: gives the gradient; `model`: any Equinox module; `tasks`: the distribution that
      tasks are drawn from; `optimiser`: an Optax optimiser.
    - `steps`: the number of updates; `tasks_per_step`: the size of the meta-batch.
    - `key`: the source of all randomness. A vector of keys trains one model per key together: then
      every array of `model` and of `tasks` has the same leading axis (as `equinox.filter_vmap`
      makes them), and so has the result.
    - `log_every`: steps in one window of metrics (default: a hundredth of `steps`).
    - `score`: called with the model (of all keys) after the steps `score_at`, of which 0 is before
      the first. It returns an array, and changes nothing of the training; compile it yourself. What
      it returned is kept with the checkpoints, so that a resumed run has all scores.
    - `out`: a directory for `metrics.jsonl` and checkpoints, which are written every
      `checkpoint_every` steps (default: every half minute), at the end, and on Ctrl-C.
    - `resume`: continues from the last checkpoint in `out`, bit for bit, or from the beginning if
      there is none. The method, model, optimiser, tasks and key must be the same as before, except
      for the trained numbers of the model.
    - `overwrite`: replaces the run in `out`, when this one has ended: until then it is written to
      `OUT.partial`, and the old one stays as it is. `resume` goes on with the new one then.
    - `progress`: whether to show a progress bar (default: on a terminal); `name`: its label.
    - `parts`: take sums over tasks in this many parts, in a fixed order, so that one process and
        several train the same numbers bit for bit (methods that sum over tasks: the pooled
        gradient, MAML and its family, Reptile). Default: as is fastest.

    Processes that `jax.distributed.initialize` has joined (`learnset launch`) train one model, each
    with a part of the tasks of a step: all call `train` alike, and the first writes into `out`.

    It may be called inside `jax.vmap` and `jax.jit`; then no host takes part, and `out` must be
    `None`.

    **Returns:** a `Trained`.

    **Raises:** `InputError` for settings that cannot work or a directory in use; `DivergedError` if
    a loss or a parameter becomes NaN or infinite; `Interrupted` on Ctrl-C, after saving, if `out`
    is given.

    >>> import jax.random as jr, optax, learnset as ls
    >>> method, model = ls.Pooled(ls.mse), ls.MLP(1, 1, key=jr.key(0))
    >>> run = ls.train(method, model, ls.Sinusoids(), optax.adam(1e-3), steps=20, key=jr.key(1))
    >>> run.metrics["loss"].shape
    (20,)

    The prediction for 1 in the course of training:

    >>> import jax.numpy as jnp
    >>> scoring = {"score": lambda model: model(jnp.ones(1)), "score_at": (0, 20)}
    >>> options = {"steps": 20, "key": jr.key(1)} | scoring
    >>> run = ls.train(method, model, ls.Sinusoids(), optax.adam(1e-3), **options)
    >>> {step: value.shape for step, value in run.scores.items()}
    {0: (1,), 20: (1,)}
    """
    check_training(model, tasks, optimiser, steps, tasks_per_step, log_every, checkpoint_every)
    check_shared(tasks_per_step, parts)
    key, steps = as_key("train", key), int(steps)
    scores = scoring(score, score_at, steps)
    window = log_every or max(1, steps // 100)
    moving, fixed = trainable(model)
    method = traced(method)
    carry = _start(key.ndim == 1, method, optimiser, moving, fixed)
    program = Loop(method, optimiser, tasks_per_step, window)
    run = Run(tasks, fixed, key)
    if is_traced(key, method, model, tasks, optimiser):
        if out is not None:
            raise InputError("train: inside `jax.vmap` and `jax.jit` nothing can be kept in `out`.")
        if scores.at:
            raise InputError(
                "train: inside `jax.vmap` and `jax.jit` no host can take a `score`. Train outside,"
                " or without `score_at`."
            )
        return _without_host(program, carry, run, steps)
    name = type(method).__name__ if name is None else name
    shown = shown_by_default() if progress is None else progress
    if out is None:
        return _Host(program, name, None, None, False, scores, parts).run(carry, run, steps, shown)
    with run_folder(out, resume=resume, overwrite=overwrite) as folder:
        host = _Host(program, name, folder, checkpoint_every, resume, scores, parts)
        return host.run(carry, run, steps, shown)


def restore(
    out: str | Path,
    method: AbstractMethod,
    model: Model,
    optimiser: optax.GradientTransformation,
    *,
    several: bool = False,
) -> Trained:
    """The last saved state of a run: what `train` returned or would have returned, without metrics.

    **Arguments:** as for `train`; `model` may have other trained numbers, but must otherwise be
    the same. `several`: of a vector of keys, with a leading axis on every array of the model.

    **Raises:** `InputError` if there is no checkpoint, if all are damaged, or if they belong to
    another method, model or optimiser.
    """
    if not (Path(out) / "checkpoints").is_dir():
        raise InputError(
            f"{out} holds no checkpoints: it is not a run of `train`, or the run ended before the"
            " first one was written."
        )
    moving, fixed = trainable(model)
    carry = _start(several, traced(method), optimiser, moving, fixed)
    parts = {"method": traced(method), "model": _untrained(moving, fixed), "optimiser": optimiser}
    identities = {name: identity(part) for name, part in parts.items()}
    saved = Checkpoints(Path(out) / "checkpoints", identities).restore(carry)
    moving, _, state = saved.state
    return Trained(
        eqx.combine(moving, fixed), state, {}, saved.step, saved.seconds, 0.0, saved.scores
    )


@compiled
def _start(
    batched: bool, method: AbstractMethod, optimiser: Any, moving: PyTree, fixed: PyTree
) -> PyTree:
    """Parameters, state of the optimiser and state of the method before the first step."""

    def one(moving: PyTree, fixed: PyTree) -> PyTree:
        return moving, sparing(optimiser).init(moving), method.init(eqx.combine(moving, fixed))

    return (eqx.filter_vmap(one) if batched else one)(moving, fixed)


def _untrained(moving: PyTree, fixed: PyTree) -> PyTree:
    """The model without the numbers that training changes, of which dtype and shape remain."""
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), moving)
    return eqx.combine(shapes, fixed)


def _without_host(program: Loop, carry: PyTree, run: Run, steps: int) -> Trained:
    whole_run = eqx.tree_at(lambda p: p.window, program, steps)
    (moving, _, state), log, _ = whole_run(carry, run, 0, steps)
    return Trained(eqx.combine(moving, run.fixed), state, log, steps)


class _Host:
    """The host's work between windows: progress, log, checks, checkpoints, Ctrl-C."""

    def __init__(
        self,
        program: Loop,
        name: str,
        folder: Path | None,
        checkpoint_every: int | None,
        resume: bool,
        scoring: Scoring,
        parts: int | None,
    ):
        self.program, self.name, self.folder, self.resume = program, name, folder, resume
        self.parts = parts
        self.checkpoint_every, self.scoring = checkpoint_every, scoring
        self.checkpoints: Checkpoints | None = None

    def run(self, carry: PyTree, run: Run, steps: int, shown: bool) -> Trained:
        saved = Saved(0, carry)
        if self.folder is not None:
            with self._fitting(run):
                identities = self._identities(carry, run)
            self.checkpoints = Checkpoints(self.folder / "checkpoints", identities)
            if self.resume and (resumed := self.checkpoints.resumed(carry)) is not None:
                saved = resumed
                self._check_steps(saved, steps)
        log = MetricsLog(self.folder, saved.log)
        try:
            with (
                in_shards(self.parts),
                Bar(self.name, steps, shown=shown and is_first()) as bar,
                ctrl_c(waits=self.folder is not None) as stop,
            ):
                saved = saved._replace(state=everywhere(saved.state))
                run = everywhere(run)
                with read_ahead(self.program, run, self._bounds(saved.step, steps)):
                    return self._windows(saved, run, steps, bar, log, stop)
        except (ValueError, jax.errors.JaxRuntimeError) as error:
            if (failure := failure_of(error)) is error:
                raise
            raise failure from None
        finally:
            log.close()

    def _windows(self, saved: Saved, run: Run, steps: int, bar, log, stop) -> Trained:
        carry, start, window, scores = saved.state, saved.step, saved.window, dict(saved.scores)
        bounds = self._bounds(start, steps)
        compile_seconds = self._compile(carry, run) if bounds else 0.0
        meet()
        self.scoring.take(start, self._model(carry, run), scores)
        windows, seconds, clock = log.windows, 0.0, time.monotonic()
        for begin, end in bounds:
            began = time.perf_counter()
            new, metrics, finite = jax.block_until_ready(
                _advance(self.program, carry, run, jnp.int32(begin), jnp.int32(end))
            )
            seconds += time.perf_counter() - began
            metrics = {
                name: np.asarray(value)[..., : end - begin] for name, value in metrics.items()
            }
            spent = saved.seconds + seconds
            if not (finite.all() and all(np.isfinite(value).all() for value in metrics.values())):
                self._save(Saved(begin, carry, log.text, window, spent, scores))
                self._diverged(metrics, begin, run)
            carry, window = new, _joined(window, metrics)
            if end % self.program.window == 0 or end == steps:
                windows.append({name: value.mean(axis=-1) for name, value in window.items()})
                numbers = {name: value.tolist() for name, value in windows[-1].items()}
                log.write(end, run=self.name, **numbers)
                window = {}
            bar.at(end, loss=float(metrics["loss"].mean()), rate=(end - start) / seconds)
            scored = self.scoring.take(end, self._model(carry, run), scores)
            due, stopped = any_of(self._due(end, time.monotonic() - clock), stop.requested)
            if scored or due or end == steps or stopped:
                self._save(Saved(end, carry, log.text, window, spent, scores))
                clock = time.monotonic()
            if stopped and end < steps:
                self._interrupt(end, steps)
        names = windows[0].keys() if windows else ()
        history = {
            name: jnp.stack([jnp.asarray(w[name]) for w in windows], axis=-1) for name in names
        }
        spent = saved.seconds + seconds
        model, state = self._model(carry, run), here(carry[2])
        return Trained(model, state, history, steps, spent, compile_seconds, scores)

    def _model(self, carry: PyTree, run: Run) -> Model:
        return here(eqx.combine(carry[0], run.fixed))

    def _bounds(self, start: int, steps: int) -> list[tuple[int, int]]:
        """The first and last step of each call of the program. Calls end where windows end, on
        multiples of their length wherever the run began, so that a resumed log has the same lines;
        and where a checkpoint or a score is asked for."""
        lengths = [self.program.window, self.checkpoint_every or steps]
        ends = {end for length in lengths for end in range(length, steps, length)} | {steps}
        ends = sorted(end for end in ends | self.scoring.at if end > start)
        return list(zip([start, *ends], ends, strict=False))

    def _compile(self, carry: PyTree, run: Run) -> float:
        """Compiles by taking zero steps. Returns the seconds that it took."""
        began = time.perf_counter()
        with self._fitting(run):
            jax.block_until_ready(_advance(self.program, carry, run, jnp.int32(0), jnp.int32(0)))
        return time.perf_counter() - began

    @contextlib.contextmanager
    def _fitting(self, run: Run) -> Iterator[None]:
        """Says in words which sizes do not fit."""
        try:
            yield
        except InputError:
            raise
        except (TypeError, ValueError) as error:
            raise does_not_fit(self.name, run.tasks, run.key, error) from error

    def _identities(self, carry: PyTree, run: Run) -> dict[str, dict[str, Any]]:
        """The identities of all parts that determine what the run computes."""
        parts = {
            "method": self.program.method,
            "model": _untrained(carry[0], run.fixed),
            "optimiser": self.program.optimiser,
            "tasks": run.tasks,
            "tasks_per_step": self.program.tasks_per_step,
            "key": run.key,
        }
        parts |= {"score": self.scoring.score} if self.scoring.at else {}
        parts |= {f"{name} ({versions()})": d for name, d in computed(self.program, carry, run)}
        return {name: identity(part) for name, part in parts.items()}

    def _diverged(self, metrics: dict[str, np.ndarray], begin: int, run: Run) -> None:
        bad = [
            np.flatnonzero(~np.isfinite(value).reshape(-1, value.shape[-1]).all(axis=0))
            for value in metrics.values()
        ]
        first = min(
            [int(steps[0]) for steps in bad if len(steps)], default=len(metrics["loss"].T) - 1
        )
        rescue = ""
        if self.checkpoints is not None:
            rescue = f" The last good state, of step {begin:,}, is kept in {self.folder}."
        reason = reason_of(bool(_finite_tasks(self.program, run, jnp.int32(begin + first))))
        raise DivergedError(
            f"{self.name} met NaN or infinity at step {begin + first + 1:,}. {reason}{rescue}"
        )

    def _check_steps(self, saved: Saved, steps: int) -> None:
        start = saved.step
        self.scoring.check_resumed(start, saved.scores, self.folder)
        if start > steps:
            raise InputError(
                f"train: `steps={steps}`, but the run in {self.folder} is already at step"
                f" {start:,}. Ask for more steps, or get the model as it is with `restore`."
            )

    def _due(self, step: int, seconds: float) -> bool:
        if self.checkpoint_every is None:
            return seconds >= CHECKPOINT_SECONDS
        return step % self.checkpoint_every == 0

    def _save(self, saved: Saved) -> None:
        if self.checkpoints is not None:
            self.checkpoints.save(saved)

    def _interrupt(self, step: int, steps: int) -> None:
        raise Interrupted(
            f"{self.name} was stopped at step {step:,} of {steps:,} and saved in {self.folder}."
            " Continue with `resume`."
        )


@eqx.filter_jit
def _finite_tasks(program: Loop, run: Run, step: Array) -> Array:
    """Whether all numbers of the tasks of a step are finite."""
    if run.key.ndim == 0:
        return all_finite(program.draw(run, step))
    return eqx.filter_vmap(lambda run: all_finite(program.draw(run, step)))(run).all()


def _joined(window: dict[str, np.ndarray], metrics: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The metrics of an unfinished window, with those of further steps."""
    if not window:
        return metrics
    return {name: np.concatenate([window[name], metrics[name]], axis=-1) for name in metrics}


@compiled
def _advance(program: Loop, carry: PyTree, run: Run, start: Array, stop: Array) -> PyTree:
    return fast_dots(program)(carry, run, start, stop)
