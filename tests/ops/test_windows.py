"""Windows on the device against the numba functions that give the same on the host; in Triton's interpreter without a GPU."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from fastgan.audio.segments import Plan, gather, plan_segments
from fastgan.audio.shuffle import shuffled
from fastgan.ops import windows
from fastgan.ops.lstm.triton_gpu import interpreted
from fastgan.ops.windows import Windows, point, reference

REASON = windows.why_not_here()
ON_GPU = REASON is None and not interpreted()
DEVICE = "cuda" if ON_GPU else "cpu"
KERNEL = pytest.param(Windows.take, id="kernel", marks=pytest.mark.skipif(REASON is not None, reason=f"{REASON}"))
both = pytest.mark.parametrize("take", [KERNEL, reference])


@dataclasses.dataclass(frozen=True)
class Case:
    """Clips of these lengths, with a gap between two and what comes before the first."""

    lengths: tuple[int, ...]
    segment: int
    hop: int

    def __str__(self) -> str:
        lengths = [str(length) for length in self.lengths]
        clips = ",".join(lengths if len(lengths) < 6 else [*lengths[:3], "and", str(len(lengths) - 3)])
        return f"{clips}-window{self.segment}-hop{self.hop}"

    def build(self, device: str = DEVICE) -> tuple[np.ndarray, Plan, Windows]:
        gap = 3
        first = gap + np.cumsum([0, *(length + gap for length in self.lengths)])
        samples = np.random.default_rng(len(self.lengths)).integers(-(2**15), 2**15, first[-1]).astype(np.int16)
        plan = plan_segments(first[:-1].tolist(), self.lengths, segment=self.segment, hop=self.hop)
        return samples, plan, place(samples, plan, device)


CASES = [
    Case((6,), 6, 6),  # one window
    Case((7,), 6, 1),  # two
    Case((1,), 1, 1),
    Case((17,), 1, 1),  # just above a power of four: most of the walks go on
    Case((70,), 6, 1),  # 65 windows
    Case((2, 64 * 6, 5, 6, 3), 6, 6),  # clips too short to hold one at the ends and in between
    Case((20, 21, 5, 19, 40), 6, 4),
    Case((20, 21, 5, 19, 40), 6, 9),
    Case(tuple(range(40)), 7, 2),
    Case((1, 2, 3, 400), 1, 3),
    Case((999, 1000, 5003, 1001), 1000, 300),
    Case((3000,), 1500, 500),  # two parts
]
KEYS = [0, 2**63 + 1, 2**64 - 1]


def place(samples: np.ndarray, plan: Plan, device: str = DEVICE) -> Windows:
    return Windows.place_on(device, samples, plan.first, plan.ends, segment=plan.segment, hop=plan.hop)


def on_the_host(samples: np.ndarray, plan: Plan, first: int, count: int, key: int) -> Tensor:
    out = np.empty((count, plan.segment), np.float32)
    gather(samples, plan.starts(shuffled(np.arange(first, first + count), len(plan), key)), out)
    return torch.from_numpy(out)


def empty(count: int, segment: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.full((count, segment), torch.nan, dtype=dtype, device=DEVICE)


@both
@pytest.mark.parametrize("case", CASES, ids=str)
def test_bits_of_the_host_over_a_whole_pass(take, case):
    samples, plan, corpus = case.build()
    assert corpus.total == len(plan)
    for key in KEYS:
        out = empty(len(plan), plan.segment)
        take(corpus, corpus.order(0, key), out)
        assert torch.equal(out.cpu(), on_the_host(samples, plan, 0, len(plan), key)), key


@both
@pytest.mark.parametrize("total", [1, 15, 16, 17, 1000])
def test_every_window_comes_once(take, total):
    plan = plan_segments([0], [total], segment=1, hop=1)
    corpus = place(np.arange(total, dtype=np.int16), plan)
    order, parts = corpus.order(0, 2**63 + 5), []
    while sum(map(len, parts)) < total:  # the last part is a smaller one
        parts.append(empty(min(37, total - sum(map(len, parts))), 1))
        take(corpus, order, parts[-1])
        order[0] += len(parts[-1])
    found = torch.cat(parts).flatten().cpu() * 2**15
    assert torch.equal(found.sort().values, torch.arange(total, dtype=torch.float32))


@both
def test_any_strides(take):
    samples, plan, corpus = CASES[6].build()
    count = len(plan) - 2
    want, order = on_the_host(samples, plan, 2, count, 9), corpus.order(2, 9)
    time_major = empty(plan.segment, count)
    take(corpus, order, time_major.t())
    assert torch.equal(time_major.t().cpu(), want)
    wide = empty(2 * count, plan.segment + 5)
    take(corpus, order, wide[::2, 2:-3])
    assert torch.equal(wide[::2, 2:-3].cpu(), want)
    wide[::2, 2:-3] = torch.nan
    assert wide.isnan().all()  # nothing was written beside it


@both
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_other_numbers(take, dtype):
    samples, plan, _ = CASES[5].build()
    if interpreted():
        samples &= -256  # its bfloat16 rounds halves up where a GPU rounds to even: leave nothing to round
    out, corpus = empty(len(plan), plan.segment, dtype), place(samples, plan)
    take(corpus, corpus.order(0, 3), out)
    assert torch.equal(out.cpu(), on_the_host(samples, plan, 0, len(plan), 3).to(dtype))


@both
def test_places_outside_the_pass_are_not_numbers(take):
    samples, plan, corpus = CASES[4].build()
    total = len(plan)
    for first, real in ((total - 3, slice(0, 3)), (-2, slice(2, 40)), (total, slice(0)), (2**62, slice(0))):
        out = torch.zeros(40, plan.segment, device=DEVICE)
        take(corpus, corpus.order(first, 4), out)
        count = real.stop - (real.start or 0)
        want = on_the_host(samples, plan, max(first, 0) if count else 0, count, 4)
        assert torch.equal(out[real].cpu(), want)
        assert out.isnan().all(dim=1).sum() == 40 - count


@both
def test_no_windows_wanted(take):
    _, plan, corpus = CASES[4].build()
    take(corpus, corpus.order(0, 4), empty(0, plan.segment))


@both
def test_an_order_of_which_a_part_is_used(take):
    """Of 2^40 windows, all in one place, since there is no memory for them: what counts is the walk through large numbers."""
    total, samples = 2**40 + 1, np.arange(-5, 7, dtype=np.int16)
    corpus = place(samples, plan_segments([2, 4], [6, 6], segment=6, hop=1))
    ends = torch.tensor([total // 3, total], device=DEVICE)
    corpus = dataclasses.replace(corpus, ends=ends, hop=0, total=total)
    out = empty(33, 6)
    take(corpus, corpus.order(total - 33, 77), out)
    clip = np.searchsorted(ends.cpu().numpy(), shuffled(np.arange(total - 33, total), total, 77), side="right")
    assert set(clip) == {0, 1}
    want = samples[np.array([2, 4])[clip][:, None] + np.arange(6)].astype(np.float32) / 2**15
    assert torch.equal(out.cpu(), torch.from_numpy(want))


def test_the_definition_of_an_order_is_that_of_the_host():
    places = np.arange(50)
    for total in (50, 257, 2**31 + 3, 2**62):
        for key in KEYS:
            order = point(torch.empty(2, dtype=torch.int64), 0, key)
            found = windows.shuffled(torch.from_numpy(places), total, order[1])
            np.testing.assert_array_equal(found.numpy(), shuffled(places, total, key))


def test_a_memory_map_and_tensors_are_taken_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(windows, "_PIECE", 100)
    samples, plan, corpus = CASES[5].build("cpu")
    samples.tofile(tmp_path / "samples")
    mapped = np.memmap(tmp_path / "samples", np.int16, "r")
    as_tensors = [torch.from_numpy(one) for one in (samples, plan.first, plan.ends)]
    for other in (place(mapped, plan, "cpu"), Windows.place_on("cpu", *as_tensors, segment=6, hop=6)):
        for name in ("samples", "first", "ends"):
            assert torch.equal(getattr(other, name), getattr(corpus, name))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"samples": np.zeros(30, np.float32)}, "needs int16"),
        ({"segment": 0}, "at least 1"),
        ({"hop": 0}, "at least 1"),
        ({"ends": [5]}, "as many, ascending"),
        ({"ends": [5, 3]}, "as many, ascending"),
        ({"ends": [0, 0]}, "as many, ascending"),
        ({"first": [-1, 10]}, "reach -1"),
        ({"first": [0, 23]}, r"\.\. 31; the corpus has 30"),
        ({"hop": 7}, r"\.\. 34; the corpus has 30"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(changed, message):
    plan = {"samples": np.zeros(30, np.int16), "first": [0, 10], "ends": [5, 8], "segment": 6, "hop": 1}
    with pytest.raises(ValueError, match=message):
        Windows.place_on("cpu", **{**plan, **changed})


@both
def test_what_does_not_fit_is_refused(take):
    _, _, corpus = CASES[4].build()
    order = corpus.order(0, 1)
    for out in (empty(3, 5), empty(3, 6).int(), empty(3, 6)[0]):
        with pytest.raises(ValueError, match="needs floats"):
            take(corpus, order, out)
    for wrong in (order.int(), order[:1]):
        with pytest.raises(ValueError, match="order is"):
            take(corpus, wrong, empty(3, 6))


def test_it_says_why_not(monkeypatch):
    assert "tensors on meta (it takes" in windows.why_not(torch.device("meta"))
    assert windows.why_not(torch.device(DEVICE)) == REASON
    _, plan, corpus = CASES[4].build("cpu")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert "tensors on cpu (it takes cuda)" in windows.why_not(torch.device("cpu"))
    with pytest.raises(RuntimeError, match="cannot be taken on cpu: tensors on cpu"):
        corpus.take(corpus.order(0, 1), torch.empty(3, plan.segment))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "Triton is not installed" in windows.why_not(torch.device("cuda"))
