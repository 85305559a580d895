-- When a payment first counted as paid: until now only its history knew.
ALTER TABLE "payments" ADD COLUMN "paid_at" TIMESTAMPTZ(6), ADD COLUMN "attended_at" TIMESTAMPTZ(6);

UPDATE "payments" SET "paid_at" = (
    SELECT min("at") FROM "events" WHERE "record" = 'payment' AND "record_id" = "payments"."id" AND "to_status" = 'paid'
) WHERE "paid_signature" IS NOT NULL;

-- Nothing is paid without the transaction that paid it, the wallet that signed and the time.
ALTER TABLE "payments"
    DROP CONSTRAINT "payments_paid_by",
    ADD CONSTRAINT "payments_paid_by" CHECK (num_nulls("paid_signature", "paid_wallet", "paid_at") IN (0, 3));

-- The portal's lists page by time, newest first, whatever they are filtered by; its search is by exact values.
DROP INDEX "payments_merchant_id_created_at_idx";
CREATE INDEX "payments_merchant_id_created_at_id_idx" ON "payments"("merchant_id", "created_at", "id");
CREATE INDEX "payments_merchant_id_cluster_status_created_at_id_idx"
    ON "payments"("merchant_id", "cluster", "status", "created_at", "id");
CREATE INDEX "payments_merchant_id_amount_created_at_id_idx" ON "payments"("merchant_id", "amount", "created_at", "id");
CREATE INDEX "payments_merchant_id_usdc_created_at_id_idx" ON "payments"("merchant_id", "usdc", "created_at", "id");
CREATE INDEX "issued_transactions_wallet_created_at_idx" ON "issued_transactions"("wallet", "created_at");

-- What is unusual is rare, and what a person must still look at rarer.
CREATE INDEX "payments_exception_idx" ON "payments"("merchant_id", "exception", "created_at", "id")
    WHERE "exception" <> 'none';
CREATE INDEX "payments_unattended_idx" ON "payments"("merchant_id", "updated_at")
    WHERE ("status" = 'stuck' OR "exception" <> 'none') AND "attended_at" IS NULL;
CREATE INDEX "jobs_dead_idx" ON "jobs"("record", "record_id") WHERE "status" = 'dead';
