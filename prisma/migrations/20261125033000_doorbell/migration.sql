-- When the doorbell was rung for a job (AWS only). Nullable and without default: the table is not rewritten.
ALTER TABLE "jobs" ADD COLUMN "rung_at" TIMESTAMPTZ(6);
