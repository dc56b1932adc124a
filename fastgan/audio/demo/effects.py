"""Effects on whole buffers, all causal: what comes later in a clip never changes what came before."""

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def drive(bus: np.ndarray, rate: float, gain: float, cabinet: float) -> None:
    """Overdrive float32 `bus` [N] in place: high-pass, soft clipping, loudspeaker.

    The clipper is x / sqrt(1 + x**2). Its first-order antiderivative form (Parker, Zavalishin, Le Bivic, "Reducing the
    aliasing of nonlinear waveshaping using continuous-time convolution", 2016) needs no special case for equal samples.

    Args:
        bus: float32 [N].
        rate: samples per second.
        gain: factor before the clipper; from 3 (warm) to 60 (metal). The output stays within about [-1, 1].
        cabinet: Hz, where the loudspeaker starts to fall by 12 dB an octave.
    """
    bass = 1.0 - math.exp(-2.0 * math.pi * 90.0 / rate)
    treble = 1.0 - math.exp(-2.0 * math.pi * min(cabinet, 0.4 * rate) / rate)
    rumble = last = y1 = y2 = level = 0.0
    root = 1.0
    for i in range(len(bus)):
        rumble += bass * (bus[i] - rumble)
        x = gain * (bus[i] - rumble)
        r = math.sqrt(1.0 + x * x)
        y = (x + last) / (r + root)
        last = x
        root = r
        y1 += treble * (y - y1)
        y2 += treble * (y1 - y2)
        level += 0.002 * (y2 - level)  # takes out the offset that clipping an uneven wave leaves
        bus[i] = y2 - level


@njit(cache=True, nogil=True)
def echo(bus: np.ndarray, delay: int, feedback: float) -> None:
    """Add to float32 `bus` [N], in place, its own past `delay` samples ago, times `feedback` (0 to below 1)."""
    scale = np.float32(feedback)
    for i in range(delay, len(bus)):
        bus[i] += scale * bus[i - delay]


@njit(cache=True, nogil=True)
def reverb(mix: np.ndarray, wet: np.ndarray, rate: float, seconds: float, damp: float) -> None:
    """Add the room that float32 `wet` [N] is played into to float32 `mix` [N].

    Four delay lines that feed each other through a Hadamard matrix (Jot and Chaigne, 1991).

    Args:
        mix: float32 [N], added to.
        wet: float32 [N], what is sent into the room.
        rate: samples per second.
        seconds: time to fall by 60 dB.
        damp: share of the highs that each trip loses, 0 to 1.
    """
    la, lb, lc, ld = int(0.0297 * rate), int(0.0371 * rate), int(0.0411 * rate), int(0.0503 * rate)
    a = np.zeros(la, np.float32)
    b = np.zeros(lb, np.float32)
    c = np.zeros(lc, np.float32)
    d = np.zeros(ld, np.float32)
    ga = 0.5 * 10.0 ** (-3.0 * la / (rate * seconds))
    gb = 0.5 * 10.0 ** (-3.0 * lb / (rate * seconds))
    gc = 0.5 * 10.0 ** (-3.0 * lc / (rate * seconds))
    gd = 0.5 * 10.0 ** (-3.0 * ld / (rate * seconds))
    keep = 1.0 - damp
    ia = ib = ic = id_ = 0
    fa = fb = fc = fd = 0.0
    for i in range(len(wet)):
        x = wet[i]
        fa += keep * (a[ia] - fa)
        fb += keep * (b[ib] - fb)
        fc += keep * (c[ic] - fc)
        fd += keep * (d[id_] - fd)
        ab, cd, a_b, c_d = fa + fb, fc + fd, fa - fb, fc - fd
        a[ia] = x + ga * (ab + cd)
        b[ib] = x + gb * (a_b + c_d)
        c[ic] = x + gc * (ab - cd)
        d[id_] = x + gd * (a_b - c_d)
        mix[i] += 0.5 * (fa - fb + fc - fd)
        ia = ia + 1 if ia + 1 < la else 0
        ib = ib + 1 if ib + 1 < lb else 0
        ic = ic + 1 if ic + 1 < lc else 0
        id_ = id_ + 1 if id_ + 1 < ld else 0


@njit(cache=True, nogil=True)
def master(mix: np.ndarray, rate: float, gain: float, out: np.ndarray) -> None:
    """Write float32 `mix` [N] into int16 `out` [N]: times `gain`, peaks bent below full scale, without offset.

    Samples up to 0.6 pass unchanged; above, the curve goes on with the same slope and flattens towards 0.96.
    """
    knee, top = 0.6, 0.96
    follow = 1.0 - math.exp(-2.0 * math.pi * 20.0 / rate)
    settle = 1.0 - math.exp(-2.0 * math.pi * 2.0 / rate)
    before = after = 0.0  # offsets: bending the peaks of a lopsided wave makes a new one
    for i in range(len(mix)):
        before += follow * (mix[i] - before)
        x = gain * (mix[i] - before)
        size = abs(x)
        if size > knee:
            over = (size - knee) / (top - knee)
            size = knee + (top - knee) * over / (1.0 + over)
        x = size if x > 0.0 else -size
        after += settle * (x - after)
        out[i] = math.floor(32768.0 * min(max(x - after, -0.999), 0.999) + 0.5)
