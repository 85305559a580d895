-- AlterTable
ALTER TABLE "issued_transactions" ADD COLUMN     "network_address" TEXT,
ADD COLUMN     "fee_lamports" BIGINT NOT NULL DEFAULT 10000,
ADD COLUMN     "rent_lamports" BIGINT NOT NULL DEFAULT 890880;

-- CreateTable
CREATE TABLE "fee_tallies" (
    "id" BIGSERIAL NOT NULL,
    "merchant_id" BIGINT NOT NULL,
    "cluster" "cluster" NOT NULL,
    "day" TIMESTAMPTZ(6) NOT NULL,
    "lamports" BIGINT NOT NULL,

    CONSTRAINT "fee_tallies_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "fee_tallies_cluster_day_merchant_id_key" ON "fee_tallies"("cluster", "day", "merchant_id");

-- AddForeignKey
ALTER TABLE "fee_tallies" ADD CONSTRAINT "fee_tallies_merchant_id_fkey" FOREIGN KEY ("merchant_id") REFERENCES "merchants"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;


-- Above: what Prisma Migrate makes of schema.prisma. Below: what it has no words for.

-- The defaults were for the rows of before, of which only the usual figures are known.
ALTER TABLE "issued_transactions"
    ALTER COLUMN "fee_lamports" DROP DEFAULT,
    ALTER COLUMN "rent_lamports" DROP DEFAULT,
    ADD CONSTRAINT "issued_transactions_fee_lamports_positive" CHECK ("fee_lamports" > 0),
    ADD CONSTRAINT "issued_transactions_rent_lamports_natural" CHECK ("rent_lamports" >= 0);

-- Limits count what is live or failed; what landed or is dead, soon nearly all, stays out of these.
CREATE INDEX "issued_transactions_counted_wallet_idx" ON "issued_transactions"("wallet", "created_at")
    WHERE "fate" IN ('live', 'failed');
CREATE INDEX "issued_transactions_counted_network_idx" ON "issued_transactions"("network_address", "created_at")
    WHERE "fate" IN ('live', 'failed') AND "network_address" IS NOT NULL;
CREATE INDEX "issued_transactions_counted_created_at_idx" ON "issued_transactions"("created_at")
    WHERE "fate" IN ('live', 'failed');
CREATE INDEX "issued_transactions_live_fee_payer_idx" ON "issued_transactions"("fee_payer") WHERE "fate" = 'live';

-- The tally of a shop's day: whatever was issued counts, until it is dead. Kept here, so that no change of a fate can miss it.
CREATE FUNCTION "tally_fees"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    counted BIGINT := CASE WHEN NEW."fate" = 'dead' THEN 0 ELSE NEW."fee_lamports" END;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD."fate" <> 'dead' THEN
        counted := counted - OLD."fee_lamports";
    END IF;
    IF counted <> 0 THEN
        INSERT INTO "fee_tallies" AS tally ("merchant_id", "cluster", "day", "lamports")
        SELECT "merchant_id", "cluster", date_trunc('day', NEW."created_at", 'UTC'), counted
        FROM "payments" WHERE "id" = NEW."payment_id"
        ON CONFLICT ("cluster", "day", "merchant_id") DO UPDATE SET "lamports" = tally."lamports" + EXCLUDED."lamports";
    END IF;
    RETURN NULL;
END;
$$;

CREATE TRIGGER "issued_transactions_tallied" AFTER INSERT OR UPDATE OF "fate", "fee_lamports" ON "issued_transactions"
    FOR EACH ROW EXECUTE FUNCTION "tally_fees"();

INSERT INTO "fee_tallies" ("merchant_id", "cluster", "day", "lamports")
SELECT p."merchant_id", p."cluster", date_trunc('day', i."created_at", 'UTC'), sum(i."fee_lamports")
FROM "issued_transactions" i JOIN "payments" p ON p."id" = i."payment_id"
WHERE i."fate" <> 'dead' GROUP BY 1, 2, 3;
