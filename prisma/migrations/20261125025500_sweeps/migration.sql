-- CreateEnum
CREATE TYPE "unknown_status" AS ENUM ('unread', 'foreign', 'unreadable', 'open', 'reviewed');

-- CreateTable
CREATE TABLE "sweeps" (
    "id" BIGSERIAL NOT NULL,
    "cluster" "cluster" NOT NULL,
    "fee_payer" TEXT NOT NULL,
    "cursor_signature" TEXT,
    "cursor_slot" BIGINT NOT NULL,
    "swept_at" TIMESTAMPTZ(6) NOT NULL,
    "swept_slot" BIGINT NOT NULL,

    CONSTRAINT "sweeps_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "unknown_signatures" (
    "id" BIGSERIAL NOT NULL,
    "cluster" "cluster" NOT NULL,
    "fee_payer" TEXT NOT NULL,
    "signature" TEXT NOT NULL,
    "slot" BIGINT NOT NULL,
    "status" "unknown_status" NOT NULL,
    "payment_id" TEXT,
    "created_at" TIMESTAMPTZ(6) NOT NULL,
    "updated_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "unknown_signatures_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "issuing_pauses" (
    "id" BIGSERIAL NOT NULL,
    "cluster" "cluster" NOT NULL,
    "reason" TEXT NOT NULL,
    "height" BIGINT,
    "created_at" TIMESTAMPTZ(6) NOT NULL,
    "lifted_at" TIMESTAMPTZ(6),

    CONSTRAINT "issuing_pauses_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "database_origins" (
    "id" INTEGER NOT NULL,
    "server" TEXT,
    "database" BIGINT NOT NULL,
    "timeline" TEXT NOT NULL,
    "noted_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "database_origins_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "sweeps_cluster_fee_payer_key" ON "sweeps"("cluster", "fee_payer");

-- CreateIndex
CREATE INDEX "unknown_signatures_cluster_status_idx" ON "unknown_signatures"("cluster", "status");

-- CreateIndex
CREATE UNIQUE INDEX "unknown_signatures_signature_key" ON "unknown_signatures"("signature");


-- Above: what Prisma Migrate makes of schema.prisma. Below: what it has no words for.

-- A cluster is paused or it is not.
CREATE UNIQUE INDEX "issuing_pauses_open_key" ON "issuing_pauses"("cluster") WHERE "lifted_at" IS NULL;

ALTER TABLE "issuing_pauses" ADD CONSTRAINT "issuing_pauses_lifted_with_height" CHECK ("lifted_at" IS NULL OR "height" IS NOT NULL);
ALTER TABLE "database_origins" ADD CONSTRAINT "database_origins_one" CHECK ("id" = 1);
