"""References of `envs.py`: the water maze in Gymnasium, and a GRU that PyTorch trains in it."""

import time
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from harness import least_seconds

import learnset as ls

WIDTH = 128
POOL, DAYS = ls.envs.Pool(), ls.envs.MatchingToPlace()
CENTRES = np.float32(POOL.centres)
WAYS = np.float32([[np.cos(angle), np.sin(angle)] for angle in np.arange(8) * np.pi / 4])
STARTS = np.float32([[0, 0.95], [0.95, 0], [0, -0.95], [-0.95, 0]])
LEFT = np.float32(np.exp(-POOL.interval / POOL.turning))  # of the old direction
LENGTH, LIMIT = np.float32(POOL.speed * POOL.interval), round(POOL.time_limit / POOL.interval)


class NumPyMazes(gymnasium.vector.VectorEnv):
    """Matching to place in NumPy, for many swimmers at once: the fastest form in Gymnasium.

    After the end of a trial the next step begins the next one. `agreement` compares it with
    learnset's form.
    """

    metadata = {"autoreset_mode": gymnasium.vector.AutoresetMode.NEXT_STEP}
    single_action_space = spaces.Discrete(8)
    single_observation_space = spaces.Box(-1, 1, (POOL.cells + 2,), np.float32)

    def __init__(self, batch: int):
        self.num_envs = batch

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        batch, self.random = self.num_envs, np.random.default_rng(seed)
        self.position, self.heading, self.platform = np.zeros((3, batch, 2), np.float32)
        self.trial, self.time = np.full(batch, -1), np.zeros(batch, int)
        self.over = np.zeros(batch, bool)
        self._begin(np.ones(batch, bool))
        return self.observed(), {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        begins, start, new = self.over, self.position, WAYS[actions]
        way = (1 - LEFT) * new + LEFT * self.heading
        size = np.sqrt(dot(way, way))[:, None]
        way = np.where(size > 1e-6, way / np.maximum(size, 1e-6), new)
        first = np.minimum(to_wall(start, way), LENGTH)
        wall = start + first[:, None] * way
        reflected = way - 2 * dot(way, wall)[:, None] * wall / POOL.radius**2
        back = np.where((first < LENGTH)[:, None], reflected, way)
        rest = np.minimum(LENGTH - first, np.maximum(to_wall(wall, back), 0))
        found = (self._crosses(start, way, first) | self._crosses(wall, back, rest)) & ~begins
        self.time = self.time + 1
        late = ~found & (self.time >= LIMIT) & ~begins
        self.over = found | late
        end = wall + rest[:, None] * back
        end = end * (POOL.radius / np.maximum(np.sqrt(dot(end, end)), POOL.radius))[:, None]
        self.position = np.where(self.over[:, None], self.platform, np.float32(end))
        self.heading = np.where(self.over[:, None], np.float32(0), back)
        if begins.any():
            self._begin(begins)
        return self.observed(), found.astype(np.float32), found, late, {}

    def observed(self) -> np.ndarray:
        east, north = self.position[:, :1] - CENTRES[:, 0], self.position[:, 1:] - CENTRES[:, 1]
        cells = np.exp((east * east + north * north) * np.float32(-0.5 / POOL.cell_width**2))
        return np.concatenate([cells, self.heading], axis=1)

    def _begin(self, which: np.ndarray) -> None:
        """The next trial, and after four of them another day."""
        self.trial = np.where(which, (self.trial + 1) % 4, self.trial)
        new = np.flatnonzero(which & (self.trial == 0))
        angle = np.radians(
            self.random.uniform(15, 37.5, len(new)) + 45 * self.random.integers(0, 8, len(new))
        )
        away = DAYS.reach * np.sqrt(self.random.uniform(size=len(new)))
        self.platform[new] = np.stack([away * np.cos(angle), away * np.sin(angle)], axis=-1)
        self.position = np.where(which[:, None], STARTS[self.trial], self.position)
        self.heading = np.where(which[:, None], np.float32(0), self.heading)
        self.time = np.where(which, 0, self.time)

    def _crosses(self, start: np.ndarray, way: np.ndarray, length: np.ndarray) -> np.ndarray:
        towards = self.platform - start
        along = dot(towards, way)
        half = POOL.platform_radius**2 - (dot(towards, towards) - along**2)
        root = np.sqrt(np.maximum(half, 0))
        return (half >= 0) & (along + root >= 0) & (along - root <= length)


def dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of vectors of two, row by row."""
    return one[:, 0] * other[:, 0] + one[:, 1] * other[:, 1]


def to_wall(position: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Metres from a place in the pool to its wall."""
    along = dot(position, way)
    return np.sqrt(along**2 + np.maximum(POOL.radius**2 - dot(position, position), 0)) - along


def many_mazes(kind: str, batch: int) -> gymnasium.vector.VectorEnv:
    """`numpy`: all swimmers at once; `gym`: `learnset/WaterMaze-v0`, one after another."""
    if kind == "numpy":
        return NumPyMazes(batch)
    name = "learnset.envs.gymnasium:learnset/WaterMaze-v0"
    return gymnasium.vector.SyncVectorEnv([lambda: gymnasium.make(name)] * batch)


def agreement(steps: int = 1000, batch: int = 64) -> dict[str, float]:
    """The largest difference between observations in NumPy and in learnset, and the trials.

    **Raises:** `AssertionError` if one ends a trial that the other does not.
    """
    import jax
    import jax.random as jr

    @jax.jit
    def stepped(platform: Any, position: Any, heading: Any, time: Any, action: Any) -> Any:
        def one(platform: Any, position: Any, heading: Any, time: Any, action: Any) -> Any:
            maze = ls.envs.WaterMaze(platform[None])
            start = maze.reset(0, key=jr.key(0))
            now = type(start)(position, heading, start.elapsed, start.travelled, time, start.trial)
            state, feedback = maze.step(now, action, key=jr.key(0))
            return maze.observe(state), feedback.terminated, feedback.truncated

        return jax.vmap(one)(platform, position, heading, time, action)

    envs, random = NumPyMazes(batch), np.random.default_rng(1)
    envs.reset(seed=0)
    difference, trials = 0.0, 0
    for _ in range(steps):
        action, counts = random.integers(0, 8, batch), ~envs.over
        state = envs.platform.copy(), envs.position, envs.heading, envs.time.astype(np.int32)
        expected, *expected_ends = (np.asarray(part) for part in stepped(*state, action))
        observation, _, *ends, _ = envs.step(action)
        difference = max(difference, float(np.abs(expected - observation)[counts].max()))
        for theirs, ours in zip(ends, expected_ends, strict=True):
            same = np.array_equal(theirs[counts], ours[counts])
            assert same, "NumPy and learnset end different trials"
        trials += int(envs.over.sum())
    return {"apart": difference, "trials": trials}


def gym_random_rate(kind: str, batch: int, seconds: float) -> dict[str, float]:
    """Steps a second of a random swim."""
    envs, random = many_mazes(kind, batch), np.random.default_rng(0)
    envs.reset(seed=0)
    steps = max(1, 4096 // batch)

    def swim() -> None:
        for _ in range(steps):
            envs.step(random.integers(0, 8, batch))

    return {"rate": steps * batch / least_seconds(swim, seconds, time.perf_counter)}


def torch_rate(
    kind: str, batch: int, threads: int, seconds: float, horizon: int
) -> dict[str, float]:
    """Steps a second of A2C with a GRU.

    It acts without gradient; then come the whole sequence by the fused GRU, advantages, loss and
    Adam. Inputs and network are those of learnset, except that the critic receives no hidden state.
    """
    import torch
    from torch import nn, Tensor

    torch.set_num_threads(threads)
    envs = many_mazes(kind, batch)
    gru, actor = nn.GRU(POOL.cells + 2 + 2 * 8 + 4, WIDTH), nn.Linear(WIDTH, 8)
    critic = nn.Sequential(nn.Linear(WIDTH, 64), nn.ReLU(), nn.Linear(64, 1))
    adam = torch.optim.Adam(
        [*gru.parameters(), *actor.parameters(), *critic.parameters()], lr=1e-3, fused=True
    )

    def sensed(seen: np.ndarray, action: Tensor, feedback: tuple, first: np.ndarray) -> Tensor:
        values = (*feedback, first)
        reward, *flags = (torch.from_numpy(np.float32(value))[:, None] for value in values)
        acted = nn.functional.one_hot(action, 8) * (1 - flags[-1])
        observation = torch.from_numpy(np.float32(seen))
        return torch.cat([observation, acted, acted * reward, reward, *flags], 1)

    none = np.zeros(batch, bool)
    now = [envs.reset(seed=0)[0], torch.zeros(batch, dtype=torch.int64), (none,) * 3, ~none]

    @torch.no_grad()
    def lived() -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Inputs, actions and rewards, and which steps count."""
        senses, done, got, counts, memory = [sensed(*now)], [], [], [], torch.zeros(1, batch, WIDTH)
        for _ in range(horizon):
            activity, memory = gru(senses[-1][None], memory)
            action = torch.multinomial(actor(activity[0]).softmax(-1), 1)[:, 0]
            begins = now[2][1] | now[2][2]
            seen, reward, ended, cut, _ = envs.step(action.numpy())
            now[:] = seen, action, (reward, ended, cut), begins
            senses.append(sensed(*now))
            done.append(action)
            got.append(torch.from_numpy(np.float32(reward)))
            counts.append(torch.from_numpy(~begins))
        return torch.stack(senses), torch.stack(done), torch.stack(got), torch.stack(counts)

    @torch.no_grad()
    def advantages(got: Tensor, value: Tensor) -> Tensor:
        surprise = got + 0.95 * value[1:] - value[:-1]
        later, gained = torch.zeros(batch), torch.zeros(horizon, batch)
        for step in reversed(range(horizon)):
            later = surprise[step] + 0.95 * 0.95 * later
            gained[step] = later
        return gained

    def update() -> None:
        senses, done, got, counts = lived()
        activity, _ = gru(senses)
        value = critic(activity.detach())[..., 0]
        gained = advantages(got, value)
        returns = gained + value[:-1].detach()
        gained = (gained - gained[counts].mean()) / (gained[counts].std() + 1e-8)
        logs = actor(activity[:-1]).log_softmax(-1)
        chosen, entropy = logs.gather(-1, done[..., None])[..., 0], -(logs.exp() * logs).sum(-1)
        off = (value[:-1] - returns).square().mean() / (returns.var() + 1e-8)
        loss = 0.5 * off - (gained * chosen + 0.05 * entropy)[counts].mean()
        adam.zero_grad()
        loss.backward()
        adam.step()

    return {"rate": batch * horizon / least_seconds(update, seconds, time.perf_counter)}
