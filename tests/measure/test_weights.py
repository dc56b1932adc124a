"""Files of installed packages: made-up packages on the path, each broken in one way."""

import hashlib
import sys

import pytest

from fastgan.base.errors import BadInput
from fastgan.measure.weights import Missing, WeightFile

CONTENT = b"weights"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package `madeup` of one file, which says no if it is imported."""
    (tmp_path / "madeup").mkdir()
    (tmp_path / "madeup" / "__init__.py").write_text("raise AssertionError('imported')")
    (tmp_path / "madeup" / ".data").write_bytes(CONTENT)
    info = tmp_path / "madeup-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: madeup\nVersion: 0.1.0\n")
    (info / "RECORD").write_text("madeup/.data,,\nmadeup/__init__.py,,\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def file(distribution="madeup", name="madeup/.data", content=CONTENT):
    return WeightFile(distribution, "0.1.0", name, hashlib.sha256(content).hexdigest())


def test_a_file_is_read_and_its_package_not_imported(package):
    assert file().find() == package / "madeup" / ".data"
    assert file().read() == CONTENT
    assert "madeup" not in sys.modules


def test_what_is_not_installed_is_named_with_what_installs_it():
    with pytest.raises(
        Missing, match=r"no-such-package is not installed; .* pip install --no-deps no-such-package==0\.1\.0$"
    ) as got:
        file("no-such-package").read()
    assert got.value.distribution == "no-such-package"
    assert got.value.install == "pip install --no-deps no-such-package==0.1.0"
    assert isinstance(got.value, BadInput), "a command that cannot do without ends with this sentence"


def test_another_file_is_not_taken(package):
    with pytest.raises(Missing, match=r"lists no file madeup/other; .* madeup==0\.1\.0"):
        file(name="madeup/other").read()
    with pytest.raises(Missing, match=r"damaged or not that of madeup 0\.1\.0"):
        file(content=b"other weights").read()


def test_a_file_that_was_deleted_is_missing(package):
    (package / "madeup" / ".data").unlink()
    with pytest.raises(Missing, match="is gone"):
        file().read()


def test_a_package_without_a_list_of_files_is_missing(package):
    (package / "madeup-0.1.0.dist-info" / "RECORD").unlink()
    with pytest.raises(Missing, match="lists no file"):
        file().read()
