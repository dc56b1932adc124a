"""Fixtures of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fastgan.gan.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A run without checkpoints."""
    found = Run.start(tmp_path / "run", {})
    yield found
    found.close()
