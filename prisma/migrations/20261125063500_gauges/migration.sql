-- How long Shopify has not acknowledged what was paid: read at every scrape, and a million may wait after an outage.
CREATE INDEX "payments_paid_at_idx" ON "payments"("paid_at") WHERE "status" = 'paid';
