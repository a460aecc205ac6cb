"""Pictures of characters as Harlow's objects, and the encoder that sees them."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from conftest import assert_close

import learnset as ls
from learnset_studies._harlow_pictures import banks, centred, examples, Eyes, seeing, SIDE

pytestmark = pytest.mark.study
PIXELS = SIDE**2
ONE, TWO, THREE = (jr.uniform(jr.key(i), (3, PIXELS)) for i in range(3))
SOME = ONE, TWO, THREE


def test_eyes_see_both_pictures_alike_and_leave_the_rest():
    eyes, (one, two, _) = Eyes(features=5, key=jr.key(0)), SOME[0]
    seen, turned = (eyes(jnp.array([*pair, 1.0])) for pair in ((*one, *two), (*two, *one)))
    assert seen.shape == (11,) and seen[-1] == turned[-1] == 1
    assert_close(seen[:5], turned[5:10], rtol=1e-5)
    assert_close(seen[5:10], turned[:5], rtol=1e-5)
    assert abs(seen[:5].mean()) < 1e-5 and abs(seen[:5].std() - 1) < 1e-3


def test_an_agent_with_eyes_receives_features_instead_of_pixels():
    problem = ls.envs.Harlow(bank=SOME).sample(ls.Split.TEST, key=jr.key(0))
    assert problem.observation_size == 2 * PIXELS + 1
    assert seeing(problem, 8, jr.key(1)).cell.input_size == 2 * 16 + 1 + 2 * 2 + 4


def test_pictures_are_centred_by_those_of_training():
    train, validation, _ = centred(SOME)
    assert_close(train.mean(axis=0), jnp.zeros(PIXELS), atol=1e-5)
    assert abs(train.std() - 1) < 1e-5
    scale = (train[0] - train[1]) / (SOME[0][0] - SOME[0][1])
    assert_close(validation[0] - train[0], scale.mean() * (SOME[1][0] - SOME[0][0]), atol=1e-4)


def test_examples_are_pictures_as_they_are():
    (picture,) = examples(SOME[2], 1)
    pixels = np.frombuffer(bytes.fromhex("".join(picture)), np.uint8)
    assert_close(pixels / 255, np.asarray(SOME[2][0]), atol=1 / 255)


@pytest.mark.long
def test_no_picture_of_a_test_problem_is_of_training():
    parts = [{picture.tobytes() for picture in np.asarray(bank)} for bank in banks()]
    train, validation, test = parts
    assert min(map(len, parts)) > 3000
    assert not train & test and not train & validation and not validation & test
