"""The precision of matrix products: what is computed, what is said, and what is refused."""

import re

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
import pytest

import learnset as ls
from learnset.cli import main, parse
from learnset.cli._options import origin
from learnset.core import _precision

SQUARE = jnp.ones((2, 2))


@pytest.fixture
def on_gpu(monkeypatch):
    """Words of a GPU: this device still is a processor."""
    monkeypatch.setattr(_precision.jax, "default_backend", lambda: "gpu")


@pytest.mark.parametrize(
    "name, written", [("highest", "HIGHEST"), ("tf32", "HIGH"), ("bf16", "BF16_BF16_F32")]
)
def test_products_are_traced_in_the_precision(name, written, on_gpu):
    before = str(jax.make_jaxpr(jnp.matmul)(SQUARE, SQUARE))
    with _precision.in_precision(name):
        text = str(jax.make_jaxpr(jax.grad(lambda x: (x @ x).sum()))(SQUARE))
        assert _precision.precision() == name
    assert set(re.findall(r"precision=\(?(?:\w+\.)?(\w+)", text)) == {written}
    assert str(jax.make_jaxpr(jnp.matmul)(SQUARE, SQUARE)) == before


def test_the_default_of_a_gpu_is_named(on_gpu, monkeypatch):
    for capability, name in (("9.0", "tf32"), ("7.5", "highest")):
        card = type("Card", (), {"compute_capability": capability})
        monkeypatch.setattr(_precision.jax, "devices", lambda card=card: [card])
        assert _precision.precision() == name


def test_a_result_of_a_gpu_says_its_precision(on_gpu):
    with _precision.in_precision("bf16"):
        assert origin(["compare"], 0.0)["precision"] == "bf16"


@pytest.mark.parametrize(
    "words",
    (
        ["train", "maml", "sinusoids"],
        ["compare", "sinusoids"],
        ["study", "wang"],
        ["fit", "table.csv"],
    ),
)
def test_a_processor_refuses_what_would_change_nothing(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--precision", "tf32"]) == 2
    line = capsys.readouterr().err
    assert "`--precision tf32` is for GPUs, but this is a cpu" in line and line.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert parse([*words, "--precision", "highest"]) != parse(words)


def test_a_run_goes_on_in_the_precision_that_it_began_with(tmp_path, on_gpu, monkeypatch):
    def trained(name, resume):
        with jax.default_matmul_precision(name):
            ls.train(
                ls.Pooled(),
                ls.MLP(1, 1, width=2, depth=1, key=jr.key(0)),
                ls.Sinusoids(),
                optax.sgd(0.1),
                steps=2 if resume else 1,
                key=jr.key(1),
                out=tmp_path,
                resume=resume,
                progress=False,
            )

    monkeypatch.undo()
    trained("tensorfloat32", False)
    with pytest.raises(ls.InputError, match="another"):
        trained("highest", True)
    trained("tensorfloat32", True)


def test_the_folder_of_a_command_is_of_one_precision(tmp_path, on_gpu, monkeypatch, capsys):
    words = ["train", "pooled", "sinusoids", "--steps", "1", "--out", str(tmp_path / "run")]

    def train(*_, out, **__):
        (out / "metrics.jsonl").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("learnset.cli._train.train", train)
    assert main([*words, "--precision", "tf32"]) == 1
    assert main([*words, "--precision", "highest", "--resume"]) == 2
    assert "holds a run with `--precision` 'tf32'" in capsys.readouterr().err
