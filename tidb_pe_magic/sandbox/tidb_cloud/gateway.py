"""The gateway of every API path: authentication, rate limit, and the request log."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Response, g, jsonify, request

from tidb_pe_magic.sandbox.service import Service
from tidb_pe_magic.sandbox.tidb_cloud.answers import status_answer
from tidb_pe_magic.sandbox.tidb_cloud.clusters import Code
from tidb_pe_magic.sandbox.tidb_cloud.digest import Verdict, request_target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from werkzeug.datastructures import Authorization

    from tidb_pe_magic.sandbox.request_log import RequestLog
    from tidb_pe_magic.sandbox.tidb_cloud.digest import DigestAuthenticator
    from tidb_pe_magic.sandbox.tidb_cloud.rate_limit import Quota, RateLimiter

_UNKNOWN_KEY = 49900001


class Gateway:
    """The gateway of every path: authentication and rate limit."""

    def __init__(
        self,
        authenticator: DigestAuthenticator,
        limiter: RateLimiter,
        log: RequestLog,
        clock: Callable[[], float],
        tokens: Mapping[str, str],
    ) -> None:
        """Record every call in `log`; `tokens` maps the tokens of ticloud's logins to names."""
        self._tokens = tokens
        self._authenticator = authenticator
        self._limiter = limiter
        self._log = log
        self._clock = clock

    def admit(self) -> Response | None:
        """Return None to allow a request, or the answer that refuses it."""
        sent = request.authorization
        verdict = self._judge(sent)
        quota = self._limiter.spend(verdict.key, 2 if verdict.first_use_of_keyless_nonce else 1)
        g.verdict, g.quota = verdict, quota
        if quota.exceeded:
            answer = jsonify(quota.error())
            answer.status_code = HTTPStatus.TOO_MANY_REQUESTS
            return answer
        if verdict.refusal is not None:
            unknown = verdict.key is None
            answer = status_answer(
                _UNKNOWN_KEY if unknown else Code.UNAUTHENTICATED,
                "public_key not found" if unknown else "The API key cannot be authenticated.",
                HTTPStatus.UNAUTHORIZED,
            )
            for challenge in self._authenticator.challenges(verdict):
                answer.headers.add("WWW-Authenticate", challenge)
            return answer
        return None

    def _judge(self, sent: Authorization | None) -> Verdict:
        if sent is not None and sent.type == "bearer":
            name = self._tokens.get(sent.token or "")
            return Verdict(name) if name else Verdict(refusal="unknown token")
        credentials = sent.parameters if sent is not None and sent.type == "digest" else None
        return self._authenticator.judge(request.method, request_target(request.environ), credentials)

    def finish(self, answer: Response) -> Response:
        """Add the headers of every answer, and record the call."""
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
            params |= sent
        self._log.answered(
            request.environ,
            Service.TIDB_CLOUD,
            (request.endpoint or "").rpartition(".")[2],
            params=params,
            key=verdict.key,
            status=answer.status_code,
            code=str(body.get("code", "")) if body and answer.status_code >= HTTPStatus.BAD_REQUEST else "",
            request_id=request_id,
            refusal=verdict.refusal,
        )
        return answer
