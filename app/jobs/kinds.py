"""Which handler does which kind of job. A new kind is one line here, and one value of JobKind in the schema."""

from collections.abc import Mapping

from app.inbox import InboxHandler
from app.jobs.outcomes import Handler
from app.records import JobKind
from app.shopify.payment_mutations import REJECT, RESOLVE

HANDLERS: Mapping[JobKind, Handler] = {
    JobKind.payment_resolve: RESOLVE,
    JobKind.payment_reject: REJECT,
    # A new source of events is one line in this mapping.
    JobKind.inbox_event: InboxHandler({}),
}
