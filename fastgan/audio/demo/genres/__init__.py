"""The ten genres, in alphabetical order."""

from fastgan.audio.demo.genres.blues import BLUES
from fastgan.audio.demo.genres.classical import CLASSICAL
from fastgan.audio.demo.genres.country import COUNTRY
from fastgan.audio.demo.genres.disco import DISCO
from fastgan.audio.demo.genres.hiphop import HIPHOP
from fastgan.audio.demo.genres.jazz import JAZZ
from fastgan.audio.demo.genres.metal import METAL
from fastgan.audio.demo.genres.pop import POP
from fastgan.audio.demo.genres.reggae import REGGAE
from fastgan.audio.demo.genres.rock import ROCK
from fastgan.audio.demo.style import Style

STYLES: dict[str, Style] = {
    "blues": BLUES,
    "classical": CLASSICAL,
    "country": COUNTRY,
    "disco": DISCO,
    "hiphop": HIPHOP,
    "jazz": JAZZ,
    "metal": METAL,
    "pop": POP,
    "reggae": REGGAE,
    "rock": ROCK,
}
