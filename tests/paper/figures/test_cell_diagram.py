"""The diagram of the cell holds the shapes of the LSTM that it was given, and equations that are the reference's."""

import pytest
from torch import nn

from fastgan import FusedLSTM
from fastgan.paper.figures.canvas import SIGMA
from fastgan.paper.figures.cell_diagram import draw_cell
from tests.paper.figures.common import check_files, texts

CASES = {
    "the paper's": (
        FusedLSTM(1, 128, 2, bias="single"),
        {"weight_ih_l0 [512, 1]", "bias_l0 [512]", "66,560 parameters"},
    ),
    "odd sizes": (
        FusedLSTM(5, 17, bias="single"),
        {"weight_hh_l0 [68, 17]", "34:51", "[B, 5]", "[B, 68]", "1,564 parameters"},
    ),
    "two biases": (nn.LSTM(3, 8), {"bias_ih_l0 [32]", "bias_hh_l0 [32]", "416 parameters"}),
    "no bias": (FusedLSTM(3, 8, bias=False), {"352 parameters"}),
    "both ways": (FusedLSTM(3, 8, bidirectional=True), {"weight_ih_l0 [32, 3]", "416 parameters"}),
    "projected": (nn.LSTM(3, 8, proj_size=2), {"weight_hr_l0 [2, 8]", "weight_hh_l0 [32, 2]", "240 parameters"}),
}


@pytest.mark.parametrize(("lstm", "expected"), CASES.values(), ids=CASES)
def test_numbers_of_the_module(lstm, expected, tmp_path):
    assert expected <= set(check_files(lambda path: draw_cell(lstm, path), tmp_path))


@pytest.mark.parametrize("bias", [True, False, "single"])
def test_equations_have_the_bias_that_there_is(bias, tmp_path):
    draw_cell(FusedLSTM(3, 8, bias=bias), tmp_path / "a.svg")
    found = texts(tmp_path / "a.svg")
    assert found.count("b") == {True: 4, False: 0, "single": 2}[bias], "in the cell and in the equation"


def test_gates_take_the_columns_in_which_they_lie(tmp_path):
    draw_cell(FusedLSTM(1, 10), tmp_path / "a.svg")
    found = texts(tmp_path / "a.svg")
    columns = {found[i + 2]: found[i] for i, line in enumerate(found) if ":" in line}  # columns, activation, gate
    assert columns == {"i": "0:10", "f": "10:20", "g": "20:30", "o": "30:40"}
    activations = {found[i + 2]: found[i + 1] for i, line in enumerate(found) if ":" in line}
    assert activations == {"i": SIGMA, "f": SIGMA, "g": "tanh", "o": SIGMA}


def test_another_module_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"a FusedLSTM or a torch\.nn\.LSTM, got GRU"):
        draw_cell(nn.GRU(1, 1), tmp_path / "a.svg")
    with pytest.raises(ValueError, match=r"\.svg or \.png"):
        draw_cell(nn.LSTM(1, 1), tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())
