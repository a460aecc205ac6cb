"""Files of weights are read without running code in them, whatever they claim."""

import io
import pickle
import struct
import sys
import types
import zipfile

import ml_dtypes
import numpy as np
import pytest

import learnset as ls
from learnset.models import read_pth, read_safetensors

MAGIC = 0x1950A86A20F9469CFC6C
STORAGE = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}


class Tensor:
    """Is written as PyTorch writes a tensor."""

    def __init__(self, array, *, shape=None, strides=None, claimed=None):
        self.array = array
        self.shape = array.shape if shape is None else shape
        steps = tuple(step // array.itemsize for step in array.strides)
        self.strides = steps if strides is None else strides
        self.claimed = array.size if claimed is None else claimed

    def __reduce__(self):
        torch = sys.modules["torch._utils"]
        return torch._rebuild_tensor_v2, (self, 0, self.shape, self.strides, False, {})


class Writer(pickle.Pickler):
    def __init__(self, stream):
        super().__init__(stream, 2)
        self.arrays, self.inner = {}, set()

    def persistent_id(self, value):
        if not isinstance(value, Tensor):
            return None
        if value not in self.inner:  # first as a tensor, then as its storage
            self.inner.add(value)
            return None
        key = str(len(self.arrays))
        self.arrays[key] = value.array
        kind = getattr(sys.modules["torch"], STORAGE[value.array.dtype.name])
        return "storage", kind, key, "cpu", value.claimed


@pytest.fixture
def torch(monkeypatch):
    """Names of PyTorch, which the writer needs and the reader does not."""
    main, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2(*_):
        raise AssertionError("code was run")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = (
        "torch._utils",
        "_rebuild_tensor_v2",
    )
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    for name in STORAGE.values():
        setattr(main, name, type(name, (), {"__module__": "torch"}))
    monkeypatch.setitem(sys.modules, "torch", main)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


def pickled(content):
    stream = io.BytesIO()
    writer = Writer(stream)
    writer.dump(content)
    return stream.getvalue(), writer.arrays


def zipped(path, content, *, order=b"little", kind=zipfile.ZIP_STORED):
    main, arrays = pickled(content)
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("weights/data.pkl", main)
        archive.writestr("weights/byteorder", order)
        for key, array in arrays.items():
            archive.writestr(f"weights/data/{key}", array.tobytes())
    return path


def streamed(path, content):
    main, arrays = pickled(content)
    parts = [pickle.dumps(each, 2) for each in (MAGIC, 1001, {"little_endian": True})]
    whole = b"".join(parts) + main + pickle.dumps(list(arrays), 2)
    for array in arrays.values():
        whole += struct.pack("<q", array.size) + array.tobytes()
    path.write_bytes(whole)
    return path


def arrays():
    values = {
        name: Tensor((np.arange(12) - 3).reshape(3, 4).astype(name))
        for name in STORAGE
        if name != "bfloat16"
    }
    half = np.arange(6).astype(ml_dtypes.bfloat16)
    return values | {"bfloat16": Tensor(half), "scalar": Tensor(np.array(2.5, np.float32))}


@pytest.mark.parametrize("write", [zipped, streamed])
def test_tensors_of_every_type_are_read_from_both_formats(torch, tmp_path, write):
    content = arrays()
    got = read_pth(write(tmp_path / "weights.pth", content | {"epoch": 3, "name": "x"}))
    assert set(got) == set(content)
    for name, tensor in content.items():
        assert got[name].dtype == tensor.array.dtype and got[name].shape == tensor.shape
        assert (got[name] == tensor.array).all()


def test_a_transposed_tensor_and_inner_dictionaries_are_read(torch, tmp_path):
    array = np.arange(6.0).reshape(2, 3)
    turned = Tensor(array, shape=(3, 2), strides=(1, 3))
    got = read_pth(zipped(tmp_path / "w.pth", {"state_dict": {"w": turned}, "epoch": 1}))
    assert (got["state_dict.w"] == array.T).all() and len(got) == 1


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("write", [zipped, streamed])
def test_a_payload_is_refused_in_one_line_and_never_run(torch, tmp_path, write):
    content = {"w": Tensor(np.zeros(2, np.float32)), "x": Payload(tmp_path / "ran")}
    with pytest.raises(ls.InputError, match=r"would run `i?o?\.?.*open`") as caught:
        read_pth(write(tmp_path / "w.pth", content))
    assert "\n" not in str(caught.value) and not (tmp_path / "ran").exists()


def test_an_object_next_to_tensors_is_refused(torch, tmp_path):
    with pytest.raises(ls.InputError, match="holds objects next to tensors|would run"):
        read_pth(zipped(tmp_path / "w.pth", {"x": types.SimpleNamespace(a=1)}))


@pytest.mark.parametrize("write", [zipped, streamed])
def test_a_file_that_is_cut_anywhere_is_refused(torch, tmp_path, write):
    whole = write(tmp_path / "w.pth", arrays()).read_bytes()
    for length in range(0, len(whole) - 1, max(1, len(whole) // 60)):
        (tmp_path / "cut.pth").write_bytes(whole[:length])
        with pytest.raises(ls.InputError, match="cut|damaged|no file") as caught:
            read_pth(tmp_path / "cut.pth")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("write", [zipped, streamed])
@pytest.mark.parametrize(
    "tensor",
    [
        Tensor(np.zeros(2, np.float32), claimed=10**12),
        Tensor(np.zeros(2, np.float32), shape=(10**12,)),
        Tensor(np.zeros(2, np.float32), shape=(10**12,), strides=(0,)),
        Tensor(np.zeros(2, np.float32), shape=(2,), strides=(2,)),
        Tensor(np.zeros(2, np.float32), shape=(-2,)),
        Tensor(np.zeros(2, np.float32), shape=(2, 2), strides=(1,)),
    ],
)
def test_sizes_beyond_the_file_are_refused_before_memory_is_taken(torch, tmp_path, write, tensor):
    with pytest.raises(ls.InputError, match="claims|damaged|cut"):
        read_pth(write(tmp_path / "w.pth", {"w": tensor}))


def test_other_byte_orders_compressed_archives_and_large_memos_are_refused(torch, tmp_path):
    content = {"w": Tensor(np.zeros(2, np.float32))}
    with pytest.raises(ls.InputError, match="byte order"):
        read_pth(zipped(tmp_path / "a.pth", content, order=b"big"))
    with pytest.raises(ls.InputError, match="compressed"):
        read_pth(zipped(tmp_path / "b.pth", content, kind=zipfile.ZIP_DEFLATED))
    (tmp_path / "c.pth").write_bytes(b"\x80\x02}r\xff\xff\xff\xff.")  # LONG_BINPUT 2**32 - 1
    with pytest.raises(ls.InputError, match="numbers more objects"):
        read_pth(tmp_path / "c.pth")
    (tmp_path / "d.pth").write_bytes(b"\x80\x05\x96" + struct.pack("<Q", 2**50) + b".")
    with pytest.raises(ls.InputError, match="damaged"):
        read_pth(tmp_path / "d.pth")


def test_safetensors_are_read_and_damaged_ones_refused_in_one_line(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "w.safetensors"
    content = {"a": np.arange(6.0, dtype=np.float32).reshape(2, 3), "b": np.array([1, 2])}
    numpy.save_file(content, path)
    got = read_safetensors(path)
    assert all((got[name] == content[name]).all() for name in content)
    whole = path.read_bytes()
    for damaged in (whole[:-4], whole[:20], b"", struct.pack("<Q", 2**60) + whole[8:]):
        path.write_bytes(damaged)
        with pytest.raises(ls.InputError, match="damaged") as caught:
            read_safetensors(path)
        assert "\n" not in str(caught.value)


def test_files_that_are_not_there_are_said_in_one_line(tmp_path):
    for read in (read_pth, read_safetensors):
        with pytest.raises(ls.InputError, match="does not exist"):
            read(tmp_path / "none")
        with pytest.raises(ls.InputError, match="is a folder"):
            read(tmp_path)
