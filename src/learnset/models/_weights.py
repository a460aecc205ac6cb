"""Files of weights from anywhere: arrays are read, and no code in them ever runs."""

import io
import math
import pickle
import pickletools
import zipfile
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import ml_dtypes
import numpy as np

from ..core import InputError, needs, short

MAGIC = 0x1950A86A20F9469CFC6C  # PyTorch's files before version 1.6 begin with it
STORAGES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("u1"),  # becomes truth values when it is whole
}
# Everything that a file of tensors needs. Others may take memory before their size is known.
OPCODES = set(
    "PROTO FRAME STOP MARK POP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG1 BINFLOAT"
    " BINUNICODE SHORT_BINUNICODE BINUNICODE8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST"
    " APPEND APPENDS EMPTY_DICT SETITEM SETITEMS BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET"
    " GLOBAL STACK_GLOBAL REDUCE BUILD BINPERSID".split()
)
MOST_TENSORS = 100_000


def read_safetensors(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a `.safetensors` file, by name.

    **Raises:** `InputError` for a file that is missing or damaged, and where the package
    `safetensors` is not installed.
    """
    path = _file(path)
    with needs("backbones"):
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        reason = short(" ".join(str(error).split()), 100)
        raise InputError(f"{path} is damaged, or no file of safetensors: {reason}.") from None


def read_pth(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a `.pth` or `.pt` file that PyTorch wrote, by name; those of an inner
    dictionary have its name and a dot in front. Neither PyTorch nor any code in the file is run.
    Numbers and text next to the tensors are left out.

    **Raises:** `InputError` for a file that is missing, cut off or damaged, that claims more than
    it has, or that would run code.
    """
    path = _file(path)
    try:
        whole = path.read_bytes()
        zipped = zipfile.is_zipfile(io.BytesIO(whole))
        tensors = _of_zip(whole) if zipped else _of_stream(whole)
        arrays = {name: tensor.array() for name, tensor in tensors.items()}
    except _Refused as refused:
        raise InputError(f"{path} {refused}") from None
    except Exception as error:  # zipfile and pickle raise many kinds for damaged files
        raise InputError(
            f"{path} is cut off, damaged, or no file of tensors ({type(error).__name__})."
            " `torch.save(model.state_dict(), FILE)` writes one."
        ) from error
    if not arrays:
        raise InputError(f"{path} has no tensors. `torch.save(model.state_dict(), FILE)` does.")
    return arrays


def _file(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        is_what = "is a folder" if path.is_dir() else "does not exist or is no regular file"
        raise InputError(f"{path} {is_what}; give a file of weights.")
    return path


class _Refused(Exception):
    """The reason why a file is not read."""


class _Storage:
    """The numbers that tensors are parts of: a type, how many, and, once read, the bytes."""

    def __init__(self, kind: tuple[str, np.dtype], key: str, count: int):
        self.kind, self.key, self.count, self.content = kind, key, count, memoryview(b"")

    @property
    def nbytes(self) -> int:
        return self.count * self.kind[1].itemsize


class _Tensor(NamedTuple):
    """A part of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def check(self) -> None:
        whole = (*self.shape, *self.strides, self.offset)
        if not all(type(number) is int and number >= 0 for number in whole):
            raise _Refused("is damaged: a tensor has a shape that is none.")
        last = sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        count = math.prod(self.shape)
        if count and max(self.offset + last + 1, count) > self.storage.count:
            raise _Refused(
                f"claims a tensor of {count:,} numbers where it has {self.storage.count:,}."
            )

    def array(self) -> np.ndarray:
        name, dtype = self.storage.kind
        flat = np.frombuffer(self.storage.content, dtype)
        if not math.prod(self.shape):
            return np.empty(self.shape, bool if name == "BoolStorage" else dtype)
        steps = tuple(stride * dtype.itemsize for stride in self.strides)
        view = np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, steps)
        return view.astype(bool) if name == "BoolStorage" else view


class _Mapping(dict):
    """In place of `OrderedDict`."""


def _rebuilt(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise _Refused("is damaged: a tensor has no storage.")
    tensor = _Tensor(storage, offset, tuple(shape), tuple(strides))
    tensor.check()
    return tensor


class _Tensors(pickle.Unpickler):
    """Reads tensors alone. Nothing that a file names is imported."""

    def __init__(self, content: bytes):
        super().__init__(io.BytesIO(content))
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return _Mapping
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuilt
        if module == "torch" and name in STORAGES:
            return name, STORAGES[name]
        raise _Refused(
            f"would run `{short(f'{module}.{name}', 60)}`, and code in a file of weights is never"
            " run. Save tensors alone: `torch.save(model.state_dict(), FILE)`."
        )

    def persistent_load(self, pid: Any) -> _Storage:
        word, kind, key, _, count, *_ = pid
        if word != "storage" or not isinstance(kind, tuple) or type(count) is not int or count < 0:
            raise _Refused("is damaged: it has a storage of an unknown kind.")
        return self.storages.setdefault(str(key), _Storage(kind, str(key), count))


def _checked(content: bytes) -> int:
    """The end of the first pickle, whose instructions are all known and none of which takes memory
    beyond what the file has."""
    for opcode, argument, place in pickletools.genops(content):
        if opcode.name not in OPCODES:
            raise _Refused(
                f"holds objects next to tensors (its instruction {opcode.name}), which are never"
                " made. Save `model.state_dict()`."
            )
        if opcode.name == "LONG_BINPUT" and int(argument or 0) > len(content):
            raise _Refused("is damaged: it numbers more objects than it has.")
        if opcode.name == "STOP":
            return int(place or 0) + 1
    return _cut()


def _cut() -> NoReturn:
    raise _Refused("is cut off: it claims more bytes than it has.")


def _of_zip(whole: bytes) -> dict[str, _Tensor]:
    """The format since PyTorch 1.6: an uncompressed archive with a member for each storage."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {info.filename: info for info in archive.infolist()}
        (main,) = (name for name in members if name.count("/") == 1 and name.endswith("/data.pkl"))
        if any(info.compress_type or info.flag_bits & 1 for info in members.values()):
            raise _Refused("is compressed or encrypted, which PyTorch does not do.")
        if sum(info.file_size for info in members.values()) > len(whole):
            _cut()
        root = main.removesuffix("data.pkl")
        order = f"{root}byteorder"
        _check_order(order not in members or archive.read(order) == b"little")
        content = archive.read(main)
        reader = _Tensors(content[: _checked(content)])
        tensors = _named(reader.load())
        for storage in reader.storages.values():
            info = members[f"{root}data/{storage.key}"]
            if storage.nbytes != info.file_size:
                raise _Refused(
                    f"claims {storage.nbytes:,} bytes of numbers where it has {info.file_size:,}."
                )
            storage.content = memoryview(archive.read(info))
        return tensors


def _of_stream(whole: bytes) -> dict[str, _Tensor]:
    """The format before: five pickles, then the storages one after the other."""
    rest, pickles = whole, []
    for _ in range(5):
        end = _checked(rest)
        pickles.append(_Tensors(rest[:end]))
        rest = rest[end:]
    magic, _, system, tensors, keys = (reader.load() for reader in pickles)
    if magic != MAGIC:
        raise _Refused("is no file of PyTorch. `torch.save(model.state_dict(), FILE)` writes one.")
    _check_order(system.get("little_endian") is True)
    storages, left = pickles[3].storages, memoryview(rest)
    for key in keys:
        storage = storages[key]
        if len(left) < 8 or int.from_bytes(left[:8], "little") != storage.count:
            _cut()
        if storage.nbytes > len(left) - 8:
            _cut()
        storage.content, left = left[8 : 8 + storage.nbytes], left[8 + storage.nbytes :]
    return _named(tensors)


def _check_order(little: bool) -> None:
    if not little:
        raise _Refused("was written on a machine of another byte order.")


def _named(content: Any) -> dict[str, _Tensor]:
    """The tensors of a dictionary, and of those in it."""
    if not isinstance(content, dict):
        raise _Refused("is no dictionary of tensors; save `model.state_dict()`.")
    tensors: dict[str, _Tensor] = {}
    for name, value in dict.items(content):
        inner = dict.items(value) if isinstance(value, dict) else ()
        for key, part in ((name, value), *((f"{name}.{key}", part) for key, part in inner)):
            if isinstance(part, _Tensor):
                tensors[str(key)] = part
            if len(tensors) > MOST_TENSORS:
                raise _Refused(f"has more than {MOST_TENSORS:,} tensors.")
    return tensors
