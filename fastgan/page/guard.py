"""Who may talk to the page's server: checked before any of its routes is reached.

Three ways in are closed. Another machine: the server listens on this machine alone, unless told otherwise, and then
asks for a token. A page from elsewhere in the same browser that posts here: `Origin` and `Sec-Fetch-Site` tell.
A page whose name was pointed at this machine (DNS rebinding): its name is in `Host`, and is none of ours.
"""

import hmac
import ipaddress
import socket
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; img-src 'self' data:; media-src 'self'; "
    "style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
"""Of every answer: the browser itself refuses whatever would come from elsewhere."""


class Guard:
    """Lets through what comes from the page itself, and nothing else.

    Args:
        app: what is guarded.
        host: address that the server listens on, as it was told.
        token: that whoever comes must know; None for none.
    """

    def __init__(self, app: ASGIApp, *, host: str, token: str | None):
        self._app, self._token = app, token
        self._names = {"localhost", "127.0.0.1", "::1", host.casefold()}
        self._anywhere = not is_local(host)
        if self._anywhere:
            name = socket.gethostname().casefold()
            self._names |= {name, f"{name}.local"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            raise RuntimeError(f"the page has no {scope['type']}")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        answer = self._answer(scope)
        await (self._app if answer is None else answer)(scope, receive, send_with_headers)

    def _answer(self, scope: Scope) -> Response | None:
        """The refusal, or the redirection of who just brought the token; None to let it through."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._ours(host):
            return _refusal(403, "this is not the name of this server; open the address that it printed")
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin is not None and origin.casefold() not in (f"http://{host}".casefold(), f"https://{host}".casefold()):
            return _refusal(403, "this request comes from another page")
        reading = scope["method"] in ("GET", "HEAD")
        if not reading and site not in (None, "same-origin"):
            return _refusal(403, "this request comes from another page")
        return self._check_token(scope, headers)

    def _check_token(self, scope: Scope, headers: Headers) -> Response | None:
        if self._token is None:
            return None
        cookie = f"fastgan-{scope['server'][1]}"  # cookies are shared by the ports of a host
        told = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if scope["path"] == "/" and len(told) == 1 and _same(told[0], self._token):
            answer = RedirectResponse("/", 303)  # so that the token stays neither in the address nor in the history
            answer.set_cookie(cookie, self._token, httponly=True, samesite="lax")
            return answer
        try:
            sent = SimpleCookie(headers.get("cookie", "")).get(cookie)
        except CookieError:
            sent = None
        if sent is None or not _same(sent.value, self._token):
            return _refusal(401, "a token is needed; open the whole address that the server printed")
        return None

    def _ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        if name is None:
            return False
        return name in self._names or (self._anywhere and _is_address(name))  # a rebound page has a name


def is_local(host: str) -> bool:
    """Whether only this machine can reach a server at an address."""
    return host.casefold() == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _same(told: str, token: str) -> bool:
    """Compare in a time that does not depend on how much is right."""
    return hmac.compare_digest(told.encode("utf-8", "surrogatepass"), token.encode())


def _refusal(status: int, words: str) -> Response:
    return JSONResponse({"error": words}, status)
