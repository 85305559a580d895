-- AlterTable
ALTER TABLE "payment_groups" ADD COLUMN     "won_signature" TEXT;

-- AlterTable
ALTER TABLE "refunds" ADD COLUMN     "group_id" BIGINT,
ADD COLUMN     "paid_at" TIMESTAMPTZ(6);

-- AlterTable
ALTER TABLE "issued_transactions" ALTER COLUMN "payment_id" DROP NOT NULL,
ADD COLUMN     "refund_id" TEXT,
ADD COLUMN     "opens_account" BOOLEAN NOT NULL DEFAULT false;

-- CreateIndex
CREATE UNIQUE INDEX "payment_groups_won_signature_key" ON "payment_groups"("won_signature");

-- CreateIndex
CREATE UNIQUE INDEX "refunds_group_id_key" ON "refunds"("group_id");

-- CreateIndex
CREATE INDEX "issued_transactions_refund_id_idx" ON "issued_transactions"("refund_id");

-- AddForeignKey
ALTER TABLE "payment_groups" ADD CONSTRAINT "payment_groups_won_signature_fkey" FOREIGN KEY ("won_signature") REFERENCES "issued_transactions"("signature") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "refunds" ADD CONSTRAINT "refunds_group_id_fkey" FOREIGN KEY ("group_id") REFERENCES "payment_groups"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "issued_transactions" ADD CONSTRAINT "issued_transactions_refund_id_fkey" FOREIGN KEY ("refund_id") REFERENCES "refunds"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;


-- Above: what Prisma Migrate makes of schema.prisma. Below: what it has no words for.

UPDATE "payment_groups" AS g SET "won_signature" = p."paid_signature" FROM "payments" AS p WHERE p."id" = g."winner_id";

ALTER TABLE "issued_transactions"
    -- A transaction is for a payment or for a refund, never for both or nothing.
    ADD CONSTRAINT "issued_transactions_for_one_record" CHECK (num_nonnulls("payment_id", "refund_id") = 1),
    -- A customer is never asked for more than the price; a merchant may have to open the customer's account again.
    ADD CONSTRAINT "issued_transactions_opens_account_for_refunds" CHECK (NOT "opens_account" OR "refund_id" IS NOT NULL);

DROP INDEX "payment_groups_rent_idx";
CREATE INDEX "payment_groups_rent_idx" ON "payment_groups"("cluster", "id")
    WHERE "won_signature" IS NOT NULL AND "reclaimed_at" IS NULL;

-- A group stays the refund's once it has one.
CREATE TRIGGER "refunds_group_fixed" BEFORE UPDATE OF "group_id" ON "refunds"
    FOR EACH ROW WHEN (OLD."group_id" IS NOT NULL AND NEW."group_id" IS DISTINCT FROM OLD."group_id")
    EXECUTE FUNCTION "refuse_change"('a refund keeps its group');

DROP TRIGGER "issued_transactions_fixed" ON "issued_transactions";
CREATE TRIGGER "issued_transactions_fixed"
    BEFORE UPDATE OF "signature", "payment_id", "refund_id", "group_id", "group_version", "single_use", "seed", "wallet",
        "fee_payer", "usdc", "blockhash", "blockhash_slot", "last_valid_block_height", "message", "opens_account"
        ON "issued_transactions"
    FOR EACH ROW WHEN (
        (OLD."signature", OLD."payment_id", OLD."refund_id", OLD."group_id", OLD."group_version", OLD."single_use",
            OLD."seed", OLD."wallet", OLD."fee_payer", OLD."usdc", OLD."blockhash", OLD."blockhash_slot",
            OLD."last_valid_block_height", OLD."message", OLD."opens_account")
        IS DISTINCT FROM
        (NEW."signature", NEW."payment_id", NEW."refund_id", NEW."group_id", NEW."group_version", NEW."single_use",
            NEW."seed", NEW."wallet", NEW."fee_payer", NEW."usdc", NEW."blockhash", NEW."blockhash_slot",
            NEW."last_valid_block_height", NEW."message", NEW."opens_account"))
    EXECUTE FUNCTION "refuse_change"('an issued transaction stays as it was signed');

-- The group knows merchant and cluster of both, payments and refunds.
CREATE OR REPLACE FUNCTION "tally_fees"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    counted BIGINT := CASE WHEN NEW."fate" = 'dead' THEN 0 ELSE NEW."fee_lamports" END;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD."fate" <> 'dead' THEN
        counted := counted - OLD."fee_lamports";
    END IF;
    IF counted <> 0 THEN
        INSERT INTO "fee_tallies" AS tally ("merchant_id", "cluster", "day", "lamports")
        SELECT "merchant_id", "cluster", date_trunc('day', NEW."created_at", 'UTC'), counted
        FROM "payment_groups" WHERE "id" = NEW."group_id"
        ON CONFLICT ("cluster", "day", "merchant_id") DO UPDATE SET "lamports" = tally."lamports" + EXCLUDED."lamports";
    END IF;
    RETURN NULL;
END;
$$;

-- A refund's group has no payment that wins it, so what counts is the transaction.
CREATE OR REPLACE FUNCTION "refuse_early_pin"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW."version" <> OLD."version" + 1 THEN
        RAISE EXCEPTION 'a new single-use account is the next version' USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD."won_signature" IS NOT NULL THEN
        RAISE EXCEPTION 'a group that was won keeps its single-use account' USING ERRCODE = 'restrict_violation';
    END IF;
    IF EXISTS (SELECT FROM "issued_transactions"
        WHERE "group_id" = NEW."id" AND NOT ("final" AND "fate" IN ('dead', 'failed'))) THEN
        RAISE EXCEPTION 'something issued for the group may still land' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END;
$$;
