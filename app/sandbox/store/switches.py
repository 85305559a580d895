"""The faults of target "shopify" beyond the transport's, one line each: shown by GET /sandbox/faults."""

TARGET = "shopify"

# How the GraphQL API misbehaves.
API = {
    "throttled": "GraphQL answers THROTTLED and does nothing; value: points said to be available (default 0)",
    "small_bucket": "the cost bucket holds this many points (default 30) and refills in 20 seconds: real throttling",
    "internal_error": 'GraphQL answers INTERNAL_SERVER_ERROR without doing it, or with value "after": having done it',
    "unauthorized": "the access token is unknown: 401",
    "access_denied": "the token lacks the scope of the mutation: null and an error with its path",
    "conflict": "a session's mutation answers Shopify's conflict userError and changes nothing",
    "not_received": "as if the app's answer to the session had not arrived yet: the same userError, nothing changed",
}

# Readings of the contract that are not documented; off is the reading named first.
READINGS = {
    "strict_reject": "rejecting again with another reason is a conflict (off: answered as the first time)",
    "strict_repeat": "rejecting a refund, capture or void again is an invalid state, in the same words too",
    "strict_pending": "pending again after the end is PENDING_INVALID_STATE (off: answered as the first time)",
    "strict_group": "resolving a second session of a group is a conflict (off: it succeeds, with an alarm)",
    "pending_expires": "a pending session cannot be mutated after its pendingExpiresAt (off: it can)",
    "pending_limit": "pendingExpiresAt may be at most this many days ahead (default 3; off: 7)",
    "unknown_session": "a session that does not exist is a top-level error (off: a userError)",
    "no_version_header": "answers do not say which API version served them (off: X-Shopify-API-Version)",
}

# How the store sends sessions.
SENDING = {
    "duplicate_session": "every session is sent this many times at once (default 2)",
    "drop_session_answer": "the store ignores the app's answer, as if it had timed out, and tries again",
    "top_level_cancel_url": 'cancel_url is sent at the top level too; value "only": only there',
    "customer_null": "customer is null",
    "no_shipping": "customer has no shipping address (digital goods)",
    "unknown_field": "the session has fields that the app does not know",
    "numeric_amount": "the amount is a JSON number instead of a string",
    "amount_decimals": "the amount has at least this many decimals (default 1), whatever its currency: 1250.0 JPY",
    "session_timeout": "a session's answer is waited for this many seconds (default 2; off: 10)",
    "session_tries": "a session is sent this many times at most (default 1)",
}

# How Shopify delivers webhooks.
WEBHOOKS = {
    "duplicate_webhook": "every webhook is delivered this many times at once (default 2), with the same id",
    "drop_webhook_answer": "the app's answer to a webhook is lost, so it is delivered again",
    "webhook_wrong_hmac": "webhooks are signed with another secret",
    "webhook_no_hmac": "webhooks are not signed",
    "webhook_reorder": "a webhook is held back until the next one was delivered",
}

KINDS = API | READINGS | SENDING | WEBHOOKS
