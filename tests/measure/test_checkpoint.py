"""Checkpoints written here by the format's description, and read back."""

import struct

import numpy as np
import pytest

from fastgan.measure.checkpoint import read_checkpoint

MAGIC = 0xDB4775248B80FB57


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def number(field, value):
    return varint(field << 3) + varint(value)


def message(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def block(entries, kind=0):
    """A block of a table, keys sharing prefixes, with one place where they begin anew."""
    out, before = b"", b""
    for key, value in entries:
        shared = 0
        while shared < min(len(before), len(key)) and before[shared] == key[shared]:
            shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return out + struct.pack("<II", 0, 1) + bytes([kind]) + b"\0\0\0\0"


def write_checkpoint(tensors, *, header=b"", kind=0, per_block=3):
    """The two files of a checkpoint, as bytes."""
    data, entries = b"", [(b"", header or number(1, 1))]
    for name, array in sorted(tensors.items()):
        shape = b"".join(message(2, number(1, size)) for size in array.shape)
        place = number(4, len(data)) if data else b""  # zeros are left out, as protocol buffers do
        crc = varint(6 << 3 | 5) + b"\1\2\3\4"
        dtype = number(1, 1 if array.dtype == np.float32 else 9)
        entries.append((name.encode(), dtype + message(2, shape) + place + number(5, array.nbytes) + crc))
        data += array.tobytes()
    index, handles = b"", []
    for first in range(0, len(entries), per_block):
        part = block(entries[first : first + per_block], kind)
        handles.append((entries[first : first + per_block][-1][0], varint(len(index)) + varint(len(part) - 5)))
        index += part
    blocks = block(handles)
    footer = varint(0) + varint(0) + varint(len(index)) + varint(len(blocks) - 5)
    return index + blocks + footer.ljust(40, b"\0") + struct.pack("<Q", MAGIC), data


@pytest.fixture
def tensors():
    random = np.random.default_rng(0)
    shapes = {
        "conv/bias": (3,),
        "conv/kernel": (200, 2, 1, 3),
        "conv_1/bias": (5,),
        "scale": (),
        "beta": (1,),
        "none": (0, 4),
    }
    return {name: random.random(shape, np.float32) for name, shape in shapes.items()}


def test_what_was_written_is_read(tensors):
    back = read_checkpoint(*write_checkpoint(tensors))
    assert back.keys() == tensors.keys()
    for name, array in tensors.items():
        assert back[name].dtype == np.float32
        np.testing.assert_array_equal(back[name], array, strict=True)


def test_tensors_of_other_types_are_passed_over(tensors):
    back = read_checkpoint(*write_checkpoint(tensors | {"step": np.array(7, np.int64)}))
    assert back.keys() == tensors.keys()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda index, data: (index[:-1], data), "does not end as a table does"),
        (lambda index, data: (b"", data), "does not end as a table does"),
        (lambda index, data: (index, data[:-1]), "the data has"),
    ],
    ids=["index cut short", "no index", "data cut short"],
)
def test_damaged_files_are_refused(tensors, change, words):
    with pytest.raises(ValueError, match=words):
        read_checkpoint(*change(*write_checkpoint(tensors)))


def test_other_kinds_of_checkpoint_are_refused(tensors):
    with pytest.raises(ValueError, match="compressed"):
        read_checkpoint(*write_checkpoint(tensors, kind=1))
    for header in (number(1, 2), number(1, 1) + number(2, 1)):
        with pytest.raises(ValueError, match="several files or big-endian"):
            read_checkpoint(*write_checkpoint(tensors, header=header))
