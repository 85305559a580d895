-- What wallets tried: the customer's page shows that one has opened the payment, and why one was refused.
ALTER TABLE "payments"
    ADD COLUMN "scanned_at" TIMESTAMPTZ(6),
    ADD COLUMN "refused_at" TIMESTAMPTZ(6),
    ADD COLUMN "refusal" JSONB,
    ADD CONSTRAINT "payments_refusal_is_dated" CHECK (num_nulls("refused_at", "refusal") IN (0, 2));
