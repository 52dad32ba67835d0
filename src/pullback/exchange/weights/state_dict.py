"""The files of ``torch.save``, read without PyTorch and without executing anything.

Such a file is an uncompressed archive: ``data.pkl`` is a program for a stack machine (``pickle``)
that describes the tensors, and ``data/0`` and on are their numbers. Python's machine would call
whatever the program names. The one here knows the few instructions by which tensors are described,
and of names only those of tensors and their storages; where it says to call one, it notes that.
"""

from __future__ import annotations

import io
import math
import pickletools
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from pullback.core.errors import ModelFileError
from pullback.exchange.weights.tensors import Stored

PROGRAM = "data.pkl"
DICTIONARY = "collections OrderedDict"
TENSOR = "torch._utils _rebuild_tensor_v2"
PARAMETER = "torch._utils _rebuild_parameter"
DTYPES = {
    "torch FloatStorage": "float32",
    "torch DoubleStorage": "float64",
    "torch HalfStorage": "float16",
    "torch BFloat16Storage": "bfloat16",
    "torch LongStorage": "int64",
    "torch IntStorage": "int32",
    "torch ShortStorage": "int16",
    "torch CharStorage": "int8",
    "torch ByteStorage": "uint8",
    "torch BoolStorage": "bool",
}
KNOWN = {DICTIONARY, TENSOR, PARAMETER, *DTYPES}
PUT = ("BINPUT", "LONG_BINPUT", "MEMOIZE")
BROKEN = (zipfile.BadZipFile, struct.error, OSError, RuntimeError, ValueError, EOFError)
"""What reading a damaged archive may raise."""
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
SILENT = ("PROTO", "FRAME")
TEXT = {
    "absent": "{path}: there is no such file",
    "kind": "{path}: not a file of torch.save as PyTorch writes it since version 1.6; load it "
    "there and write torch.save(model.state_dict(), {path!r}) again",
    "damaged": "{path}: damaged or cut short ({why}); copy it again",
    "name": "{path}: names {name!r}, which loading it would execute; nothing was executed. In "
    "PyTorch write torch.save(model.state_dict(), ...), which has tensors only",
    "instruction": "{path}: its description has {name}, which no state_dict needs",
    "none": "{path}: no state_dict is in it, which is a dictionary of tensors",
}


class Name(str):
    """Something that the program names."""


class Call(NamedTuple):
    """A call that the program asks for, of a known name."""

    name: str
    arguments: tuple[Any, ...]


class Storage(NamedTuple):
    """Numbers in the archive."""

    dtype: str
    member: str
    size: int


def read_state_dict(path: Path) -> dict[str, Stored]:
    """Return the tensors of a file of ``torch.save``, in its order.

    It may hold a ``state_dict``, or a dictionary with one in it.

    Raises:
        ModelFileError: the file is missing, damaged, names anything but tensors, or has none.
    """
    if not path.is_file():
        raise ModelFileError(TEXT["absent"].format(path=path))
    try:
        archive = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
    except BROKEN:
        raise ModelFileError(TEXT["kind"].format(path=str(path))) from None
    programs = [name for name in archive.namelist() if name.rpartition("/")[2] == PROGRAM]
    if len(programs) != 1:
        raise ModelFileError(TEXT["kind"].format(path=str(path)))
    files = Files(path, archive, programs[0].removesuffix(PROGRAM))
    try:
        found = Machine(path).run(files.read(PROGRAM))
        tensors = {name: files.stored(call) for name, call in _tensors(path, found).items()}
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise _damaged(path, error) from None
    return tensors


def _damaged(path: Path, error: Exception) -> ModelFileError:
    why = " ".join(str(error).split()) or type(error).__name__
    return ModelFileError(TEXT["damaged"].format(path=path, why=why))


def _tensors(path: Path, found: Any) -> dict[str, Call]:
    """Return the dictionary of tensors: the whole, or the only one that is a value of it."""
    inside = list(found.values()) if isinstance(found, dict) else []
    fits = [each for each in (found, *inside) if _is_of_tensors(each)]
    if len(fits) != 1:
        raise ModelFileError(TEXT["none"].format(path=path))
    return {name: _plain(call) for name, call in fits[0].items()}


def _is_of_tensors(value: Any) -> bool:
    if not isinstance(value, dict) or not value:
        return False
    return all(type(n) is str and isinstance(v, Call) for n, v in value.items())


def _plain(call: Call) -> Call:
    """Return the tensor that a parameter is."""
    found = call.arguments[0] if call.name == PARAMETER else call
    if not isinstance(found, Call) or found.name != TENSOR:
        raise ValueError("no tensor")
    return found


class Machine:
    """A stack machine for the descriptions of tensors; it calls nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, program: bytes) -> Any:
        """Return what the program leaves."""
        for instruction, argument, _ in pickletools.genops(program):
            name = instruction.name
            if name == "STOP":
                return self.stack.pop()
            if name in CONSTANTS:
                self.stack.append(CONSTANTS[name])
            elif name in PUT:
                self.memo[len(self.memo) if argument is None else argument] = self.stack[-1]
            elif name.startswith(("BININT", "BINUNICODE", "SHORT_BINUNICODE", "LONG1", "BINFLOAT")):
                self.stack.append(argument)
            elif name in TUPLES:
                self.stack.append(tuple(self._popped(TUPLES[name])))
            elif name not in SILENT:
                self._step(name)(argument)
        raise ValueError("no end")

    def _step(self, name: str) -> Callable[[Any], None]:
        found: Callable[[Any], None] | None = getattr(self, f"do_{name.lower()}", None)
        if found is None:
            raise ModelFileError(TEXT["instruction"].format(path=self.path, name=name))
        return found

    def _popped(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError("an empty stack")
        start = len(self.stack) - count
        top, self.stack[start:] = self.stack[start:], []
        return top

    def _to_mark(self) -> list[Any]:
        return self._popped(len(self.stack) - self.marks.pop())

    def _named(self, name: str) -> None:
        if name not in KNOWN:
            text = TEXT["name"].format(path=self.path, name=name.replace(" ", "."))
            raise ModelFileError(text)
        self.stack.append(Name(name))

    def do_mark(self, _: Any) -> None:
        """Note how high the stack is."""
        self.marks.append(len(self.stack))

    def do_tuple(self, _: Any) -> None:
        """Make what is above the mark one tuple."""
        self.stack.append(tuple(self._to_mark()))

    def do_empty_tuple(self, _: Any) -> None:
        """Push an empty tuple."""
        self.stack.append(())

    def do_empty_list(self, _: Any) -> None:
        """Push an empty list."""
        self.stack.append([])

    def do_appends(self, _: Any) -> None:
        """Append what is above the mark to the list below it."""
        items = self._to_mark()
        self.stack[-1].extend(items)

    def do_append(self, _: Any) -> None:
        """Append the top to the list below it."""
        (item,) = self._popped(1)
        self.stack[-1].append(item)

    def do_empty_dict(self, _: Any) -> None:
        """Push an empty dictionary."""
        self.stack.append({})

    def do_setitem(self, _: Any) -> None:
        """Put a name and a value into the dictionary below them."""
        name, value = self._popped(2)
        self.stack[-1][name] = value

    def do_setitems(self, _: Any) -> None:
        """Put the names and values above the mark into the dictionary below it."""
        items = self._to_mark()
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def do_binget(self, place: int) -> None:
        """Push what was noted."""
        self.stack.append(self.memo[place])

    do_long_binget = do_binget

    def do_global(self, name: str) -> None:
        """Push a known name."""
        self._named(name)

    def do_stack_global(self, _: Any) -> None:
        """Push a known name, whose parts are on the stack."""
        module, name = self._popped(2)
        self._named(f"{module} {name}")

    def do_binpersid(self, _: Any) -> None:
        """Push the storage that a tuple describes."""
        ((kind, name, member, _, count),) = self._popped(1)
        if kind != "storage" or type(count) is not int or type(member) is not str:
            raise ValueError("no storage")
        self.stack.append(Storage(DTYPES[name], member, count))

    def do_reduce(self, _: Any) -> None:
        """Push a dictionary for the call of one, and note every other call."""
        name, arguments = self._popped(2)
        if not isinstance(name, Name) or type(arguments) is not tuple:
            raise ValueError("no call")
        empty = name == DICTIONARY and not arguments
        self.stack.append({} if empty else Call(str(name), arguments))

    def do_build(self, _: Any) -> None:
        """Leave out what is noted beside a dictionary: versions of the modules."""
        self._popped(1)


class Files(NamedTuple):
    """The members of an archive of ``torch.save``, below ``folder``."""

    path: Path
    archive: zipfile.ZipFile
    folder: str

    def read(self, name: str) -> bytes:
        """Return a member whole; they are stored uncompressed, so that none is larger than it is.

        Raises:
            ModelFileError: it is not there, compressed or damaged.
        """
        try:
            info = self.archive.getinfo(self.folder + name)
            if info.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{name} is compressed")
            return self.archive.read(info)
        except (*BROKEN, KeyError) as error:
            raise _damaged(self.path, error) from None

    def stored(self, call: Call) -> Stored:
        """Return the tensor that a call describes."""
        storage, start, shape, strides, *_ = call.arguments
        numbers = (start, *shape, *strides, storage.size)
        if any(type(n) is not int or n < 0 for n in numbers) or len(shape) != len(strides):
            raise ValueError(f"a tensor of shape {shape!r}")
        last = start + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if math.prod(shape) and last >= storage.size:
            raise ValueError(f"a tensor of shape {shape} in a storage of {storage.size} numbers")
        return Stored(shape, storage.dtype, lambda: self._tensor(storage, start, shape, strides))

    def _tensor(self, storage: Storage, start: int, shape: Any, strides: Any) -> np.ndarray:
        content = self.read(f"data/{storage.member}")
        short = storage.dtype == "bfloat16"
        dtype = np.dtype("uint16" if short else storage.dtype).newbyteorder(self._byteorder())
        if len(content) != storage.size * dtype.itemsize:
            raise _damaged(self.path, ValueError(f"{len(content)} bytes in data/{storage.member}"))
        whole = np.frombuffer(content, dtype)[start:]
        view = as_strided(whole, shape, [step * dtype.itemsize for step in strides])
        if not short:
            return view.copy()
        # its bits are the upper half of those of a float32
        return (view.astype(np.uint32) << 16).view(np.float32)

    def _byteorder(self) -> Any:
        named = f"{self.folder}byteorder" in self.archive.namelist()
        return ">" if named and self.read("byteorder") == b"big" else "<"
