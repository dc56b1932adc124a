"""What Nvidia's tool says of compiled kernels, read."""

from types import SimpleNamespace

import pytest

from benchmarks import cubins
from fastgan.ops import native

TOLD = """
Fatbin elf code:
================
arch = sm_80
host = linux

Resource usage:
 Common:
  GLOBAL:0
 Function _ZN7fastgan4cuda7forwardINS0_9ThreeTf32ELi2EEEvNS0_7ForwardENS0_4PlanE:
  REG:126 STACK:0 SHARED:0 LOCAL:0 CONSTANT[0]:812 TEXTURE:0 SURFACE:0 SAMPLER:0

Fatbin elf code:
================
arch = sm_90a

Resource usage:
 Common:
  GLOBAL:0
 Function _ZN7fastgan4cuda15stream_backwardINS0_8Bfloat16ELi4EEEvNS0_14StreamBackwardENS0_10StreamPlanE:
  REG:255 STACK:16 SHARED:0 LOCAL:0 CONSTANT[0]:700 TEXTURE:0 SURFACE:0 SAMPLER:0
 Function _ZN7fastgan4cuda11stream_packILi1EEEvNS0_10StreamPackE:
  REG:24 STACK:0 SHARED:0 LOCAL:8 CONSTANT[0]:700 TEXTURE:0 SURFACE:0 SAMPLER:0
"""


@pytest.fixture
def _told(monkeypatch):
    monkeypatch.setattr(cubins, "_told", lambda _: TOLD)
    monkeypatch.setattr(native, "cuda_library", lambda: SimpleNamespace(__file__="_cuda.so"))


@pytest.mark.usefixtures("_told")
def test_kernels_of_a_library_are_told_with_what_spills():
    found = list(cubins.kernels())
    assert found == [
        cubins.Kernel("sm_80", "threetf32", "forward", 2, 126, 0),
        cubins.Kernel("sm_90a", "bfloat16", "stream_backward", 4, 255, 16),
        cubins.Kernel("sm_90a", "short", "stream_pack", 1, 24, 8),
    ]
    assert [kernel.fits for kernel in found] == [True, False, False]


@pytest.mark.usefixtures("_told")
def test_a_kernel_that_is_not_known_is_not_passed_over(monkeypatch):
    monkeypatch.setattr(cubins, "_told", lambda _: TOLD.replace("stream_pack", "stream_heap"))
    with pytest.raises(AssertionError, match=r"a kernel of another name: .*stream_heap"):
        list(cubins.kernels())


def test_what_is_not_there_is_left_out(monkeypatch):
    monkeypatch.setattr(native, "cuda_library", lambda: None)
    monkeypatch.setattr(cubins.importlib.util, "find_spec", lambda _: object())
    assert cubins.why_not() == "the kernels in CUDA C++ are not built; install fastgan where nvcc is"
    monkeypatch.setattr(cubins.importlib.util, "find_spec", lambda _: None)
    assert "Triton" in cubins.why_not()
