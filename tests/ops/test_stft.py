import math

import pytest
import torch
from torch import Tensor

from fastgan.ops.stft import Frames, Resynthesis, resynthesise

RATE = 22_050
FRAMES = Frames.of_rate(RATE)
SMALL = Frames(64, 16)
FLOATS = [torch.float32, torch.float64]


def notes(seconds: float = 5.0, dtype: torch.dtype = torch.float32) -> Tensor:
    """A chord a second [N], each note eight partials that die away, the upper ones sooner."""
    time = torch.arange(round(seconds * RATE), dtype=torch.float64) / RATE
    sound = torch.zeros_like(time)
    for start, chord in enumerate(
        [(220, 277.2, 329.6), (196, 246.9, 293.7), (174.6, 220, 261.6), (146.8, 185, 220)] * 2
    ):
        since = (time - start).clamp(min=0)
        attack = 1 - (-since / 0.01).exp()
        for hz in chord:
            for partial in range(1, 9):
                sound += attack * 0.1 / partial * (-since * partial).exp() * (2 * math.pi * hz * partial * since).sin()
    return sound.to(dtype)


def noise(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def off_by(sound: Tensor, magnitudes: Tensor) -> float:
    """Spectral convergence in dB: how far the sound's magnitudes are from those that were asked for, at the same places."""
    missing = (FRAMES.window - FRAMES.hop) // 2  # samples of the first frame that the sound does not have
    first = -(-missing // FRAMES.hop)
    found = FRAMES.magnitudes(sound[first * FRAMES.hop - missing :])
    wanted = magnitudes[first : first + len(found)]
    return 20 * math.log10(float((found - wanted).norm() / wanted.norm()))


def streamed(magnitudes: Tensor, cuts: list[int], frames: Frames = SMALL, **settings: int) -> Tensor:
    resynthesis = Resynthesis(frames, **settings)
    pieces = [resynthesis.push(piece) for piece in magnitudes.tensor_split(cuts, dim=-2)]
    return torch.cat((*pieces, resynthesis.finish()), dim=-1)


@pytest.mark.parametrize(
    ("rate", "window"), [(80, 8), (8_000, 1_024), (16_000, 2_048), (22_050, 2_048), (44_100, 4_096), (48_000, 4_096)]
)
def test_frames_last_93_ms_and_overlap_four_times(rate, window):
    assert Frames.of_rate(rate) == Frames(window, window // 4)


@pytest.mark.parametrize(("window", "hop"), [(64, 0), (64, -16), (64, 24), (64, 64), (63, 21)])
def test_frames_that_cannot_be_put_together_again_are_refused(window, hop):
    with pytest.raises(ValueError, match="the hop must be even"):
        Frames(window, hop)


def test_a_rate_without_a_window_is_refused():
    with pytest.raises(ValueError, match="give 80 Hz or more"):
        Frames.of_rate(79)


@pytest.mark.parametrize("frames", [FRAMES, SMALL, Frames(12, 4), Frames(8, 4)], ids=str)
def test_counting_frames_is_the_inverse_of_counting_samples(frames):
    assert frames.count(0) == frames.count(frames.window - 1) == frames.samples(0) == 0
    for count in (1, 2, 3, 100):
        assert frames.count(frames.samples(count)) == frames.count(frames.samples(count + 1) - 1) == count
        assert frames.magnitudes(torch.zeros(frames.samples(count))).shape == (count, frames.bins)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_sine_in_the_middle_of_a_bin_has_its_amplitude(dtype):
    turns = 2 * math.pi * torch.arange(FRAMES.samples(3), dtype=torch.float64) / FRAMES.window
    found = FRAMES.magnitudes((0.7 * (100 * turns + 1).sin()).to(dtype))
    wanted = torch.zeros(FRAMES.bins, dtype=dtype)
    wanted[99:102] = torch.tensor([0.35, 0.7, 0.35], dtype=dtype)  # the transform of a Hann window
    assert found.dtype == dtype
    torch.testing.assert_close(found, wanted.expand(3, -1), rtol=0, atol=1e3 * torch.finfo(dtype).eps)
    constant = FRAMES.magnitudes(torch.ones(FRAMES.window, dtype=dtype))
    assert constant[0, :3].tolist() == pytest.approx([2, 1, 0], abs=1e-5)


def test_leading_sizes_are_sounds_of_their_own():
    sounds = noise(2, 3, 200)
    assert torch.equal(SMALL.magnitudes(sounds)[1, 2], SMALL.magnitudes(sounds[1, 2]))


def test_magnitudes_can_be_differentiated():
    sound = noise(2, 20, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(Frames(8, 2).magnitudes, sound)


@pytest.mark.parametrize(
    ("sound", "words"), [(torch.zeros(63), "one frame takes 64"), (torch.zeros(64, dtype=torch.int16), "divide int16")]
)
def test_sounds_without_frames_are_refused(sound, words):
    with pytest.raises(ValueError, match=words):
        SMALL.magnitudes(sound)


@pytest.mark.parametrize("frames", [SMALL, Frames(8, 4), Frames(12, 4)], ids=str)
@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 10, 11, 15, 16, 17, 40])
def test_each_frame_gives_a_hop_of_sound(frames, count):
    settings = {"iterations": 2, "block": 7, "ahead": 2}
    sound = streamed(noise(count, frames.bins), [3], frames, **settings)
    assert sound.shape == (count * frames.hop,)
    assert sound.isfinite().all()
    assert streamed(noise(count, frames.bins), [3], frames, **settings | {"block": 1}).shape == sound.shape


@pytest.mark.parametrize("cuts", [[], [1], [9, 16], [0, 0, 40, 41, 49], list(range(1, 50)), [50]], ids=str)
@pytest.mark.parametrize("shape", [(50,), (2, 50)], ids=str)
def test_sound_does_not_depend_on_the_cuts_to_the_bit(cuts, shape):
    magnitudes = noise(*shape, SMALL.bins)  # each block sees the same numbers in tensors of the same shape
    settings = {"iterations": 5, "block": 7, "ahead": 2}
    assert torch.equal(streamed(magnitudes, cuts, **settings), streamed(magnitudes, [13], **settings))


def test_sound_comes_as_soon_as_a_block_is_full():
    resynthesis = Resynthesis(SMALL, iterations=1, block=7, ahead=2)
    lengths = [len(resynthesis.push(noise(1, SMALL.bins))) for _ in range(20)]
    full = {8: 7 * 16 - 24, 15: 7 * 16}  # the first block lacks the samples that only slopes of windows reach
    assert lengths == [full.get(frame, 0) for frame in range(20)]


def test_the_seed_decides_the_phases_and_nothing_else_does():
    magnitudes = FRAMES.magnitudes(notes(1))
    torch.manual_seed(1)
    one = resynthesise(magnitudes, FRAMES, iterations=2, seed=1)
    torch.manual_seed(2)
    assert torch.equal(one, resynthesise(magnitudes, FRAMES, iterations=2, seed=1))
    assert not torch.allclose(one, resynthesise(magnitudes, FRAMES, iterations=2, seed=2), atol=0.01)


@pytest.mark.parametrize("dtype", FLOATS)
def test_sound_comes_near_to_the_magnitudes_and_as_near_as_without_blocks(dtype):
    magnitudes = FRAMES.magnitudes(notes(dtype=dtype))
    blocks = resynthesise(magnitudes, FRAMES)
    assert blocks.dtype == dtype
    whole = streamed(magnitudes, [], FRAMES, block=len(magnitudes))
    assert off_by(blocks, magnitudes) < -26  # seen: -26.7 to -27.1; without momentum -25.1, from random phases -20.1
    assert off_by(blocks, magnitudes) < off_by(whole, magnitudes) + 0.5


def test_short_blocks_fit_the_sound_before_them():
    magnitudes = FRAMES.magnitudes(notes())
    sound = streamed(magnitudes, [], FRAMES, block=8, ahead=2)
    assert off_by(sound, magnitudes) < -30.5  # seen: -32.4; -28.1 where a block is iterated without what is before it


def test_phases_alone_make_sound_and_iterations_make_it_better():
    magnitudes = FRAMES.magnitudes(notes())
    found = [off_by(resynthesise(magnitudes, FRAMES, iterations=count), magnitudes) for count in (0, 8, 24)]
    assert found[0] < -18  # seen: -19.6; -7.2 where each bin turns at its own frequency, not at its peak's
    assert found[0] - 4 > found[1] > found[2] + 1


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_a_tone_is_as_loud_at_the_ends_as_in_the_middle(count):
    time = torch.arange(FRAMES.samples(count)) / RATE
    sound = resynthesise(FRAMES.magnitudes(0.5 * (2 * math.pi * 440 * time).sin()), FRAMES)
    for part in sound.tensor_split([64, len(sound) - 64]):  # 64 samples: more than a cycle
        assert float(part.abs().max()) == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize("value", [0.5, -0.5])
def test_a_constant_stays_one(value):
    magnitudes = FRAMES.magnitudes(torch.full((FRAMES.samples(100),), value))
    assert (
        resynthesise(magnitudes, FRAMES).abs().sub(0.5).abs().max() < 1e-3
    )  # which sign it had, magnitudes do not say


@pytest.mark.parametrize("dtype", FLOATS)
def test_silence_stays_silence(dtype):
    assert not resynthesise(torch.zeros(30, FRAMES.bins, dtype=dtype), FRAMES).any()
    magnitudes = FRAMES.magnitudes(notes(dtype=dtype))
    magnitudes[80:] = 0
    sound = resynthesise(magnitudes, FRAMES)
    assert sound.isfinite().all()
    assert not sound[84 * FRAMES.hop :].any()


def test_sequences_in_step_are_sounds_of_their_own():
    magnitudes = torch.stack([FRAMES.magnitudes(notes(2)), FRAMES.magnitudes(notes(3)[-2 * RATE :])])
    for sound, alone in zip(resynthesise(magnitudes, FRAMES), magnitudes, strict=True):
        torch.testing.assert_close(sound, resynthesise(alone, FRAMES), rtol=0, atol=1e-3)  # iterations enlarge rounding


def test_memory_does_not_grow_with_the_length():
    resynthesis = Resynthesis(SMALL, iterations=1, block=7, ahead=2)
    held = []
    for frames in (200, 2_000, 1, 1, 1, 1, 1, 1, 1):
        resynthesis.push(noise(frames, SMALL.bins))
        parts = [*vars(resynthesis).values(), *vars(resynthesis._overlap).values()]
        held.append(sum(part.untyped_storage().nbytes() for part in parts if isinstance(part, Tensor)))
    rows = 6 + 2 + 2 * 2 + 1  # waiting, kept for the next block, their spectra, signs
    window = SMALL.window + 1  # torch makes one of even symmetry and shows all but its last value
    assert max(held) <= 4 * (rows * SMALL.bins + window + 2 * (SMALL.window - SMALL.hop))


@pytest.mark.parametrize(
    ("magnitudes", "words"),
    [
        (torch.zeros(3, 32), r"needs \(..., frames, 33\)"),
        (torch.zeros(33), r"needs \(..., frames, 33\)"),
        (torch.zeros(3, 33, dtype=torch.float16), "float32 or float64"),
        (torch.full((3, 33), -1e-9), "negative"),
        (torch.full((3, 33), math.inf), "infinite"),
        (torch.full((3, 33), math.nan), "no number"),
        (torch.zeros(2, 3, 33), "give all alike"),
        (torch.zeros(3, 33, dtype=torch.float64), "give all alike"),
    ],
)
def test_magnitudes_of_no_sound_are_refused(magnitudes, words):
    resynthesis = Resynthesis(SMALL)
    resynthesis.push(torch.zeros(1, 33))
    with pytest.raises(ValueError, match=words):
        resynthesis.push(magnitudes)
    assert resynthesis.finish().shape == (16,)  # as if nothing had been tried


@pytest.mark.parametrize("settings", [{"iterations": -1}, {"block": 0}, {"ahead": 0}], ids=str)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match="at least 0, 1 and 1"):
        Resynthesis(SMALL, **settings)


def test_a_sound_begins_once_and_ends_once():
    resynthesis = Resynthesis(SMALL)
    with pytest.raises(RuntimeError, match="push frames"):
        resynthesis.finish()
    resynthesis.push(noise(3, 33))
    resynthesis.finish()
    with pytest.raises(RuntimeError, match="push frames"):
        resynthesis.finish()
    with pytest.raises(RuntimeError, match="begin a new one"):
        resynthesis.push(noise(3, 33))
