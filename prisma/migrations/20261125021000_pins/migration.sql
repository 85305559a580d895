-- CreateTable
CREATE TABLE "former_pins" (
    "id" BIGSERIAL NOT NULL,
    "group_id" BIGINT NOT NULL,
    "version" INTEGER NOT NULL,
    "base" TEXT NOT NULL,
    "seed" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "cause" TEXT NOT NULL,
    "replaced_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "former_pins_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "former_pins_address_idx" ON "former_pins"("address");

-- CreateIndex
CREATE INDEX "former_pins_base_idx" ON "former_pins"("base");

-- CreateIndex
CREATE UNIQUE INDEX "former_pins_group_id_version_key" ON "former_pins"("group_id", "version");

-- AddForeignKey
ALTER TABLE "former_pins" ADD CONSTRAINT "former_pins_group_id_fkey" FOREIGN KEY ("group_id") REFERENCES "payment_groups"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;


-- Above: what Prisma Migrate makes of schema.prisma. Below: what it has no words for.

-- What was issued for the old address may land as long as it is not dead or failed for good; one that landed has paid.
-- Another address meanwhile would let a second payment land, so no code may get it wrong. Whoever issues holds the
-- group's lock, which this update takes.
CREATE FUNCTION "refuse_early_pin"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW."version" <> OLD."version" + 1 THEN
        RAISE EXCEPTION 'a new single-use account is the next version' USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD."winner_id" IS NOT NULL THEN
        RAISE EXCEPTION 'a group that was won keeps its single-use account' USING ERRCODE = 'restrict_violation';
    END IF;
    IF EXISTS (SELECT FROM "issued_transactions"
        WHERE "group_id" = NEW."id" AND NOT ("final" AND "fate" IN ('dead', 'failed'))) THEN
        RAISE EXCEPTION 'something issued for the group may still land' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER "payment_groups_not_pinned_early" BEFORE UPDATE OF "base", "seed", "version", "address" ON "payment_groups"
    FOR EACH ROW WHEN (
        (OLD."base", OLD."seed", OLD."version", OLD."address") IS DISTINCT FROM
        (NEW."base", NEW."seed", NEW."version", NEW."address"))
    EXECUTE FUNCTION "refuse_early_pin"();

CREATE TRIGGER "former_pins_kept" BEFORE UPDATE OR DELETE ON "former_pins"
    FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"('what a group was pinned to is history');
