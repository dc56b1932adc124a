"""The queue and its worker, with work that waits until it is told to go on."""

import threading
import time

import pytest

from fastgan.base.errors import BadInput
from fastgan.gan.stage import Tick
from fastgan.page.jobs import Busy, Jobs


class Work:
    """Work whose steps the test allows one by one."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.times = 0

    def __call__(self, tick: Tick) -> str:
        self.times += 1
        self.begun.set()
        while not self.go.wait(0.005):
            tick(0.25)
        tick(0.5)
        return "made"


def settled(jobs: Jobs[str], name: str) -> dict[str, object]:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        job = jobs.ask(name)
        assert job is not None
        if job["state"] not in ("waiting", "running"):
            return job
        time.sleep(0.005)
    raise AssertionError(f"still {job}")


def test_one_at_a_time_in_order_and_each_knows_its_place() -> None:
    jobs, works = Jobs[str](), [Work() for _ in range(3)]
    for number, work in enumerate(works):
        jobs.submit(str(number), work)
    assert works[0].begun.wait(5)
    assert [job["before"] for job in map(jobs.ask, "012") if job] == [0, 1, 2]
    assert not works[1].begun.is_set()
    for number, work in enumerate(works):
        work.go.set()
        job = settled(jobs, str(number))
        assert (job["state"], job["result"], job["share"]) == ("done", "made", 1.0)
    assert jobs.ask("3") is None
    jobs.close()


def test_the_same_name_is_the_same_job() -> None:
    jobs, work = Jobs[str](), Work()
    work.go.set()
    jobs.submit("a", work)
    jobs.submit("a", work)
    settled(jobs, "a")
    jobs.submit("a", work)
    jobs.submit("b", work)
    settled(jobs, "b")
    assert work.times == 2
    jobs.close()


def test_what_is_called_off_ends_and_the_next_one_runs() -> None:
    jobs, first, second, third = Jobs[str](), Work(), Work(), Work()
    jobs.submit("1", first)
    jobs.submit("2", second)
    jobs.submit("3", third)
    assert first.begun.wait(5)
    jobs.cancel("2")
    jobs.cancel("1")
    assert third.begun.wait(5)
    assert not second.begun.is_set()
    third.go.set()
    assert settled(jobs, "3")["state"] == "done"
    assert [job["state"] for job in map(jobs.ask, "12") if job] == ["cancelled", "cancelled"]
    jobs.cancel("3")
    jobs.cancel("no such job")
    assert settled(jobs, "3")["state"] == "done"
    jobs.close()


def test_a_full_queue_sends_away_and_takes_more_when_there_is_room() -> None:
    jobs, works = Jobs[str](waiting=2), [Work() for _ in range(4)]
    jobs.submit("0", works[0])
    assert works[0].begun.wait(5)
    jobs.submit("1", works[1])
    jobs.submit("2", works[2])
    with pytest.raises(Busy, match="busy: 2 clips are waiting already; try again"):
        jobs.submit("3", works[3])
    works[0].go.set()
    settled(jobs, "0")
    jobs.submit("3", works[3])
    jobs.close()


def test_a_failure_is_told_in_words_and_a_fault_does_not_end_the_worker(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(tick: Tick) -> str:
        raise BadInput("the run is too young")

    def break_down(tick: Tick) -> str:
        raise KeyError("lost")

    jobs, work = Jobs[str](), Work()
    work.go.set()
    jobs.submit("1", refuse)
    jobs.submit("2", break_down)
    jobs.submit("3", work)
    assert settled(jobs, "3")["state"] == "done"
    assert settled(jobs, "1")["error"] == "the run is too young"
    assert "a fault of the program: KeyError: 'lost'" in str(settled(jobs, "2")["error"])
    jobs.close()
    assert "Traceback" in capsys.readouterr().err


def test_closing_in_the_middle_of_a_job_does_not_wait_for_its_end() -> None:
    jobs, work, never = Jobs[str](), Work(), Work()
    jobs.submit("1", work)
    jobs.submit("2", never)
    assert work.begun.wait(5)
    began = time.monotonic()
    jobs.close()
    assert time.monotonic() - began < 5
    assert not never.begun.is_set()
    with pytest.raises(Busy):
        jobs.submit("3", work)
