"""The TiDB Cloud API of the sandbox: clusters, regions and SQL users of TiDB Cloud Starter and Essential.

One application answers for both of the real hosts, the cluster API and the IAM API; their paths do
not overlap. Paths, parameters and answers are those of the published Swagger files.

What a request costs: one, of the limit of the key that it names, whether it is let in or not. A
request without a key cannot be charged when it arrives; the nonce that it is given is charged to
the key that first uses it. A client that has itself challenged before each call so pays two for
each, and one that goes on with the same challenge pays a single one more.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Blueprint, Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from tidb_pe_magic.sandbox.clusters import AUTH_METHOD, PROJECT_LABEL, REGIONS, STATES, Code, RefusedError
from tidb_pe_magic.sandbox.digest import DigestAuthenticator, Verdict, request_target
from tidb_pe_magic.sandbox.rate_limit import REQUESTS_PER_MINUTE, Quota, RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from wsgiref.types import WSGIEnvironment

    from tidb_pe_magic.sandbox.clusters import Cluster, ClusterStore

ItemT = TypeVar("ItemT")

_CLOUD_PROVIDERS = ("aws", "gcp", "azure", "alicloud")
_SERVICE_PLANS = ("Starter", "Essential", "Premium", "BYOC")
_DEFAULT_PAGE, _LARGEST_PAGE, _LARGEST_BATCH, _INT32 = 10, 100, 1000, 2**31
# Enough for any test to read; a sandbox that runs for days must not grow.
_REMEMBERED_CALLS = 10_000
_STATUS = {
    Code.INVALID_ARGUMENT: 400,
    Code.FAILED_PRECONDITION: 400,
    Code.UNAUTHENTICATED: 401,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.INTERNAL: 500,
    Code.UNIMPLEMENTED: 501,
}


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One request and its answer, as tests read them from `app.config["calls"]`; passwords are masked."""

    operation: str
    method: str
    path: str
    params: dict[str, Any]
    key: str | None
    status: int
    code: int | str | None
    request_id: str
    refusal: str | None


def create_app(
    store: ClusterStore,
    keys: Mapping[str, str],
    clock: Callable[[], float] = time.time,
    *,
    requests_per_minute: int = REQUESTS_PER_MINUTE,
) -> Flask:
    """Return the application; `keys` maps public keys to private keys."""
    app = Flask(__name__)
    # Objects keep the order of the Swagger's fields, which reads best in a terminal.
    app.json.sort_keys = False  # type: ignore[attr-defined]  # only DefaultJSONProvider has it
    app.config["calls"] = []
    authenticator = app.config["authenticator"] = DigestAuthenticator(keys, clock=clock)
    gateway = _Gateway(
        authenticator,
        RateLimiter(limit=requests_per_minute, clock=clock),
        app.config["calls"],
        clock,
    )
    app.before_request(gateway.admit)
    app.after_request(gateway.finish)
    app.register_error_handler(RefusedError, _refusal)
    app.register_error_handler(HTTPException, _http_error)
    pager = _Pager()
    clusters = _ClusterApi(store, pager)
    for path, name, view in (
        ("/v1beta1/clusters", "ListClusters", clusters.list),
        ("/v1beta1/clusters:batchGet", "BatchGetClusters", clusters.batch_get),
        ("/v1beta1/clusters/<cluster_id>", "GetCluster", clusters.get),
        ("/v1beta1/regions", "ListRegions", clusters.regions),
        ("/v1beta1/regions:listCloudProviders", "ListCloudProviders", clusters.cloud_providers),
    ):
        app.add_url_rule(path, name, view)
    app.register_blueprint(_iam(_SqlUserApi(store, pager)))
    return app


def operation_of(app: Flask, environ: WSGIEnvironment) -> str:
    """Return the name of the operation that a request asks for; empty where there is none."""
    try:
        endpoint, _ = app.url_map.bind_to_environ(environ).match()
    except HTTPException:
        return ""
    return str(endpoint).rpartition(".")[2]


def operations(app: Flask) -> frozenset[str]:
    """Return the names of all operations."""
    return frozenset(name.rpartition(".")[2] for name in app.view_functions if name != "static")


def _iam(users: _SqlUserApi) -> Blueprint:
    """Return the part that answers errors in the IAM API's own shape."""
    blueprint = Blueprint("iam", __name__, url_prefix="/v1beta1/clusters/<cluster_id>/sqlUsers")
    blueprint.register_error_handler(RefusedError, _open_api_error)
    for path, name, method, view in (
        ("", "ListSqlUsers", "GET", users.list),
        ("", "CreateSqlUser", "POST", users.create),
        ("/<user_name>", "GetSqlUser", "GET", users.get),
        ("/<user_name>", "UpdateSqlUser", "PATCH", users.update),
        ("/<user_name>", "DeleteSqlUser", "DELETE", users.delete),
    ):
        blueprint.add_url_rule(path, name, view, methods=[method])
    return blueprint


def _status(code: Code, message: str, http_status: int | None = None) -> Response:
    """Return an error in the shape of google.rpc.Status."""
    answer = jsonify({"code": int(code), "message": message, "details": []})
    answer.status_code = http_status or _STATUS[code]
    return answer


def _refusal(error: RefusedError) -> Response:
    return _status(error.code, error.message)


def _open_api_error(error: RefusedError) -> Response:
    # The Swagger of the IAM API knows no error but 400; it gives the fields and no values.
    body = {"code": error.code.name, "error": error.message, "msgPrefix": "sqlUsers", "status": 400}
    answer = jsonify(body)
    answer.status_code = HTTPStatus.BAD_REQUEST
    return answer


def _http_error(error: HTTPException) -> Response:
    """Answer what the framework refused, with gRPC gateway's codes for unknown paths and methods."""
    if error.code == HTTPStatus.NOT_FOUND:
        return _status(Code.NOT_FOUND, "Not Found")
    if error.code == HTTPStatus.METHOD_NOT_ALLOWED:
        return _status(Code.UNIMPLEMENTED, "Method Not Allowed")
    if error.code is None or error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _status(Code.INTERNAL, "Internal server error.")
    return _status(Code.INVALID_ARGUMENT, error.description or error.name, error.code)


class _Gateway:
    """What stands before every path: who asks, and how often."""

    def __init__(
        self,
        authenticator: DigestAuthenticator,
        limiter: RateLimiter,
        calls: list[RecordedCall],
        clock: Callable[[], float],
    ) -> None:
        self._authenticator = authenticator
        self._limiter = limiter
        self._calls = calls
        self._clock = clock

    def admit(self) -> Response | None:
        """Let a request in (None), or return the answer that refuses it."""
        sent = request.authorization
        credentials = sent.parameters if sent is not None and sent.type == "digest" else None
        verdict = self._authenticator.judge(request.method, request_target(request.environ), credentials)
        quota = self._limiter.spend(verdict.key, 2 if verdict.first_use_of_keyless_nonce else 1)
        g.verdict, g.quota = verdict, quota
        if quota.exceeded:
            answer = jsonify(quota.error())
            answer.status_code = HTTPStatus.TOO_MANY_REQUESTS
            return answer
        if verdict.refusal is not None:
            answer = _status(Code.UNAUTHENTICATED, "The API key cannot be authenticated.")
            for challenge in self._authenticator.challenges(verdict):
                answer.headers.add("WWW-Authenticate", challenge)
            return answer
        return None

    def finish(self, answer: Response) -> Response:
        """Put the headers on that every answer has, and record the call."""
        verdict: Verdict = g.verdict
        quota: Quota = g.quota
        answer.headers.extend(quota.headers())
        answer.date = datetime.fromtimestamp(self._clock(), UTC)
        request_id = answer.headers["X-Debug-Trace-Id"] = uuid.uuid4().hex
        body = answer.get_json(silent=True)
        params: dict[str, Any] = {
            name: values[0] if len(values) == 1 else values for name, values in request.args.lists()
        }
        sent = request.get_json(force=True, silent=True) if request.content_length else None
        if isinstance(sent, dict):
            params |= {name: "***" if name == "password" else value for name, value in sent.items()}
        call = RecordedCall(
            operation=(request.endpoint or "").rpartition(".")[2],
            method=request.method,
            path=request.path,
            params=params,
            key=verdict.key,
            status=answer.status_code,
            code=body.get("code") if body and answer.status_code >= HTTPStatus.BAD_REQUEST else None,
            request_id=request_id,
            refusal=verdict.refusal,
        )
        self._calls.append(call)
        del self._calls[:-_REMEMBERED_CALLS]
        return answer


class _Pager:
    """Cuts a list into pages; a token is signed and says with which parameters the list was asked for."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def page(
        self, items: Sequence[ItemT], *, size: int, skip: int = 0, params: Sequence[object]
    ) -> tuple[Sequence[ItemT], str]:
        """Return the page that the request's `pageToken` names, and the token of the next one."""
        fingerprint = hashlib.sha256(repr((size, skip, params)).encode()).hexdigest()[:16]
        token = _single("pageToken")
        start = self._offset(token, fingerprint) if token else skip
        end = start + size
        return items[start:end], self._token(end, fingerprint) if end < len(items) else ""

    def _token(self, offset: int, fingerprint: str) -> str:
        text = f"{offset}.{fingerprint}"
        return base64.urlsafe_b64encode(f"{text}.{self._sign(text)}".encode()).decode()

    def _offset(self, token: str, fingerprint: str) -> int:
        try:
            text, _, signature = base64.urlsafe_b64decode(token).decode().rpartition(".")
        except (binascii.Error, ValueError):
            text = signature = ""
        if not text or not hmac.compare_digest(self._sign(text).encode(), signature.encode()):
            raise RefusedError(Code.INVALID_ARGUMENT, "invalid pageToken")
        offset, _, asked = text.partition(".")
        if asked != fingerprint:
            reason = "when paginating, all other parameters must match the original request"
            raise RefusedError(Code.INVALID_ARGUMENT, reason)
        return int(offset)

    def _sign(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()[:32]


class _ClusterApi:
    """The operations of the cluster API."""

    def __init__(self, store: ClusterStore, pager: _Pager) -> None:
        self._store = store
        self._pager = pager

    def list(self) -> Response:
        """List the clusters that match `filter`, in the order of `orderBy`."""
        size = min(_natural("pageSize") or _DEFAULT_PAGE, _LARGEST_PAGE)
        skip = _natural("skip")
        expression, order = _single("filter").strip(), _single("orderBy").strip()
        matches = parse_filter(expression)
        found = [cluster for cluster in self._store.clusters.values() if matches(cluster)]
        found = _ordered(found, order)
        page, token = self._pager.page(found, size=size, skip=skip, params=(expression, order))
        clusters = [cluster.to_json(full=False) for cluster in page]
        return jsonify({"clusters": clusters, "nextPageToken": token, "totalSize": len(found)})

    def get(self, cluster_id: str) -> Response:
        """Describe one cluster."""
        full = _view_is_full()
        return jsonify(self._store.cluster(cluster_id).to_json(full=full))

    def batch_get(self) -> Response:
        """Describe several clusters, all or none."""
        ids = request.args.getlist("clusterIds")
        if not 1 <= len(ids) <= _LARGEST_BATCH:
            raise RefusedError(Code.INVALID_ARGUMENT, f"clusterIds must name 1 to {_LARGEST_BATCH} clusters")
        full = _view_is_full()
        return jsonify({"clusters": [self._store.cluster(name).to_json(full=full) for name in ids]})

    def regions(self) -> Response:
        """List the regions, of one cloud provider or with one service plan where asked."""
        provider = _choice("cloudProvider", _CLOUD_PROVIDERS)
        plan = _choice("servicePlan", _SERVICE_PLANS)
        found = [
            region.to_json() | {"servicePlans": region.service_plans}
            for region in REGIONS.values()
            if provider in ("", region.cloud_provider) and plan in ("", *region.service_plans)
        ]
        return jsonify({"regions": found})

    def cloud_providers(self) -> Response:
        """List the cloud providers of the regions."""
        providers = dict.fromkeys(region.cloud_provider for region in REGIONS.values())
        return jsonify({"cloudProviders": list(providers)})


class _SqlUserApi:
    """The operations of the IAM API on SQL users."""

    def __init__(self, store: ClusterStore, pager: _Pager) -> None:
        self._store = store
        self._pager = pager

    def list(self, cluster_id: str) -> Response:
        """List the SQL users of a cluster."""
        size = min(_natural("pageSize") or _LARGEST_PAGE, _LARGEST_PAGE)
        users = self._store.list_sql_users(cluster_id)
        page, token = self._pager.page(users, size=size, params=("sqlUsers", cluster_id))
        return jsonify({"sqlUsers": [user.to_json() for user in page], "nextPageToken": token})

    def create(self, cluster_id: str) -> Response:
        """Create a SQL user."""
        body = _body()
        user = self._store.create_sql_user(
            cluster_id,
            user_name=_field(body, "userName", str) or "",
            password=_field(body, "password", str) or "",
            builtin_role=_field(body, "builtinRole", str) or "",
            custom_roles=_roles(body) or (),
            auto_prefix=_field(body, "autoPrefix", bool) or False,
            auth_method=_field(body, "authMethod", str) or AUTH_METHOD,
        )
        return jsonify(user.to_json())

    def get(self, cluster_id: str, user_name: str) -> Response:
        """Describe one SQL user."""
        return jsonify(self._store.sql_user(cluster_id, user_name).to_json())

    def update(self, cluster_id: str, user_name: str) -> Response:
        """Change password or roles of a SQL user."""
        body = _body()
        user = self._store.update_sql_user(
            cluster_id,
            user_name,
            password=_field(body, "password", str),
            builtin_role=_field(body, "builtinRole", str),
            custom_roles=_roles(body),
        )
        return jsonify(user.to_json())

    def delete(self, cluster_id: str, user_name: str) -> Response:
        """Delete a SQL user."""
        self._store.delete_sql_user(cluster_id, user_name)
        return jsonify({"code": 0, "message": "success"})


def _single(name: str) -> str:
    """Return a query parameter that may be given once, or an empty string."""
    values = request.args.getlist(name)
    if len(values) > 1:
        raise RefusedError(Code.INVALID_ARGUMENT, f"too many values for parameter {name}")
    return values[0] if values else ""


def _natural(name: str) -> int:
    """Return a query parameter that is an int32 of 0 or more, 0 where it is not given."""
    text = _single(name)
    if name not in request.args:
        return 0
    if re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) is None or int(text) >= _INT32:
        raise RefusedError(Code.INVALID_ARGUMENT, f"parameter {name} must be an integer of 0 or more")
    return int(text)


def _choice(name: str, choices: Sequence[str]) -> str:
    text = _single(name)
    if text and text not in choices:
        raise RefusedError(Code.INVALID_ARGUMENT, f"parameter {name} must be one of {', '.join(choices)}")
    return text


def _view_is_full() -> bool:
    return _choice("view", ("BASIC", "FULL")) != "BASIC"


def _body() -> dict[str, Any]:
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise RefusedError(Code.INVALID_ARGUMENT, "the request body must be a JSON object")
    return body


def _field(body: Mapping[str, Any], name: str, kind: type[ItemT]) -> ItemT | None:
    value = body.get(name)
    if value is not None and not isinstance(value, kind):
        raise RefusedError(Code.INVALID_ARGUMENT, f"{name} must be of type {kind.__name__}")
    return value


def _roles(body: Mapping[str, Any]) -> list[str] | None:
    roles: list[Any] | None = _field(body, "customRoles", list)
    if roles is not None and not all(isinstance(role, str) for role in roles):
        raise RefusedError(Code.INVALID_ARGUMENT, "customRoles must be a list of strings")
    return roles


_FIELDS: Mapping[str, Callable[[Cluster], str]] = {
    "region.provider": lambda cluster: cluster.region.cloud_provider,
    "region.cloudProvider": lambda cluster: cluster.region.cloud_provider,
    "region.name": lambda cluster: f"regions/{cluster.region_id}",
    "region.regionId": lambda cluster: cluster.region_id,
    "state": lambda cluster: cluster.state,
    "projectId": lambda cluster: cluster.labels.get(PROJECT_LABEL, ""),
    "clusterId": lambda cluster: cluster.cluster_id,
    "displayName": lambda cluster: cluster.display_name,
}
_ENUMS = {"region.provider": _CLOUD_PROVIDERS, "region.cloudProvider": _CLOUD_PROVIDERS, "state": STATES}
_LISTS = ("projectId", "clusterId")
_STRING = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_TERM = re.compile(rf"(labels\.{_STRING}|[A-Za-z][\w./-]*)\s*=\s*({_STRING}|[^\s\"'()=<>!]+)", re.ASCII)
_AND = re.compile(r"\s+AND\s+")


def parse_filter(expression: str) -> Callable[[Cluster], bool]:
    """Return the test that a filter of the AIP form `name = value AND ...` stands for."""
    terms: list[Callable[[Cluster], bool]] = []
    expression = expression.strip()
    position = 0
    while position < len(expression):
        term = _TERM.match(expression, position)
        if term is None:
            raise RefusedError(Code.INVALID_ARGUMENT, f"invalid filter at position {position}")
        terms.append(_term(term[1], _unquoted(term[2])))
        position = term.end()
        separator = _AND.match(expression, position)
        if separator is None and position < len(expression):
            raise RefusedError(Code.INVALID_ARGUMENT, f"invalid filter at position {position}: AND expected")
        position = separator.end() if separator else position
    return lambda cluster: all(term(cluster) for term in terms)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text[0] in "'\"" else text


def _term(name: str, value: str) -> Callable[[Cluster], bool]:
    if name.startswith("labels.") and name != "labels.":
        label = _unquoted(name.removeprefix("labels."))
        return lambda cluster: cluster.labels.get(label) == value
    if name not in _FIELDS:
        raise RefusedError(Code.INVALID_ARGUMENT, f"invalid filter: unknown field {name}")
    if name in _ENUMS and value not in _ENUMS[name]:
        raise RefusedError(Code.INVALID_ARGUMENT, f"invalid filter: unknown {name} {value}")
    values = [part.strip() for part in value.split(",")] if name in _LISTS else [value]
    return lambda cluster: _FIELDS[name](cluster) in values


_ORDERS: Mapping[str, Callable[[Cluster], str]] = {
    "displayName": lambda cluster: cluster.display_name,
    "createTime": lambda cluster: cluster.create_time,
}


def _ordered(clusters: list[Cluster], order: str) -> list[Cluster]:
    """Return the clusters in the order of an AIP expression such as `displayName, createTime desc`."""
    terms = [term.split() for term in order.split(",")] if order else []
    # The last term decides least; a stable sort by each, from the last to the first, honours that.
    for term in reversed(terms):
        if not term or term[0] not in _ORDERS or term[1:] not in ([], ["asc"], ["desc"]):
            raise RefusedError(Code.INVALID_ARGUMENT, f"invalid orderBy: {order}")
        clusters = sorted(clusters, key=_ORDERS[term[0]], reverse=term[1:] == ["desc"])
    return clusters
