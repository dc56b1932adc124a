"""The paper's Figure 4: the LSTM cell as it is computed here (`fastgan.ops.lstm.reference`), with the shapes of one module."""

import math
import os

from torch import nn

from fastgan.nn.lstm import FusedLSTM
from fastgan.paper.figures.canvas import BLUE, INK, MINUS, SIGMA, SOFT, TIMES, Canvas
from fastgan.paper.figures.layers import Shape, written

_C, _H = 66.0, 284.0  # heights of the lines that carry the states
_GATES = {"f": 180.0, "i": 270.0, "g": 350.0, "o": 440.0}  # where they stand: in this order no lines cross
_ORDER = "ifgo"  # how they lie in memory
_ROW, _MEET = 204.0, 136.0  # heights of the gates, and of the products that take two of them
_OUT = 530.0  # where h comes down
_NODE = 13.0  # radius of an operation between two lines
_BEFORE = f"{{t{MINUS}1}}"  # an index
_ACTIVATIONS = {"i": SIGMA, "f": SIGMA, "g": "tanh", "o": SIGMA}
_SYMBOLS = {"bias_l0": "b", "bias_ih_l0": "b_{ih}", "bias_hh_l0": "b_{hh}"}


def draw_cell(lstm: FusedLSTM | nn.LSTM, path: str | os.PathLike[str]) -> None:
    """Draw Figure 4: one step of the first layer of an LSTM, with its shapes and equations.

    Args:
        lstm: whose cell; with any bias, projected or not. Of two directions the forward one is drawn.
        path: an .svg or .png to create or replace.

    Raises:
        TypeError: it is not an LSTM.
        ValueError: the file has another ending.
        BadInput, MachineFailure: the file cannot be written.
    """
    if not isinstance(lstm, FusedLSTM | nn.LSTM):
        raise TypeError(f"needs a FusedLSTM or a torch.nn.LSTM, got {type(lstm).__name__}")
    weights = {name: tuple(value.shape) for name, value in lstm.named_parameters() if name.endswith("_l0")}
    gates, inputs = weights["weight_ih_l0"]
    hidden, state = gates // len(_ORDER), weights["weight_hh_l0"][1]
    terms = ["W_{ih} x_t", f"W_{{hh}} h_{_BEFORE}", *(_SYMBOLS[name] for name in weights if name in _SYMBOLS)]
    projected = "weight_hr_l0" in weights
    sheet = Canvas(566)
    sheet.box(96, 24, 508, 296, color=SOFT, face="#f7f8fa", corner=16)
    _draw_state(sheet, hidden)
    _draw_gates(sheet, hidden)
    _draw_output(sheet, state, projected)

    sheet.box(150, _H - 18, 320, 36, color=BLUE)
    sheet.formula(162, _H + 5, f"z_t = {' + '.join(terms)}")
    sheet.words(460, _H + 5, written((1, gates)), size=10.5, align="right")
    sheet.arrow((70, _H), (150, _H))
    _draw_name(sheet, 36, _H, f"h_{_BEFORE}", state)
    sheet.arrow((310, 340), (310, _H + 18))
    _draw_name(sheet, 310, 354, "x_t", inputs)
    _write_equations(sheet, terms, projected)
    _write_weights(sheet, weights)
    sheet.save(path)


def _draw_state(sheet: Canvas, hidden: int) -> None:
    """The line of c: what is forgotten, then what is added."""
    _draw_name(sheet, 36, _C, f"c_{_BEFORE}", hidden)
    sheet.arrow((70, _C), (_GATES["f"] - _NODE, _C))
    sheet.arrow((_GATES["f"] + _NODE, _C), (_GATES["g"] - _NODE, _C))
    sheet.arrow((_GATES["g"] + _NODE, _C), (630, _C))
    _draw_name(sheet, 664, _C, "c_t", hidden)
    _draw_node(sheet, _GATES["f"], _C, TIMES)
    _draw_node(sheet, _GATES["g"], _C, "+")


def _draw_gates(sheet: Canvas, hidden: int) -> None:
    """Each gate takes its quarter of z, and goes where it works."""
    top = _ROW - 18
    for name, x in _GATES.items():
        first = _ORDER.index(name) * hidden
        sheet.arrow((x, _H - 18), (x, _ROW + 18))
        sheet.words(x + 6, _H - 35, f"{first}:{first + hidden}", size=10.5, align="left", color=SOFT)
        sheet.box(x - 24, top, 48, 36, color=BLUE, face="white")
        sheet.words(x, _ROW + 5, _ACTIVATIONS[name], size=14)
        sheet.formula(x + 8, top - 12, f"{name}_t", size=14, color=BLUE)
    sheet.words(_GATES["f"] - 6, _H - 35, "columns", size=10.5, align="right", color=SOFT)
    sheet.arrow((_GATES["f"], top), (_GATES["f"], _C + _NODE))
    sheet.arrow((_GATES["i"], top), (_GATES["i"], _MEET), (_GATES["g"] - _NODE, _MEET))
    sheet.arrow((_GATES["g"], top), (_GATES["g"], _MEET + _NODE))
    sheet.arrow((_GATES["g"], _MEET - _NODE), (_GATES["g"], _C + _NODE))
    sheet.arrow((_GATES["o"], top), (_GATES["o"], _MEET), (_OUT - _NODE, _MEET))
    _draw_node(sheet, _GATES["g"], _MEET, TIMES)


def _draw_output(sheet: Canvas, state: int, projected: bool) -> None:
    """From the line of c down to the line of h."""
    sheet.circle(_OUT, _C, 3, filled=True)
    sheet.arrow((_OUT, _C), (_OUT, _C + 17))
    sheet.box(_OUT - 24, _C + 17, 48, 24, color=INK)
    sheet.words(_OUT, _C + 34, "tanh", size=14)
    sheet.arrow((_OUT, _C + 41), (_OUT, _MEET - _NODE))
    _draw_node(sheet, _OUT, _MEET, TIMES)
    start = _MEET + _NODE
    if projected:
        sheet.arrow((_OUT, start), (_OUT, _ROW - 18))
        sheet.box(_OUT - 24, _ROW - 18, 48, 36, color=BLUE)
        sheet.formula(_OUT, _ROW + 4, "W_{hr}", align="center")
        start = _ROW + 18
    sheet.arrow((_OUT, start), (_OUT, _H), (630, _H))
    _draw_name(sheet, 664, _H, "h_t", state)


def _draw_node(sheet: Canvas, x: float, y: float, sign: str) -> None:
    sheet.circle(x, y, _NODE)
    sheet.words(x, y + 6, sign, size=17)


def _draw_name(sheet: Canvas, x: float, y: float, name: str, size: int) -> None:
    """A vector's name with its shape below."""
    sheet.formula(x, y + 2, name, size=16, align="center")
    sheet.words(x, y + 19, written((1, size)), size=10.5)


def _write_equations(sheet: Canvas, terms: list[str], projected: bool) -> None:
    equations = [
        f"z_t = (z_i, z_f, z_g, z_o) = {' + '.join(terms)}",
        *(f"{gate}_t = {_ACTIVATIONS[gate]}(z_{gate})" for gate in _ORDER),
        f"c_t = f_t ⊙ c_{_BEFORE} + i_t ⊙ g_t",
        f"h_t = {'W_{hr} (' if projected else ''}o_t ⊙ tanh(c_t){')' if projected else ''}",
    ]
    for i, equation in enumerate(equations):
        sheet.formula(40, 418 + 22 * i, equation, size=13)


def _write_weights(sheet: Canvas, weights: dict[str, Shape]) -> None:
    for i, (name, shape) in enumerate(weights.items()):
        sheet.words(430, 418 + 22 * i, f"{name} {written(shape, batch=False)}", align="left")
    total = sum(map(math.prod, weights.values()))
    sheet.words(430, 418 + 22 * len(weights), f"{total:,} parameters", align="left", bold=True)
    sheet.words(430, 550, f"{SIGMA} logistic function, ⊙ product by element", size=11, align="left", color=SOFT)
