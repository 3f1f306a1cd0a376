"""Calls to Alibaba Cloud's APIs: PrivateLink with its SDK, VPC and ECS with the generic client.

The only module that imports `alibabacloud_*`, and only inside functions: the import takes 0.4 s.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from tidb_pe_magic import errors
from tidb_pe_magic.clouds.alibaba import role_keys
from tidb_pe_magic.clouds.alibaba.errors import translate
from tidb_pe_magic.clouds.alibaba.imports import load_sdk
from tidb_pe_magic.clouds.causes import is_hopeless, is_untrusted, own_error, reason_of, redirect_target
from tidb_pe_magic.clouds.hosts import unreachable_advice
from tidb_pe_magic.clouds.json_fields import mapping
from tidb_pe_magic.clouds.network import Network
from tidb_pe_magic.clouds.retries import NO_RETRIES
from tidb_pe_magic.credentials.redaction import bug_error, redact
from tidb_pe_magic.credentials.search import KeyMatch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidb_pe_magic.clouds.alibaba.sdk_process import SdkSession
    from tidb_pe_magic.clouds.retries import Retries
    from tidb_pe_magic.credentials.secrets import Key

T = TypeVar("T")
Body = dict[str, Any]

_CONNECT_MS, _MS = 5_000, 1_000
_VERSIONS = {"sts": "2015-04-01", "vpc": "2016-04-28", "ecs": "2014-05-26"}
# Hosts that do not follow the rule <product>.<region>.aliyuncs.com (the products' public endpoint lists).
_HOSTS = {
    ("vpc", "cn-hangzhou"): "vpc.aliyuncs.com",
    ("ecs", "cn-hangzhou"): "ecs-cn-hangzhou.aliyuncs.com",
}
# Operations that change nothing. Others are repeated only if a ClientToken prevents a second effect.
_LOOK_UPS = ("Check", "Describe", "Get", "List")

_SAY_NOTHING_OF_THE_KEY = (errors.AuthenticationFailed, errors.ServiceUnavailable, errors.Throttled)


class AlibabaClient:
    """Makes calls to one region with one key; takes and returns wire names.

    Every call raises `ApiError`, and `MissingCredentials` if the SDK gets no temporary key.
    """

    def __init__(
        self,
        region_id: str,
        key: Key | KeyMatch,
        *,
        endpoint: str = "",
        retries: Retries = NO_RETRIES,
        network: Network | None = None,
    ) -> None:
        """Keep the settings; the first call imports the SDK.

        Args:
            region_id: such as `ap-southeast-1`.
            key: the key, or the source from which the SDK gets one.
            endpoint: `scheme://host:port` that serves every product instead of the cloud's own hosts.
            retries: repeats calls that failed temporarily.
            network: proxy and trust store; default: those of `os.environ`.
        """
        self.region_id = region_id
        self._found = key if isinstance(key, KeyMatch) else KeyMatch(place="an explicitly given key", key=key)
        self._retries = retries
        self._endpoint = urlsplit(endpoint)
        self._network = network or Network.of()
        self._exchange = (
            None if self._found.key is not None else role_keys.exchange(self._found, endpoint, self._network)
        )
        self._session: SdkSession | None = None
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def temporary_key(self) -> tuple[str, str]:
        """Return the SDK's name of the key's source, such as `ram_role_arn/static_ak`, and the key's ID.

        Raises:
            MissingCredentials: no key is available.
            ApiError: STS refuses the role or does not answer.
        """
        if self._exchange is None:
            return "", ""
        key = self._retries.call("AssumeRole", self._renew)
        return str(key.provider_name or ""), str(key.access_key_id or "")

    def _renew(self) -> Any:
        if self._exchange is None:
            msg = "a long-lived key needs no exchange"
            raise AssertionError(msg)
        self._exchange.renew()
        return self._exchange.get_credential()

    def close(self) -> None:
        """Close the HTTP connections; a later call opens new ones."""
        if self._session is not None:
            self._session.close()

    def privatelink(self, operation: str, fields: Mapping[str, Any], read: Callable[[Body], T]) -> T:
        """Call an operation of PrivateLink 2020-04-15 through its SDK.

        Args:
            operation: its name.
            fields: of the request; None omits a field.
            read: converts the answer; if it rejects the answer, the call is repeated.
        """
        load_sdk()
        from alibabacloud_privatelink20200415 import models  # noqa: PLC0415 - slow to import
        from darabonba.runtime import RuntimeOptions  # noqa: PLC0415 - slow to import

        given = {name: value for name, value in fields.items() if value is not None}
        kind = getattr(models, f"{operation}Request", None)  # CheckProductOpen has no request class
        request = [] if kind is None else [kind().from_map({"RegionId": self.region_id, **given})]
        call = getattr(self._client("privatelink"), f"{_snake_case(operation)}_with_options")

        def work() -> T:
            body = self._translate(operation, call, *request, RuntimeOptions()).body
            # The SDK returns None for JSON of an unknown shape.
            return read(
                _shape(
                    operation, None if body is None else _fields(body, first_page="NextToken" not in given)
                )
            )

        if operation.startswith(_LOOK_UPS) or "ClientToken" in given:
            return self._retries.call(operation, work)
        return work()

    def lookup(self, product: str, operation: str, read: Callable[[Body], T], /, **query: Any) -> T:
        """Call a look-up of VPC 2016-04-28 or ECS 2014-05-26; otherwise as `privatelink`."""
        load_sdk()
        from alibabacloud_tea_openapi import utils_models  # noqa: PLC0415 - slow to import
        from alibabacloud_tea_openapi.utils import Utils  # noqa: PLC0415 - slow to import
        from darabonba.runtime import RuntimeOptions  # noqa: PLC0415 - slow to import

        parameters = utils_models.Params(
            action=operation,
            version=_VERSIONS[product],
            protocol=self._protocol,
            pathname="/",
            method="POST",
            auth_type="AK",
            style="RPC",
            req_body_type="formData",
            body_type="json",
        )
        request = utils_models.OpenApiRequest(query=Utils.query({"RegionId": self.region_id, **query}))
        client = self._client(product)

        def work() -> T:
            answer = self._translate(operation, client.call_api, parameters, request, RuntimeOptions())
            return read(_shape(operation, mapping(answer).get("body")))

        return self._retries.call(operation, work)

    @property
    def _protocol(self) -> str:
        return (self._endpoint.scheme or "https").upper()

    def _client(self, product: str) -> Any:
        with self._lock:
            if product not in self._clients:
                self._clients[product] = self._new_client(product)
            return self._clients[product]

    def _http(self) -> SdkSession:
        """Return the session of this client's calls."""
        from tidb_pe_magic.clouds.alibaba.sdk_process import SdkSession  # noqa: PLC0415 - imports requests

        with self._lock:
            encrypted = self._protocol == "HTTPS"
            self._session = self._session or SdkSession(self._network, encrypted=encrypted)
            return self._session

    def _new_client(self, product: str) -> Any:
        from alibabacloud_tea_openapi import utils_models  # noqa: PLC0415 - slow to import

        host = self._endpoint.netloc or _host(product, self.region_id)
        self._network.proxy(f"{self._protocol.lower()}://{host}")  # raise for an unusable proxy here
        config = utils_models.Config(
            region_id=self.region_id,
            endpoint=host,
            protocol=self._protocol,
            connect_timeout=_CONNECT_MS,
            read_timeout=round(self._retries.answer * _MS),
            user_agent="tidb-pe-magic",
        )
        key = self._found.key
        if key is None:
            config.credential = self._exchange
        else:
            config.access_key_id = key.public
            config.access_key_secret = key.private.reveal()
            config.security_token = key.token.reveal() if key.token else None
        if product == "privatelink":
            from alibabacloud_privatelink20200415.client import Client  # noqa: PLC0415 - slow to import
        else:
            from alibabacloud_tea_openapi.client import Client  # noqa: PLC0415 - slow to import
        return Client(config)

    def _translate(self, operation: str, call: Callable[..., Any], *arguments: Any) -> Any:
        """Make the call; the only place that converts the SDK's exceptions to this package's errors.

        The SDK's frames hold the key and the signed request, so no exception is chained, and an interrupt is
        raised again without them.
        """
        from Tea.exceptions import TeaException  # noqa: PLC0415 - slow to import

        from tidb_pe_magic.clouds.alibaba.sdk_process import through  # noqa: PLC0415 - imports requests

        exchange, session = self._exchange, self._http()
        if exchange is not None:
            exchange.renew()
        failure: BaseException
        try:
            with through(session):
                answer = call(*arguments)
        except TeaException as error:
            bug, own = _bug_within(error), own_error(error)
            refused = _error(operation, error, self.region_id, self._endpoint.hostname or "")
            if exchange is not None and refused.code.startswith("InvalidSecurityToken"):
                refused.transient = exchange.discard()
            elif exchange is not None and not isinstance(refused, _SAY_NOTHING_OF_THE_KEY):
                exchange.accept()
            failure = own or (bug_error(bug) if bug is not None else refused)
        except OSError as error:  # from a file that TLS needs; the SDK does not wrap it
            failure = errors.ServiceUnavailable(
                f"the call failed: {reason_of(error)}.",
                operation=operation,
                advice=unreachable_advice(self._endpoint.hostname or ""),
            )
            failure.transient = False
        except KeyboardInterrupt:
            failure = KeyboardInterrupt()
        else:
            if exchange is not None:
                exchange.accept()
            return answer
        raise failure from None


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _fields(body: Any, *, first_page: bool) -> Body:
    """Return the answer's fields, without a list that the answer may not have contained.

    The SDK writes an empty list for a missing one; a list that is really empty has a total of 0.
    """
    fields: Body = body.to_map()
    total = fields.get("TotalCount")
    meant = str(total) == "0" if first_page else total is not None
    return {name: value for name, value in fields.items() if value != [] or meant}


def _shape(operation: str, body: object) -> dict[str, Any]:
    if isinstance(body, dict):
        return body
    raise errors.ServiceUnavailable(
        "the answer is JSON with an unexpected structure", operation=operation, advice="Try again."
    )


def _error(operation: str, error: Any, region_id: str, replaced_host: str) -> errors.ApiError:
    data = mapping(error.data)
    status = int(getattr(error, "status_code", None) or data.get("statusCode") or 0)
    code = "" if str(error.code) == "None" else str(error.code)  # the SDK writes a missing code as None
    if status:
        wait_ms = getattr(error, "retry_after", None)
        wait = wait_ms / 1000 if wait_ms else None
        return translate(operation, code, status, data, retry_after=wait, region_id=region_id)
    if error.code == "InvalidCredentials":
        return translate(operation, error.code, status, {"Message": str(error.message)})
    elsewhere = redirect_target(error)
    if elsewhere is not None:
        return errors.ApiError(
            f"the API redirects to {elsewhere}; not followed",
            operation=operation,
            advice="Check the API host that is set in the environment.",
        )
    reason = redact(reason_of(error))
    if "header value" in reason:  # the text quotes it, and it may be an STS token
        reason = "the access key contains a character that cannot be sent"
    failure = errors.ServiceUnavailable(
        f"no usable answer: {reason.rstrip('.')}.",
        operation=operation,
        advice=unreachable_advice(replaced_host, untrusted=is_untrusted(error)),
    )
    failure.transient = not is_hopeless(error)
    return failure


def _bug_within(error: BaseException) -> BaseException | None:
    """Return the foreign exception that the SDK wraps: not a failure of a network, a host or an answer."""
    from darabonba.exceptions import RetryError  # noqa: PLC0415 - slow to import
    from Tea.exceptions import TeaException  # noqa: PLC0415 - slow to import

    inner = getattr(error, "inner_exception", None)
    # The second row is caused by an answer of another shape, which the SDK does not check.
    of_the_network = (TeaException, RetryError, OSError, RuntimeError, ValueError)
    of_the_answer = (AttributeError, LookupError, TypeError)
    known = isinstance(inner, of_the_network + of_the_answer)
    return inner if isinstance(inner, Exception) and not known else None


def _host(product: str, region_id: str) -> str:
    return _HOSTS.get((product, region_id), f"{product}.{region_id}.aliyuncs.com")
