-- CreateEnum
CREATE TYPE "privacy_kind" AS ENUM ('customer_data', 'customer_redact', 'shop_redact');

-- AlterEnum
ALTER TYPE "job_kind" ADD VALUE 'privacy_request';

-- AlterEnum
ALTER TYPE "record_kind" ADD VALUE 'privacy_request';

-- AlterTable
ALTER TABLE "merchants" ADD COLUMN     "customer_key_sealed" BYTEA;

-- AlterTable
ALTER TABLE "payments" ADD COLUMN     "email_digest" TEXT,
ADD COLUMN     "phone_digest" TEXT;

-- CreateTable
CREATE TABLE "privacy_requests" (
    "id" BIGSERIAL NOT NULL,
    "merchant_id" BIGINT NOT NULL,
    "kind" "privacy_kind" NOT NULL,
    "inbox_id" BIGINT NOT NULL,
    "number" TEXT,
    "email_digest" TEXT,
    "phone_digest" TEXT,
    "asked_at" TIMESTAMPTZ(6) NOT NULL,
    "due_at" TIMESTAMPTZ(6) NOT NULL,
    "done_at" TIMESTAMPTZ(6),
    "outcome" TEXT,
    "payments" INTEGER,
    "export_sealed" BYTEA,
    "kept_until" TIMESTAMPTZ(6),

    CONSTRAINT "privacy_requests_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "privacy_requests_inbox_id_key" ON "privacy_requests"("inbox_id");

-- CreateIndex
CREATE INDEX "privacy_requests_merchant_id_idx" ON "privacy_requests"("merchant_id");

-- AddForeignKey
ALTER TABLE "privacy_requests" ADD CONSTRAINT "privacy_requests_merchant_id_fkey" FOREIGN KEY ("merchant_id") REFERENCES "merchants"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;


-- Above: what Prisma Migrate makes of schema.prisma. Below: what it has no words for.

ALTER TABLE "privacy_requests"
    ADD CONSTRAINT "privacy_requests_done_has_outcome" CHECK (num_nulls("done_at", "outcome") IN (0, 2)),
    -- What is done needs nobody's digest any more, and an export ends.
    ADD CONSTRAINT "privacy_requests_done_forgets"
        CHECK ("done_at" IS NULL OR num_nonnulls("email_digest", "phone_digest") = 0),
    ADD CONSTRAINT "privacy_requests_export_ends" CHECK (num_nulls("export_sealed", "kept_until") IN (0, 2));

-- The few that are open are looked for again and again.
CREATE INDEX "privacy_requests_open_idx" ON "privacy_requests"("due_at") WHERE "done_at" IS NULL;

-- Erasing is the one reason to change what never changes: a transaction says that it does, by the setting
-- settle.erasing, and then only what may tell of a person can be changed.
CREATE OR REPLACE FUNCTION "refuse_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND current_setting('settle.erasing', true) = 'on' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% of % refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END;
$$;

CREATE FUNCTION "erase_only"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (to_jsonb(OLD) - TG_ARGV) IS DISTINCT FROM (to_jsonb(NEW) - TG_ARGV) THEN
        RAISE EXCEPTION 'UPDATE of % refused: erasing changes nothing but what may tell of a person', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER "payments_erase_only" BEFORE UPDATE ON "payments" FOR EACH ROW
    WHEN (current_setting('settle.erasing', true) = 'on')
    EXECUTE FUNCTION "erase_only"('cancel_url', 'locale', 'redirect_url', 'paid_wallet', 'email_digest', 'phone_digest',
        'refused_at', 'refusal', 'merchant_wallet', 'destination');
CREATE TRIGGER "refunds_erase_only" BEFORE UPDATE ON "refunds" FOR EACH ROW
    WHEN (current_setting('settle.erasing', true) = 'on')
    EXECUTE FUNCTION "erase_only"('payee_wallet', 'destination', 'merchant_message', 'paid_wallet');
CREATE TRIGGER "issued_transactions_erase_only" BEFORE UPDATE ON "issued_transactions" FOR EACH ROW
    WHEN (current_setting('settle.erasing', true) = 'on')
    EXECUTE FUNCTION "erase_only"('wallet', 'message', 'network_address');
CREATE TRIGGER "events_erase_only" BEFORE UPDATE ON "events" FOR EACH ROW
    WHEN (current_setting('settle.erasing', true) = 'on')
    EXECUTE FUNCTION "erase_only"('detail');
CREATE TRIGGER "shopify_mutations_erase_only" BEFORE UPDATE ON "shopify_mutations" FOR EACH ROW
    WHEN (current_setting('settle.erasing', true) = 'on')
    EXECUTE FUNCTION "erase_only"('variables');
CREATE TRIGGER "shopify_calls_erase_only" BEFORE UPDATE ON "shopify_calls" FOR EACH ROW
    WHEN (current_setting('settle.erasing', true) = 'on')
    EXECUTE FUNCTION "erase_only"('answer');
