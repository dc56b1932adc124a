"""The paper's Figures 1, 2 and 3: the game and its two networks, drawn from the modules and the shapes that they give."""

import os

import torch
from torch import nn

from fastgan.gan.game import Game
from fastgan.nn.encoder import AutoEncoder
from fastgan.nn.generator import Generator
from fastgan.paper.figures.canvas import BLUE, MINUS, ORANGE, SOFT, TIMES, WIDTH, Canvas
from fastgan.paper.figures.layers import Layer, Network, check_window, count, dense_of, layers_of, written

# Figure 1
_UPPER, _LOWER, _LOWEST = 112.0, 252.0, 402.0  # middles of the rows: generated, real, rebuilt
_LEFT, _BOX, _HALF = 176.0, 140.0, 42.0  # where boxes of networks begin, how wide they are, half their height
_MIDDLE, _RIGHT = _LEFT + _BOX / 2, _LEFT + _BOX
_JUDGE, _JUDGE_BOX = 440.0, 134.0  # where the discriminator begins, and how wide it is
_TAP = 408.0  # where the squared error reads both kinds of sequences

# Figures 2 and 3
_MOST_CELLS = 6  # of a layer that are drawn, an ellipsis among them
_CELL, _PITCH = 34.0, 45.0  # the side of a cell, and from one to the next
_LAYER, _GAP = 76.0, 40.0  # the height of a layer, and from one to the next


@torch.no_grad()
def draw_gan(game: Game, path: str | os.PathLike[str], *, window: int) -> None:
    """Draw Figure 1: who makes what, who judges it, and which loss teaches whom.

    Args:
        game: the networks; they are run once, on zeros.
        path: an .svg or .png to create or replace.
        window: n, steps in a sequence.

    Raises:
        ValueError: the window is not positive, or the file has another ending.
        BadInput, MachineFailure: the file cannot be written.
    """
    check_window(window)
    sound = torch.zeros(1, window * game.frame, device=game.device, dtype=game.dtype)
    real = game.encode(sound)
    fake = game.generator(torch.zeros_like(real))
    verdict = game.discriminator(fake)
    sheet = Canvas(358 if game.encoder is None else 456)

    _draw_data(sheet, _UPPER, "noise")
    _draw_flow(sheet, _UPPER, 94, _LEFT, "", tuple(real.shape))
    _draw_box(sheet, _UPPER, ["Generator", *_parts(game.generator)])
    _draw_flow(sheet, _UPPER, _RIGHT, _JUDGE, "generated", tuple(fake.shape))
    _draw_data(sheet, _LOWER, "sound")
    _draw_flow(sheet, _LOWER, 94, _LEFT, "", tuple(sound.shape))
    if game.encoder is None:
        _draw_box(sheet, _LOWER, ["Windows", f"of {window:,} samples", f"within [{MINUS}1, 1)"], color=SOFT)
    else:
        _draw_box(sheet, _LOWER, ["Encoder", *_parts(game.encoder.encoder)])
        _draw_decoder(sheet, game.encoder, tuple(game.encoder.decode(real).shape))
    _draw_flow(sheet, _LOWER, _RIGHT, _JUDGE, "real", tuple(real.shape))

    middle = (_UPPER + _LOWER) / 2
    sheet.box(_JUDGE, _UPPER - _HALF, _JUDGE_BOX, _LOWER - _UPPER + 2 * _HALF, color=BLUE)
    sheet.lines(_JUDGE + _JUDGE_BOX / 2, middle, ["Discriminator", *_parts(game.discriminator)])
    sheet.arrow((_JUDGE + _JUDGE_BOX, middle), (614, middle))
    sheet.words(593, middle - 9, written(tuple(verdict.shape)), size=11)
    sheet.box(614, middle - 30, 78, 60, corner=30)
    sheet.lines(653, middle, ["logit", "> 0: real"])
    _draw_losses(sheet, middle)
    sheet.save(path)


def _draw_losses(sheet: Canvas, middle: float) -> None:
    """The arrows back, from what a loss is computed of to the network that it teaches."""
    judge, below = _JUDGE + _JUDGE_BOX / 2, _LOWER + _HALF + 32
    sheet.arrow((653, middle - 30), (653, 34), (_MIDDLE, 34), (_MIDDLE, _UPPER - _HALF), color=ORANGE)
    sheet.words(450, 25, "binary cross-entropy: generated ones are to pass for real", size=11, color=ORANGE)
    sheet.arrow((653, middle + 30), (653, below), (judge, below), (judge, _LOWER + _HALF), color=ORANGE)
    sheet.words(692, below + 18, "binary cross-entropy: tell them apart", size=11, align="right", color=ORANGE)
    for row, side in ((_UPPER, -1), (_LOWER, 1)):
        sheet.circle(_TAP, row, 3, color=ORANGE, filled=True)
        sheet.arrow((_TAP, row), (_TAP, middle + 14 * side), color=ORANGE)
    sheet.box(_TAP - 24, middle - 14, 48, 28, corner=14, color=ORANGE)
    sheet.words(_TAP, middle + 4, "MSE", color=ORANGE)
    sheet.arrow((_TAP - 24, middle), (_MIDDLE, middle), (_MIDDLE, _UPPER + _HALF), color=ORANGE)


def _draw_decoder(sheet: Canvas, encoder: AutoEncoder, rebuilt: tuple[int, ...]) -> None:
    """The half of the auto-encoder that has no part in the game: dashed."""
    between = (_LOWER + _LOWEST) / 2
    right, left = _MIDDLE + 32, _MIDDLE - 32
    sheet.arrow((right, _LOWER + _HALF), (right, _LOWEST - _HALF), dashed=True)
    _draw_box(sheet, _LOWEST, ["Decoder", *_parts(encoder.decoder)], dashed=True)
    _draw_data(sheet, _LOWEST, "rebuilt", dashed=True)
    _draw_flow(sheet, _LOWEST, _LEFT, 94, "", rebuilt, dashed=True)
    for row, side in ((_LOWER + 24, -1), (_LOWEST - 24, 1)):
        sheet.arrow((52, row), (52, between + 14 * side), color=ORANGE, dashed=True)
    sheet.box(28, between - 14, 48, 28, corner=14, color=ORANGE, dashed=True)
    sheet.words(52, between + 4, "MSE", color=ORANGE)
    for end in (_LOWER + _HALF, _LOWEST - _HALF):
        sheet.arrow((76, between), (left, between), (left, end), color=ORANGE, dashed=True)
    told = ("dashed: before the game, the decoder", "trains the encoder; after it, the decoder", "makes sound")
    for i, line in enumerate(told):
        sheet.words(_RIGHT + 16, _LOWEST + 4 + 16 * (i - 1), line, size=11, align="left", color=SOFT)


def _draw_data(sheet: Canvas, row: float, name: str, *, dashed: bool = False) -> None:
    sheet.box(10, row - 24, 84, 48, corner=24, dashed=dashed)
    sheet.lines(52, row, [name])


def _draw_box(sheet: Canvas, row: float, lines: list[str], *, color: str = BLUE, dashed: bool = False) -> None:
    sheet.box(_LEFT, row - _HALF, _BOX, 2 * _HALF, color=color, dashed=dashed)
    sheet.lines(_MIDDLE, row, lines)


def _draw_flow(
    sheet: Canvas, row: float, start: float, end: float, name: str, shape: tuple[int, ...], *, dashed: bool = False
) -> None:
    """An arrow from start to end; its name above it and its shape below, or above where it has no name."""
    sheet.arrow((start, row), (end, row), dashed=dashed)
    middle = (start + min(end, _TAP - 8)) / 2  # clear of the line to the squared error
    sheet.words(middle, row - 9, name or written(shape), size=12 if name else 11)
    if name:
        sheet.words(middle, row + 18, written(shape), size=11)


def _parts(network: nn.Module) -> list[str]:
    """What a network is made of, in three lines."""
    if isinstance(network, Network):
        lstm, dense = network.lstm, network.dense
        made = [f"{lstm.num_layers} LSTM {TIMES} {lstm.hidden_size} units", f"1 dense {TIMES} {dense.out_features}"]
    else:
        kinds = [type(part) for part in network.modules()]
        made = [f"{kinds.count(nn.Conv1d)} convolutions"]
        made += [f"{kinds.count(nn.MaxPool1d)} max-poolings"] if nn.MaxPool1d in kinds else []
    return [*made, f"{count(network):,} parameters"]


def draw_network(network: Network, path: str | os.PathLike[str], *, window: int, title: str = "") -> None:
    """Draw Figure 2 or 3: the layers of a network, unrolled over the steps of a sequence.

    Args:
        network: a generator or discriminator; it is run layer by layer, on zeros.
        path: an .svg or .png to create or replace.
        window: n, steps in a sequence.
        title: a line above the picture; left out when empty.

    Raises:
        TypeError: it is another kind of network.
        ValueError: the window is not positive, or the file has another ending.
        BadInput, MachineFailure: the file cannot be written.
    """
    layers, makes = layers_of(network, window), isinstance(network, Generator)
    columns = _columns(window)
    first = 68.0 if title else 30.0  # the row of the input
    rows = [first, *(first + 86 + i * (_LAYER + _GAP) for i in range(len(layers)))]
    end = rows[-1] + _LAYER / 2 + _GAP
    sheet = Canvas(end + (58 if makes else 38))
    sheet.words(16, 28, title, size=14, align="left", bold=True)

    sheet.words(30, first - 2, "Noise" if makes else "Real or generated", size=13, align="left", bold=True)
    sheet.words(30, first + 16, written(layers[0].taken), size=11, align="left")
    _draw_cells(sheet, first, columns, "x", color=SOFT)
    for layer, row, above in zip(layers, rows[1:], rows, strict=False):
        dense, cells = layer is layers[-1], columns if len(layer.given) == 3 else columns[-1:]
        _draw_layer(sheet, row, layer)
        for x, step in cells:
            if step:
                sheet.arrow((x, above + _CELL / 2), (x, row - _CELL / 2))
                if dense:
                    sheet.arrow((x, row + _CELL / 2), (x, end))
        _draw_cells(sheet, row, cells, "y" if dense else "h", chained=not dense)
    for layer, following, row in zip(layers, layers[1:], rows[1:], strict=False):
        last = "" if following.taken == layer.given else f", of the last step {written(following.taken)}"
        sheet.words(30, row + (_LAYER + _GAP) / 2 + 4, written(layer.given) + last, size=11, align="left")
    made = "generated sequence" if makes else "logit, above 0 for real"
    sheet.words(30, end - _GAP / 2 + 4, f"{written(layers[-1].given)}, {made}", size=11, align="left")

    trained = sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
    total = f"{count(network):,} parameters in all, {trained:,} of them trainable"
    sheet.words(30, end + 24, total, align="left", bold=True)
    if isinstance(network, Generator):
        alone = dense_of(network, network.next_value, window)
        told = f"To predict the next value, the dense layer reads the last step alone: {written(alone.taken)} to "
        sheet.words(30, end + 43, told + written(alone.given), size=11, align="left", color=SOFT)
    sheet.save(path)


def _columns(window: int) -> list[tuple[float, str]]:
    """Where steps are drawn, and their names; an empty one for the ellipsis that stands for those in between."""
    steps = [str(step) for step in range(1, window + 1)]
    steps = steps if window <= _MOST_CELLS else [*steps[: _MOST_CELLS - 2], "", "n"]
    return [(WIDTH / 2 + _PITCH * (i - (len(steps) - 1) / 2), step) for i, step in enumerate(steps)]


def _draw_layer(sheet: Canvas, row: float, layer: Layer) -> None:
    """The box of a layer with its words; what its cells are comes on top."""
    sheet.box(16, row - _LAYER / 2, WIDTH - 32, _LAYER, color=BLUE)
    sheet.words(30, row - 14, layer.name, size=13, align="left", bold=True)
    sheet.words(30, row + 5, f"{layer.units:,} unit" + "s" * (layer.units != 1), size=11, align="left")
    sheet.words(30, row + 22, f"{layer.parameters:,} parameters", size=11, align="left")
    for i, (name, shape) in enumerate(layer.weights.items()):
        line = row + 4 + 17 * (i - (len(layer.weights) - 1) / 2)
        sheet.words(500, line, f"{name} {written(shape, batch=False)}", size=11, align="left")


def _draw_cells(
    sheet: Canvas, row: float, cells: list[tuple[float, str]], name: str, *, color: str = BLUE, chained: bool = False
) -> None:
    """A row of cells, one per step; chained when each hands its state to the next."""
    for i, (x, step) in enumerate(cells):
        if chained and i:
            sheet.arrow((x - _PITCH + _CELL / 2, row), (x - _CELL / 2, row), color=color)
        if not step:
            sheet.words(x, row + 4, "…", size=14, color=color)
            continue
        sheet.box(x - _CELL / 2, row - _CELL / 2, _CELL, _CELL, color=color, face="white", corner=5)
        sheet.formula(x, row + 4, f"{name}_{{{step}}}", size=12, align="center")
