"""The two kinds of failure that a user meets. Everything else is a bug and keeps its traceback."""

import errno
import os


class BadInput(ValueError):
    """What was asked for cannot be done as asked: the message says what came, what is needed and what to do (exit 2)."""


class MachineFailure(RuntimeError):
    """The request was fine and the machine let it down: a full disk, a missing device (exit 1)."""


def explain_os_error(error: OSError, doing: str) -> BadInput | MachineFailure:
    """Turn an error of the operating system into one sentence with a way out.

    Args:
        error: what the system raised.
        doing: what was being done, such as "writing runs/a/config.json".

    Returns:
        The exception to raise: a full or failing disk is the machine's fault, a path the user chose is the user's.
    """
    what = f"{doing}: {os.strerror(error.errno) if error.errno else error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return MachineFailure(f"{what}; free some space or choose a folder on another disk, then run again")
    if error.errno in (
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ENOENT,
        errno.ENAMETOOLONG,
    ):
        return BadInput(f"{what}; choose a path that you may use")
    return MachineFailure(what)


def printable(path: str | os.PathLike[str]) -> str:
    """A path as text that any terminal, page or JSON file can hold, also when its name is not UTF-8."""
    return os.fspath(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
