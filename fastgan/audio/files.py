"""Any sound file to int16 samples at a wanted rate, and back to a wav that every player opens."""

import contextlib
import hashlib
import os
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from fastgan.audio.scale import denormalise
from fastgan.base.atomic import replacing
from fastgan.base.errors import MachineFailure, explain_os_error, printable

Samples = NDArray[np.int16]

RATES = (1_000, 768_000)
"""Sample rates in Hz that we take for music; a header that says 1 Hz or 1 MHz is damaged, not slow."""

_BLOCK = 1 << 18  # values decoded at a time, over all channels: bounds the memory, however long the file
_LOUDEST = 16.0  # 24 dB over full scale: above it a float file was never scaled to [-1, 1]
_UNKNOWN = (
    0x7FFFF000  # programs that write into a pipe cannot know the length; they leave one of the numbers from here on
)
_WAV_LIMIT = (1 << 32) - 4_096  # RIFF counts bytes in 32 bits


class Unreadable(ValueError):
    """This file gives no usable sound; the message says why in words for the person who owns it."""


def decode(path: str | os.PathLike[str], rate: int, write: Callable[[NDArray[np.int16]], object]) -> str | None:
    """Decode a file block by block: mixed down to mono, resampled, rounded to 16 bits.

    Mono 16-bit files at the wanted rate pass through bit for bit.

    Args:
        path: any format that libsndfile reads, under any name.
        rate: wanted sample rate, Hz.
        write: takes each block, int16 [n]; what it raises passes through.

    Returns:
        A note when the file is damaged and only the sound before the damage was kept, else None.

    Raises:
        Unreadable: no sound could be had from it.
    """
    try:
        source = soundfile.SoundFile(os.fsencode(path))  # bytes: names need not be UTF-8
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:  # TypeError: headerless raw data
        raise Unreadable(_why_not_opened(path, error)) from error
    with source:
        if not RATES[0] <= source.samplerate <= RATES[1]:
            raise Unreadable(
                f"its header gives a sample rate of {source.samplerate:,} Hz; {RATES[0]:,} to {RATES[1]:,} is taken"
            )
        resample = (
            soxr.ResampleStream(source.samplerate, rate, 1, dtype="float32") if source.samplerate != rate else None
        )
        done, damage = 0, None
        while True:
            try:
                block = source.read(max(1, _BLOCK // source.channels), dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                damage = str(error.error_string).rstrip(".")
                break
            _refuse_wild_values(block, done, source.samplerate)
            mono = block[:, 0] if source.channels == 1 else block.mean(axis=1)
            if resample is not None:
                mono = resample.resample_chunk(mono, last=len(block) == 0)
            if len(mono):
                write(denormalise(mono))
            done += len(block)
            if not len(block):
                break
        if resample is not None and damage is not None:
            write(denormalise(resample.resample_chunk(np.empty(0, np.float32), last=True)))
        if done == 0:
            raise Unreadable(
                damage or "it holds no samples (0 frames): the recording is empty or only its header is left"
            )
        promised = _promised_frames(source)
        if damage is None and done < promised:
            damage = f"its header promises {promised / source.samplerate:.2f} s"
        return (
            None
            if damage is None
            else f"damaged ({damage}); kept the {done / source.samplerate:.2f} s before the damage"
        )


def read_sound(path: str | os.PathLike[str], rate: int) -> NDArray[np.int16]:
    """Read a whole file as int16 [N] at `rate` Hz; the inverse of `write_sound`.

    Raises:
        Unreadable: no sound could be had from it.
    """
    blocks = [np.empty(0, np.int16)]
    decode(path, rate, blocks.append)
    return np.concatenate(blocks)


def write_sound(path: str | os.PathLike[str], samples: NDArray[np.int16] | NDArray[np.floating], rate: int) -> None:
    """Write a mono 16-bit wav: the only way by which sound leaves this package.

    The file appears whole or not at all, and is read back and compared before it appears.

    Args:
        path: ends in .wav; its folder must exist.
        samples: [N], at least one; int16, or floats for which +-1 is full scale (they saturate).
        rate: Hz.

    Raises:
        ValueError: wrong shape, type or rate, no samples, NaN or infinity: what yields broken files elsewhere.
        BadInput, MachineFailure: the file cannot be written.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1 or samples.size == 0:
        raise ValueError(
            f"samples have shape {samples.shape}; a wav needs one channel of at least one sample, shape [N]"
        )
    if np.issubdtype(samples.dtype, np.floating):
        samples = denormalise(cast(NDArray[np.floating], samples))
    if samples.dtype != np.int16:
        raise ValueError(f"samples are {samples.dtype}; give int16, or floats for which +-1 is full scale")
    with writing(path, rate) as write:
        write(cast(Samples, samples))


@contextmanager
def writing(path: str | os.PathLike[str], rate: int) -> Iterator[Callable[[Samples], None]]:
    """Write a mono 16-bit wav block by block, in bounded memory; whole or not at all, and compared before it appears.

    Args:
        path: ends in .wav; its folder must exist.
        rate: Hz.

    Yields:
        Takes each block, int16 [n].

    Raises:
        ValueError: wrong rate, or more than a wav file holds.
        BadInput, MachineFailure: the file cannot be written.
    """
    _check_rate(rate)
    written, total = hashlib.blake2b(), 0
    with replacing(path) as stream:
        stream.write(_header(rate, 0))

        def write(samples: Samples) -> None:
            nonlocal total
            total += samples.nbytes
            _check_size(total, rate)
            data = samples.astype("<i2").tobytes()
            written.update(data)
            stream.write(data)  # not by libsndfile, which loses the reason when a disk is full

        yield write
        stream.seek(0)
        stream.write(_header(rate, total))
        stream.flush()
        stream.seek(0)
        back = hashlib.blake2b()
        with soundfile.SoundFile(stream) as sound:
            same = sound.samplerate == rate
            for block in sound.blocks(_BLOCK, dtype="int16"):
                back.update(block.astype("<i2").tobytes())
        if not same or back.digest() != written.digest():
            raise MachineFailure(
                f"{printable(path)} does not read back as it was written: the disk or its driver is failing"
            )


@contextmanager
def growing(path: str | os.PathLike[str], rate: int, length: int) -> Iterator[Callable[[Samples], None]]:
    """Write a mono 16-bit wav that can be listened to while it grows; what is there stays there, whatever happens.

    Args:
        path: as for `writing`; `-` is the standard output.
        rate: Hz.
        length: samples that will come, which a pipe is told in advance.

    Yields:
        Takes each block, int16 [n].

    Raises:
        ValueError: as `writing`.
        BadInput, MachineFailure: the file cannot be written.
    """
    _check_rate(rate)
    _check_size(2 * length, rate)
    pipe = os.fspath(path) == "-"
    try:
        with contextlib.nullcontext(sys.stdout.buffer) if pipe else open(path, "wb") as stream:
            total = 2 * length if pipe else 0
            stream.write(_header(rate, total))

            def write(samples: Samples) -> None:
                nonlocal total
                stream.write(samples.astype("<i2").tobytes())
                if not pipe:
                    total += 2 * len(samples)
                    stream.seek(0)
                    stream.write(_header(rate, total))
                    stream.seek(0, os.SEEK_END)
                stream.flush()

            yield write
    except BrokenPipeError:  # whoever listened has left
        raise
    except OSError as error:
        raise explain_os_error(error, f"writing {printable(path)}") from error


def _header(rate: int, size: int) -> bytes:
    """What a mono 16-bit wav with so many bytes of samples begins with (Microsoft, "Multimedia programming interface", 1991)."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size)


def _check_rate(rate: int) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise ValueError(f"rate is {rate} Hz; {RATES[0]:,} to {RATES[1]:,} is taken")


def _check_size(size: int, rate: int) -> None:
    if size > _WAV_LIMIT:
        raise ValueError(f"{size / 2 / rate / 3600:.1f} hours do not fit a wav file (4 GiB); write several")


def _why_not_opened(path: str | os.PathLike[str], error: Exception) -> str:
    try:
        with open(path, "rb") as stream:
            head = stream.read(1)
    except OSError as denied:
        return f"it cannot be opened: {denied.strerror}"
    if not head:
        return "the file is empty (0 bytes)"
    detail = error.error_string.rstrip(".") if isinstance(error, soundfile.LibsndfileError) else str(error)
    suffix = Path(path).suffix.lower() or "no suffix"
    return f"libsndfile finds no sound in it ({detail}; named {suffix}); convert it to wav or flac"


def _refuse_wild_values(block: NDArray[np.float32], done: int, rate: int) -> None:
    wild = ~(np.abs(block) <= _LOUDEST)  # also true for NaN
    if wild.any():
        row = int(np.argmax(wild.any(axis=1)))
        value = block[row][wild[row]][0]
        hint = (
            "export it again with values in [-1, 1]"
            if np.isfinite(value)
            else "NaN and infinity are no sound; export it again"
        )
        raise Unreadable(f"it holds the value {value:g} at {(done + row) / rate:.3f} s; {hint}")


def _promised_frames(source: soundfile.SoundFile) -> int:
    """Frames that the header speaks of; libsndfile itself cuts the count to what the file holds, and remarks on it."""
    width = {"PCM_S8": 1, "PCM_U8": 1, "ULAW": 1, "ALAW": 1, "PCM_16": 2, "PCM_24": 3, "DOUBLE": 8}.get(
        source.subtype, 4
    )
    promised = int(source.frames) if source.frames < _UNKNOWN else 0
    for line in source.extra_info.splitlines():
        name, _, value = (part.strip(" *").lower() for part in line.partition(":"))
        size = value.partition("(")[0].strip()
        if not size.isdigit() or int(size) >= _UNKNOWN:
            continue
        if name == "frames":  # aiff, rf64
            promised = max(promised, int(size))
        elif name in ("data", "data size") and "(should be" in value:  # wav, au: bytes
            promised = max(promised, int(size) // (width * source.channels))
    return promised
