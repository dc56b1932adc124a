"""The routes of the page: what a browser may ask for, and what it is answered."""

import re
import secrets
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from fastgan.audio.split import known_genre
from fastgan.base.errors import BadInput, MachineFailure
from fastgan.page.bodies import number, order_told, receive, text
from fastgan.page.clips import Clip, Maker, Order, kept_clips
from fastgan.page.document import live_page, script, style
from fastgan.page.guard import Guard
from fastgan.page.jobs import Busy, Jobs
from fastgan.page.recordings import MOST_BYTES, MOST_S, Recording, Recordings, uploading
from fastgan.page.runs import Runs
from fastgan.page.training import Training

SECONDS = (1.0, 300.0)
"""Length of a clip, from and to."""

TEMPERATURES = (0.3, 3.0)
STYLE_STRENGTHS = (0.0, 3.0)
SEEDS = 1 << 63

SHOWN = 20
"""Clips of the history that a page shows; the others stay in their folders."""

_UPLOADS = 2  # at a time
_TICKET = re.compile(r"[0-9a-f]{32}")

Made = tuple[Clip, Path]


class Studio:
    """What the routes work on.

    Args:
        runs: that are offered.
        training: of a demo; None where a run was given.
    """

    def __init__(self, runs: Runs, training: Training | None):
        self.runs, self.training = runs, training
        self.jobs: Jobs[Made] = Jobs()
        self._maker, self._recordings = Maker(), Recordings()
        self._folders: dict[str, Path] = {}  # of clips that a browser was told of, by their ids
        self._uploads = threading.Semaphore(_UPLOADS)

    def app(self, *, host: str, token: str | None) -> Starlette:
        """The application, guarded."""
        routes = [
            Route("/", self._page),
            Route("/page.css", partial(_static, style, "text/css")),
            Route("/page.js", partial(_static, script, "text/javascript")),
            Route("/api/state", self._state),
            Route("/api/jobs/{ticket}", self._ask, methods=["GET"]),
            Route("/api/jobs/{ticket}", self._submit, methods=["PUT"]),
            Route("/api/jobs/{ticket}", self._cancel, methods=["DELETE"]),
            Route("/api/recordings", self._record, methods=["POST"]),
            Route("/api/training", self._train, methods=["GET", "POST", "DELETE"]),
            Route("/clips/{name}.{kind}", self._file),
        ]
        handlers: dict[Any, Any] = {
            HTTPException: lambda request, error: _problem(error.status_code, error.detail),
            BadInput: lambda request, error: _problem(400, str(error)),
            MachineFailure: lambda request, error: _problem(500, str(error)),
            Busy: lambda request, error: _problem(503, str(error)),
            ClientDisconnect: lambda request, error: _problem(400, "the upload broke off"),
        }
        guard = Middleware(Guard, host=host, token=token)
        return Starlette(routes=routes, middleware=[guard], exception_handlers=handlers)

    def close(self) -> None:
        """End all work: the job at work is called off, a training run is saved."""
        self.jobs.close()
        if self.training is not None:
            self.training.close()

    async def _page(self, request: Request) -> Response:
        return Response(live_page(), media_type="text/html")

    async def _state(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._told))

    def _told(self) -> dict[str, Any]:
        runs = self.runs.all()
        clips, notes = kept_clips(runs, SHOWN)
        return {
            "runs": [run.public() for run in runs],
            "clips": [self._shown(clip, folder) for clip, folder in clips],
            "notes": notes,
            "training": self.training.ask() if self.training is not None else None,
            "bounds": {
                "seconds": SECONDS,
                "temperature": TEMPERATURES,
                "style_strength": STYLE_STRENGTHS,
                "upload_bytes": MOST_BYTES,
                "upload_seconds": MOST_S,
                "shown": SHOWN,
            },
        }

    def _shown(self, clip: Clip, folder: Path) -> dict[str, Any]:
        self._folders[clip.id] = folder
        return clip.shown() | {"sound": f"/clips/{clip.id}.wav", "picture": f"/clips/{clip.id}.png"}

    async def _ask(self, request: Request) -> Response:
        found = self.jobs.ask(_ticket(request))
        if found is None:
            return _problem(404, "this job is not known here; the server was started again")
        made = found.pop("result")
        return JSONResponse(found | {"clip": self._shown(*made) if made else None})

    async def _submit(self, request: Request) -> Response:
        ticket = _ticket(request)
        told = await order_told(request)
        order = await run_in_threadpool(self._order, told)
        self.jobs.submit(ticket, partial(self._maker.make, order))
        return JSONResponse({"seed": str(order.seed)}, 202)

    async def _cancel(self, request: Request) -> Response:
        self.jobs.cancel(_ticket(request))
        return Response(status_code=204)

    def _order(self, told: dict[str, Any]) -> Order:
        run = self.runs.get(text(told, "run"))
        genre, key, seed = text(told, "genre"), text(told, "recording"), text(told, "seed").strip()
        temperature = number(told, "temperature", *TEMPERATURES) if "temperature" in told else 1.0
        style_strength = number(told, "style_strength", *STYLE_STRENGTHS) if "style_strength" in told else 1.0
        recording: Recording | None = self._recordings.get(key, run.rate) if key else None
        if (genre or temperature != 1 or style_strength != 1 or recording) and not run.on_frames:
            raise BadInput(
                f"{run.name} learnt samples: genre, temperature, style and a recording are of runs on frames"
            )
        genre = known_genre(genre, {name.casefold(): name for name in run.genres}) if genre else ""
        if seed and not (seed.isascii() and seed.isdigit() and len(seed) <= 19 and int(seed) < SEEDS):
            raise BadInput(f"the seed is a whole number from 0 to {SEEDS - 1}")
        chosen = int(seed) if seed else secrets.randbelow(1_000_000)  # short enough to be told to a friend
        seconds = number(told, "seconds", *SECONDS)
        return Order(run, seconds, chosen, genre, temperature, style_strength, recording)

    async def _record(self, request: Request) -> Response:
        run = await run_in_threadpool(self.runs.get, request.query_params.get("run", ""))
        name = request.query_params.get("name", "")
        if not self._uploads.acquire(blocking=False):
            raise Busy("busy: other recordings are being read; try again in a moment")
        try:
            with uploading(name) as stream:
                await receive(request, stream.write, MOST_BYTES)
                key, recording = await run_in_threadpool(self._recordings.add, stream, name, run.rate)
        finally:
            self._uploads.release()
        seconds = len(recording.samples) / recording.rate
        return JSONResponse({"id": key, "name": recording.name, "seconds": seconds, "note": recording.note}, 201)

    async def _train(self, request: Request) -> Response:
        if self.training is None:
            return _problem(404, "this page is about one run; start it without one to train a demo")
        if request.method == "POST":
            await run_in_threadpool(self.training.start)
        elif request.method == "DELETE":
            self.training.stop()
        return JSONResponse(self.training.ask())

    async def _file(self, request: Request) -> Response:
        name, kind = request.path_params["name"], request.path_params["kind"]
        folder, types = self._folders.get(name), {"wav": "audio/wav", "png": "image/png"}
        path = folder / f"{name}.{kind}" if folder is not None and kind in types else None
        if path is None or not path.is_file():
            return _problem(404, "this clip is not there any more")
        saved = f"fastgan-{name}.wav" if "download" in request.query_params else None
        return FileResponse(path, media_type=types[kind], filename=saved)


async def _static(text: Callable[[], str], kind: str, request: Request) -> Response:
    return Response(text(), media_type=kind)


def _problem(status: int, words: str) -> JSONResponse:
    return JSONResponse({"error": words}, status)


def _ticket(request: Request) -> str:
    ticket: str = request.path_params["ticket"]
    if not _TICKET.fullmatch(ticket):
        raise HTTPException(404, "a job is named by 32 hexadecimal digits")
    return ticket
