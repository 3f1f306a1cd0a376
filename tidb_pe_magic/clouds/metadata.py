"""Region, zone, VPC and vSwitch of this machine, read from the ECS metadata service.

The service answers at one address inside each instance (Alibaba Cloud ECS user guide, "View instance
metadata"). Other clouds, carrier networks and proxies can answer there too, so each value must have the shape
that it has on Alibaba Cloud. Anything else means "not on ECS" and is never an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
from typing import TYPE_CHECKING

from tidb_pe_magic.model import Whereabouts
from tidb_pe_magic.threads import within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

DEFAULT_METADATA = "http://100.100.100.200"

_TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
_ITEMS_PATH = "/latest/meta-data/"
_TTL_HEADER, _TOKEN_HEADER = "X-aliyun-ecs-metadata-token-ttl-seconds", "X-aliyun-ecs-metadata-token"
_TTL = "60"  # seconds; the token is used at once and not stored
_OK = 200
_MOST_BYTES = 1024  # a value is one short line; a foreign page is not read to its end

_TOKEN = re.compile(r"[!-~]{1,512}")
_REGION = re.compile(r"[a-z]{2}(-[a-z0-9]+)+")
_ZONE_IN_REGION = re.compile(r"-?[a-z]")
_SHAPES = {
    "region-id": _REGION,
    "zone-id": _REGION,  # the suffix is checked once the region is known
    "vpc-id": re.compile(r"vpc-[A-Za-z0-9]{1,64}"),
    "vswitch-id": re.compile(r"vsw-[A-Za-z0-9]{1,64}"),
}
_QUESTIONS = 1 + len(_SHAPES) + 1  # the token, the items and the private address
# A VPC cannot use these (Alibaba Cloud VPC user guide, CIDR blocks of a VPC).
_NO_VPC = tuple(
    map(
        ipaddress.IPv4Network,
        ("0.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"),
    )
)


def whereabouts(
    base_url: str = DEFAULT_METADATA,
    *,
    timeout: float = 0.5,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Whereabouts | None:
    """Return where this machine is; None if it is not an ECS instance in a VPC.

    Args:
        base_url: `scheme://host[:port]` of the service.
        timeout: seconds for each answer, including the connection. Without a service the call does not
            take longer; a loaded instance may need more time for its six answers.
        transport: replaces the network.
    """
    import httpx  # noqa: PLC0415 - slow to import

    from tidb_pe_magic.clouds.plain_http import PlainTransport  # noqa: PLC0415 - imports httpx

    if transport is None and base_url.lower().startswith("https:"):
        # A link-local address: a proxy of the environment would answer for its own machine.
        transport = httpx.AsyncHTTPTransport(trust_env=False)
    way = transport or PlainTransport()
    try:
        # In a thread, because a notebook's own thread already runs an event loop, and because a hanging name
        # server keeps the loop from ending.
        return within(
            _QUESTIONS * timeout, lambda: asyncio.run(_asked(way, base_url, timeout)), name="ecs-metadata"
        )
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError):
        return None


async def _asked(
    transport: httpx.AsyncBaseTransport,
    base_url: str,
    timeout: float,  # noqa: ASYNC109 - of each answer
) -> Whereabouts | None:
    async def read(method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        # It covers a whole answer; a timeout of httpx would start again with each byte.
        async with asyncio.timeout(timeout):
            return await _read(transport, method, base_url.rstrip("/") + path, headers)

    async with transport:
        return await _ask(read)


async def _ask(read: Callable[[str, str, dict[str, str]], Awaitable[tuple[int, str]]]) -> Whereabouts | None:
    # An instance can be configured to require a token; an older service does not support tokens.
    status, token = await read("PUT", _TOKEN_PATH, {_TTL_HEADER: _TTL})
    headers = {_TOKEN_HEADER: token} if status == _OK and _TOKEN.fullmatch(token) else {}
    answers: dict[str, str] = {}
    for item, shape in _SHAPES.items():
        status, value = await read("GET", _ITEMS_PATH + item, headers)
        if status != _OK or not shape.fullmatch(value):
            return None
        answers[item] = value
    zone_letter = answers["zone-id"].removeprefix(answers["region-id"])
    if not _ZONE_IN_REGION.fullmatch(zone_letter):
        return None
    # The only optional item: it may be missing, but it must not be invalid.
    status, address = await read("GET", _ITEMS_PATH + "private-ipv4", headers)
    if status == _OK and not _is_in_a_vpc(address):
        return None
    return Whereabouts(
        region_id=answers["region-id"],
        zone_id=answers["zone-id"],
        vpc_id=answers["vpc-id"],
        vswitch_id=answers["vswitch-id"],
        private_ip=address if status == _OK else "",
    )


async def _read(
    transport: httpx.AsyncBaseTransport, method: str, url: str, headers: dict[str, str]
) -> tuple[int, str]:
    """Return the status and the beginning of the answer, as stripped text; redirects are not followed."""
    import httpx  # noqa: PLC0415 - slow to import

    request = httpx.Request(method, url, headers={"Accept-Encoding": "identity", **headers})
    response = await transport.handle_async_request(request)
    body = b""
    async with contextlib.aclosing(response):
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _MOST_BYTES:
                break
    return response.status_code, body[: _MOST_BYTES + 1].decode("ascii", "replace").strip()


def _is_in_a_vpc(address: str) -> bool:
    """Return whether this can be an address of a VPC."""
    try:
        parsed = ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return not any(parsed in network for network in _NO_VPC)
