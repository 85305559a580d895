-- A payout account that was frozen or closed stops every payment, so the merchant is told.
ALTER TABLE "merchants" ADD COLUMN "payout_problem" TEXT, ADD COLUMN "payout_seen_at" TIMESTAMPTZ(6);
