"""The Gymnasium form of an environment is the environment."""

import subprocess
import sys

import equinox as eqx
import gymnasium
import jax.random as jr
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import learnset as ls
from learnset.envs.gymnasium import GymEnv

NAMES = sorted(name for name in gymnasium.registry if name.startswith("learnset/"))
POOL = ls.envs.Pool(time_limit=3.0, cells=20, platform_radius=0.4)  # six steps per trial
BRIEF = ls.envs.MatchingToPlace(POOL, trials=3)


def test_every_kind_of_environment_is_registered():
    kinds = {"Bandits", "Harlow", "Navigation", "TabularMDPs", "TwoStep", "WaterMaze"}
    assert set(NAMES) == {f"learnset/{kind}-v0" for kind in kinds}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_gymnasium_s_own_checks_pass_without_a_warning(name):
    env = gymnasium.make(name)
    check_env(env.unwrapped)
    env.close()


CASES = {name: {} for name in NAMES} | {
    "learnset/WaterMaze-v0": {"envs": BRIEF},
    "continuous": {
        "envs": ls.envs.MatchingToPlace(
            ls.envs.Pool(time_limit=3.0, continuous=True, landmarks=((2.0, 1.0),)), trials=3
        )
    },
    "fixation": {"envs": ls.envs.Harlow(features=3, fixation=True), "split": ls.Split.TEST},
}


class Ours:
    """The same by hand: one task after another, each trial to its end, with one split of the key at
    each call."""

    def __init__(self, envs, split, key):
        self.envs, self.split, self.key, self.trial, self.task = envs, split, key, 0, None
        self.draw = eqx.filter_jit(lambda key: envs.sample(split, key=key))
        self.sensed = lambda task, state, feedback=None: (state, task.observe(state), feedback)
        self.begin = eqx.filter_jit(
            lambda task, trial, key: self.sensed(task, task.reset(trial, key=key))
        )
        self.go = eqx.filter_jit(
            lambda task, state, action, key: self.sensed(task, *task.step(state, action, key=key))
        )

    def next_key(self):
        self.key, now = jr.split(self.key)
        return now

    def reset(self):
        self.trial += 1
        if self.task is None or self.trial == self.task.trials:
            self.task, self.trial = self.draw(self.next_key()), 0
        self.state, observation, _ = self.begin(self.task, np.int32(self.trial), self.next_key())
        return np.asarray(observation)

    def step(self, action):
        self.state, observation, feedback = self.go(self.task, self.state, action, self.next_key())
        ends = bool(feedback.terminated), bool(feedback.truncated)
        return np.asarray(observation), float(feedback.reward), *ends


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_both_forms_side_by_side_are_the_same_at_every_step(name):
    """The same tasks, actions, observations, rewards and ends, through more than one task."""
    settings = CASES[name]
    env = gymnasium.make(name, **settings).unwrapped if "/" in name else GymEnv(**settings)
    seen, info = env.reset(seed=5)
    seed = int(gymnasium.utils.seeding.np_random(5)[0].integers(2**31))
    ours = Ours(env.envs, env.split, jr.key(seed))
    assert np.allclose(seen, ours.reset(), atol=1e-6)
    assert eqx.tree_equal(env.task, ours.task)
    env.action_space.seed(5)
    new_tasks, ends = 0, set()
    for i in range(80):
        action = env.action_space.sample()
        theirs, expected = env.step(action), ours.step(np.asarray(action))
        assert np.allclose(theirs[0], expected[0], atol=1e-5)
        assert np.isclose(theirs[1], expected[1], atol=1e-5)
        assert theirs[2:4] == expected[2:]
        assert theirs[4] == {"trial": ours.trial, "new_task": False}
        over = any(expected[2:])
        ends |= {expected[2:]} if over else set()
        if over or i % 10 == 9:  # also from within a trial
            seen, info = env.reset()
            assert np.allclose(seen, ours.reset(), atol=1e-6)
            assert info == {"trial": ours.trial, "new_task": ours.trial == 0}
            new_tasks += info["new_task"]
            assert eqx.tree_equal(env.task, ours.task)
    assert new_tasks >= 1 or env.task.trials > 8
    assert ends or env.task.trial_steps > 10
    assert name != "learnset/WaterMaze-v0" or ends == {(True, False), (False, True)}


# Trials and tasks.


def firsts(env, num, **first):
    """The trial numbers of successive resets, and whether their tasks are new."""
    infos = [env.reset(**first)[1]] + [env.reset()[1] for _ in range(num - 1)]
    return [info["trial"] for info in infos], [info["new_task"] for info in infos]


def test_after_the_last_trial_a_new_task_begins():
    env = GymEnv(BRIEF)
    assert firsts(env, 7) == ([0, 1, 2, 0, 1, 2, 0], [True, False, False] * 2 + [True])


def test_a_task_stays_until_a_new_one_begins():
    env, tasks = GymEnv(BRIEF), []
    for _ in range(6):
        env.reset()
        tasks.append(np.asarray(env.task.platforms))
    assert all(np.array_equal(tasks[0], task) for task in tasks[:3])
    assert all(np.array_equal(tasks[3], task) for task in tasks[3:])
    assert not np.array_equal(tasks[0], tasks[3])


def test_a_new_task_begins_on_request():
    env = GymEnv(BRIEF)
    firsts(env, 2, seed=0)
    before = env.task
    assert env.reset(options={"new_task": False})[1] == {"trial": 2, "new_task": False}
    firsts(env, 2, seed=0)
    assert env.reset(options={"new_task": True})[1] == {"trial": 0, "new_task": True}
    assert not np.array_equal(before.platforms, env.task.platforms)


def test_a_seed_begins_anew_and_names_the_tasks():
    def places(env, seed):
        first = env.reset(seed=seed)[1]
        assert first == {"trial": 0, "new_task": True}
        tasks = [env.task]
        for _ in range(3):
            env.reset()
        return np.stack([tasks[0].platforms[0], env.task.platforms[0]])

    env, other = GymEnv(BRIEF), GymEnv(BRIEF)
    one = places(env, 1)
    env.reset()
    assert np.array_equal(one, places(env, 1)) and np.array_equal(one, places(other, 1))
    assert not np.array_equal(one, places(env, 2))
    unseeded = [GymEnv(BRIEF) for _ in range(2)]
    assert not np.array_equal(*[(env.reset(), env.task.platforms)[1] for env in unseeded])


def test_tasks_belong_to_the_given_split():
    for split in ls.Split:
        env = GymEnv(BRIEF, split)
        env.reset(seed=0)
        platform = np.asarray(env.task.platforms[0])
        degrees = (np.rad2deg(np.arctan2(platform[1], platform[0])) + 7.5) % 45 - 7.5
        bounds = {"TEST": (-7.5, 7.5), "VALIDATION": (7.5, 15), "TRAIN": (15, 37.5)}
        low, high = bounds[split.name]
        assert low <= degrees <= high


# Spaces, errors, speed.


def test_actions_and_senses_have_the_spaces_of_the_environment():
    assert GymEnv(BRIEF).action_space == gymnasium.spaces.Discrete(8)
    assert GymEnv(ls.envs.Harlow(fixation=True)).action_space == gymnasium.spaces.Discrete(3)
    env = GymEnv(CASES["continuous"]["envs"])
    assert env.action_space == gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
    assert env.observation_space.shape == (97 + 2 + 2,)


@pytest.mark.parametrize("action", (8, -1, 2.5, [1], None))
def test_an_action_that_does_not_exist_is_refused(action):
    env = GymEnv(BRIEF)
    env.reset(seed=0)
    with pytest.raises(ls.InputError, match="there is no action"):
        env.step(action)


def test_nothing_happens_before_the_first_trial_or_after_the_end_of_one():
    env = GymEnv(ls.envs.Harlow(features=4))
    with pytest.raises(ls.InputError, match="Call `reset`"):
        env.step(0)
    env.reset(seed=0)
    assert env.step(0)[2]
    with pytest.raises(ls.InputError, match="Call `reset`"):
        env.step(0)
    env.reset()
    env.step(1)


class CountedProblem(ls.envs.HarlowProblem):
    """Records each time that a step or a reset is compiled."""

    def reset(self, trial, *, key):
        COMPILED.append("reset")
        return super().reset(trial, key=key)

    def step(self, state, action, *, key):
        COMPILED.append("step")
        return super().step(state, action, key=key)


class Counted(ls.envs.Harlow):
    def sample(self, split, *, key):
        COMPILED.append("sample")
        one = super().sample(split, key=key)
        return CountedProblem(one.objects, one.left, one.rewarded, one.fixation)


COMPILED = []


def test_instances_of_equal_distributions_are_compiled_once():
    instances = [GymEnv(Counted(features=5)) for _ in range(3)]
    COMPILED.clear()  # the spaces were derived from abstract values
    for env, action in zip(instances, (1, np.int64(1), np.array(0)), strict=True):
        firsts(env, 8)
        env.step(action)
    assert sorted(COMPILED) == ["reset", "sample", "step"]


def test_observations_belong_to_the_caller():
    env = GymEnv(BRIEF)
    observation, _ = env.reset(seed=0)
    copy = observation.copy()
    observation += 1
    assert np.array_equal(env.reset(seed=0)[0], copy)
    observation = env.step(0)[0]
    copy = observation.copy()
    observation += 1
    env.reset(seed=0)
    assert np.array_equal(env.step(0)[0], copy)


def test_many_at_once_go_through_trials_by_themselves():
    make = [lambda: GymEnv(ls.envs.Harlow(features=3, trials=2))] * 2
    envs = gymnasium.vector.SyncVectorEnv(make)
    _, info = envs.reset(seed=[0, 1])
    new, trials = [info["new_task"]], [info["trial"]]
    for _ in range(7):
        info = envs.step(np.array([0, 1]))[4]
        new, trials = [*new, info["new_task"]], [*trials, info["trial"]]
    # Each trial is one step, after which the next call begins the next trial.
    assert np.array_equal(np.array(trials)[:, 0], [0, 0, 1, 1, 0, 0, 1, 1])
    assert np.array_equal(np.array(new)[:, 1], [True, False, False, False] * 2)
    envs.close()


# Pictures.


def test_a_swim_is_drawn_as_it_continues():
    env = gymnasium.make("learnset/WaterMaze-v0", envs=BRIEF, render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    env.step(6)
    second = env.render()
    assert first.shape == second.shape and first.dtype == np.uint8 and first.shape[2] == 3
    assert first.mean() > 200 and (first != second).any()  # on white


def test_other_environments_draw_the_observation():
    env = GymEnv(ls.envs.Harlow(features=3), render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    assert np.array_equal(first, env.render())
    env.reset(options={"new_task": True})
    assert (first != env.render()).any()


def test_without_a_mode_nothing_is_drawn_and_others_do_not_exist():
    env = GymEnv(BRIEF)
    env.reset(seed=0)
    assert env.render() is None
    with pytest.raises(ls.InputError, match="render_mode='ansi'"):
        GymEnv(BRIEF, render_mode="ansi")


# Optional.

SCRIPT = """
import sys
sys.modules["gymnasium"] = None  # as if it were not installed
import learnset
try:
    import learnset.envs.gymnasium
except ImportError as error:
    print(error)

del sys.modules["gymnasium"]
import gymnasium
print(gymnasium.make("learnset.envs.gymnasium:learnset/Harlow-v0").spec.id)
"""


@pytest.mark.slow
def test_learnset_works_without_gymnasium_and_with_it_is_found_by_module_and_name():
    command = [sys.executable, "-c", SCRIPT]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == [
        "Gymnasium is not installed, which `GymEnv` needs: `pip install learnset[gymnasium]`.",
        "learnset/Harlow-v0",
    ]


@pytest.mark.parametrize("action", (np.nan, np.inf))
def test_an_action_that_is_no_number_is_refused_and_the_trial_goes_on(action):
    env = gymnasium.make("learnset/Navigation-v0").unwrapped
    env.reset(seed=0)
    with pytest.raises(ls.InputError, match="there is no action"):
        env.step(np.full(2, action, np.float32))
    observation, reward, *_ = env.step(np.zeros(2, np.float32))
    assert np.isfinite(observation).all() and np.isfinite(reward)


PROGRAM = """
import sys, gymnasium, learnset.envs.gymnasium
if __name__ == "__main__":
    options = {"vectorization_mode": "async", "vector_kwargs": {"context": sys.argv[1]}}
    envs = gymnasium.make_vec("learnset/Harlow-v0", num_envs=2, **options)
    envs.reset(seed=0)
    rewards = envs.step(envs.action_space.sample())[1]
    print("stepped", rewards.shape)
    envs.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("context", ("fork", "spawn"))
def test_asynchronous_environments_work_or_say_how_they_would(context, tmp_path):
    """A forked process that used JAX would wait for ever."""
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, str(tmp_path / "program.py"), context]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if context == "fork":
        assert ended.returncode == 1
        assert ended.stderr.strip().splitlines()[-1].startswith("learnset")
        assert 'vector_kwargs={"context": "spawn"}' in ended.stderr.splitlines()[-1]
    else:
        assert ended.returncode == 0 and "stepped (2,)" in ended.stdout
