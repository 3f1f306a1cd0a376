"""Errors in the formats of the two APIs."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Response, jsonify

from tidb_pe_magic.sandbox.tidb_cloud.clusters import Code

if TYPE_CHECKING:
    from werkzeug.exceptions import HTTPException

    from tidb_pe_magic.sandbox.tidb_cloud.clusters import RefusedError

_STATUS = {
    Code.INVALID_ARGUMENT: 400,
    Code.FAILED_PRECONDITION: 400,
    Code.UNAUTHENTICATED: 401,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.INTERNAL: 500,
    Code.UNIMPLEMENTED: 501,
}


def status_answer(code: int, message: str, http_status: int | None = None) -> Response:
    """Return an error in the format of google.rpc.Status."""
    answer = jsonify({"code": int(code), "message": message, "details": []})
    answer.status_code = http_status or _STATUS[Code(code)]
    return answer


def refusal(error: RefusedError) -> Response:
    """Return an error of the cluster API."""
    return status_answer(error.code, error.message)


def open_api_error(error: RefusedError) -> Response:
    """Return an error of the IAM API."""
    # The Swagger of the IAM API contains only error 400. `error` is an object, because ticloud does not read
    # a string.
    body = {"code": error.code.name, "error": {}, "msgPrefix": error.message, "status": 400}
    answer = jsonify(body)
    answer.status_code = HTTPStatus.BAD_REQUEST
    return answer


def http_error(error: HTTPException) -> Response:
    """Return an error of the framework, with gRPC gateway's codes for unknown paths and methods."""
    if error.code == HTTPStatus.NOT_FOUND:
        return status_answer(Code.NOT_FOUND, "Not Found")
    if error.code == HTTPStatus.METHOD_NOT_ALLOWED:
        return status_answer(Code.UNIMPLEMENTED, "Method Not Allowed")
    if error.code is None or error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return status_answer(Code.INTERNAL, "Internal server error.")
    return status_answer(Code.INVALID_ARGUMENT, error.description or error.name, error.code)
