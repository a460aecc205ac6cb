"""Reads thousands of damaged files of a kind, and prints what became of them as JSON.

Arguments: the kind (`images`, `arrays`, `models`, `predictors` or `results`), how many, a seed, a
folder to write into. Models and predictors that can be read are asked.
"""

import contextlib
import copy
import hashlib
import io
import json
import random
import resource
import struct
import sys
import time
import warnings
import zipfile
from pathlib import Path

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import polars
from PIL import Image

import learnset as ls
from learnset.cli._result import read_result, write_result

kind, count, seed, place = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
warnings.simplefilter("error" if kind in ("images", "arrays") else "ignore")
chance = random.Random(seed)
numbers = np.random.default_rng(seed)


def images():
    x = numbers.integers(0, 256, (20, 24, 3)).astype(np.uint8)
    for name, array in (("RGB", x), ("L", x[..., 0]), ("I;16", x[..., 0].astype(np.uint16) * 99)):
        formats = {"RGB": "PNG JPEG GIF BMP TIFF WEBP PPM", "L": "PNG JPEG GIF BMP TIFF PPM"}
        for form in formats.get(name, "PNG TIFF").split():
            stream = io.BytesIO()
            Image.fromarray(array).save(stream, form)
            yield stream.getvalue()
    for options in ({"compression": c} for c in ("tiff_lzw", "jpeg", "tiff_deflate")):
        stream = io.BytesIO()
        Image.fromarray(x).save(stream, "TIFF", **options)
        yield stream.getvalue()
    for form in ("GIF", "TIFF", "PNG"):
        stream = io.BytesIO()
        pages = [Image.fromarray(x[..., i]) for i in range(3)]
        pages[0].save(stream, form, save_all=True, append_images=pages[1:])
        yield stream.getvalue()
    stream = io.BytesIO()
    Image.fromarray(x[..., 0] / np.float32(255)).save(stream, "TIFF")
    yield stream.getvalue()


def arrays():
    x, y = numbers.integers(0, 256, (12, 6, 6, 3)).astype(np.uint8), np.repeat(np.arange(3), 4)
    for save in (np.savez, np.savez_compressed):
        for some in (x, x / 255.0, x.astype(">i4"), np.asfortranarray(x)):
            stream = io.BytesIO()
            save(stream, x=some, y=y, names=["a", "b", "c"], groups=["g", "g", "h"])
            yield stream.getvalue()


TASK = np.arange(60) % 3
X = numbers.normal(size=(60, 2))
COLUMNS = {"x1": X[:3, 0], "x2": X[:3, 1], "task": ["0", "1", "new"]}


def models():
    for y, recipe, classes in (
        (X[:, 0] + TASK, "mixed model", ()),
        (X[:, 0] + TASK, "boosting + task", ()),
        ((X[:, 0] > 0) * 1.0, "ridge with offsets", ("no", "yes")),
    ):
        table = ls.Table.from_arrays(X, y, TASK, classes=classes)
        file = place / "whole.learnset"
        ls.fit(table, recipe, divisions=1).save(file)
        yield file.read_bytes()


def predictors():
    for size in (1, 3):
        file = place / "whole.predictor"
        ls.save(file, ls.MLP(2, size, width=4, depth=1, key=jr.key(0)), jnp.ones(2))
        yield file.read_bytes()


def results():
    values = {"rows": [{"recipe": "é", "value": 0.5, "seed": None}], "meta": {"seconds": 1.5}}
    write_result(place / "result.json", values)
    yield (place / "result.json").read_bytes()


def tampered(content):
    # A model with other contents, whose digests are right.
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    del members["digests.json"]
    about = json.loads(members["about.json"])
    about["schema"] = json.loads(about["schema"])
    for _ in range(chance.choice((1, 1, 2, 4))):
        if chance.random() < 0.2:
            name = chance.choice([name for name in members if name.endswith(".npy")])
            members[name] = changed(members[name])
        else:
            exchange(about)
    if "schema" in about and chance.random() < 0.95:
        about["schema"] = json.dumps(about["schema"])
    members["about.json"] = json.dumps(about).encode()
    digests = {name: hashlib.sha256(part).hexdigest() for name, part in members.items()}
    members["digests.json"] = json.dumps(digests).encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, part in members.items():
            file.writestr(name, part)
    return stream.getvalue()


def exchange(tree):
    # Something in a tree of JSON is another value, another part of the tree, twice there or gone.
    inner = []

    def walk(part):
        if isinstance(part, (dict, list)) and part:
            inner.append(part)
            for value in part.values() if isinstance(part, dict) else part:
                walk(value)

    walk(tree)
    part = chance.choice(inner)
    key = chance.choice(list(part) if isinstance(part, dict) else range(len(part)))
    values = [None, True, 0, -1, 3, 2**31, 2**63, 1e308, -0.5, "", "x1", "é" * 50, [], {}, [[1]]]
    what = chance.randrange(5)
    if what == 0:
        del part[key]
    elif what == 1 and isinstance(part, list):
        part.insert(chance.randrange(len(part)), copy.deepcopy(part[key]))
    elif what == 2:
        part[key] = copy.deepcopy(chance.choice(inner))
    else:
        part[key] = chance.choice(values)


def changed(content):
    content = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        if not content:
            break
        at = chance.randrange(len(content))
        what = chance.randrange(6)
        if what == 0:
            content[at] ^= 1 << chance.randrange(8)
        elif what == 1:
            content[at] = chance.choice((0, 1, 127, 128, 255))
        elif what == 2:
            del content[at : at + chance.choice((1, 2, 8, 100))]
        elif what == 3:
            content[at:at] = bytes(chance.randrange(256) for _ in range(chance.choice((1, 4, 40))))
        elif what == 4:
            width = chance.choice((2, 4, 8))
            value = chance.choice((0, 1, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**63))
            content[at : at + width] = (value % 2 ** (8 * width)).to_bytes(width, "little")
        else:
            del content[at + 1 :]
    return bytes(content)


def forged():
    # A header of NumPy with fields that are exchanged, in a zip that is whole.
    shapes = [(12, 6), (10**6, 10**6), (2**70,), (-1,), (0, 2**62), (True, 2), (1.5,)]
    shapes += ["12", (), (1,) * 50]
    types = ["<f8", "|u1", "<U3", "|O", ">c16", "<M8[ns]", "|V9", "<f99", "|S4"]
    types += [[("a", "<f8")], 7, "é"]
    fields = {
        "descr": chance.choice(types),
        "fortran_order": chance.choice([True, False, 1, None]),
        "shape": chance.choice(shapes),
    }
    if chance.random() < 0.2:
        fields.pop(chance.choice(list(fields)))
    text = repr(fields) if chance.random() < 0.8 else repr(fields)[: chance.randrange(90)] + "((["
    content = text.encode("utf-8")
    head = b"\x93NUMPY" + bytes([chance.choice((1, 2, 3, 9)), 0]) + struct.pack("<H", len(content))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", chance.choice((0, 8, 12, 14))) as file:
        for name in ("x", "y", "names")[: chance.randrange(1, 4)]:
            file.writestr(name + ".npy", head + content + bytes(chance.randrange(2000)))
    return stream.getvalue()


def read(path):
    if kind == "images":
        return ls.data.from_image(path)
    if kind == "arrays":
        return ls.from_npz(path)
    if kind == "results":
        return read_result(path.parent, "`learnset study`")
    model = ls.load(path)
    if kind == "predictors":
        return np.asarray(model(np.ones((3, 2), np.float32)))
    return model.predict(polars.DataFrame(COLUMNS))


def damage():
    if kind == "arrays" and chance.random() < 0.3:
        return forged()
    content = chance.choice(whole)
    return tampered(content) if kind == "models" and chance.random() < 0.7 else changed(content)


NAMES = {"images": "a.png", "arrays": "a.npz", "results": "result.json"}
whole = list(globals()[kind]())
path = place / NAMES.get(kind, "a.learnset" if kind == "models" else "a.predictor")
path.write_bytes(whole[0])
read(path)
resource.setrlimit(resource.RLIMIT_AS, (2**34, 2**34))
usage, bad, slowest, refused = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, [], 0.0, 0
for number in range(count):
    content = damage()
    path.write_bytes(content)
    began = time.perf_counter()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            read(path)
    except ls.InputError as error:
        refused += 1
        if "\n" in str(error):
            bad.append(["lines", str(error)])
    except BaseException as error:
        bad.append([type(error).__name__, str(error)[:200]])
        (place / f"bad-{number}").write_bytes(content)
    slowest = max(slowest, time.perf_counter() - began)
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - usage) / 1024
print(json.dumps({"bad": bad, "slowest": slowest, "megabytes": grown, "refused": refused}))
