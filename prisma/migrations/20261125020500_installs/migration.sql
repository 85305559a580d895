-- AlterTable
ALTER TABLE "merchants" ADD COLUMN     "token_expires_at" TIMESTAMPTZ(6),
ADD COLUMN     "refresh_sealed" BYTEA,
ADD COLUMN     "refresh_expires_at" TIMESTAMPTZ(6),
ADD COLUMN     "token_lost_at" TIMESTAMPTZ(6),
ADD COLUMN     "scopes" TEXT,
ADD COLUMN     "installed_at" TIMESTAMPTZ(6),
ADD COLUMN     "uninstalled_at" TIMESTAMPTZ(6),
ALTER COLUMN "wallet" DROP NOT NULL;

-- CreateTable
CREATE TABLE "portal_sessions" (
    "id" BIGSERIAL NOT NULL,
    "digest" TEXT NOT NULL,
    "merchant_id" BIGINT NOT NULL,
    "created_at" TIMESTAMPTZ(6) NOT NULL,
    "seen_at" TIMESTAMPTZ(6) NOT NULL,
    "expires_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "portal_sessions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "oauth_states" (
    "digest" TEXT NOT NULL,
    "shop" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "oauth_states_pkey" PRIMARY KEY ("digest")
);

-- CreateIndex
CREATE UNIQUE INDEX "portal_sessions_digest_key" ON "portal_sessions"("digest");

-- CreateIndex
CREATE INDEX "portal_sessions_merchant_id_idx" ON "portal_sessions"("merchant_id");

-- CreateIndex
CREATE INDEX "portal_sessions_expires_at_idx" ON "portal_sessions"("expires_at");

-- CreateIndex
CREATE INDEX "oauth_states_expires_at_idx" ON "oauth_states"("expires_at");

-- AddForeignKey
ALTER TABLE "portal_sessions" ADD CONSTRAINT "portal_sessions_merchant_id_fkey" FOREIGN KEY ("merchant_id") REFERENCES "merchants"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;


-- Above: what Prisma Migrate makes of schema.prisma. Below: what it has no words for.

ALTER TABLE "merchants"
    -- Nobody is paid nowhere.
    ADD CONSTRAINT "merchants_active_has_wallet" CHECK ("status" <> 'active' OR "wallet" IS NOT NULL),
    -- After an uninstall the tokens are dead, and a dead secret is only a risk.
    ADD CONSTRAINT "merchants_uninstalled_is_forgotten"
        CHECK ("uninstalled_at" IS NULL OR ("status" = 'inactive' AND num_nonnulls("token_sealed", "refresh_sealed") = 0)),
    ADD CONSTRAINT "merchants_refresh_has_token" CHECK ("refresh_sealed" IS NULL OR "token_sealed" IS NOT NULL);
