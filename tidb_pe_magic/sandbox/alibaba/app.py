"""One WSGI application for the four products, which a call's headers distinguish."""

from __future__ import annotations

import io
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from flask import Flask, Request, Response, jsonify, request

from tidb_pe_magic.sandbox.alibaba import errors
from tidb_pe_magic.sandbox.alibaba.call import Body, Call, Change, Query
from tidb_pe_magic.sandbox.alibaba.call_limits import CallLimits
from tidb_pe_magic.sandbox.alibaba.client_tokens import ClientTokens
from tidb_pe_magic.sandbox.alibaba.parameters import Parameters
from tidb_pe_magic.sandbox.alibaba.privatelink_changes import CHANGES
from tidb_pe_magic.sandbox.alibaba.privatelink_queries import QUERIES
from tidb_pe_magic.sandbox.alibaba.roles import Roles
from tidb_pe_magic.sandbox.alibaba.security_group_changes import ECS_CHANGES
from tidb_pe_magic.sandbox.alibaba.signature import SignedRequest, Verifier
from tidb_pe_magic.sandbox.alibaba.sts import STS_QUERIES, UNSIGNED
from tidb_pe_magic.sandbox.alibaba.vpc_ecs import ECS_QUERIES, VPC_QUERIES
from tidb_pe_magic.sandbox.request_log import RequestLog
from tidb_pe_magic.sandbox.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from wsgiref.types import WSGIEnvironment

    from tidb_pe_magic.sandbox.alibaba.world import World

_FORM = "application/x-www-form-urlencoded"
_NO_CHANGES: Mapping[str, Change] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Product:
    name: str
    queries: Mapping[str, Query]
    changes: Mapping[str, Change]


_PRIVATELINK = _Product("privatelink", QUERIES, CHANGES)
_PRODUCTS: Mapping[str, _Product] = MappingProxyType(
    {
        "2020-04-15": _PRIVATELINK,
        "2016-04-28": _Product("vpc", VPC_QUERIES, _NO_CHANGES),
        "2015-04-01": _Product("sts", STS_QUERIES, _NO_CHANGES),
        "2014-05-26": _Product("ecs", ECS_QUERIES, ECS_CHANGES),
    }
)

#: Operations that need an activated product. The first is documented, the second is [GUESS].
_NEED_PRODUCT = frozenset({"CheckProductOpen", "CreateVpcEndpoint"})

OPERATIONS = frozenset(
    name for product in _PRODUCTS.values() for name in (*product.queries, *product.changes)
)


def operation_of(environ: WSGIEnvironment) -> str:
    """Return a request's action, from its header, its query or its form.

    The body must be re-readable, as `FaultyApp` provides it.
    """
    if action := environ.get("HTTP_X_ACS_ACTION"):
        return str(action)
    pairs = parse_qsl(environ.get("QUERY_STRING", ""))
    body: Any = environ["wsgi.input"]
    if str(environ.get("CONTENT_TYPE", "")).startswith(_FORM) and isinstance(body, io.BytesIO):
        pairs += parse_qsl(body.getvalue().decode(errors="replace"))
    return str(dict(pairs).get("Action", ""))


def create_app(  # noqa: PLR0913 - each is an option of the server
    world: World,
    keys: Mapping[str, str],
    clock: Callable[[], float] = time.time,
    *,
    security_tokens: Mapping[str, str] = MappingProxyType({}),
    log: RequestLog | None = None,
    roles: Roles | None = None,
) -> Flask:
    """Serve a world to the owners of access keys (id -> secret).

    `security_tokens` (id -> token) turns keys into temporary ones that require their token; `roles` can be
    assumed for other temporary keys.
    `app.config["requests"]` is the log of all answered calls: `log`, or a new one.
    """
    app = Flask(__name__, static_folder=None)
    requests = app.config["requests"] = RequestLog() if log is None else log
    tokens = app.config["client_tokens"] = ClientTokens(clock)
    roles = roles or Roles(clock)
    gateway = _Gateway(world, Verifier(keys, security_tokens, clock, roles), tokens, clock, roles)

    @app.route("/", defaults={"path": ""}, methods=["GET", "POST"])
    @app.route("/<path:path>", methods=["GET", "POST"])
    def answer(path: str) -> Response:
        del path  # Any path except "/" is refused after the signature check, like an unknown action.
        params = _read_parameters(request)
        request_id = str(uuid.uuid4()).upper()
        action = _action(request, params)
        code, status = "", HTTPStatus.OK.value
        try:
            body = gateway.answer(request, params)
        except errors.ApiError as error:
            code, status = error.refusal.code, error.refusal.status
            body = _refusal_body(error.refusal, params.text("RegionId"), request_id)
        outcome = {"params": params.values, "status": status, "code": code, "request_id": request_id}
        requests.answered(request.environ, Service.ALIBABA, action, **outcome)
        response = jsonify({**body, "RequestId": request_id})
        response.status_code = status
        response.headers["x-acs-request-id"] = request_id
        response.date = datetime.fromtimestamp(clock(), UTC)
        return response

    return app


class _Gateway:
    """From a request to an operation: signature, product, action, client token, dry run."""

    def __init__(
        self,
        world: World,
        verifier: Verifier,
        tokens: ClientTokens,
        clock: Callable[[], float],
        roles: Roles,
    ) -> None:
        self._world = world
        self._roles = roles
        self._verifier = verifier
        self._clock = clock
        self._tokens = tokens
        self._limits = CallLimits(clock)

    def answer(self, request: Request, parameters: Parameters) -> Body:
        action = _action(request, parameters)
        key_id = self._signer(request, parameters, action)
        product = _PRODUCTS.get(_version(request))
        if product is None:
            raise errors.ApiError(errors.INVALID_VERSION)
        known = action in product.queries or action in product.changes
        if not known or request.path != "/":
            raise errors.ApiError(errors.ACTION_NOT_FOUND)
        if self._world.limits_calls:
            operation = f"{product.name}:{action}"
            self._limits.spend(parameters.text("RegionId"), operation, changes=action in product.changes)
        if (ram_action := f"{product.name}:{action}") in self._world.denied_actions:
            raise errors.ApiError(errors.no_permission(ram_action))
        if action in _NEED_PRODUCT and not self._world.product_open:
            raise errors.ApiError(errors.NEED_OPEN_PRODUCT)
        now = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        call = Call(self._world, parameters, now, self._roles, self._roles.key(key_id))
        if (query := product.queries.get(action)) is not None:
            return query(call)
        return self._change(action, product.changes[action], call)

    def _signer(self, request: Request, parameters: Parameters, action: str) -> str:
        """Return the ID of the key that signed; empty if the operation needs no signature."""
        if action in UNSIGNED:
            return ""
        # The older signature is a parameter; pop-core and others send it in a POST form.
        if parameters.text("Signature") and "Authorization" not in request.headers:
            return self._verifier.verify_query(request.method, parameters.values)
        return self._verifier.verify(_signed_request(request))

    def _change(self, action: str, change: Change, call: Call) -> Body:
        parameters = call.parameters
        dry_run = parameters.boolean("DryRun")
        # One change at a time, so that a check and its change are atomic.
        with self._tokens.exclusive_token(action, parameters), self._world.exclusive_change():
            if (earlier := self._tokens.recall(action, parameters)) is not None and not dry_run:
                return earlier
            apply = change(call)
            if dry_run:
                raise errors.ApiError(errors.DRY_RUN)
            body = apply()
            self._tokens.remember(action, parameters, body)
            return body


def _action(request: Request, parameters: Parameters) -> str:
    return request.headers.get("x-acs-action") or parameters.text("Action")


def _version(request: Request) -> str:
    named = request.headers.get("x-acs-version") or request.args.get("Version", "")
    return named or dict(_form(request)).get("Version", "")


def _signed_request(request: Request) -> SignedRequest:
    return SignedRequest(
        method=request.method,
        path=request.path,
        query_string=request.query_string.decode(),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=request.get_data(),
    )


def _form(request: Request) -> list[tuple[str, str]]:
    if request.mimetype != _FORM:
        return []
    # Keep the body readable, because the signature covers it.
    return parse_qsl(request.get_data().decode(errors="replace"), keep_blank_values=True)


def _read_parameters(request: Request) -> Parameters:
    pairs = parse_qsl(request.query_string.decode(), keep_blank_values=True) + _form(request)
    refusal = errors.illegal if _PRODUCTS.get(_version(request)) is _PRIVATELINK else errors.invalid
    return Parameters(dict(pairs), refusal)


def _refusal_body(refusal: errors.Refusal, region_id: str, request_id: str) -> Body:
    product = _PRODUCTS.get(_version(request), _PRIVATELINK).name
    # The region comes from the caller and may be any text.
    host = ".".join(part for part in (product, region_id if region_id.isascii() else "") if part)
    recommend = (
        f"https://api.alibabacloud.com/troubleshoot?q={refusal.code}&product={product}&requestId={request_id}"
    )
    denied = {} if refusal.access_denied is None else {"AccessDeniedDetail": dict(refusal.access_denied)}
    return {
        **denied,
        "Code": refusal.code,
        "Message": refusal.message,
        "HostId": f"{host}.aliyuncs.com",
        "Recommend": recommend,
    }
