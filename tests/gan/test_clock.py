import os
import signal
import time

import pytest

from fastgan.base.command import Interrupted
from fastgan.gan.clock import Clock


def test_without_minutes_nothing_is_ever_over() -> None:
    clock = Clock(0, time.monotonic())
    clock.begin_stage(1, 2)
    assert not clock.over(1e9)


def test_stages_share_what_is_left() -> None:
    now = time.monotonic()
    clock = Clock(1.05, now)  # 60 s and the last words
    clock.begin_stage(1, 3)
    assert clock.stage_end - now == pytest.approx(15, abs=0.1)
    clock.begin_stage(1, 2)
    assert clock.stage_end - now == pytest.approx(20, abs=0.1)
    clock.begin_stage(2, 0)
    assert clock.stage_end - now == pytest.approx(60, abs=0.1)
    assert not clock.over(59)
    assert clock.over(61)  # what is left must hold the closing of the epoch
    clock.closing = 5.0
    assert not clock.over(61)  # a measured closing counts more than a guess


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_end_is_noted_and_a_second_one_works(which: signal.Signals) -> None:
    clock, before = Clock(0, 0.0), signal.getsignal(which)
    with clock.listening():
        clock.check()
        os.kill(os.getpid(), which)
        time.sleep(0.01)
        with pytest.raises(Interrupted):
            clock.check()
        assert signal.getsignal(which) == before
    assert signal.getsignal(which) == before
