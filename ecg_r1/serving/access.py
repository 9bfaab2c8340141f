"""Who may ask the server: the key, the names that the server has, and the web pages that may call it."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable, MutableMapping
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers

from ecg_r1.serving.limits import Refusal

WITHOUT_KEY = "/health"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^\s:/@\[\]]+)(?::\d{1,5})?")


class Access:
    """Who may ask. Everything is refused that is not allowed by name.

    Args:
        keys: of which a request must show one, as `Authorization: Bearer KEY`; none to let everybody in who reaches
            the server.
        hosts: names of the server beside its own address and this machine's loopback. A `Host` header with another
            name is refused: a web page whose domain was rebound to this machine's address sends its own name.
        origins: of web pages on other servers that may call this one from a browser.
    """

    def __init__(self, keys: Iterable[str] = (), hosts: Iterable[str] = (), origins: Iterable[str] = ()):
        self._digests = [_digest(key.encode()) for key in keys]
        self._hosts = LOOPBACK | {_plain(host) for host in hosts}
        self._origins = frozenset(origins)

    def check(self, scope: MutableMapping[str, Any], path: str) -> None:
        """Refuse a request that may not ask.

        Args:
            scope: ASGI's, of the request.
            path: the route that the application will take.

        Raises:
            Refusal: 421 for another host, 403 for another origin, 401 without a key.
        """
        headers = Headers(scope=scope)
        host = self._check_host(headers, scope.get("server"))
        preflight = self._check_origin(headers, host, scope["method"])
        open_to_all = path == WITHOUT_KEY and scope["method"] in ("GET", "HEAD")
        if not (open_to_all or preflight):
            self._check_key(headers)

    def _check_host(self, headers: Headers, address: Any) -> str:
        given = headers.getlist("host")
        match = _HOST.fullmatch(given[0].lower()) if len(given) == 1 else None
        if match is None or not (_plain(match["name"]) in self._hosts or _same_address(match["name"], address)):
            raise Refusal(
                HTTPStatus.MISDIRECTED_REQUEST,
                "the Host header names another server; the operator allows a name with --allowed-host NAME",
            )
        return given[0].lower()

    def _check_origin(self, headers: Headers, host: str, method: str) -> bool:
        """Whether the request is a browser's question before a call that is allowed: it can carry no key."""
        given = headers.getlist("origin")
        if not given:
            return False
        allowed = len(given) == 1 and (given[0] in self._origins or "*" in self._origins)
        if not allowed and given[0].lower() not in (f"http://{host}", f"https://{host}"):
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "web pages of other servers may not call this one; the operator allows them with --allowed-origins",
            )
        return allowed and method == "OPTIONS" and "access-control-request-method" in headers

    def _check_key(self, headers: Headers) -> None:
        if not self._digests:
            return
        given = headers.getlist("authorization")
        scheme, _, key = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        digest = _digest(key.strip().encode("latin-1"))
        known = [hmac.compare_digest(digest, known) for known in self._digests]  # all of them, in constant time
        if scheme.lower() != "bearer" or not any(known):
            raise Refusal(
                HTTPStatus.UNAUTHORIZED,
                f"this server asks for a key on every route but {WITHOUT_KEY}: send `Authorization: Bearer KEY`",
                {"WWW-Authenticate": "Bearer"},
            )


def is_loopback(host: str) -> bool:
    """Whether a server on this host can be reached from this machine only.

    Args:
        host: a name or address, as `--host` takes it; "" is every address.
    """
    try:
        return ipaddress.ip_address(_plain(host)).is_loopback
    except ValueError:
        return _plain(host) == "localhost"


def is_name(host: str) -> bool:
    """Whether this is one name or address of a server, as a `Host` header may name it, without a port.

    Args:
        host: as the operator wrote it.
    """
    try:
        ipaddress.ip_address(_plain(host))
    except ValueError:
        return re.fullmatch(r"[^\s:/@\[\]*]+", _plain(host)) is not None
    return True


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()  # of one length, so that a comparison does not tell the key's


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _same_address(name: str, address: Any) -> bool:
    """Whether the name is the address that the connection came in on; a browser cannot be made to send that."""
    try:
        return address is not None and ipaddress.ip_address(_plain(name)) == ipaddress.ip_address(address[0])
    except ValueError:
        return False
