-- The merchant's way to taking payments: wallet proved, terms accepted, identity checked, Shopify told.
CREATE TYPE "identity_status" AS ENUM ('unstarted', 'pending', 'approved', 'declined');
ALTER TYPE "job_kind" ADD VALUE 'app_ready';
ALTER TYPE "job_kind" ADD VALUE 'app_unready';
ALTER TYPE "record_kind" ADD VALUE 'configuration';

CREATE TABLE "onboardings" (
    "id" BIGSERIAL NOT NULL,
    "merchant_id" BIGINT NOT NULL,
    "wallet" TEXT,
    "wallet_proof" TEXT,
    "wallet_proved_at" TIMESTAMPTZ(6),
    "terms_version" TEXT,
    "terms_accepted_at" TIMESTAMPTZ(6),
    "privacy_version" TEXT,
    "privacy_accepted_at" TIMESTAMPTZ(6),
    "identity" "identity_status" NOT NULL,
    "identity_provider" TEXT,
    "identity_reference" TEXT,
    "identity_at" TIMESTAMPTZ(6),
    "paused_at" TIMESTAMPTZ(6),
    "created_at" TIMESTAMPTZ(6) NOT NULL,
    "updated_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "onboardings_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "onboardings_merchant_id_key" ON "onboardings"("merchant_id");
ALTER TABLE "onboardings" ADD CONSTRAINT "onboardings_merchant_id_fkey" FOREIGN KEY ("merchant_id") REFERENCES "merchants"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

CREATE TABLE "wallet_challenges" (
    "id" BIGSERIAL NOT NULL,
    "nonce" TEXT NOT NULL,
    "merchant_id" BIGINT NOT NULL,
    "wallet" TEXT NOT NULL,
    "proof" TEXT NOT NULL,
    "content" BYTEA NOT NULL,
    "expires_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "wallet_challenges_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "wallet_challenges_nonce_key" ON "wallet_challenges"("nonce");
CREATE INDEX "wallet_challenges_merchant_id_idx" ON "wallet_challenges"("merchant_id");
CREATE INDEX "wallet_challenges_expires_at_idx" ON "wallet_challenges"("expires_at");
ALTER TABLE "wallet_challenges" ADD CONSTRAINT "wallet_challenges_merchant_id_fkey" FOREIGN KEY ("merchant_id") REFERENCES "merchants"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

CREATE TABLE "app_configurations" (
    "id" BIGSERIAL NOT NULL,
    "merchant_id" BIGINT NOT NULL,
    "ready" BOOLEAN NOT NULL,
    "api_version" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(6) NOT NULL,
    "acknowledged_at" TIMESTAMPTZ(6),

    CONSTRAINT "app_configurations_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "app_configurations_merchant_id_id_idx" ON "app_configurations"("merchant_id", "id");
ALTER TABLE "app_configurations" ADD CONSTRAINT "app_configurations_merchant_id_fkey" FOREIGN KEY ("merchant_id") REFERENCES "merchants"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;
