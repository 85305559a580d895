-- Refund sessions, and the capture and void sessions that an app without authorizations declines.

-- AlterEnum
ALTER TYPE "job_kind" ADD VALUE 'refund_resolve';
ALTER TYPE "job_kind" ADD VALUE 'refund_reject';
ALTER TYPE "job_kind" ADD VALUE 'capture_reject';
ALTER TYPE "job_kind" ADD VALUE 'void_reject';

-- AlterEnum
ALTER TYPE "record_kind" ADD VALUE 'refund';
ALTER TYPE "record_kind" ADD VALUE 'declined';

-- CreateEnum
CREATE TYPE "refund_status" AS ENUM ('pending', 'paid', 'completed', 'denying', 'rejecting', 'rejected', 'stuck');

-- CreateEnum
CREATE TYPE "refund_exception" AS ENUM ('none', 'vanished', 'paid_after_reject');

-- CreateEnum
CREATE TYPE "declined_kind" AS ENUM ('capture', 'void');

-- CreateTable
CREATE TABLE "refunds" (
    "id" TEXT NOT NULL,
    "shopify_id" TEXT NOT NULL,
    "gid" TEXT NOT NULL,
    "payment_id" TEXT NOT NULL,
    "merchant_id" BIGINT NOT NULL,
    "api_version" TEXT NOT NULL,
    "amount" DECIMAL(38,18) NOT NULL,
    "usdc" BIGINT,
    "status" "refund_status" NOT NULL,
    "exception" "refund_exception" NOT NULL,
    "payee_wallet" TEXT NOT NULL,
    "destination" TEXT NOT NULL,
    "mint" TEXT NOT NULL,
    "memo" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "merchant_message" TEXT,
    "paid_signature" TEXT,
    "paid_wallet" TEXT,
    "stuck_reason" TEXT,
    "attended_at" TIMESTAMPTZ(6),
    "proposed_at" TIMESTAMPTZ(6),
    "created_at" TIMESTAMPTZ(6) NOT NULL,
    "updated_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "refunds_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "declined_sessions" (
    "id" BIGSERIAL NOT NULL,
    "kind" "declined_kind" NOT NULL,
    "shopify_id" TEXT NOT NULL,
    "gid" TEXT NOT NULL,
    "merchant_id" BIGINT NOT NULL,
    "payment_shopify_id" TEXT NOT NULL,
    "api_version" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "declined_sessions_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "refunds_shopify_id_key" ON "refunds"("shopify_id");

-- CreateIndex
CREATE UNIQUE INDEX "refunds_paid_signature_key" ON "refunds"("paid_signature");

-- CreateIndex
CREATE INDEX "refunds_payment_id_idx" ON "refunds"("payment_id");

-- CreateIndex
CREATE INDEX "refunds_merchant_id_created_at_idx" ON "refunds"("merchant_id", "created_at");

-- CreateIndex
CREATE UNIQUE INDEX "declined_sessions_kind_shopify_id_key" ON "declined_sessions"("kind", "shopify_id");

-- AddForeignKey
ALTER TABLE "refunds" ADD CONSTRAINT "refunds_payment_id_fkey" FOREIGN KEY ("payment_id") REFERENCES "payments"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "refunds" ADD CONSTRAINT "refunds_merchant_id_fkey" FOREIGN KEY ("merchant_id") REFERENCES "merchants"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "refunds" ADD CONSTRAINT "refunds_paid_signature_fkey" FOREIGN KEY ("paid_signature") REFERENCES "issued_transactions"("signature") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "declined_sessions" ADD CONSTRAINT "declined_sessions_merchant_id_fkey" FOREIGN KEY ("merchant_id") REFERENCES "merchants"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- What Prisma has no words for.

CREATE INDEX "refunds_open_status_idx" ON "refunds"("status", "updated_at")
    WHERE "status" NOT IN ('completed', 'rejected');

ALTER TABLE "refunds"
    ADD CONSTRAINT "refunds_id_shape" CHECK ("id" ~ '^[A-Za-z0-9_-]{22}$'),
    ADD CONSTRAINT "refunds_shopify_id_length" CHECK (char_length("shopify_id") BETWEEN 1 AND 255),
    ADD CONSTRAINT "refunds_amount_positive" CHECK ("amount" > 0),
    ADD CONSTRAINT "refunds_usdc_positive" CHECK ("usdc" > 0),
    ADD CONSTRAINT "refunds_payee_wallet_length" CHECK (char_length("payee_wallet") BETWEEN 32 AND 44),
    ADD CONSTRAINT "refunds_destination_length" CHECK (char_length("destination") BETWEEN 32 AND 44),
    ADD CONSTRAINT "refunds_mint_length" CHECK (char_length("mint") BETWEEN 32 AND 44),
    ADD CONSTRAINT "refunds_reference_length" CHECK (char_length("reference") BETWEEN 32 AND 44),
    -- Only what has a share of the money can be open or paid.
    ADD CONSTRAINT "refunds_open_has_usdc"
        CHECK ("status" NOT IN ('pending', 'paid', 'completed', 'denying') OR "usdc" IS NOT NULL),
    ADD CONSTRAINT "refunds_rejected_has_message"
        CHECK ("status" NOT IN ('denying', 'rejecting', 'rejected') OR "merchant_message" IS NOT NULL),
    ADD CONSTRAINT "refunds_paid_by" CHECK (num_nulls("paid_signature", "paid_wallet") IN (0, 2)),
    ADD CONSTRAINT "refunds_paid_has_signature"
        CHECK ("status" NOT IN ('paid', 'completed') OR "paid_signature" IS NOT NULL),
    ADD CONSTRAINT "refunds_stuck_has_reason" CHECK ("status" <> 'stuck' OR "stuck_reason" IS NOT NULL);

ALTER TABLE "declined_sessions"
    ADD CONSTRAINT "declined_sessions_shopify_id_length" CHECK (char_length("shopify_id") BETWEEN 1 AND 255);

CREATE TRIGGER "refunds_terms_fixed"
    BEFORE UPDATE OF "id", "shopify_id", "gid", "payment_id", "merchant_id", "api_version", "amount", "usdc",
        "payee_wallet", "destination", "mint", "memo", "reference" ON "refunds"
    FOR EACH ROW WHEN (
        (OLD."id", OLD."shopify_id", OLD."gid", OLD."payment_id", OLD."merchant_id", OLD."api_version", OLD."amount",
            OLD."usdc", OLD."payee_wallet", OLD."destination", OLD."mint", OLD."memo", OLD."reference")
        IS DISTINCT FROM
        (NEW."id", NEW."shopify_id", NEW."gid", NEW."payment_id", NEW."merchant_id", NEW."api_version", NEW."amount",
            NEW."usdc", NEW."payee_wallet", NEW."destination", NEW."mint", NEW."memo", NEW."reference"))
    EXECUTE FUNCTION "refuse_change"('the terms of a refund never change');

CREATE TRIGGER "declined_sessions_fixed" BEFORE UPDATE OR DELETE ON "declined_sessions"
    FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"('a declined session stays as it came');
