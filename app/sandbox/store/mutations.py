"""The root of Shopify's Payments Apps schema: which function answers which field."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLError, GraphQLResolveInfo

from app.sandbox.clock import VirtualClock
from app.sandbox.faults import Faults
from app.sandbox.store.books import Books, write_time
from app.sandbox.store.follow_ups import KINDS, FollowUps
from app.sandbox.store.schemas import PUBLIC_VERSIONS
from app.sandbox.store.sessions import PENDING, REJECT, RESOLVE, UNSUPPORTED, Call, InvalidGlobalId, Sessions
from app.sandbox.store.switches import TARGET

Resolver = Callable[..., dict[str, Any]]
RISKY_IS_DEPRECATED = "https://shopify.dev/changelog/new-rejection-reason-codes-in-payments-apps-graphql-api"


@dataclass
class Request:
    """What resolvers know of the HTTP request; `deprecated` collects reasons for the answer's header."""

    version: str
    request_id: str
    scopes: frozenset[str]
    deprecated: list[str] = field(default_factory=list)


def build_root(
    books: Books, sessions: Sessions, follow_ups: FollowUps, clock: VirtualClock, faults: Faults
) -> dict[str, Any]:
    """The root value: field name -> resolver. Access is checked here, so that no mutation can forget it."""

    def mutate_payment(info: GraphQLResolveInfo[Request], **arguments: Any) -> dict[str, Any]:
        request: Request = info.context
        if info.field_name == REJECT and arguments["reason"]["code"] == "RISKY" and request.version >= "2026-04":
            request.deprecated.append(RISKY_IS_DEPRECATED)
        try:
            return sessions.receive(Call(info.field_name, request.version, arguments))
        except InvalidGlobalId as invalid:
            raise _invalid_id(invalid) from None

    def mutate_follow_up(info: GraphQLResolveInfo[Request], **arguments: Any) -> dict[str, Any]:
        kind = info.field_name.split("Session")[0]
        try:
            return follow_ups.receive(kind, Call(info.field_name, info.context.version, arguments))
        except InvalidGlobalId as invalid:
            raise _invalid_id(invalid) from None

    def configure(info: GraphQLResolveInfo[Request], **arguments: Any) -> dict[str, Any]:
        handle = arguments.get("externalHandle")
        if handle is None:
            # So does Shopify: the schema lets it be null, the server does not.
            raise internal_error(info.context.request_id)
        books.configure(handle, arguments["ready"], write_time(clock.now()))
        return {
            "paymentsAppConfiguration": {"externalHandle": handle, "ready": arguments["ready"]},
            "userErrors": [],
        }

    def guarded(resolver: Resolver, scope: str) -> Resolver:
        def resolve(info: GraphQLResolveInfo[Request], **arguments: Any) -> dict[str, Any]:
            if scope not in info.context.scopes or faults.take(TARGET, "access_denied"):
                raise _access_denied(info.field_name, scope)
            return resolver(info, **arguments)

        return resolve

    payment = [RESOLVE, REJECT, PENDING, *UNSUPPORTED]
    others = [f"{kind}Session{verb}" for kind in KINDS for verb in ("Resolve", "Reject")]
    return {
        "publicApiVersions": PUBLIC_VERSIONS,
        "paymentsAppConfigure": guarded(configure, "write_payment_gateways"),
        **{name: guarded(mutate_payment, "write_payment_sessions") for name in payment},
        **{name: guarded(mutate_follow_up, "write_payment_sessions") for name in others},
    }


def internal_error(request_id: str) -> GraphQLError:
    """Shopify's answer when it broke down itself."""
    message = f"Internal error. Looks like something went wrong on our end.\nRequest ID: {request_id}"
    return GraphQLError(message, extensions={"code": "INTERNAL_SERVER_ERROR", "requestId": request_id})


def _invalid_id(invalid: InvalidGlobalId) -> GraphQLError:
    return GraphQLError(f"Invalid global id '{invalid}'", extensions={"code": "INVALID_VARIABLE"})


def _access_denied(name: str, scope: str) -> GraphQLError:
    message = f"{name} access denied. Required access: `{scope}` access scope."
    return GraphQLError(message, extensions={"code": "ACCESS_DENIED", "requiredAccess": scope})
