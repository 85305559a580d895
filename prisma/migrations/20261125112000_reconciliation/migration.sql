-- CreateEnum
CREATE TYPE "discrepancy_kind" AS ENUM ('landing_gone', 'landing_failed', 'death_denied', 'shopify_contradicts');

-- CreateTable
CREATE TABLE "discrepancies" (
    "id" BIGSERIAL NOT NULL,
    "kind" "discrepancy_kind" NOT NULL,
    "record" "record_kind" NOT NULL,
    "record_id" TEXT NOT NULL,
    "merchant_id" BIGINT NOT NULL,
    "signature" TEXT,
    "found_at" TIMESTAMPTZ(6) NOT NULL,
    "closed_at" TIMESTAMPTZ(6),
    "note" TEXT,

    CONSTRAINT "discrepancies_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "reconciliations" (
    "cluster" "cluster" NOT NULL,
    "before_id" BIGINT,
    "looked_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "reconciliations_pkey" PRIMARY KEY ("cluster")
);

-- AddForeignKey
ALTER TABLE "discrepancies" ADD CONSTRAINT "discrepancies_merchant_id_fkey" FOREIGN KEY ("merchant_id") REFERENCES "merchants"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- What is open is listed once.
CREATE UNIQUE INDEX "discrepancies_open_key" ON "discrepancies"("kind", "record", "record_id", coalesce("signature", '')) WHERE "closed_at" IS NULL;
CREATE INDEX "discrepancies_open_merchant_idx" ON "discrepancies"("merchant_id", "found_at") WHERE "closed_at" IS NULL;

-- What reconciliation looks for among very many: each of these indexes is empty, or nearly so.
CREATE INDEX "inbox_events_unprocessed_idx" ON "inbox_events"("id") WHERE "processed_at" IS NULL;
CREATE INDEX "shopify_mutations_disputed_idx" ON "shopify_mutations"("id") WHERE "disputed_at" IS NOT NULL;
