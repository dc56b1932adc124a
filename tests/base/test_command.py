import pytest

from fastgan.base.command import Interrupted, finish
from fastgan.base.errors import BadInput, MachineFailure


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInput("take another"), 2),
        (MachineFailure("disk is full"), 1),
        (Interrupted("go on with"), 130),
        (KeyboardInterrupt(), 130),
        (MemoryError(), 1),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 1),
        (PermissionError(13, "denied", "/a"), 2),
        (OSError(28, "full", "/a"), 1),
    ],
)
def test_what_a_user_meets_is_one_sentence(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> int:
        raise error

    assert finish("fastgan.x", body) == code
    said = capsys.readouterr()
    assert said.err.startswith("fastgan.x: ")
    assert said.err.count("\n") == 1
    assert said.out == ""


@pytest.mark.parametrize("error", [ValueError("a bug"), RuntimeError("a bug"), ZeroDivisionError()])
def test_bugs_keep_their_traceback(error: Exception) -> None:
    def body() -> int:
        raise error

    with pytest.raises(type(error)):
        finish("fastgan.x", body)
