"""How every command ends: its exit code, and one clear sentence instead of a traceback for what a user can meet."""

import sys
from collections.abc import Callable

from fastgan.base.errors import BadInput, MachineFailure, explain_os_error, printable

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells count it."""


class Interrupted(Exception):
    """Ctrl-C or a request to end came, and all was saved; the message is the command that goes on."""


def finish(name: str, body: Callable[[], int]) -> int:
    """Run the body of a command and turn what it raises into an exit code and a message on standard error.

    Args:
        name: of the command, for the message.
        body: gives the exit code, usually 0.

    Returns:
        0, or 2 for what the user must change, 1 for a failure of the machine, 130 for Ctrl-C. Bugs keep their traceback.
    """
    try:
        return body()
    except BadInput as error:
        return _complain(name, str(error), 2)
    except MachineFailure as error:
        return _complain(name, str(error), 1)
    except Interrupted as error:
        return _complain(name, str(error), INTERRUPTED)
    except KeyboardInterrupt:
        return _complain(name, "interrupted; nothing was begun that needs to be saved", INTERRUPTED)
    except BrokenPipeError:  # whoever read our output has left
        return 1
    except OSError as error:
        failure = explain_os_error(error, f"using {printable(error.filename or 'the system')}")
        return _complain(name, str(failure), 2 if isinstance(failure, BadInput) else 1)
    except (MemoryError, RuntimeError) as error:
        if (
            not isinstance(error, MemoryError)
            and "OutOfMemory" not in type(error).__name__
            and "allocate memory" not in str(error)
        ):
            raise
        return _complain(name, "not enough memory; take a smaller --batch, --window or --hidden", 1)


def _complain(name: str, message: str, code: int) -> int:
    print(f"{name}: {printable(message)}", file=sys.stderr)
    return code
