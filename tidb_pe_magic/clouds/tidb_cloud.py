"""TiDB Cloud's API for Starter and Essential clusters (v1beta1): converts clusters to the model."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, ShellCommand, Suggestion
from tidb_pe_magic.clouds.causes import is_hopeless, is_untrusted
from tidb_pe_magic.clouds.hosts import unreachable_advice
from tidb_pe_magic.clouds.json_fields import mapping, mappings, number, text, texts
from tidb_pe_magic.clouds.network import Network
from tidb_pe_magic.clouds.retries import NO_RETRIES
from tidb_pe_magic.clouds.trust import empty_context
from tidb_pe_magic.model import Cluster, EndpointService, RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from tidb_pe_magic.clouds.retries import Retries
    from tidb_pe_magic.credentials.secrets import Key, Secret

_PAGE_SIZE = 100
_CONNECT_SECONDS = 5.0
_KEY_ADVICE = Advice(
    "Check the API key (TiDB Cloud console, Organization Settings > API Keys) and where it comes from.",
    Suggestion("whoami"),
)
_LOGIN_ADVICE = Advice("Log in again.", ShellCommand("ticloud auth login"), Suggestion("whoami"))


class TidbCloud:
    """A client of the cluster API.

    One `httpx.DigestAuth` serves every call: it reuses the server's challenge, which halves the
    requests that count against the limit of 100 per minute and key.
    """

    def __init__(  # noqa: PLR0913 - each is an edge that a test or the context replaces
        self,
        base_url: str,
        key: Key,
        *,
        transport: httpx.BaseTransport | None = None,
        now: Callable[[], float] = time.time,
        retries: Retries = NO_RETRIES,
        network: Network | None = None,
    ) -> None:
        """Connect to `base_url`; redirects are refused, so that the digest is not sent elsewhere.

        Args:
            base_url: `scheme://host[:port]`.
            key: public and private key, or only the token of ticloud's login.
            transport: replaces the network.
            now: this machine's clock, in seconds since 1970.
            retries: repeats calls that failed temporarily.
            network: proxy and trust store; default: those of `os.environ`.

        Raises:
            InvalidRequest: the environment names a proxy or a trust store that cannot be used.
        """
        self._now = now
        self._retries = retries
        self._ahead: float | None = None
        self._rate: RateLimit | None = None
        network = network or Network.of()
        proxy = "" if transport else network.proxy(base_url)
        # A host of this machine is called by http, so no trust store has to be read.
        verified = transport is None and base_url.lower().startswith("https:")
        self._http = httpx.Client(
            base_url=base_url + "/v1beta1",
            auth=_auth(key),
            timeout=httpx.Timeout(retries.answer, connect=_CONNECT_SECONDS),
            follow_redirects=False,
            transport=transport,
            verify=network.context("httpx") if verified else empty_context(),
            proxy=_proxy(proxy, network) if proxy else None,
            trust_env=False,
        )

    @property
    def clock_ahead(self) -> float | None:
        """Seconds by which this machine's clock is ahead of the API's, from the last answer's Date header.

        None before the first answer, or if an answer has no date.
        """
        return self._ahead

    @property
    def rate(self) -> RateLimit | None:
        """Remaining calls of the key in this minute, from the last answer; None if unknown."""
        return self._rate

    def close(self) -> None:
        """Close the HTTP connections."""
        self._http.close()

    def clusters(self, *, display_name: str = "", pages: int | None = None) -> tuple[Cluster, ...]:
        """Return every cluster that the key can see, page by page.

        Args:
            display_name: return only clusters of this name; the server filters.
            pages: maximum number of pages to read, 100 clusters each.

        Raises:
            ApiError: the API refused or failed.
        """
        found: list[Cluster] = []
        token, seen = "", set[str]()
        asked: dict[str, str | int] = {"pageSize": _PAGE_SIZE}
        if display_name:
            asked["filter"] = f"displayName={_quote(display_name)}"
        while True:
            query = dict(asked)
            if token:
                query["pageToken"] = token
            page = self._get("ListClusters", "/clusters", query)
            found.extend(_cluster(item) for item in mappings(page.get("clusters")))
            token = text(page, "nextPageToken")
            if not token or len(seen) + 1 == pages:
                return tuple(found)
            if token in seen:
                raise errors.ServiceUnavailable(
                    "the list of clusters repeats a page", operation="ListClusters", advice="Try again."
                )
            seen.add(token)

    def cluster(self, cluster_id: str) -> Cluster:
        """Return one cluster.

        Raises:
            NotFound: no cluster has this ID.
            ApiError: the API refused or failed.
        """
        path = f"/clusters/{quote(cluster_id, safe='')}"
        return _cluster(self._get("GetCluster", path, {"view": "FULL"}))

    def _get(self, operation: str, path: str, query: Mapping[str, str | int]) -> dict[str, Any]:
        return self._retries.call(operation, lambda: self._send(operation, "GET", path, query))

    def _send(
        self,
        operation: str,
        method: str,
        path: str,
        query: Mapping[str, str | int],
        body: Callable[[], dict[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Make one request; `body` is called at the moment of sending, so that no frame holds a password."""
        reason: str | None
        hopeless = untrusted = False
        try:
            response = self._http.request(method, path, params=dict(query), json=body() if body else None)
        # httpx raises the last three for an unsupported digest challenge.
        except (httpx.HTTPError, OSError, KeyError, ValueError, NotImplementedError) as error:
            reason = str(error) or type(error).__name__
            hopeless, untrusted = is_hopeless(error), is_untrusted(error)
        except KeyboardInterrupt:
            reason = None
        else:
            self._ahead = _ahead(response.headers.get("date", ""), self._now())
            self._rate = _rate(response.headers, self._now()) or self._rate
            return _body(operation, response, self._now())
        # Outside the handler: the frames of the exception hold the private key.
        if reason is None:
            raise KeyboardInterrupt
        failure = errors.ServiceUnavailable(
            f"{self._http.base_url.host} did not answer: {reason}.",
            operation=operation,
            advice=unreachable_advice(self._http.base_url.host, untrusted=untrusted),
        )
        failure.transient = not hopeless
        raise failure


def _proxy(url: str, network: Network) -> httpx.Proxy:
    return httpx.Proxy(url, ssl_context=network.context("httpx") if url.startswith("https:") else None)


def _quote(value: str) -> str:
    """Return a filter's string literal (Google AIP-160, to which TiDB Cloud's API reference refers)."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _body(operation: str, response: httpx.Response, now: float) -> dict[str, Any]:
    try:
        body = response.json()
    except (ValueError, RecursionError):  # not JSON, not UTF-8, or beyond Python's number or nesting limits
        body = None
    if response.is_success and isinstance(body, dict):
        return body
    raise _error(operation, response, mapping(body), now)


def _error(operation: str, response: httpx.Response, body: dict[str, Any], now: float) -> errors.ApiError:
    status = response.status_code
    message = _reason(body) or response.reason_phrase or "no reason given"
    known: dict[str, str] = {"operation": operation, "code": f"HTTP {status}"}
    if response.is_redirect:
        # Not transient and not a failure of the service: another host answered.
        return errors.ApiError(
            f"the API redirects to {response.headers.get('location', 'another place')}; not followed",
            advice="Check the API host that is set in the environment.",
            **known,
        )
    if status == httpx.codes.UNAUTHORIZED:
        bearer = response.request.headers.get("authorization", "").startswith("Bearer ")
        advice = _LOGIN_ADVICE if bearer else _KEY_ADVICE
        refusal = errors.AuthenticationFailed(message, advice=advice, **known)
        refusal.transient = _is_stale(response)
        return refusal
    if status == httpx.codes.FORBIDDEN:
        return errors.PermissionDenied(
            message, advice="Give the API key a role that can view the project's clusters.", **known
        )
    if status == httpx.codes.NOT_FOUND:
        return errors.NotFound(message, advice=Advice("", Suggestion("clusters")), **known)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        seconds = _seconds(response.headers, now)
        wait = "a minute" if seconds is None else f"{seconds:g} s"
        return errors.Throttled(message, retry_after=seconds, advice=f"Try again in {wait}.", **known)
    if response.is_server_error or response.is_success:
        return errors.ServiceUnavailable(
            message if response.is_server_error else "the answer is not JSON", advice="Try again.", **known
        )
    return errors.ApiError(message, **known)


def _reason(body: dict[str, Any]) -> str:
    """Return an error's message, in the cluster API's shape or in the IAM API's (`api.OpenApiError`).

    The IAM API's reason is in `msgPrefix`; `error` is an object, which is usually empty.
    """
    inner = text(body, "error") or text(mapping(body.get("error")), "message")
    outer = text(body, "message") or text(body, "msgPrefix")
    return ": ".join(dict.fromkeys(part for part in (outer.rstrip(": "), inner) if part))


class _Bearer(httpx.Auth):
    """Sends the token of ticloud's login, as ticloud does to the same hosts."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        yield request


def _auth(key: Key) -> httpx.Auth:
    """Return the authentication: Digest for an API key, the token for ticloud's login."""
    if key.token and not key.public:
        return _Bearer(key.token)
    return httpx.DigestAuth(key.public, key.private.reveal())


def _ahead(date: str, now: float) -> float | None:
    try:
        return now - parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):  # not an HTTP date, or outside the range of timestamps
        return None


def _is_stale(response: httpx.Response) -> bool:
    """Return whether only the challenge expired (RFC 7616): the refusal contains a new one."""
    challenge = response.headers.get("www-authenticate", "")
    return "stale=true" in challenge.lower().replace('"', "").replace(" ", "")


def _seconds(headers: httpx.Headers, now: float) -> float | None:
    for name in ("retry-after", "x-ratelimit-reset"):
        value = headers.get(name, "")
        if value.isdecimal():
            return float(value)
        ahead = _ahead(value, now)
        if ahead is not None and ahead < 0:
            return -ahead
    return None


def _rate(headers: httpx.Headers, now: float) -> RateLimit | None:
    texts = (headers.get(f"x-ratelimit-{name}-minute", "") for name in ("limit", "remaining"))
    limit, remaining = (int(value) if value.isdecimal() else None for value in texts)
    if limit is None or remaining is None:
        return None
    return RateLimit(limit=limit, remaining=remaining, reset=_seconds(headers, now))


def _cluster(wire: dict[str, Any]) -> Cluster:
    region = mapping(wire.get("region"))
    provider = text(region, "cloudProvider") or text(region, "provider")
    region_id = (text(region, "regionId") or text(region, "name")).removeprefix("regions/")
    region_id = region_id.removeprefix(f"{provider}-")
    endpoints = mapping(wire.get("endpoints"))
    private, public = mapping(endpoints.get("private")), mapping(endpoints.get("public"))
    names = (text(private, "host"), text(public, "host"))
    return Cluster(
        cluster_id=text(wire, "clusterId") or text(wire, "name").removeprefix("clusters/"),
        display_name=text(wire, "displayName"),
        provider=provider,
        region_id=region_id,
        # The public Cluster has servicePlan; clusterPlan is an older field, which may be missing.
        plan=(text(wire, "servicePlan") or text(wire, "clusterPlan")).upper(),
        state=text(wire, "state"),
        user_prefix=text(wire, "userPrefix"),
        service=_service(private, region_id),
        gateway_names=tuple(dict.fromkeys(name for name in names if name)),
        version=text(wire, "version"),
    )


def _service(private: dict[str, Any], region_id: str) -> EndpointService | None:
    service = mapping(private.get("alicloud"))
    name, port = text(service, "serviceName"), number(private, "port")
    if not (name and port):
        return None
    return EndpointService(
        service_name=name,
        zones=texts(service.get("availabilityZone")),
        region_id=region_id,
        port=port,
    )
