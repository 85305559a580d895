"""What operators see: Prometheus metrics of one process, and what is asked of the database at each scrape.

Names and buckets are a contract with dashboards and with deploy/prometheus/alerts.yml. No label takes a value that
somebody outside can choose freely: every one of them is a time series for ever. The three names without our prefix are
those that everybody who receives webhooks watches.
"""

from prometheus_client import Counter, Gauge, Histogram

sessions_total = Counter("settle_payment_sessions_total", "Payment sessions by outcome.", ["outcome"])
transaction_requests_total = Counter(
    "settle_transaction_requests_total", "Transaction requests by outcome.", ["outcome"]
)
rate_limited_total = Counter("settle_rate_limited_total", "Requests at the public door that came too often.", ["limit"])
reconciled_total = Counter(
    "settle_reconciled_total",
    "What reconciliation found, by what it was: jobs and watchers given back, contradictions.",
    ["found"],
)
discrepancies_open = Gauge(
    "settle_discrepancies_open", "Contradictions between books, chain and Shopify that are open."
)
screenings_total = Counter("settle_screenings_total", "Wallet screenings by outcome.", ["outcome"])
prices_total = Counter("settle_prices_total", "Price look-ups by outcome.", ["outcome"])
price_answers_total = Counter(
    "settle_price_answers_total", "What each source of prices answered.", ["source", "outcome"]
)
price_age_seconds = Gauge(
    "settle_price_age_seconds",
    "How old the newest price of a currency was when this process last needed one.",
    ["currency"],
)
rpc_calls_total = Counter("settle_rpc_calls_total", "Calls to Solana nodes.", ["method", "outcome"])
node_faults_total = Counter(
    "settle_node_faults_total", "What Solana nodes did wrong, by reason code.", ["cluster", "node", "reason"]
)
node_well = Gauge("settle_node_well", "Whether a Solana node is well, as this process sees it.", ["cluster", "node"])
websocket_open = Gauge("settle_websocket_open", "Whether a worker hears a cluster's websocket.", ["cluster"])
unknown_signatures = Gauge(
    "settle_unknown_signatures", "Signatures of our fee payers that our books do not have, and nobody has looked at."
)
landings_read_total = Counter(
    "settle_landings_read_total", "What landed, read back: what the nodes say taken together.", ["accord"]
)
sightings_total = Counter(
    "settle_sightings_total", "Transactions of ours that landed, by the watcher that saw them first.", ["watcher"]
)
landings_missing_total = Counter(
    "settle_landings_missing_total", "Transactions that had landed and that a node does not show any more."
)
settles_postponed_total = Counter(
    "settle_settles_postponed_total", "Looks at a transaction that landed after which it must be looked at again."
)
shopify_calls_total = Counter("settle_shopify_calls_total", "Mutations sent to Shopify.", ["mutation", "outcome"])
shopify_deprecations_total = Counter(
    "settle_shopify_deprecations_total",
    "Answers in which Shopify served another API version or announced an end.",
    ["mutation", "version"],
)
shopify_throttled_total = Counter(
    "settle_shopify_throttled_total",
    "Calls that Shopify refused for their number (`shopify`), and that we held back so that it need not (`settle`).",
    ["by"],
)
shopify_points_left_ratio = Histogram(
    "settle_shopify_points_left_ratio",
    "How full a shop's bucket of points was after an answer: 1 is full.",
    buckets=(0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1),
)
payments_moved_total = Counter("settle_payments_moved_total", "Changes of payment status.", ["to"])
inbox_events_total = Counter(
    "settle_inbox_events_total", "Events that came in, new ones and those known already.", ["source", "outcome"]
)
events_processed_total = Counter("events_processed_total", "Events that came in and were processed.", ["source"])
events_failed_total = Counter(
    "events_failed_total",
    "Tries to process an event that failed (`again`), and events that will not be tried again (`dead`).",
    ["source", "outcome"],
)
webhook_lag_seconds = Histogram(
    "webhook_lag_seconds",
    "From when an event happened, as its sender says, else from when it came in, until it was processed.",
    ["source"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400),
)
refund_sessions_total = Counter("settle_refund_sessions_total", "Refund sessions by outcome.", ["outcome"])
refunds_moved_total = Counter("settle_refunds_moved_total", "Changes of refund status.", ["to"])
declined_sessions_total = Counter(
    "settle_declined_sessions_total", "Capture and void sessions, which are declined, by outcome.", ["kind", "outcome"]
)
payments_pended_total = Counter(
    "settle_payments_pended_total", "Payments of which Shopify was told that finality is far."
)
rings_total = Counter("settle_rings_total", "Rings of the doorbell by outcome (AWS only).", ["outcome"])
jobs_total = Counter("settle_jobs_total", "Tries of jobs by outcome.", ["kind", "outcome"])
ladder_step = Histogram(
    "settle_ladder_step",
    "Which try of its ladder a job was at, by what came of it.",
    ["outcome"],
    buckets=(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17),
)
bugs_total = Counter("settle_bugs_total", "Errors that nobody foresaw, by where they were met.", ["place"])
operational_errors_total = Counter("settle_operational_errors_total", "Expected trouble: counted, not paged.", ["kind"])
quota_refusals_total = Counter("settle_quota_refusals_total", "Transactions refused by a limit or budget.", ["limit"])
reclaims_total = Counter("settle_reclaims_total", "Transactions that take rent back, by fate.", ["outcome"])
pins_total = Counter("settle_pins_total", "Orders that got another single-use account, by cause.", ["cause"])
privacy_requests_total = Counter(
    "settle_privacy_requests_total", "Requests for privacy that were done, by kind and outcome.", ["kind", "outcome"]
)
webhooks_total = Counter("settle_webhooks_total", "Shopify's webhooks processed, by topic.", ["topic"])
token_renewals_total = Counter("settle_token_renewals_total", "Renewals of shops' tokens by outcome.", ["outcome"])
alarms_total = Counter("settle_alarms_total", "What a person must look at.", ["reason"])

request_seconds = Histogram(
    "settle_request_seconds",
    "Time to answer, by door and route.",
    ["route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
acknowledged_seconds = Histogram(
    "settle_acknowledged_seconds",
    "From the change that Shopify must hear of to its acknowledgement.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600, 86400),
)
page_streams = Gauge("settle_page_streams", "Open live-status streams.")

# Read from the database when somebody scrapes (app/gauges.py); of no kind are more than 100,000 counted.
payments_by_status = Gauge("settle_payments_open", "Payments that are not final, by status.", ["status"])
refunds_by_status = Gauge("settle_refunds_open", "Refunds that are not final, by status.", ["status"])
unattended = Gauge(
    "settle_unattended",
    "Payments and refunds that are stuck, or vanished or paid against our word, and that nobody has dealt with.",
    ["record"],
)
jobs_by_status = Gauge("settle_jobs_unfinished", "Jobs waiting, running and dead.", ["status"])
jobs_due = Gauge("settle_jobs_due", "Jobs that are due now and that no worker has taken.")
oldest_due_seconds = Gauge("settle_oldest_due_job_seconds", "How late the job is that is due for longest.")
dead_jobs = Gauge(
    "settle_dead_jobs", "Dead jobs that were not done again since, and whose record nobody has dealt with."
)
tokens_lost = Gauge("settle_tokens_lost", "Shops to which Shopify gives no new access token.")
issuing_paused = Gauge(
    "settle_issuing_paused", "Whether nothing is issued on a cluster, after a restore of the database.", ["cluster"]
)
blockhash_age_seconds = Gauge(
    "settle_blockhash_age_seconds",
    "How old a cluster's newest blockhash is, as this process has it; without one, how long it has waited.",
    ["cluster"],
)
certificate_end_seconds = Gauge(
    "settle_certificate_end_timestamp_seconds",
    "When the certificates of Shopify's door end, its own and the authorities it trusts.",
    ["place", "subject", "serial"],
)
oldest_open_seconds = Gauge(
    "settle_oldest_unacknowledged_seconds", "Age of the oldest payment that is paid and not acknowledged."
)
privacy_open = Gauge("settle_privacy_requests_open", "Requests for privacy that are not done, by kind.", ["kind"])
privacy_due_seconds = Gauge(
    "settle_privacy_due_seconds", "Time left for the request for privacy that is due first; 30 days when none is open."
)
fee_payer_lamports = Gauge("settle_fee_payer_lamports", "Balance of the fee payer.", ["cluster"])
fee_payer_low_lamports = Gauge(
    "settle_fee_payer_low_lamports", "The balance below which a fee payer is to be filled up: a setting."
)
fee_payer_spent_lamports = Gauge(
    "settle_fee_payer_spent_lamports", "Fees of the day (UTC) of all that was issued and is not dead.", ["cluster"]
)
spend_limit_lamports = Gauge("settle_spend_limit_lamports", "The most those fees may be in a day: a setting.")

# What begins with its first event has no increase then: the counters that alerts read begin at zero.
for _outcome in ("answered", "none"):
    prices_total.labels(_outcome)
for _by in ("settle", "shopify"):
    shopify_throttled_total.labels(_by)
for _accord in ("agreed", "alone", "waiting", "disagreed"):
    landings_read_total.labels(_accord)
for _kind in ("connection_lost", "busy"):
    operational_errors_total.labels(_kind)
for _source in ("shopify", "helius"):
    events_failed_total.labels(_source, "again")
    events_failed_total.labels(_source, "dead")
