"""Files of table networks."""

import json

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.models import load_network, save_network

SIZES = {"width": 8, "heads": 2, "depth": 2, "thinking": 3, "classes": True}


def test_a_network_comes_back_as_it_was_in_half_precision(tmp_path):
    network = ls.models.TableTransformer(**SIZES, key=jr.key(0))
    save_network(tmp_path / "network.npz", network, {"seed": 0, "prior": "none"})
    kept = load_network(tmp_path / "network.npz")
    assert kept.about == {"seed": 0, "prior": "none"}
    assert jax.tree.structure(kept.network) == jax.tree.structure(network)
    for after, before in zip(*map(jax.tree.leaves, (kept.network, network)), strict=True):
        assert after.dtype == before.dtype
        np.testing.assert_array_equal(after, np.asarray(before, np.float16).astype(np.float32))
    save_network(tmp_path / "again.npz", kept.network, kept.about)
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "network.npz").read_bytes()
    huge = eqx.tree_at(lambda n: n.scale, network, 1e6 * network.scale)
    with pytest.raises(ls.InputError, match=r"^scale of the network has numbers that half"):
        save_network(tmp_path / "huge.npz", huge, {})
    assert not (tmp_path / "huge.npz").exists()


def test_other_files_are_refused_in_one_line(tmp_path):
    with pytest.raises(ls.InputError, match="There is no file"):
        load_network(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("text")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    about = json.dumps({"sizes": SIZES, "about": {}})
    np.savez(tmp_path / "part.npz", about=np.array(about), inputs=np.zeros((2, 8)))
    for name in ("text", "other", "part"):
        with pytest.raises(ls.InputError, match=f"{name}.npz is no table network"):
            load_network(tmp_path / f"{name}.npz")
