"""What two independent readers say of a wav file: Python's `wave` module and libsndfile."""

import wave
from pathlib import Path

import soundfile


def readings(path: Path) -> str:
    """What both readers find in a file, or why they refuse it."""
    return f"the wave module {by_wave(path)}; libsndfile {by_libsndfile(path)}"


def by_wave(path: Path) -> str:
    """What Python's own reader finds in a wav file."""
    try:
        with wave.open(str(path), "rb") as piece:
            frames, channels, bits = piece.getnframes(), piece.getnchannels(), 8 * piece.getsampwidth()
            return f"finds {_size(frames, channels, piece.getframerate())}, {bits} bits"
    except (wave.Error, EOFError) as refusal:
        return f"refuses it ({str(refusal) or 'the file ends before its header'})"


def by_libsndfile(path: Path) -> str:
    """What libsndfile finds in a wav file."""
    try:
        found = soundfile.info(str(path))
    except soundfile.LibsndfileError as refusal:
        return f"refuses it ({refusal.error_string.rstrip('.')})"
    return f"finds {_size(found.frames, found.channels, found.samplerate)}, {found.subtype}"


def _size(frames: int, channels: int, rate: int) -> str:
    names = "frame" if frames == 1 else "frames", "channel" if channels == 1 else "channels"
    return f"{frames:,} {names[0]} of {channels:,} {names[1]} ({frames / rate:.3g} s)"
