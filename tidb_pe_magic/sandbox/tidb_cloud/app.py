"""The routes of both APIs."""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING

from flask import Blueprint, Flask
from werkzeug.exceptions import HTTPException

from tidb_pe_magic.sandbox.request_log import RequestLog
from tidb_pe_magic.sandbox.tidb_cloud.answers import http_error, open_api_error, refusal
from tidb_pe_magic.sandbox.tidb_cloud.cluster_api import ClusterApi
from tidb_pe_magic.sandbox.tidb_cloud.clusters import RefusedError
from tidb_pe_magic.sandbox.tidb_cloud.digest import DigestAuthenticator
from tidb_pe_magic.sandbox.tidb_cloud.gateway import Gateway
from tidb_pe_magic.sandbox.tidb_cloud.pager import Pager
from tidb_pe_magic.sandbox.tidb_cloud.project_api import ProjectApi
from tidb_pe_magic.sandbox.tidb_cloud.rate_limit import REQUESTS_PER_MINUTE, RateLimiter
from tidb_pe_magic.sandbox.tidb_cloud.sql_user_api import SqlUserApi

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from wsgiref.types import WSGIEnvironment

    from tidb_pe_magic.sandbox.tidb_cloud.cluster_store import ClusterStore


def create_app(  # noqa: PLR0913 - each is an option of the server
    store: ClusterStore,
    keys: Mapping[str, str],
    clock: Callable[[], float] = time.time,
    *,
    requests_per_minute: int = REQUESTS_PER_MINUTE,
    tokens: Mapping[str, str] = MappingProxyType({}),
    log: RequestLog | None = None,
) -> Flask:
    """Return the application; `keys` maps public keys to private keys, `tokens` maps login tokens to names.

    `app.config["requests"]` is the log of all answered calls: `log`, or a new one.
    """
    app = Flask(__name__)
    # Keep the Swagger's order of fields, which is readable in a terminal.
    app.json.sort_keys = False  # type: ignore[attr-defined]  # only DefaultJSONProvider has it
    requests = app.config["requests"] = RequestLog() if log is None else log
    authenticator = app.config["authenticator"] = DigestAuthenticator(keys, clock=clock)
    limiter = app.config["rate_limiter"] = RateLimiter(limit=requests_per_minute, clock=clock)
    gateway = Gateway(authenticator, limiter, requests, clock, tokens)
    app.before_request(gateway.admit)
    app.after_request(gateway.finish)
    app.register_error_handler(RefusedError, refusal)
    app.register_error_handler(HTTPException, http_error)
    pager = Pager()
    clusters = ClusterApi(store, pager)
    for path, name, view in (
        ("/v1beta1/clusters", "ListClusters", clusters.list),
        ("/v1beta1/clusters:batchGet", "BatchGetClusters", clusters.batch_get),
        ("/v1beta1/clusters/<cluster_id>", "GetCluster", clusters.get),
        ("/v1beta1/regions", "ListRegions", clusters.regions),
        ("/v1beta1/regions:listCloudProviders", "ListCloudProviders", clusters.cloud_providers),
    ):
        app.add_url_rule(path, name, view)
    app.register_blueprint(_iam(SqlUserApi(store, pager)))
    app.register_blueprint(_projects(ProjectApi(store, pager)))
    return app


def operation_of(app: Flask, environ: WSGIEnvironment) -> str:
    """Return the name of a request's operation; empty for an unknown one."""
    try:
        endpoint, _ = app.url_map.bind_to_environ(environ).match()
    except HTTPException:
        return ""
    return str(endpoint).rpartition(".")[2]


def operations(app: Flask) -> frozenset[str]:
    """Return the names of all operations."""
    return frozenset(name.rpartition(".")[2] for name in app.view_functions if name != "static")


def _projects(projects: ProjectApi) -> Blueprint:
    """Return the part of the IAM API without clusters."""
    blueprint = Blueprint("projects", __name__, url_prefix="/v1beta1/projects")
    blueprint.register_error_handler(RefusedError, open_api_error)
    blueprint.add_url_rule("", "ListProjects", projects.list)
    return blueprint


def _iam(users: SqlUserApi) -> Blueprint:
    """Return the part with errors in the IAM API's format."""
    blueprint = Blueprint("iam", __name__, url_prefix="/v1beta1/clusters/<cluster_id>/sqlUsers")
    blueprint.register_error_handler(RefusedError, open_api_error)
    for path, name, method, view in (
        ("", "ListSqlUsers", "GET", users.list),
        ("", "CreateSqlUser", "POST", users.create),
        ("/<user_name>", "GetSqlUser", "GET", users.get),
        ("/<user_name>", "UpdateSqlUser", "PATCH", users.update),
        ("/<user_name>", "DeleteSqlUser", "DELETE", users.delete),
    ):
        blueprint.add_url_rule(path, name, view, methods=[method])
    return blueprint
