"""A classifier as a service and as a file: right answers, and one line for whatever else comes."""

import asyncio
import io
import json

import jax.numpy as jnp
import numpy as np
import pytest

import learnset as ls
from learnset.fitting import Classifier, Format, service_of_examples
from learnset.fitting._file import pack, unpack
from learnset.models import Headed, Raw
from learnset.transfer import Prototypes

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")
Image = pytest.importorskip("PIL.Image")
SCORE = {"shots": 1, "recipe": "raw", "measure": "accuracy", "value": 0.9}
CARD = {
    "versions": {"learnset": "0"}, "adapted": {"shots": 1}, "settings": [SCORE], "ways": 2,
}  # fmt: skip


def classifier(shape, kind):
    """The nearer one of all zeros and all ones."""
    x = jnp.stack([jnp.zeros(shape), jnp.ones(shape)])
    predictor = Prototypes().adapt(Headed(Raw(), None), ls.Batch(x, jnp.eye(2)))
    return Classifier(predictor, 1.0, ("dark", "light"), Format(shape, kind, {}), CARD)


def asker(model):
    transport = httpx.ASGITransport(service_of_examples(model, seconds=0.3))

    def send(path, body=None, kind="image/png"):
        async def sent():
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                if body is None:
                    return await client.get(path)
                return await client.post(path, content=body, headers={"content-type": kind})

        answer = asyncio.run(sent())
        is_json = "json" in answer.headers["content-type"]
        return answer.status_code, answer.json() if is_json else answer.text

    return send


@pytest.fixture(scope="module")
def images():
    return asker(classifier((8, 8, 1), "uint8"))


@pytest.fixture(scope="module")
def arrays():
    return asker(classifier((3,), "float32"))


def png(value, size=20):
    stream = io.BytesIO()
    Image.new("L", (size, size), value).save(stream, "PNG")
    return stream.getvalue()


def test_an_image_is_answered_by_its_class_and_probabilities(images):
    status, answer = images("/predict", png(250))
    (one,) = answer["predictions"]
    assert status == 200 and one["predicted"] == "light"
    assert one["probabilities"]["light"] > 0.99
    assert abs(sum(one["probabilities"].values()) - 1) < 1e-12
    assert images("/predict", png(5))[1]["predictions"][0]["predicted"] == "dark"


def test_rows_of_numbers_are_answered_each(arrays):
    body = json.dumps({"x": [[0, 0, 0.1], [1, 1, 0.8]]})
    status, answer = arrays("/predict", body, "application/json")
    assert status == 200
    assert [one["predicted"] for one in answer["predictions"]] == ["dark", "light"]


@pytest.mark.parametrize(
    "body, kind, status, words",
    [
        (b"no image", "image/png", 422, "broken"),
        (b"", "image/png", 422, "broken"),
        (b"{}", "application/json", 415, "bytes of an image"),
        (b"0" * (16 * 2**20 + 1), "image/png", 413, "more than"),
    ],
)
def test_what_is_no_image_gets_one_line(images, body, kind, status, words):
    code, answer = images("/predict", body, kind)
    assert code == status and words in answer["error"] and "\n" not in answer["error"]


@pytest.mark.parametrize(
    "body, status",
    [
        ("{", 400),
        ("[]", 422),
        ('{"x": [[1, 2]]}', 422),
        ('{"x": [[1, "a", 2]]}', 422),
        ('{"x": [[1, 1e300, 2]]}', 422),
        ('{"x": [[1, NaN, 2]]}', 400),
        ('{"x": []}', 422),
        (json.dumps({"x": [[0, 0, 0]] * 1001}), 413),
    ],
)
def test_what_are_no_rows_gets_one_line(arrays, body, status):
    code, answer = arrays("/predict", body, "application/json")
    assert code == status and "\n" not in answer["error"]


def test_the_schema_the_state_and_a_page_are_there(images, arrays):
    assert images("/schema")[1]["classes"] == ["dark", "light"]
    assert not arrays("/schema")[1]["images"]
    assert images("/health")[1] == {"status": "ok", "classes": 2}
    assert "Drop an image here" in images("/")[1]
    assert images("/nothing")[0] == 404


def test_numbers_that_are_not_finite_are_no_answer():
    with pytest.raises(ls.InputError, match="not finite"):
        classifier((3,), "float32").predict(np.full((1, 3), np.nan, np.float32))


def one_class_more(about):
    about["classifier"]["classes"].append("grey")


def another_shape(about):
    about["format_of"]["shape"] = [5]


def no_temperature(about):
    about["classifier"]["temperature"] = 0


def another_class(about):
    about["classifier"]["model"]["class"] = "core.InputError"


@pytest.mark.parametrize("change", [one_class_more, another_shape, no_temperature, another_class])
def test_a_forged_file_is_refused_in_one_line(change, tmp_path):
    classifier((3,), "float32").save(tmp_path / "c.learnset")
    assert ls.load(tmp_path / "c.learnset").classes == ("dark", "light")
    about, arrays = unpack((tmp_path / "c.learnset").read_bytes())
    change(about)
    (tmp_path / "c.learnset").write_bytes(pack(about, arrays))
    with pytest.raises(ls.InputError, match="cannot be used|is not what") as said:
        ls.load(tmp_path / "c.learnset")
    assert "\n" not in str(said.value)
