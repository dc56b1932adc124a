"""A picture of a sound: its waveform above its spectrogram, on one time axis."""

import os
from functools import cache

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from fastgan.audio.scale import FULL_SCALE
from fastgan.base.atomic import replacing

WIDTH, HEIGHT, DPI = 6.4, 3.6, 140  # inches, inches, pixels per inch: words stay legible at half the size
RANGE_DB = 80.0  # from the loudest point of the spectrogram down: what lies below is masked in most music
STEP_DB = 2.0  # per colour: finer than the eye tells apart in a picture this small, and the file shrinks
LOWEST_TOP_DB = -60.0  # a silent sound stays dark: its rounding noise is not stretched to full brightness
BANDS, COLUMNS = 160, 800  # of the spectrogram: about one per pixel
FEW = 60  # samples that are drawn as dots
WINDOWS_PER_COLUMN = 4  # averaged at most: bounds the work for long sounds

_WAVE, _INK, _GRID = "#0a5a9c", "#22272e", "#d5dae0"
_FONT = FontProperties(family="DejaVu Sans")  # comes with matplotlib: the same picture on every machine
_TICKS_HZ = (100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000, 80_000)
_TITLE_LENGTH = 70


def draw(samples: NDArray[np.int16], rate: int, path: str | os.PathLike[str], *, title: str = "") -> None:
    """Write a PNG of a sound: amplitude over time above power (dBFS) over time and mel-spaced frequency.

    The same input gives the same bytes. Work and memory stay bounded for any length. No global state of pyplot is
    touched, so that threads may draw at once.

    Args:
        samples: int16 [N]; N may be 0.
        rate: sample rate, Hz.
        path: the PNG to create or replace.
        title: a line above the picture; shown as it is, never read as a formula.

    Raises:
        ValueError: the samples are not one row of int16, or the rate is not positive.
        BadInput: the path cannot be written by this user.
        MachineFailure: the disk is full or failing.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1 or samples.dtype != np.int16:
        raise ValueError(f"samples are {samples.dtype} of shape {samples.shape}, need one row of int16 [N]")
    if not rate > 0:
        raise ValueError(f"rate is {rate}, needs to be a positive number of samples per second")
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    wave = figure.add_axes((0.1, 0.63, 0.79, 0.27))
    spectrogram = figure.add_axes((0.1, 0.14, 0.79, 0.45))
    shift = 0.5 / rate if len(samples) <= FEW else 0.0  # a lone sample is in the middle of its place, not on the edge
    time = (-shift, max(len(samples), 1) / rate - shift)
    _draw_waveform(wave, samples, rate)
    _draw_spectrogram(figure, spectrogram, samples, rate, time)
    for axes in (wave, spectrogram):
        axes.set_xlim(*time)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=10))
        _style(axes)
    wave.tick_params(labelbottom=False)
    spectrogram.set_xlabel("seconds", fontproperties=_FONT, fontsize=9, color=_INK)
    figure.text(0.1, 0.93, _drawable(title), fontproperties=_FONT, fontsize=10, color=_INK, parse_math=False)
    with replacing(path) as stream:
        figure.savefig(stream, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})


def _draw_waveform(axes: Axes, samples: NDArray[np.int16], rate: int) -> None:
    values = samples.astype(np.float32) / FULL_SCALE
    pixels = round(0.79 * WIDTH * DPI)
    if len(values) > 4 * pixels:
        edges = np.linspace(0, len(values), 2 * pixels + 1).astype(np.int64)[:-1]
        low, high = np.minimum.reduceat(values, edges), np.maximum.reduceat(values, edges)
        centre = (edges + np.append(edges[1:], len(values))) / 2 / rate
        axes.fill_between(centre, low, high, color=_WAVE, linewidth=0.6)  # the line keeps thin parts visible
    else:
        marker = "." if len(values) <= FEW else ""
        axes.plot(np.arange(len(values)) / rate, values, color=_WAVE, linewidth=0.8, marker=marker, markersize=5)
    peak = float(np.abs(values).max(initial=0))
    limit = next((step for step in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if peak < step), 1.0)
    axes.set_ylim(-1.05 * limit, 1.05 * limit)
    axes.yaxis.set_major_locator(FixedLocator([-limit, -limit / 2, 0, limit / 2, limit]))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("amplitude", fontproperties=_FONT, fontsize=9, color=_INK)
    axes.grid(color=_GRID, linewidth=0.6)
    if not len(values):
        _say(axes, "no samples", _INK)
    elif not peak:
        _say(axes, "digital silence", _INK)


def _draw_spectrogram(
    figure: Figure, axes: Axes, samples: NDArray[np.int16], rate: int, time: tuple[float, float]
) -> None:
    level = spectrogram(samples, rate)  # [BANDS, columns] dBFS
    top = 10 * np.ceil(max(LOWEST_TOP_DB, float(level.max(initial=-np.inf))) / 10)
    image = axes.imshow(
        level if level.size else np.full((1, 1), top - RANGE_DB),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(*time, 0, _mel(rate / 2)),
        cmap=colormaps["magma"].resampled(
            round(RANGE_DB / STEP_DB)
        ),  # even in brightness, so it reads the same in grey and with any colour vision
        vmin=top - RANGE_DB,
        vmax=top,
    )
    ticks: list[int] = []
    for hz in _TICKS_HZ:
        if hz <= rate / 2 and (not ticks or _mel(hz) - _mel(ticks[-1]) > 0.045 * _mel(rate / 2)):
            ticks.append(hz)
    axes.yaxis.set_major_locator(FixedLocator([_mel(hz) for hz in ticks]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticklabels([f"{hz // 1000}k" if hz >= 1_000 else str(hz) for hz in ticks])
    axes.set_ylabel("Hz", fontproperties=_FONT, fontsize=9, color=_INK)
    scale = figure.add_axes((0.905, 0.14, 0.016, 0.45))
    figure.colorbar(image, cax=scale)
    scale.yaxis.set_major_locator(FixedLocator(list(np.arange(top - RANGE_DB, top + 1, 20))))
    scale.yaxis.set_major_formatter("{x:g}")
    scale.set_title("dBFS", fontproperties=_FONT, fontsize=8, color=_INK, pad=5)
    _style(scale)
    if not level.size:
        _say(axes, "too short for a spectrum", "white")


def spectrogram(samples: NDArray[np.int16], rate: int) -> NDArray[np.float32]:
    """Mean power in each mel-wide band [BANDS, columns], dB. Empty when under 16 samples.

    0 is a sine of full scale; one between two bins reads up to 3 dB less.
    """
    length = 1 << max(4, round(np.log2(0.046 * rate)))  # 1024 at 22,050 Hz: notes and beats both stay apart
    while length > max(8, len(samples)):
        length //= 2
    if len(samples) < 16:
        return np.zeros((BANDS, 0), np.float32)
    taper = np.hanning(length + 1)[:-1].astype(np.float32)
    last = len(samples) - length
    columns = min(COLUMNS, last // (length // 4) + 1)
    windows = max(1, min(WINDOWS_PER_COLUMN, last // (columns * (length // 2))))
    starts = np.linspace(0, last, columns * windows).astype(np.int64)
    weights = _bands(rate, length)
    level = np.empty((BANDS, columns), np.float32)
    for column in range(columns):
        parts = starts[column * windows : (column + 1) * windows, None] + np.arange(length)
        frames = samples[parts].astype(np.float32) / FULL_SCALE * taper
        power = (np.abs(np.fft.rfft(frames, axis=1)) ** 2).mean(axis=0) * (2 / taper.sum()) ** 2
        level[:, column] = 10 * np.log10(weights @ power + 1e-15)
    return level


def _bands(rate: int, length: int) -> NDArray[np.float32]:
    """Weights [BANDS, bins] that give the largest share to the bins inside a band, or interpolate where bins are wide."""
    hz = np.fft.rfftfreq(length, 1 / rate)
    centres = _hertz((np.arange(BANDS) + 0.5) / BANDS * _mel(rate / 2))
    width = np.maximum(np.gradient(centres), hz[1])
    weights = np.maximum(0, 1 - np.abs(hz - centres[:, None]) / width[:, None])
    shares: NDArray[np.float32] = (weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return shares


def _mel(hz: float) -> float:
    """Mel scale of O'Shaughnessy (Speech Communication, 1987): equal steps sound about equally far apart."""
    return float(2595 * np.log10(1 + hz / 700))


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of `_mel`."""
    return 700 * (10 ** (mel / 2595) - 1)


def _style(axes: Axes) -> None:
    axes.tick_params(labelsize=8, color=_GRID, labelcolor=_INK, length=3)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_fontfamily("DejaVu Sans")
    for spine in axes.spines.values():
        spine.set_color(_GRID)
    axes.set_axisbelow(True)


def _say(axes: Axes, words: str, color: str) -> None:
    place = axes.transAxes
    axes.text(0.5, 0.62, words, transform=place, ha="center", fontproperties=_FONT, fontsize=10, color=color)


def _drawable(title: str) -> str:
    """The title on one line, with a mark for what the font cannot draw, cut to the width of the picture."""
    known = _glyphs()
    line = "".join(mark if ord(mark) in known else "\N{REPLACEMENT CHARACTER}" for mark in " ".join(title.split()))
    return line if len(line) <= _TITLE_LENGTH else line[: _TITLE_LENGTH - 1] + "\N{HORIZONTAL ELLIPSIS}"


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(fontManager.findfont(_FONT)).get_charmap())
