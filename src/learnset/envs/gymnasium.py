"""The environments for Gymnasium, so that agents of any other library can be tried on them.

Importing this module registers them.
`gymnasium.make("learnset.envs.gymnasium:learnset/WaterMaze-v0")` imports it automatically; since
Gymnasium 1.0, environments cannot be found without an import.
"""

import os
from typing import Any

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key, UInt8

try:
    import gymnasium
    from gymnasium import spaces
except ModuleNotFoundError:
    raise ImportError(
        "Gymnasium is not installed, which `GymEnv` needs: `pip install learnset[gymnasium]`."
    ) from None

from ..core import COLOURS, FAINT, INK, InputError, new_figure, Split
from ._base import AbstractEnv, AbstractEnvs, Continuous, Discrete, EnvState, Feedback
from .bandits import Bandits
from .harlow import Harlow
from .mdps import TabularMDPs
from .navigation import Navigation
from .two_step import TwoStep
from .water_maze import MatchingToPlace, WaterMaze

Senses = Float[np.ndarray, "observation"]


FORKED = (
    "JAX does not work in a process that was forked after JAX had started, as asynchronous vector"
    " environments fork them: it would wait for ever. Start them anew: `gymnasium.make_vec(...,"
    ' vector_kwargs={"context": "spawn"})`.'
)
_process = os.getpid()  # that imported this module; a forked one has another number
_spaces: dict[str, tuple[spaces.Space, spaces.Space]] = {}  # known without JAX


class GymEnv(gymnasium.Env):
    """A distribution over tasks as one Gymnasium environment, in which an episode is a trial.

    `reset` continues with the next trial of the task. After the last trial, with `seed`, or with
    `options={"new_task": True}`, it begins the first trial of a new task. `info` has the number of
    the trial, counted from zero, and `new_task`: an agent that learns to learn keeps its memory
    while this is false.

    Gymnasium's checks and wrappers work as usual. Programs are compiled once and serve all
    instances with equal settings. For fast training, `jax.vmap` over the environments themselves.

    **Arguments:**

    - `envs`: the distribution that tasks are drawn from.
    - `split`: the split of the tasks (default: training).
    - `render_mode`: with `"rgb_array"`, `render` draws the pool with the swim so far, or the
      observation for other environments.

    **Raises:** `InputError` for an action that does not exist, for a step before `reset` or after
    the end of a trial, and in a forked process, where JAX does not work.

    >>> import gymnasium
    >>> env = gymnasium.make("learnset.envs.gymnasium:learnset/Harlow-v0")
    >>> first, second = env.reset(seed=0)[1], env.reset()[1]
    >>> first, second
    ({'trial': 0, 'new_task': True}, {'trial': 1, 'new_task': False})
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(
        self, envs: AbstractEnvs, split: Split = Split.TRAIN, render_mode: str | None = None
    ):
        if render_mode not in (None, "rgb_array"):
            raise InputError(
                f'GymEnv: `render_mode={render_mode!r}`, but it must be None or "rgb_array".'
            )
        self.envs = envs
        self.split = split
        self.render_mode = render_mode
        self.action_space, self.observation_space = _spaces_of(envs)
        self.task: AbstractEnv | None = None
        self.trial = 0
        self.over = True
        self._key: Key[Array, ""] | None = None
        self._state: EnvState = None
        self._path: list[EnvState] = []  # of this trial; kept only if it may be drawn

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Senses, dict[str, Any]]:
        """The first observation of the next trial."""
        if os.getpid() != _process:
            raise InputError(FORKED)
        super().reset(seed=seed)
        if seed is not None or self._key is None:
            self._key, self.task = jr.key(int(self.np_random.integers(2**31))), None
        requested = (options or {}).get("new_task", False)
        new_task = self.task is None or requested or self.trial + 1 >= self.task.trials
        if new_task:
            self.task, self._key = _drawn(self.envs, self.split, self._key)
        self.trial = 0 if new_task else self.trial + 1
        self._state, observation, self._key = _begun(self.task, np.int32(self.trial), self._key)
        self.over = False
        self._path = [self._state]
        return np.array(observation), self._info(new_task)

    def step(self, action: Any) -> tuple[Senses, float, bool, bool, dict[str, Any]]:
        """The effect of an action: observation, reward, terminated, truncated, and the trial."""
        if self.over:
            raise InputError(
                "GymEnv: `step` after the end of a trial, or before the first. Call `reset`."
            )
        self._state, observation, feedback, self._key = _stepped(
            self.task, self._state, self._checked(action), self._key
        )
        observation, feedback = jax.device_get((observation, feedback))
        self.over = bool(feedback.over)
        self._path += [self._state] if self.render_mode else []
        ends = bool(feedback.terminated), bool(feedback.truncated)
        return np.array(observation), float(feedback.reward), *ends, self._info(False)

    def render(self) -> UInt8[np.ndarray, "height width 3"] | None:
        """The pool from above with the swim so far, or the observation as bars; `None` without
        `render_mode`."""
        if self.render_mode is None or self.task is None:
            return None
        return _picture(self.task, self._path)

    def _info(self, new_task: bool) -> dict[str, Any]:
        return {"trial": self.trial, "new_task": bool(new_task)}

    def _checked(self, action: Any) -> np.ndarray:
        """The action as an array. A continuous one outside the range is clipped later, by the
        environment."""
        value = np.asarray(action)
        discrete = isinstance(self.action_space, spaces.Discrete)
        exists = value in self.action_space if discrete else bool(np.isfinite(value).all())
        if value.shape != self.action_space.shape or not exists:
            raise InputError(
                f"GymEnv: there is no action {action!r}; choose one of `{self.action_space}`."
            )
        return value.astype(self.action_space.dtype)


def _spaces_of(envs: AbstractEnvs) -> tuple[spaces.Space, spaces.Space]:
    """The spaces of actions and of observations."""
    name = f"{type(envs).__qualname__} {envs}"
    if name in _spaces:
        return _spaces[name]
    if os.getpid() != _process:
        raise InputError(FORKED)
    task, senses = _shapes(envs)
    limit = np.finfo(senses.dtype).max  # the range of observations is not known
    seen = spaces.Box(-limit, limit, senses.shape, senses.dtype.type)
    return _spaces.setdefault(name, (_space(task.actions), seen))


def _shapes(envs: AbstractEnvs) -> tuple[AbstractEnv, jax.ShapeDtypeStruct]:
    """A task and an observation without their numbers: nothing is computed."""

    def observed(key: Key[Array, ""]) -> tuple[AbstractEnv, Array]:
        task = envs.sample(Split.TRAIN, key=key)
        return task, task.observe(task.reset(0, key=key))

    return eqx.filter_eval_shape(observed, jr.key(0))


def _space(actions: Discrete | Continuous) -> spaces.Space:
    if isinstance(actions, Continuous):
        return spaces.Box(-actions.limit, actions.limit, (actions.size,), np.float32)
    return spaces.Discrete(actions.size)


# Each splits the key once, into one to keep and one to use. They are compiled for a kind of task,
# not for an instance.


@eqx.filter_jit
def _drawn(
    envs: AbstractEnvs, split: Split, key: Key[Array, ""]
) -> tuple[AbstractEnv, Key[Array, ""]]:
    key, now = jr.split(key)
    return envs.sample(split, key=now), key


@jax.jit
def _begun(
    task: AbstractEnv, trial: Array, key: Key[Array, ""]
) -> tuple[EnvState, Array, Key[Array, ""]]:
    key, now = jr.split(key)
    state = task.reset(trial, key=now)
    return state, task.observe(state), key


@jax.jit
def _stepped(
    task: AbstractEnv, state: EnvState, action: Array, key: Key[Array, ""]
) -> tuple[EnvState, Array, Feedback, Key[Array, ""]]:
    key, now = jr.split(key)
    state, feedback = task.step(state, action, key=now)
    return state, task.observe(state), feedback, key


def _picture(task: AbstractEnv, path: list[EnvState]) -> UInt8[np.ndarray, "height width 3"]:
    figure, axes = new_figure(1, 1, width=3.2, height=3.2)
    if isinstance(task, WaterMaze):
        _draw_swim(task, path, axes[0, 0])
    else:
        senses = np.asarray(task.observe(path[-1]))
        axes[0, 0].bar(np.arange(len(senses)), senses, color=COLOURS[0])
    figure.canvas.draw()
    return np.array(figure.canvas.buffer_rgba())[..., :3]  # pyright: ignore[reportAttributeAccessIssue]


def _draw_swim(maze: WaterMaze, path: list[EnvState], axis: Any) -> None:
    """The pool from above, its platform, and the path from the start to the swimmer."""
    from matplotlib.patches import Circle

    radius, trial = maze.pool.radius, int(path[0].trial)
    line = "dotted" if maze.probe[trial] else "solid"  # dotted: no platform in a probe trial
    axis.add_patch(Circle((0, 0), radius, fill=False, color=INK))
    centre, size = tuple(np.asarray(maze.platforms[trial])), float(maze.platform_radius)
    axis.add_patch(Circle(centre, size, fill=False, ec=COLOURS[2], ls=line))
    east, north = np.stack([state.position for state in path]).T
    axis.plot(east, north, color=FAINT, linewidth=1)
    axis.plot(east[-1], north[-1], "o", color=COLOURS[0])
    reach = (-1.05 * radius, 1.05 * radius)
    axis.set(xlim=reach, ylim=reach, aspect="equal")
    axis.set_axis_off()


for envs in (Bandits(), Harlow(), Navigation(), TabularMDPs(), TwoStep(), MatchingToPlace()):
    name = "WaterMaze" if isinstance(envs, MatchingToPlace) else type(envs).__name__
    gymnasium.register(
        f"learnset/{name}-v0", entry_point=f"{__name__}:GymEnv", kwargs={"envs": envs}
    )
