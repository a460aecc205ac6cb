"""Reads thousands of damaged images or arrays, and prints what became of them as JSON.

Arguments: `images` or `arrays`, how many, a seed, a folder to write into.
"""

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

import numpy as np
from PIL import Image

import learnset as ls

warnings.simplefilter("error")
kind, count, seed, place = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
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
    return ls.from_npz(path)


whole = list(images() if kind == "images" else arrays())
path = place / ("a.png" if kind == "images" else "a.npz")
path.write_bytes(whole[0])
read(path)
resource.setrlimit(resource.RLIMIT_AS, (2**34, 2**34))
usage, bad, slowest, refused = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, [], 0.0, 0
for number in range(count):
    content = forged() if kind == "arrays" and number % 3 == 0 else changed(chance.choice(whole))
    path.write_bytes(content)
    began = time.perf_counter()
    try:
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
