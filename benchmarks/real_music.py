"""Real music to train on, from Debian's packages, cut into clips of 30 s at 22,050 Hz: `python benchmarks/real_music.py OUT [--whole]`.

Needs Debian or Ubuntu (apt-get, dpkg-deb). Nothing is installed: packages are downloaded, unpacked beside OUT and cut into
OUT/STYLE/STYLE.00000.wav. With --whole a file is a track, so that none is learnt from and held out at once. The music stays
under its own licences; it is not part of this repository.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from fastgan.audio.files import read_sound, write_sound

RATE, SECONDS = 22_050, 30  # shorter tracks are left out
PACKAGES = {
    "ambient": ["singularity-music"],
    "metal": ["fretsonfire-songs-muldjord"],
    "techno": ["rrootage-data", "noiz2sa-data", "gunroar-data", "mu-cade-data"],
}


def main() -> None:
    """Download, unpack and cut."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--whole", action="store_true", help="do not cut the tracks")
    asked = parser.parse_args()
    out: Path = asked.out
    with tempfile.TemporaryDirectory() as scratch:
        for style, packages in PACKAGES.items():
            count = 0
            for tracks in (tracks for package in packages for tracks in unpack(package, Path(scratch))):
                parts = [read_sound(track, RATE).astype(np.int32) for track in tracks]
                sound = np.clip(sum(part[: min(map(len, parts))] for part in parts), -32_768, 32_767).astype(np.int16)
                length = max(len(sound), RATE * SECONDS) if asked.whole else RATE * SECONDS
                for start in range(0, len(sound) - length + 1, length):
                    (out / style).mkdir(parents=True, exist_ok=True)
                    write_sound(out / style / f"{style}.{count:05d}.wav", sound[start : start + length], RATE)
                    count += 1
            print(f"{style}: {count} {'tracks' if asked.whole else 'clips'}")


def unpack(package: str, scratch: Path) -> list[list[Path]]:
    """Music of a package, each piece as the files that sound together (a song and its guitar are two)."""
    subprocess.run(["apt-get", "download", "-qq", package], cwd=scratch, check=True)
    home = scratch / package
    subprocess.run(["dpkg-deb", "--extract", str(next(scratch.glob(f"{package}_*.deb"))), str(home)], check=True)
    pieces: dict[Path, list[Path]] = {}
    for track in sorted(home.rglob("*.ogg")):
        pieces.setdefault(track.parent if track.stem in ("song", "guitar") else track, []).append(track)
    return list(pieces.values())


if __name__ == "__main__":
    main()
