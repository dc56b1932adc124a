"""The server that listens for the page's browsers, and how it ends."""

import socket
from collections.abc import Callable

import uvicorn

from fastgan.base.errors import BadInput
from fastgan.page.server import Studio


def serve(studio: Studio, *, host: str, port: int, token: str | None, started: Callable[[int], None]) -> None:
    """Answer requests until a signal comes.

    Args:
        studio: closed at the end, whatever that is.
        host: address to listen on.
        port: 0 for one that is free.
        token: that is asked for; None for none.
        started: told the port, once requests are taken.

    Raises:
        BadInput: the address cannot be listened on.
        KeyboardInterrupt: Ctrl-C, after everything has been closed; a signal that the caller ignores just ends it.
    """
    try:
        listener = _listen(host, port)
        with listener:
            config = uvicorn.Config(
                studio.app(host=host, token=token),
                log_level="warning",
                access_log=False,
                http="h11",
                ws="none",
                lifespan="off",
                proxy_headers=False,
                server_header=False,
                limit_concurrency=64,
                timeout_graceful_shutdown=2,
            )
            started(listener.getsockname()[1])
            uvicorn.Server(config).run(sockets=[listener])
    finally:
        studio.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise BadInput(f"--host {host} is no address of this machine ({error.strerror})") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise BadInput(f"--host {host} --port {port}: {error.strerror}; take another, or 0 for a free port") from error
    return listener
