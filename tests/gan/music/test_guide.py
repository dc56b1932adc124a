"""What frames are told about the piece that they are part of."""

import math

import pytest
import torch

from fastgan.gan.music.guide import CYCLES, Course, guide_of, guide_size
from tests.nn.test_styles import known


def test_waves_tell_the_place_in_the_beat_and_in_bars() -> None:
    counts = torch.tensor([[0.0, 0.5, 1.0, 8.0]], dtype=torch.float64)
    told = guide_of(torch.zeros(1, 4, 3), counts)
    assert told.shape == (1, 4, 3 + 2 * len(CYCLES))
    assert torch.allclose(told[0, 0], told[0, 3], atol=1e-6)  # eight beats on, everything is as it was
    beat = CYCLES.index(1.0)
    assert told[0, 1, 3 + len(CYCLES) + beat].item() == pytest.approx(-1)  # half a beat: the cosine is at its lowest
    assert told[0, 1, 3 + CYCLES.index(2.0)].item() == pytest.approx(math.sin(math.pi / 2))


def test_a_course_can_be_cut_anywhere_and_keeps_its_tempo() -> None:
    styles, _ = known()
    course = Course.of_rows(styles, torch.tensor([3, 120]), step_s=0.05)
    whole = course.steps(0, 40)
    assert whole.shape == (2, 40, guide_size(styles))
    assert torch.equal(torch.cat((course.steps(0, 7), course.steps(7, 33)), 1), whole)
    strong = course.steps(0, 40, 2.0)
    assert torch.equal(strong[..., : styles.size], 2 * whole[..., : styles.size])
    assert torch.equal(strong[..., styles.size :], whole[..., styles.size :])  # the beat stays
    period = float(styles.period[120])
    sine = whole[1, :, styles.size + CYCLES.index(1.0)]
    wanted = torch.sin(2 * torch.pi * torch.arange(40) * 0.05 / period)
    assert torch.allclose(sine, wanted.float(), atol=1e-4)


def test_a_course_from_a_recording_keeps_its_style_and_goes_on_in_its_beat() -> None:
    styles, _ = known()
    style = torch.tensor([[0.3, -0.7]])
    beat, begin = (torch.tensor([0.5]), torch.tensor([0.8])), torch.tensor([2.25])
    course = Course(styles, torch.zeros(1, dtype=torch.int64), style, *beat, begin, 0.1)
    told = course.steps(0, 6)
    assert torch.equal(told[:, :, :2], style[:, None].expand(1, 6, 2))
    assert told[0, 0, 2 + CYCLES.index(1.0)].item() == pytest.approx(1)  # a quarter of a beat
