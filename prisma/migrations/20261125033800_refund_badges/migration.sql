-- The portal's badge counts them on every page: what is over and in order stays out of the index.
CREATE INDEX "refunds_of_concern_idx" ON "refunds"("merchant_id", "status")
    WHERE "status" NOT IN ('completed', 'rejected') OR "exception" <> 'none';
