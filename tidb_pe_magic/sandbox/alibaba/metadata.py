"""The metadata service of an ECS instance at 100.100.100.200, and other possible servers at that address.

Paths and headers are those of the Alibaba Cloud ECS user guide, "View instance metadata"; the status
codes of refusals are modeled, because the guide does not state them.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Flask, Request, Response, request

from tidb_pe_magic.sandbox.alibaba.network_seed import SINGAPORE
from tidb_pe_magic.sandbox.alibaba.roles import ECS
from tidb_pe_magic.sandbox.request_log import RequestLog
from tidb_pe_magic.sandbox.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.sandbox.alibaba.network_seed import Network
    from tidb_pe_magic.sandbox.alibaba.roles import Roles, TemporaryKey

_TTL_HEADER, _TOKEN_HEADER = "X-aliyun-ecs-metadata-token-ttl-seconds", "X-aliyun-ecs-metadata-token"
_LONGEST_TTL = 21600
_ROLES = "ram/security-credentials/"
_ROLE_SECONDS = 6 * 60 * 60
_RENEWED_BEFORE = 30 * 60


@dataclass(frozen=True, kw_only=True)
class InstancePlace:
    """An ECS instance in a VPC.

    Attributes:
        token_required: the service answers only with a token, an option of the instance's owner.
        security_group_ids: the instance's groups, which the metadata does not contain.
        role: name of the RAM role that is attached to the instance; empty for none.
    """

    region_id: str
    zone_id: str
    vpc_id: str
    vswitch_id: str
    private_ip: str
    token_required: bool = False
    security_group_ids: tuple[str, ...] = ()
    role: str = ""


@dataclass(frozen=True)
class ForeignPage:
    """A server that is not a metadata service and answers every request with the same page."""

    body: str
    status: int = HTTPStatus.OK.value


ANALYTICS = InstancePlace(
    region_id=SINGAPORE,
    zone_id=f"{SINGAPORE}a",
    vpc_id="vpc-t4nanalytics0k3m7x",
    vswitch_id="vsw-t4na1",
    private_ip="10.20.1.77",
)


class MetadataService:
    """The server at the address, which may change at any time.

    Attributes:
        place: the calling instance; None if the caller is not on an ECS instance.
        requests: the log of answered requests.
        app: the WSGI application.
    """

    def __init__(
        self,
        network: Network,
        clock: Callable[[], float] = time.monotonic,
        *,
        roles: Roles | None = None,
        log: RequestLog | None = None,
    ) -> None:
        """Start as an instance in the VPC of the tutorial; `log` records each request."""
        self.place: InstancePlace | ForeignPage | None = ANALYTICS
        self.requests = RequestLog() if log is None else log
        self._network = network
        self._clock = clock
        self._roles = roles
        self._key: TemporaryKey | None = None
        self._tokens: dict[str, float] = {}
        self._lock = threading.Lock()
        self.app = Flask(__name__, static_folder=None)
        self.app.add_url_rule("/", "answer", self._answer, defaults={"path": ""}, methods=["GET", "PUT"])
        self.app.add_url_rule("/<path:path>", "answer", self._answer, methods=["GET", "PUT"])

    def _answer(self, path: str) -> Response:
        answer = self._answer_of(path)
        self.requests.answered(request.environ, Service.METADATA, f"/{path}", status=answer.status_code)
        return answer

    def _answer_of(self, path: str) -> Response:
        place = self.place
        if isinstance(place, ForeignPage):
            return Response(place.body, status=place.status, mimetype="text/html")
        if place is None:
            return _error_page(HTTPStatus.NOT_FOUND)
        if path == "latest/api/token":
            return (
                self._new_token() if request.method == "PUT" else _error_page(HTTPStatus.METHOD_NOT_ALLOWED)
            )
        if request.method != "GET":
            return _error_page(HTTPStatus.METHOD_NOT_ALLOWED)
        if not self._is_admitted(place, request):
            return _error_page(HTTPStatus.FORBIDDEN)
        return self._item(place, path)

    def _new_token(self) -> Response:
        ttl = request.headers.get(_TTL_HEADER, "")
        if not (ttl.isascii() and ttl.isdigit() and 1 <= int(ttl) <= _LONGEST_TTL):
            return _error_page(HTTPStatus.BAD_REQUEST)
        token = secrets.token_urlsafe(42)
        with self._lock:
            self._tokens[token] = self._clock() + int(ttl)
        return _text(token)

    def _is_admitted(self, place: InstancePlace, asked: Request) -> bool:
        """A given token must be valid, even if no token is required."""
        token = asked.headers.get(_TOKEN_HEADER)
        if token is None:
            return not place.token_required
        with self._lock:
            return self._tokens.get(token, 0.0) > self._clock()

    def _item(self, place: InstancePlace, path: str) -> Response:
        items = self._items(place) | self._role_items(place)
        if path == "latest/meta-data/":
            return _text("\n".join(name for name in items if not name.startswith(_ROLES)))
        value = items.get(path.removeprefix("latest/meta-data/")) if path.startswith("latest/") else None
        return _error_page(HTTPStatus.NOT_FOUND) if value is None else _text(value)

    def _role_items(self, place: InstancePlace) -> dict[str, str]:
        """Return the attached role's name, and its key if it trusts the service."""
        role = self._roles.named(place.role) if self._roles is not None and place.role else None
        if role is None or self._roles is None:
            return {}
        items = {"ram/": "security-credentials/", _ROLES: role.name}
        if ECS not in role.trusts:
            return items
        with self._lock:
            key = self._key
            valid = key is not None and self._roles.key(key.key_id) is not None and key.role == role
            if key is None or not valid or key.expires - self._roles.now() < _RENEWED_BEFORE:
                self._key = key = self._roles.issue(role, "i-t4nnotebook0000000001", _ROLE_SECONDS)
        answer = {
            "AccessKeyId": key.key_id,
            "AccessKeySecret": key.secret,
            "Expiration": key.expiration,
            "SecurityToken": key.token,
            "LastUpdated": key.issued,
            "Code": "Success",
        }
        return items | {_ROLES + role.name: json.dumps(answer)}

    def _items(self, place: InstancePlace) -> dict[str, str]:
        blocks = {vpc.vpc_id: vpc.cidr_block for vpc in self._network.vpcs}
        blocks |= {vswitch.vswitch_id: vswitch.cidr_block for vswitch in self._network.vswitches}
        items = {
            "instance-id": "i-t4nnotebook0000000001",
            "owner-account-id": "5123456789012345",
            "private-ipv4": place.private_ip,
            "region-id": place.region_id,
            "vpc-cidr-block": blocks.get(place.vpc_id, ""),
            "vpc-id": place.vpc_id,
            "vswitch-cidr-block": blocks.get(place.vswitch_id, ""),
            "vswitch-id": place.vswitch_id,
            "zone-id": place.zone_id,
        }
        return {name: value for name, value in items.items() if value}


def _text(body: str) -> Response:
    return Response(body, mimetype="text/plain")


def _error_page(status: HTTPStatus) -> Response:
    return Response(f"{status.value} - {status.phrase}", status=status, mimetype="text/html")
