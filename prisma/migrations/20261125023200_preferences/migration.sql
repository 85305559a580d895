-- What a merchant sets at the portal: where customers get help, in which language the page is when theirs is none of ours,
-- and a picture.
ALTER TABLE "merchants" ADD COLUMN "support_url" TEXT, ADD COLUMN "language" TEXT;

ALTER TABLE "merchants"
    ADD CONSTRAINT "merchants_support_url_shape"
        CHECK ("support_url" ~ '^(https://|mailto:)' AND char_length("support_url") <= 500);

CREATE TABLE "merchant_logos" (
    "id" BIGSERIAL NOT NULL,
    "merchant_id" BIGINT NOT NULL,
    "digest" TEXT NOT NULL,
    "media_type" TEXT NOT NULL,
    "content" BYTEA NOT NULL,
    "updated_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "merchant_logos_pkey" PRIMARY KEY ("id")
);

CREATE UNIQUE INDEX "merchant_logos_merchant_id_key" ON "merchant_logos"("merchant_id");
CREATE INDEX "merchant_logos_digest_idx" ON "merchant_logos"("digest");

ALTER TABLE "merchant_logos" ADD CONSTRAINT "merchant_logos_merchant_id_fkey"
    FOREIGN KEY ("merchant_id") REFERENCES "merchants"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

ALTER TABLE "merchant_logos"
    ADD CONSTRAINT "merchant_logos_digest_shape" CHECK ("digest" ~ '^[0-9a-f]{64}$'),
    ADD CONSTRAINT "merchant_logos_media_type_known" CHECK ("media_type" IN ('image/png', 'image/webp'));
