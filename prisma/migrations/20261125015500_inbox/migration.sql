-- CreateEnum
CREATE TYPE "inbox_source" AS ENUM ('helius', 'shopify');

-- AlterEnum
ALTER TYPE "job_kind" ADD VALUE 'inbox_event';

-- AlterEnum
ALTER TYPE "record_kind" ADD VALUE 'inbox';

-- CreateTable
CREATE TABLE "inbox_events" (
    "id" BIGSERIAL NOT NULL,
    "source" "inbox_source" NOT NULL,
    "event_id" TEXT NOT NULL,
    "topic" TEXT NOT NULL,
    "shop" TEXT,
    "cluster" "cluster",
    "payload" BYTEA,
    "received_at" TIMESTAMPTZ(6) NOT NULL,
    "processed_at" TIMESTAMPTZ(6),

    CONSTRAINT "inbox_events_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "inbox_events_shop_idx" ON "inbox_events"("shop");

-- CreateIndex
CREATE UNIQUE INDEX "inbox_events_source_event_id_key" ON "inbox_events"("source", "event_id");


-- Above: what Prisma Migrate makes of schema.prisma. Below: what it has no words for.

-- What has grown old loses its payload; what has none stays out.
CREATE INDEX "inbox_events_payload_idx" ON "inbox_events"("received_at") WHERE "payload" IS NOT NULL;

ALTER TABLE "inbox_events"
    ADD CONSTRAINT "inbox_events_about_one" CHECK (num_nonnulls("shop", "cluster") = 1),
    ADD CONSTRAINT "inbox_events_event_id_length" CHECK (char_length("event_id") BETWEEN 1 AND 200);
