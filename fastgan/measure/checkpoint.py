"""Reading a checkpoint of TensorFlow without TensorFlow: names and float32 tensors.

A checkpoint is two files. `.index` is a sorted table in LevelDB's format (its doc/table_format.md): blocks of keys that
share prefixes, and a footer that says where the block of blocks lies. Each value is a protocol buffer (BundleEntryProto in
tensorflow/core/protobuf/tensor_bundle.proto) with type, shape and place of a tensor in the other file, `.data`.
"""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48  # two handles, padded, and the magic number
_PLAIN = 0  # type byte after a block: not compressed
_FLOAT = 1  # DT_FLOAT


def read_checkpoint(index: bytes, data: bytes) -> dict[str, NDArray[np.float32]]:
    """Read all float32 tensors of a checkpoint whose data is one file.

    Args:
        index: content of the `.index` file.
        data: content of the `.data-00000-of-00001` file.

    Returns:
        float32 arrays by the names of their variables, of any shape, read-only.

    Raises:
        ValueError: not such a checkpoint: another format, compressed, in several files, cut short.
    """
    tensors = {}
    for key, value in _table(index):
        fields = dict(_fields(value))
        if not key:  # the header
            if fields.get(1, 0) != 1 or fields.get(2, 0) != 0:
                raise ValueError(
                    "the checkpoint is split over several files or big-endian; one little-endian file is read"
                )
            continue
        if fields.get(1, 0) != _FLOAT:
            continue
        shape = [dict(_fields(size)).get(1, 0) for name, size in _fields(fields.get(2, b"")) if name == 2]
        start, size = fields.get(4, 0), fields.get(5, 0)
        if start + size > len(data) or size != 4 * np.prod(shape, dtype=np.int64):
            raise ValueError(
                f"{key.decode()} of shape {shape} should be {size} bytes at {start}, the data has {len(data)} bytes in all"
            )
        tensors[key.decode()] = np.frombuffer(data, "<f4", size // 4, start).reshape(shape)
    return tensors


def _table(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a table, in order."""
    if len(index) < _FOOTER or struct.unpack_from("<Q", index, len(index) - 8)[0] != _MAGIC:
        raise ValueError(
            f"the index, {len(index)} bytes, does not end as a table does; it is cut short or another file"
        )
    at = len(index) - _FOOTER
    for _ in range(2):  # the first handle is that of a filter, which is of no use here
        start, at = _varint(index, at)
        size, at = _varint(index, at)
    for _, handle in _block(index, start, size):
        block_start, at = _varint(handle, 0)
        block_size, _ = _varint(handle, at)
        yield from _block(index, block_start, block_size)


def _block(index: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; a key is given as what it adds to the one before it."""
    if start + size >= len(index) or index[start + size] != _PLAIN:
        raise ValueError(f"the block of {size} bytes at {start} in the index is compressed or cut short")
    block = index[start : start + size]
    at, key = 0, b""
    end = size - 4 * (1 + struct.unpack_from("<I", block, size - 4)[0])  # then: where keys begin anew, and how many do
    while at < end:
        shared, at = _varint(block, at)
        added, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + added]
        at += added
        yield key, block[at : at + length]
        at += length


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a protocol buffer's fields, each an int or bytes."""
    at = 0
    value: Any
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
        elif kind == 2:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
            value, at = int.from_bytes(message[at : at + length], "little"), at + length
        else:
            raise ValueError(f"a field of wire type {kind} in the index: it is damaged")
        yield tag >> 3, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number that begins here, seven bits a byte, the lowest first; and where it ends."""
    value = shift = 0
    while True:
        if at >= len(message):
            raise ValueError("a number in the index is cut short")
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
