"""The page of the studio: which runs there are, clips made one at a time, and a server for this machine's browsers."""

from importlib.util import find_spec

_NEEDS = ("starlette", "uvicorn")


def why_not() -> str | None:
    """Why the page cannot be served here, with what to do about it; None when it can."""
    missing = [name for name in _NEEDS if find_spec(name) is None]
    return f"the page needs {' and '.join(missing)}; pip install 'fastgan[studio]'" if missing else None
