"""The page of the lab: its values are those of the studies, its numbers those of the library."""

import json
import re
import shutil
import subprocess

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from learnset.core import at, Batch, mse, predict, rows, Split, trace
from learnset.envs import AbstractAgent, live, WaterMaze
from learnset.meta import LearntRidge
from learnset.models import AbstractNormalisation, Conv4, Headed
from learnset.multitask import CAGrad, IMTLG, Mean, MGDA, NashMTL, PCGrad
from learnset.rl import RecurrentAgent
from learnset.tasks import RelatedGaussian, Sinusoids
from learnset.transfer import FineTune, Prototypes
from learnset_studies import lab, multitask_toy
from learnset_studies._agents import stored
from learnset_studies._lab_weights import read_characters, read_sines
from learnset_studies._water_maze_lives import path, POOL
from learnset_studies.water_maze import WaterMazeStudy

pytestmark = pytest.mark.study
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
XS = [-3.1, 0.4, 1.7, 2.9, 4.2]
YS = [1.2, -0.3, 3.1, 1.4, -2.6]
GRADIENTS = [
    [[1.0, 0.5], [-0.7, 2.0]],
    [[3.0, 0.2], [0.4, 0.1]],
    [[-1.0, 2.0], [0.9, -0.4]],
    [[0.02, 0.01], [5.0, -3.0]],
]
METHODS = {
    "Mean": Mean(),
    "MGDA": MGDA(),
    "PCGrad": PCGrad(),
    "CAGrad (c = 0.4)": CAGrad(c=0.4),
    "IMTL-G": IMTLG(),
    "Nash-MTL": NashMTL(),
}
PLACES = [(-8.5, 7.5, 1.0), (9.0, 9.0, 0.1), (0.3, -4.0, 1.0), (-3.0, 0.0, 0.1), (2.0, 0.7, 1.0)]
SCHOOLS = [(0.8, 20, 4), (0.0, 5, 3), (1.0, 100, 7), (0.35, 1, 1), (0.6, 0, 9)]
WALKED = 500


NOISE = np.random.default_rng(0).gumbel(size=(1000, 8)).round(6)
PLATFORM = (0.35, -0.4)
IMAGES = np.random.default_rng(1).uniform(size=(5, 28, 28)).round(3)


@pytest.fixture(scope="module")
def page():
    return lab.PAGE.read_text()


def test_the_values_in_the_page_are_those_that_the_studies_export(page):
    exported = json.loads(json.dumps(lab.values()))
    kept = lab.data_of(page)
    assert jax.tree.structure(kept) == jax.tree.structure(exported)
    for one, other in zip(jax.tree.leaves(kept), jax.tree.leaves(exported), strict=True):
        assert one == (other if isinstance(other, str) else pytest.approx(other, rel=1e-12))


def test_the_page_is_built_of_the_present_sources(page):
    assert f'<meta name="sources" content="{lab.digest()}">' in page, (
        "The sources of the lab have changed: see CONTRIBUTING.md, The lab."
    )


def test_the_page_is_one_small_file_that_loads_nothing(page):
    assert len(page.encode()) < 2_000_000
    assert not re.findall(r"<(?:script|img|link)[^>]*\b(?:src|href)=", page)
    assert "default-src 'none'" in page


def test_what_is_known_of_sines_is_the_best_constant_function_of_the_paper():
    prior = lab.sine_prior(Sinusoids())
    assert prior["mean"] == pytest.approx([0, -1.6234], abs=1e-4)
    # what is left of the mean squared value of 4.2517 is the error of that function
    assert sum(prior["variance"]) / 2 == pytest.approx(4.2517 - 1.6234**2 / 2, abs=1e-3)


# In the browser


@pytest.fixture(scope="module")
def told(page, tmp_path_factory):
    """What the page computes, by its own functions and by hand on its elements."""
    if BROWSER is None:
        pytest.skip("There is no Chromium on this machine.")
    asked = {
        "xs": XS,
        "ys": YS,
        "gradients": GRADIENTS,
        "places": PLACES,
        "schools": SCHOOLS,
        "methods": list(METHODS),
        "walked": WALKED,
        "noise": NOISE.tolist(),
        "platform": PLATFORM,
        "images": IMAGES.reshape(5, -1).tolist(),
        "starts": lab.data_of(page)["pool"]["starts"],
    }
    script = f"<script type=module>const asked = {json.dumps(asked)};{SCRIPT}</script>"
    path = tmp_path_factory.mktemp("lab") / "lab.html"
    path.write_text(page.replace("</body>", f'<pre id="told"></pre>{script}</body>'))
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
    profile = f"--user-data-dir={path.parent / 'profile'}"
    done = subprocess.run(
        [BROWSER, *options, profile, "--timeout=20000", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found and found[1], done.stderr[-2000:]
    return json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


SCRIPT = """
const { lab } = window;
const list = (values) => values && Array.from(values);
const functions = lab.learn(asked.xs, asked.ys, 0.01);
const told = { grid: list(lab.grid), functions: {}, errors: {}, shown: {} };
const truth = lab.grid.map((x) => 2 * Math.sin(x - 0.5));
for (const [name, steps] of Object.entries(functions)) {
  told.functions[name] = steps.map(list);
  told.errors[name] = lab.errors(steps[10], truth);
}
told.weights = Object.fromEntries(
  asked.methods.map((name) => [name, asked.gradients.map((pair) => lab.weights(name, pair))]));
told.points = asked.places.map((place) => lab.objectives(...place));
const walked = (name, [x, y, scale]) => {
  const walk = new lab.Walk(name, [x, y], scale, 0.001);
  walk.walk(asked.walked);
  return walk.at;
};
told.walks = Object.fromEntries(
  asked.methods.map((name) => [name, asked.places.map((place) => walked(name, place))]));
told.schools = asked.schools.map((three) => lab.expected(...three));
let count = 0;
const memory = lab.blank(lab.agents[1]);
told.swims = asked.starts.map((start) =>
  lab.swim(lab.size, lab.agents[1], memory, asked.platform, start, () => asked.noise[count++]));
const pulls = lab.pulls(lab.networks.pretrained);
told.pull = list(pulls[3]);
told.agreement = lab.agreement(pulls);
const seen = asked.images.map((pixels) => lab.features(lab.blocks, Float64Array.from(pixels)));
const means = [lab.mean(seen.slice(0, 2)), lab.mean(seen.slice(2, 4))];
told.features = seen.map(list);
told.chances = lab.chances(means.map((one) => lab.distance(one, seen[4])));
told.plane = lab.plane([seen[4]], ...means)[0];
// By hand: the first point is moved by the arrow keys, and the last slider is drawn to the end.
const point = document.querySelector("#sines .handle");
point.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
told.moved = [+point.dataset.x, +point.dataset.y];
const alike = document.querySelector("#setting input");
alike.value = "0.5";
alike.dispatchEvent(new Event("input", { bubbles: true }));
for (const one of document.querySelectorAll("[data-name][data-value]"))
  told.shown[one.dataset.name] = +one.dataset.value;
const named = (one) =>
  one.getAttribute("aria-label") || one.textContent.trim() || one.closest("label");
const controls = [...document.querySelectorAll("button, input, select, [role=slider]")];
told.unnamed = controls.filter((one) => !named(one)).length;
document.getElementById("told").textContent = JSON.stringify(told);
"""


def learnt(told):
    """The functions of all learners after each step, by the library."""
    with jax.enable_x64(True):
        stored, given = read_sines(), lab.sines()
        grid = jnp.asarray(told["grid"])[:, None]
        xs, ys = (jnp.asarray(values)[:, None] for values in (XS, YS))
        support = Batch(xs, ys, jnp.ones(len(XS)))

        def functions(model, lr):
            adapter = FineTune(mse, lr, given["steps"])
            return trace(adapter, model, support, lambda predictor: predict(predictor, grid))

        ridge = LearntRidge().adapt(stored["r2d2"], support)
        return {
            name: np.asarray(functions(stored[name], given["rates"][name]))[..., 0]
            for name in ("maml", "pretrained", "scratch")
        } | {"r2d2": np.asarray(predict(ridge, grid))[:, 0]}


@pytest.mark.slow
def test_learners_of_sines_are_those_of_the_library(told):
    expected = learnt(told)
    for name in ("maml", "pretrained", "scratch"):
        np.testing.assert_allclose(told["functions"][name], expected[name], **CLOSE)
    assert told["functions"]["r2d2"][0] is None
    np.testing.assert_allclose(told["functions"]["r2d2"][10], expected["r2d2"], **CLOSE)
    truth = 2 * np.sin(np.array(told["grid"]) - 0.5)
    squares = (expected["maml"][10] - truth) ** 2
    errors = told["errors"]["maml"]
    np.testing.assert_allclose(errors["left"], squares[:100].mean(), **CLOSE)
    np.testing.assert_allclose(errors["right"], squares[101:].mean(), **CLOSE)


@pytest.mark.slow
def test_who_knows_that_it_is_a_sine_answers_as_bayesian_regression_does(told):
    prior = lab.sines()["prior"]
    features = np.stack([np.sin(XS), np.cos(XS)])
    spread = np.diag(prior["variance"])
    covariance = features.T @ spread @ features + prior["noise"] * np.eye(len(XS))
    rest = np.array(YS) - np.array(prior["mean"]) @ features
    weights = prior["mean"] + spread @ features @ np.linalg.solve(covariance, rest)
    grid = np.array(told["grid"])
    knows = weights @ np.stack([np.sin(grid), np.cos(grid)])
    np.testing.assert_allclose(told["functions"]["knows"][10], knows, **CLOSE)


@pytest.mark.slow
def test_gradients_of_tasks_are_those_of_the_library(told):
    with jax.enable_x64(True):
        model, x = read_sines()["pretrained"], jnp.linspace(-5, 5, 101)[:, None]

        def pull(shift):
            return jax.grad(mse)(model, Batch(x, 2.55 * jnp.sin(x - shift)))

        pulls = -np.asarray(rows(jax.vmap(pull)(jnp.linspace(0, np.pi, 25))))
    np.testing.assert_allclose(told["pull"], pulls[3], **CLOSE)
    lengths = np.linalg.norm(pulls, axis=1)
    opposing = (pulls @ pulls.T < 0)[np.triu_indices(25, 1)].mean()
    left = np.linalg.norm(pulls.mean(axis=0)) / lengths.mean()
    found = told["agreement"]
    np.testing.assert_allclose([found["opposing"], found["left"]], [opposing, left], **CLOSE)


@pytest.mark.long
def test_balancers_weigh_as_the_library_does(told):
    with jax.enable_x64(True):
        for name, method in METHODS.items():
            for gradients, weights in zip(GRADIENTS, told["weights"][name], strict=True):
                direction = method.direction(jnp.asarray(gradients))
                ours = np.array(weights) @ np.array(gradients)
                np.testing.assert_allclose(ours, direction, err_msg=name, **CLOSE)


@pytest.mark.long
def test_objectives_and_their_gradients_are_those_of_the_study(told):
    with jax.enable_x64(True):
        for (x, y, scale), point in zip(PLACES, told["points"], strict=True):
            at = jnp.asarray([x, y])
            losses = multitask_toy.objectives(at, scale)
            slopes = jax.jacobian(multitask_toy.objectives)(at, scale)
            np.testing.assert_allclose(point["losses"], losses, **CLOSE)
            np.testing.assert_allclose(point["gradients"], slopes, **CLOSE)


@pytest.mark.long
def test_paths_are_those_of_the_study(told):
    with jax.enable_x64(True):
        starts, scales = jnp.asarray([p[:2] for p in PLACES]), jnp.asarray([p[2] for p in PLACES])
        keys = jax.random.split(jax.random.key(0), len(PLACES))
        for name in METHODS:
            method = multitask_toy.methods()[name]
            length = WALKED // multitask_toy.RECORDED
            ends = multitask_toy.descend(method, starts, scales, keys, length)[:, -1]
            np.testing.assert_allclose(told["walks"][name], ends, err_msg=name, **CLOSE)


@pytest.mark.long
def test_the_best_error_of_a_school_is_that_of_the_family(told):
    given = lab.setting()
    with jax.enable_x64(True):
        for (alike, siblings, shots), errors in zip(SCHOOLS, told["schools"], strict=True):
            family = RelatedGaussian(
                shots,
                siblings=siblings,
                sibling_shots=given["shots"],
                in_size=1,
                common=(alike,),
                noise=given["noise"],
            )
            task = family.sample(Split.TEST, key=jax.random.key(0))
            ones = jax.tree.map(jnp.ones_like, task.support)
            best = family.bayes_error(ones) - given["noise"] ** 2
            np.testing.assert_allclose(errors["best"], best, **CLOSE)
            for way, weights in answers(siblings, shots, given).items():
                error = squared_error(weights, alike, siblings, shots, given)
                np.testing.assert_allclose(errors[way], error, err_msg=way, **CLOSE)
            error = tuned(alike, siblings, shots, given)
            np.testing.assert_allclose(errors["transfer"], error, **CLOSE)


def answers(siblings, shots, given):
    """The weight of each sibling's mean and of one's own mean, in answers that are not told how
    alike schools are."""
    noise, past = given["noise"] ** 2, siblings * given["shots"]
    own = {"alone": (0.0, shots / (shots + noise))}
    total = past + shots + noise
    return own | {"pooled": (given["shots"] / total, shots / total)}


def tuned(alike, siblings, shots, given):
    """The error of a start from one model for all that is moved by the best amount."""
    start = given["shots"] / (siblings * given["shots"] + given["noise"] ** 2)
    moves = np.linspace(0, 1, 4001) if shots else [0.0]
    return min(
        squared_error(((1 - move) * start, move), alike, siblings, shots, given) for move in moves
    )


def squared_error(weights, alike, siblings, shots, given):
    """The expected squared error of a weighted sum of means, from the covariance of all means and
    the school's true value."""
    covariance = np.full((siblings + 2, siblings + 2), alike) + (1 - alike) * np.eye(siblings + 2)
    covariance[-1, -2] = covariance[-2, -1] = 1.0  # the last is the true value of the one before
    each = [given["noise"] ** 2 / given["shots"]] * siblings
    covariance += np.diag([*each, given["noise"] ** 2 / max(shots, 1), 0.0])
    of_sibling, of_own = weights
    row = np.array([of_sibling] * siblings + [of_own, -1.0])
    return row @ covariance @ row


class WithNoise(AbstractAgent):
    """An agent whose choices are made by given Gumbel noise."""

    agent: RecurrentAgent
    noise: Array

    def begin(self):
        return jnp.asarray(0), self.agent.begin()

    def act(self, memory, percept, *, key):
        count, memory = memory
        memory, activity = self.agent.hear(memory, percept)
        logits = self.agent.policy(activity).logits
        return jnp.argmax(logits + self.noise[count]), (count + 1, memory)


@pytest.mark.slow
def test_swims_are_those_of_the_trained_agents(told):
    with jax.enable_x64(True):
        agent = at(stored("water-maze-rl2", new_agent, WaterMazeStudy().seeds), 1)
        maze = WaterMaze(jnp.tile(jnp.asarray(PLATFORM), (4, 1)), pool=POOL)
        with_noise = WithNoise(jax.tree.map(float64, agent), jnp.asarray(NOISE))
        life = live(with_noise, maze, key=jax.random.key(0))
    for trial, swim in enumerate(told["swims"]):
        times, places = path(jax.tree.map(lambda a: np.asarray(a)[None, None], life), (0, 0), trial)
        assert len(times) == len(swim["seconds"])
        np.testing.assert_allclose(swim["seconds"], times, **CLOSE)
        np.testing.assert_allclose(swim["places"][:-1], places[:-1], **CLOSE)


def new_agent(key):
    """An agent like the stored ones."""
    env = WaterMaze(jnp.zeros((4, 2)), pool=POOL)
    return RecurrentAgent(env, width=WaterMazeStudy().width, critic_shapes_memory=True, key=key)


def float64(leaf):
    return leaf.astype(float) if eqx.is_inexact_array(leaf) else leaf


@pytest.mark.long
def test_drawings_are_told_apart_as_by_a_prototypical_network(told):
    with jax.enable_x64(True):
        blocks, _ = read_characters()
        filters = tuple(len(bias) for _, bias in blocks)
        encoder = Conv4((28, 28, 1), filters=filters, normalisation=Kept, key=jax.random.key(0))
        weights = [jnp.asarray(part, float) for block in blocks for part in block]
        encoder = eqx.tree_at(parts, encoder, weights)
        model, images = Headed(encoder, None), jnp.asarray(IMAGES)[..., None]
        support = Batch(images[:4], jnp.repeat(jnp.eye(2), 2, axis=0))
        logits = Prototypes().adapt(model, support)(images[4])
        features = np.asarray(encoder.embed(images, jnp.ones(5)))
        np.testing.assert_allclose(told["chances"], jax.nn.softmax(logits), **CLOSE)
    np.testing.assert_allclose(told["features"], features, **CLOSE)
    one, other = np.mean(features[:2], axis=0), np.mean(features[2:4], axis=0)
    across = (np.asarray(features[4]) - (one + other) / 2) @ (other - one)
    np.testing.assert_allclose(told["plane"][0], across / np.linalg.norm(other - one), **CLOSE)


def parts(encoder):
    convolutions = [block.convolution for block in encoder.blocks]
    return [part for one in convolutions for part in (one.weight, one.bias)]


class Kept(AbstractNormalisation):
    """No normalisation: it is part of the kernels already."""

    def statistics(self, x, weight):
        shape = (1, 1, 1, x.shape[-1])
        return jnp.zeros(shape), jnp.full(shape, 1 - 1e-5)


@pytest.mark.slow
def test_numbers_in_the_page_follow_what_is_moved(told):
    shown, given = told["shown"], lab.setting()
    siblings, shots = 20, 4
    worth = squared_error(answers(siblings, shots, given)["pooled"], 0.5, siblings, shots, given)
    assert shown["setting-pooled"] == pytest.approx(worth, rel=1e-5)
    x, y = told["moved"]
    assert x == pytest.approx(0.5) and y == pytest.approx(3.5 * np.sin(0.5 - 0.6), abs=1e-9)
    xs = np.array([0.5, 1.6, 2.6, 3.7, 4.6])
    with jax.enable_x64(True):
        support = Batch(jnp.asarray(xs)[:, None], jnp.asarray(3.5 * np.sin(xs - 0.6))[:, None])
        rate = lab.chosen_rate("MAML")
        adapted = FineTune(mse, rate, 10).adapt(read_sines()["maml"], support)
        assert shown["sines-maml-points"] == pytest.approx(float(mse(adapted, support)), rel=1e-5)
    assert told["unnamed"] == 0  # controls that a screen reader could not name
