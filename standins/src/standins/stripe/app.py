"""The stand-in over HTTP: keys, versions, forms, idempotency, and the operations of the API."""

import asyncio
import base64
import binascii
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from standins.stripe import (
    charges,
    checkout_sessions,
    customers,
    disputes,
    events,
    payment_intents,
    payment_methods,
    products,
    refunds,
)
from standins.stripe.account import API_VERSION, Account, Call, Json, Operation, new_id
from standins.stripe.confirmations import reduce
from standins.stripe.control import control_routes
from standins.stripe.errors import StripeError
from standins.stripe.faults import ERRORS, Fault
from standins.stripe.forms import array, filled, nest, read
from standins.stripe.idempotency import Answer
from standins.stripe.lists import expand
from standins.stripe.pages import page_routes
from standins.stripe.standin import StandIn

OPERATIONS: tuple[Operation, ...] = (
    *customers.OPERATIONS,
    *payment_methods.OPERATIONS,
    *payment_intents.OPERATIONS,
    *charges.OPERATIONS,
    *refunds.OPERATIONS,
    *events.OPERATIONS,
    *disputes.OPERATIONS,
    *products.OPERATIONS,
    *checkout_sessions.OPERATIONS,
)

_SECRET_KEY = re.compile(r"[sr]k_test_\w{8,}")
_PUBLISHABLE_KEY = re.compile(r"pk_test_\w{8,}")
_VERSION = re.compile(r"20\d\d-\d\d-\d\d(\.[a-z]+)?")


def create_app(standin: StandIn) -> Starlette:
    """The application of a stand-in; while it runs, webhooks are delivered."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(standin.deliveries.run())
        yield
        task.cancel()
        await asyncio.wait([task])

    endpoints = _Endpoints(standin)
    return Starlette(
        lifespan=lifespan,
        routes=[
            *control_routes(standin),
            *page_routes(standin),
            Route("/{path:path}", endpoints.answer, methods=["GET", "POST", "DELETE"]),
        ],
    )


@dataclass(frozen=True)
class _Caller:
    key: str

    @property
    def is_publishable(self) -> bool:
        return self.key.startswith("pk_")


class _Endpoints:
    def __init__(self, standin: StandIn) -> None:
        self._standin = standin
        self._patterns = [
            (each, re.compile(each.path.replace("{id}", r"(?P<id>[^/]+)"))) for each in OPERATIONS
        ]

    async def answer(self, request: Request) -> Response:
        """Any call of the API."""
        request_id = new_id("req")
        headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION}
        try:
            pairs = await _read_pairs(request)
            caller = _authenticate(request, pairs)
            self._standin.faults.count_call()
            headers["Stripe-Version"] = _read_version(request)
            operation, id = self._route(request)
            params = nest(pairs)
            call = _read_call(operation, id, params, caller)
            paths = call.params.pop("expand", [])
            return await self._run_once(request, operation, call, params, paths, request_id, headers)
        except StripeError as error:
            if error.code == "rate_limit":
                headers["Stripe-Rate-Limited-Reason"] = "global-rate"
            return _respond(error.status, _encode(error.body()), headers)
        finally:
            self._standin.deliveries.wake()

    def _route(self, request: Request) -> tuple[Operation, str]:
        path = request.url.path
        for operation, pattern in self._patterns:
            if operation.method == request.method and (found := pattern.fullmatch(path)):
                return operation, found.groupdict().get("id", "")
        raise StripeError(
            f"Unrecognized request URL ({request.method}: {path}). If you are trying to list objects, remove the trailing "
            "slash. If you are trying to retrieve an object, make sure you passed a valid (non-empty) identifier in your "
            "code. Please see https://stripe.com/docs or we can help at https://support.stripe.com/.",
            status=404,
        )

    async def _run_once(
        self,
        request: Request,
        operation: Operation,
        call: Call,
        params: Json,
        paths: list[str],
        request_id: str,
        headers: dict[str, str],
    ) -> Response:
        keys, account = self._standin.idempotency_keys, self._standin.account
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        path = request.url.path
        if key:
            headers["Idempotency-Key"] = key
            text = json.dumps(params, sort_keys=True)
            stored = keys.begin(key, path=path, params=text, now=account.now)
            if stored is not None:
                headers |= {"Idempotent-Replayed": "true", "Original-Request": stored.request_id}
                return _respond(stored.status, stored.body, headers)
        answer = None
        try:
            before = self._standin.faults.take("before", method=request.method, path=path)
            result = await _fail(self._standin, before)
            is_run = result is None
            if result is None:
                account.request = {"id": request_id, "idempotency_key": key}
                result = _run(account, operation, call, paths)
            after = self._standin.faults.take("after", method=request.method, path=path) if is_run else None
            status, body, is_stored = await _fail(self._standin, after) or result
            answer = Answer(status=status, body=body, request_id=request_id) if is_stored else None
        finally:
            if key:
                keys.finish(key, answer)
        return _break(before or after, status, body, headers)


def _run(account: Account, operation: Operation, call: Call, paths: list[str]) -> tuple[int, bytes, bool]:
    account.run_due()
    try:
        answer = operation.run(account, call)
        shown = expand(account, answer, paths)
        if call.is_publishable and shown["object"] == "payment_intent":
            shown = reduce(shown)
        return 200, _encode(shown), True
    except StripeError as error:
        body = error.body()
        if call.is_publishable and "payment_intent" in body["error"]:
            body["error"]["payment_intent"] = reduce(body["error"]["payment_intent"])
        return error.status, _encode(body), error.is_stored


async def _wait(standin: StandIn, seconds: float) -> None:
    done = asyncio.Event()
    standin.account.later(seconds, done.set)
    standin.deliveries.wake()
    await done.wait()


async def _fail(standin: StandIn, fault: Fault | None) -> tuple[int, bytes, bool] | None:
    """The answer of a fault in place of the call's own."""
    if fault is None:
        return None
    if fault.kind == "drop_connection" and fault.when == "before":
        return 500, b"{}", False
    if fault.kind == "delay":
        await _wait(standin, fault.seconds)
    if fault.kind not in ERRORS:
        return None
    error = ERRORS[fault.kind]()
    return error.status, _encode(error.body()), error.is_stored


def _break(fault: Fault | None, status: int, body: bytes, headers: dict[str, str]) -> Response:
    if fault is None or fault.kind not in ("drop_connection", "drip"):
        return _respond(status, body, headers)

    async def parts() -> AsyncIterator[bytes]:
        if fault.kind == "drip":
            for byte in body:
                yield bytes([byte])
                await asyncio.sleep(fault.seconds)

    # Less than is announced: the connection ends, and the client has no answer.
    return StreamingResponse(parts(), status, headers=headers | {"Content-Length": str(len(body))})


def _respond(status: int, body: bytes, headers: dict[str, str]) -> Response:
    return Response(body, status, headers=headers, media_type="application/json")


def _encode(body: Any) -> bytes:
    return json.dumps(body, indent=2).encode()


async def _read_pairs(request: Request) -> list[tuple[str, str]]:
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    body = await request.body()
    if (
        body
        and request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded"
    ):
        raise StripeError(
            "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have "
            "questions, we can help at https://support.stripe.com/."
        )
    try:
        return pairs + parse_qsl(body.decode(), keep_blank_values=True)
    except UnicodeDecodeError:
        raise StripeError("Invalid UTF-8 in the request body") from None


def _authenticate(request: Request, pairs: list[tuple[str, str]]) -> _Caller:
    """The key in the header, as Bearer or as the name of Basic, or in the parameter `key`, as Stripe.js sends it."""
    key = _read_key(request.headers.get("authorization", ""))
    for pair in [each for each in pairs if each[0] == "key"]:
        pairs.remove(pair)
        key = key or pair[1]
    if not key:
        raise StripeError(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer "
            "auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for "
            "details, or we can help at https://support.stripe.com/.",
            status=401,
        )
    if not (_SECRET_KEY.fullmatch(key) or _PUBLISHABLE_KEY.fullmatch(key)):
        raise StripeError(f"Invalid API Key provided: {key[:8]}{'*' * 8}{key[-4:]}", status=401)
    return _Caller(key)


def _read_key(header: str) -> str:
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        return credentials if scheme.lower() == "bearer" else ""
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _read_version(request: Request) -> str:
    version = request.headers.get("stripe-version", API_VERSION)
    if not _VERSION.fullmatch(version):
        raise StripeError(f"Invalid Stripe API version: {version}")
    return version


def _read_call(operation: Operation, id: str, params: Json, caller: _Caller) -> Call:
    if caller.is_publishable and not operation.is_public:
        raise StripeError(
            "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list of "
            "your API keys at https://dashboard.stripe.com/account/apikeys.",
            status=401,
            code="secret_key_required",
        )
    fields = {**operation.fields, "expand": array(filled)}
    values = read(params, fields, required=operation.required)
    return Call(values, id=id, is_publishable=caller.is_publishable)
