"""Files of arrays from anywhere: what is not whole gets one line, before memory is taken."""

import io
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

import learnset as ls
from learnset import InputError
from learnset.data import read_npz


def header(descr="<f8", order=False, shape=(2, 3), text=None, version=1):
    text = text or repr({"descr": descr, "fortran_order": order, "shape": shape})
    content = text.encode("latin-1" if version < 3 else "utf-8") + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(content))
    return b"\x93NUMPY" + bytes([version, 0]) + length + content


def archive(path, method=zipfile.ZIP_STORED, **members):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def test_every_order_and_type_comes_back(tmp_path):
    random = np.random.default_rng(0)
    arrays = {
        "columns": np.asfortranarray(random.normal(size=(3, 4, 5))),
        "big": random.integers(0, 9, (4, 2)).astype(">i4"),
        "words": np.array(["ä", "日本", "", "😀"]),
        "wide": np.array(["ä", "日本"]).astype(">U3"),
        "true": np.array([True, False]),
        "none": np.zeros((0, 7), np.float32),
        "one": np.array(3.5),
        "halves": random.normal(size=3).astype(np.float16),
    }
    np.savez(tmp_path / "a.npz", **arrays)
    np.savez_compressed(tmp_path / "b.npz", **arrays)
    for name in ("a.npz", "b.npz"):
        got = read_npz(tmp_path / name)
        assert got.keys() == arrays.keys()
        for key, array in arrays.items():
            assert got[key].shape == array.shape and (got[key] == array).all()
            assert got[key].dtype.isnative and got[key].dtype == array.dtype.newbyteorder("=")
    assert read_npz(tmp_path / "a.npz", ("one", "absent")).keys() == {"one"}


def test_files_of_other_versions_of_the_format_are_read(tmp_path):
    x = np.arange(6.0)
    for version in (1, 2, 3):
        path = archive(tmp_path / "v.npz", x=header(shape=(6,), version=version) + x.tobytes())
        assert (read_npz(path)["x"] == x).all()
    old = "{'descr': '<f8', 'fortran_order': False, 'shape': (6L,), }"
    assert (
        read_npz(archive(tmp_path / "old.npz", x=header(text=old) + x.tobytes()))["x"] == x
    ).all()


SIX = np.zeros(6).tobytes()
HEADERS = {
    "claims 10¹² floats": (header(shape=(10**6, 10**6)), "claims that array `x` has the shape"),
    "sizes beyond 64 bits": (header(shape=(2**70, 2)) + SIX, "claims that"),
    "a size of zero next to a huge one": (header(shape=(0, 2**63)), "claims that"),
    "more bytes than the shape": (header(shape=(2,)) + SIX, "has 48 bytes, but its shape 2"),
    "fewer bytes than the shape": (header(shape=(7,)) + SIX, "needs 56"),
    "negative size": (header(shape=(-2, -3)) + SIX, "damaged header"),
    "truth value as a size": (header(shape=(True, 6)) + SIX, "damaged header"),
    "floats as sizes": (header(shape=(2.0, 3.0)) + SIX, "damaged header"),
    "forty axes": (header(shape=(1,) * 40) + bytes(8), "damaged header"),
    "unfinished": (header(text="{'descr': '<f8', 'fortran_order': False, 'sha"), "damaged header"),
    "no dictionary": (header(text="3"), "damaged header"),
    "a program": (header(text="__import__('os').system('true')"), "damaged header"),
    "deep brackets": (header(text="(" * 9000), "damaged header"),
    "null characters": (header(text="\0" * 50), "damaged header"),
    "a long header": (header(text=" " * 20_000), "a header of 20,001 bytes"),
    "objects": (header("|O", shape=(1,)) + b"x", "arrays of Python objects"),
    "records": (header([("a", "<f8")], shape=(6,)) + SIX, "not numbers or text"),
    "another type": (header("<q9999999999"), "not numbers or text"),
    "a type that is none": (header("<f3", shape=(16,)) + SIX, "no complete|is not a complete"),
    "lone surrogate": (header("<U1", shape=(1,)) + b"\0\xd8\0\0", "not Unicode"),
    "code point too large": (header("<U1", shape=(1,)) + b"\0\0\x12\0", "not Unicode"),
    "truth values": (header("|b1", shape=(2,)) + b"\1\7", "truth values"),
    "no array": (b"hello", "no array of NumPy"),
    "another magic": (b"\x93NUMPY\x09\0" + bytes(50), "no array of NumPy"),
    "nothing": (b"", "no array of NumPy"),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_header_that_is_wrong_is_refused_before_memory_is_taken(tmp_path, kind):
    content, message = HEADERS[kind]
    path = archive(tmp_path / "bad.npz", x=content, y=header("<i8", shape=(1,)) + bytes(8))
    tracemalloc.start()
    for read in (ls.from_npz, read_npz):
        with pytest.raises(InputError, match=message) as caught:
            read(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_a_small_file_that_becomes_huge_is_refused(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("x.npy", "w") as x:
        x.write(header(shape=(40_000, 1000)))
        for _ in range(40):
            x.write(bytes(8_000_000))
    tracemalloc.start()
    with pytest.raises(InputError, match="would become 320,000,.* more than 100 times as many"):
        read_npz(path)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_archives_that_are_damaged_or_locked_are_refused(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 30))
    np.savez_compressed(tmp_path / "x.npz", x=x)
    whole = (tmp_path / "x.npz").read_bytes()
    middle = len(whole) // 2
    cases = {
        "flipped": whole[:middle] + bytes([whole[middle] ^ 16]) + whole[middle + 1 :],
        "cut": whole[:middle],
        "beheaded": whole[middle:],
    }
    for flags in range(len(whole) - 4):  # the flag of encryption, in both headers
        if whole[flags : flags + 4] == b"PK\1\2":
            cases["locked"] = whole[: flags + 8] + b"\1" + whole[flags + 9 :]
    for name, content in cases.items():
        (tmp_path / f"{name}.npz").write_bytes(content)
        with pytest.raises(
            InputError, match=f"{name}.npz is (not a complete|damaged|encrypted|cut off)"
        ):
            read_npz(tmp_path / f"{name}.npz")
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = archive(tmp_path / "other.npz", method, x=header() + SIX)
        with pytest.raises(InputError, match="in a way that NumPy does not write"):
            read_npz(path)
    with pytest.warns(UserWarning), zipfile.ZipFile(tmp_path / "two.npz", "w") as file:
        file.writestr("x.npy", header() + SIX)
        file.writestr("x.npy", header() + SIX)
    with pytest.raises(InputError, match="two arrays `x`"):
        read_npz(tmp_path / "two.npz")


def test_a_claimed_length_that_deflate_does_not_reach_is_refused(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.npy", header() + SIX)
    content = header() + SIX
    raw = stream.getvalue().replace(struct.pack("<I", len(content)), struct.pack("<I", 2**31))
    assert zlib.crc32(content).to_bytes(4, "little") in raw
    (tmp_path / "x.npz").write_bytes(raw)
    with pytest.raises(InputError, match="would become"):
        read_npz(tmp_path / "x.npz")
