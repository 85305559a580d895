-- Shopify may hold a session as pending while finality is far; why a payment is rejected is kept with it.
CREATE TYPE "reject_reason" AS ENUM ('screened_out', 'vanished');
ALTER TABLE "payments" ADD COLUMN "pended_at" TIMESTAMPTZ(6), ADD COLUMN "reject_reason" "reject_reason";
ALTER TYPE "job_kind" ADD VALUE 'payment_pending';
UPDATE "payments" SET "reject_reason" = 'screened_out' WHERE "status" IN ('rejecting', 'rejected');
