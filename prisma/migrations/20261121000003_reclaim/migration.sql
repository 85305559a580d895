-- AlterTable
ALTER TABLE "payment_groups" ADD COLUMN     "reclaim_id" BIGINT,
ADD COLUMN     "reclaimed_at" TIMESTAMPTZ(6);

-- CreateTable
CREATE TABLE "reclaims" (
    "id" BIGSERIAL NOT NULL,
    "cluster" "cluster" NOT NULL,
    "signature" TEXT NOT NULL,
    "blockhash_slot" BIGINT NOT NULL,
    "last_valid_block_height" BIGINT NOT NULL,
    "message" BYTEA NOT NULL,
    "fee_lamports" BIGINT NOT NULL,
    "fate" "fate" NOT NULL,
    "final" BOOLEAN NOT NULL,
    "slot" BIGINT,
    "error" TEXT,
    "created_at" TIMESTAMPTZ(6) NOT NULL,
    "updated_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "reclaims_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "reclaimed_accounts" (
    "id" BIGSERIAL NOT NULL,
    "reclaim_id" BIGINT NOT NULL,
    "group_id" BIGINT NOT NULL,
    "address" TEXT NOT NULL,
    "lamports" BIGINT NOT NULL,

    CONSTRAINT "reclaimed_accounts_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "reclaims_signature_key" ON "reclaims"("signature");

-- CreateIndex
CREATE INDEX "reclaimed_accounts_group_id_idx" ON "reclaimed_accounts"("group_id");

-- CreateIndex
CREATE UNIQUE INDEX "reclaimed_accounts_reclaim_id_address_key" ON "reclaimed_accounts"("reclaim_id", "address");

-- AddForeignKey
ALTER TABLE "payment_groups" ADD CONSTRAINT "payment_groups_reclaim_id_fkey" FOREIGN KEY ("reclaim_id") REFERENCES "reclaims"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "reclaimed_accounts" ADD CONSTRAINT "reclaimed_accounts_reclaim_id_fkey" FOREIGN KEY ("reclaim_id") REFERENCES "reclaims"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "reclaimed_accounts" ADD CONSTRAINT "reclaimed_accounts_group_id_fkey" FOREIGN KEY ("group_id") REFERENCES "payment_groups"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;


-- Above: what Prisma Migrate makes of schema.prisma. Below: what it has no words for.

-- Groups that still have rent on the chain; those without a winner, or with it all back, stay out.
CREATE INDEX "payment_groups_rent_idx" ON "payment_groups"("cluster", "id")
    WHERE "winner_id" IS NOT NULL AND "reclaimed_at" IS NULL;
CREATE INDEX "reclaims_open_idx" ON "reclaims"("cluster") WHERE NOT "final";

ALTER TABLE "reclaims"
    ADD CONSTRAINT "reclaims_landed_has_slot" CHECK ("fate" NOT IN ('landed', 'failed') OR "slot" IS NOT NULL),
    ADD CONSTRAINT "reclaims_failed_has_error" CHECK ("fate" <> 'failed' OR "error" IS NOT NULL);
ALTER TABLE "reclaimed_accounts" ADD CONSTRAINT "reclaimed_accounts_lamports_positive" CHECK ("lamports" > 0);

-- Once an account may have been emptied, a new transaction could create it again: a second payment of a paid order.
CREATE FUNCTION "refuse_after_reclaim"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM "reclaimed_accounts" WHERE "group_id" = NEW."group_id") THEN
        RAISE EXCEPTION 'nothing is issued for a group whose rent was reclaimed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER "issued_transactions_not_after_reclaim" BEFORE INSERT ON "issued_transactions"
    FOR EACH ROW EXECUTE FUNCTION "refuse_after_reclaim"();
