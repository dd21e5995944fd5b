"""Which proxy leads to the API, from the environment; reads no other setting, sends nothing."""

import ipaddress
from base64 import b64encode
from urllib.parse import unquote_to_bytes, urlsplit
from urllib.request import getproxies, proxy_bypass

from msgspec import Struct

from pipeline.config.secrets import Secret
from pipeline.errors import JobError


class Proxy(Struct, frozen=True, kw_only=True):
    """Where a proxy is, whether it wants TLS itself, and the Proxy-Authorization to show it."""

    host: str
    port: int
    is_tls: bool
    login: Secret | None


def proxy_for(base_url: str) -> str | None:
    """Return the address of the proxy for *base_url*, or None.

    HTTPS_PROXY or HTTP_PROXY by its scheme, else ALL_PROXY; NO_PROXY as everybody reads it. Never
    a proxy to the loopback: another machine's loopback is not meant. Raises JobError for a proxy
    that cannot be used, without showing the address: it may hold a password.
    """
    target = urlsplit(base_url)
    proxies = getproxies()
    proxy = proxies.get(target.scheme) or proxies.get("all")
    if not proxy or _is_loopback(target.hostname or "") or proxy_bypass(target.netloc):
        return None
    address = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_usable(address):
        raise JobError(
            f"the proxy that the environment names for {target.scheme}:// cannot be used: "
            "only http://HOST:PORT and https://HOST:PORT are",
            hint=f"mend {target.scheme.upper()}_PROXY or ALL_PROXY, "
            f"or set NO_PROXY={target.hostname}",
        )
    return address


def proxy_at(address: str) -> Proxy:
    """Return the proxy at *address*, which is one of `proxy_for`."""
    parts = urlsplit(address)
    is_tls = parts.scheme == "https"
    login = None
    if parts.username or parts.password:
        words = (parts.username or "", parts.password or "")
        token = b64encode(b":".join(map(unquote_to_bytes, words))).decode()
        login = Secret(f"Basic {token}")
    return Proxy(
        host=parts.hostname or "",
        port=parts.port or (443 if is_tls else 80),
        is_tls=is_tls,
        login=login,
    )


def _is_usable(address: str) -> bool:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
