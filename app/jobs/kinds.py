"""Which handler does which kind of job. A new kind is one line here, and one value of JobKind in the schema."""

from collections.abc import Mapping

from app.inbox import InboxHandler
from app.jobs.outcomes import Handler
from app.onboarding.configuration import READY, UNREADY
from app.onboarding.progress import process_inquiry
from app.privacy.requests import PRIVACY
from app.records import InboxSource, JobKind
from app.shopify.decline_mutations import DECLINE_CAPTURE, DECLINE_VOID
from app.shopify.payment_mutations import PENDING, REJECT, RESOLVE
from app.shopify.refund_mutations import REJECT_REFUND, RESOLVE_REFUND
from app.shopify.webhooks import process_webhook
from app.watching import helius

HANDLERS: Mapping[JobKind, Handler] = {
    JobKind.payment_resolve: RESOLVE,
    JobKind.payment_reject: REJECT,
    JobKind.refund_resolve: RESOLVE_REFUND,
    JobKind.refund_reject: REJECT_REFUND,
    JobKind.capture_reject: DECLINE_CAPTURE,
    JobKind.void_reject: DECLINE_VOID,
    JobKind.payment_pending: PENDING,
    JobKind.app_ready: READY,
    JobKind.app_unready: UNREADY,
    JobKind.privacy_request: PRIVACY,
    # A new source of events is one line in this mapping.
    JobKind.inbox_event: InboxHandler(
        {
            InboxSource.shopify: process_webhook,
            InboxSource.helius: helius.process,
            InboxSource.persona: process_inquiry,
        }
    ),
}
