-- A shop that asked for patience is left in peace by every process; a ledger that Shopify contradicts alarms once.
ALTER TABLE "merchants" ADD COLUMN "shopify_wait_until" TIMESTAMPTZ(6);
ALTER TABLE "shopify_mutations" ADD COLUMN "disputed_at" TIMESTAMPTZ(6);
