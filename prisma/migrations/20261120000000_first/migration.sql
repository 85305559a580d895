-- CreateEnum
CREATE TYPE "merchant_status" AS ENUM ('active', 'inactive');

-- CreateEnum
CREATE TYPE "cluster" AS ENUM ('live', 'test');

-- CreateEnum
CREATE TYPE "payment_status" AS ENUM ('pending', 'paid', 'completed', 'rejecting', 'rejected', 'expired', 'superseded', 'stuck');

-- CreateEnum
CREATE TYPE "payment_exception" AS ENUM ('none', 'late', 'vanished', 'duplicate');

-- CreateEnum
CREATE TYPE "fate" AS ENUM ('live', 'landed', 'failed', 'dead');

-- CreateEnum
CREATE TYPE "job_kind" AS ENUM ('payment_resolve', 'payment_reject');

-- CreateEnum
CREATE TYPE "job_status" AS ENUM ('waiting', 'running', 'done', 'dead');

-- CreateEnum
CREATE TYPE "record_kind" AS ENUM ('merchant', 'payment');

-- CreateTable
CREATE TABLE "merchants" (
    "id" BIGSERIAL NOT NULL,
    "shop" TEXT NOT NULL,
    "display_name" TEXT NOT NULL,
    "status" "merchant_status" NOT NULL,
    "wallet" TEXT NOT NULL,
    "token_sealed" BYTEA,
    "created_at" TIMESTAMPTZ(6) NOT NULL,
    "updated_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "merchants_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "payment_groups" (
    "id" BIGSERIAL NOT NULL,
    "merchant_id" BIGINT NOT NULL,
    "group_key" TEXT NOT NULL,
    "cluster" "cluster" NOT NULL,
    "base" TEXT NOT NULL,
    "seed" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "address" TEXT NOT NULL,
    "winner_id" TEXT,
    "created_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "payment_groups_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "payments" (
    "id" TEXT NOT NULL,
    "shopify_id" TEXT NOT NULL,
    "gid" TEXT NOT NULL,
    "merchant_id" BIGINT NOT NULL,
    "group_id" BIGINT NOT NULL,
    "cluster" "cluster" NOT NULL,
    "api_version" TEXT NOT NULL,
    "amount" DECIMAL(38,18) NOT NULL,
    "currency" TEXT NOT NULL,
    "status" "payment_status" NOT NULL,
    "exception" "payment_exception" NOT NULL,
    "usdc" BIGINT,
    "rate" DECIMAL(38,18),
    "rate_source" TEXT,
    "rate_at" TIMESTAMPTZ(6),
    "quote_expires_at" TIMESTAMPTZ(6),
    "merchant_wallet" TEXT NOT NULL,
    "destination" TEXT NOT NULL,
    "mint" TEXT NOT NULL,
    "memo" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "cancel_url" TEXT NOT NULL,
    "locale" TEXT,
    "redirect_url" TEXT,
    "paid_signature" TEXT,
    "paid_wallet" TEXT,
    "stuck_reason" TEXT,
    "proposed_at" TIMESTAMPTZ(6),
    "expires_at" TIMESTAMPTZ(6) NOT NULL,
    "created_at" TIMESTAMPTZ(6) NOT NULL,
    "updated_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "payments_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "issued_transactions" (
    "id" BIGSERIAL NOT NULL,
    "signature" TEXT NOT NULL,
    "payment_id" TEXT NOT NULL,
    "group_id" BIGINT NOT NULL,
    "group_version" INTEGER NOT NULL,
    "seed" TEXT NOT NULL,
    "single_use" TEXT NOT NULL,
    "wallet" TEXT NOT NULL,
    "fee_payer" TEXT NOT NULL,
    "usdc" BIGINT NOT NULL,
    "blockhash" TEXT NOT NULL,
    "blockhash_slot" BIGINT NOT NULL,
    "last_valid_block_height" BIGINT NOT NULL,
    "message" BYTEA NOT NULL,
    "fate" "fate" NOT NULL,
    "final" BOOLEAN NOT NULL,
    "slot" BIGINT,
    "error" TEXT,
    "poll_at" TIMESTAMPTZ(6),
    "created_at" TIMESTAMPTZ(6) NOT NULL,
    "updated_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "issued_transactions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "events" (
    "id" BIGSERIAL NOT NULL,
    "record" "record_kind" NOT NULL,
    "record_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "from_status" TEXT,
    "to_status" TEXT,
    "detail" JSONB NOT NULL,
    "at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "events_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "jobs" (
    "id" BIGSERIAL NOT NULL,
    "kind" "job_kind" NOT NULL,
    "record" "record_kind" NOT NULL,
    "record_id" TEXT NOT NULL,
    "status" "job_status" NOT NULL,
    "attempts" INTEGER NOT NULL,
    "due_at" TIMESTAMPTZ(6) NOT NULL,
    "lease_holder" TEXT,
    "lease_until" TIMESTAMPTZ(6),
    "last_error" TEXT,
    "created_at" TIMESTAMPTZ(6) NOT NULL,
    "updated_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "jobs_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "shopify_mutations" (
    "id" BIGSERIAL NOT NULL,
    "record" "record_kind" NOT NULL,
    "record_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "variables" JSONB NOT NULL,
    "api_version" TEXT NOT NULL,
    "acknowledged_at" TIMESTAMPTZ(6),
    "created_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "shopify_mutations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "shopify_calls" (
    "id" BIGSERIAL NOT NULL,
    "mutation_id" BIGINT NOT NULL,
    "attempt" INTEGER NOT NULL,
    "http_status" INTEGER,
    "shopify_request_id" TEXT,
    "outcome" TEXT NOT NULL,
    "answer" TEXT NOT NULL,
    "started_at" TIMESTAMPTZ(6) NOT NULL,
    "ended_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "shopify_calls_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "merchants_shop_key" ON "merchants"("shop");

-- CreateIndex
CREATE UNIQUE INDEX "payment_groups_winner_id_key" ON "payment_groups"("winner_id");

-- CreateIndex
CREATE INDEX "payment_groups_address_idx" ON "payment_groups"("address");

-- CreateIndex
CREATE INDEX "payment_groups_base_idx" ON "payment_groups"("base");

-- CreateIndex
CREATE UNIQUE INDEX "payment_groups_merchant_id_group_key_cluster_key" ON "payment_groups"("merchant_id", "group_key", "cluster");

-- CreateIndex
CREATE UNIQUE INDEX "payments_shopify_id_key" ON "payments"("shopify_id");

-- CreateIndex
CREATE UNIQUE INDEX "payments_paid_signature_key" ON "payments"("paid_signature");

-- CreateIndex
CREATE INDEX "payments_group_id_idx" ON "payments"("group_id");

-- CreateIndex
CREATE INDEX "payments_merchant_id_created_at_idx" ON "payments"("merchant_id", "created_at");

-- CreateIndex
CREATE UNIQUE INDEX "issued_transactions_signature_key" ON "issued_transactions"("signature");

-- CreateIndex
CREATE INDEX "issued_transactions_payment_id_idx" ON "issued_transactions"("payment_id");

-- CreateIndex
CREATE INDEX "issued_transactions_group_id_idx" ON "issued_transactions"("group_id");

-- CreateIndex
CREATE INDEX "events_record_record_id_id_idx" ON "events"("record", "record_id", "id");

-- CreateIndex
CREATE INDEX "jobs_record_record_id_idx" ON "jobs"("record", "record_id");

-- CreateIndex
CREATE UNIQUE INDEX "shopify_mutations_record_record_id_name_key" ON "shopify_mutations"("record", "record_id", "name");

-- CreateIndex
CREATE INDEX "shopify_calls_mutation_id_idx" ON "shopify_calls"("mutation_id");

-- AddForeignKey
ALTER TABLE "payment_groups" ADD CONSTRAINT "payment_groups_merchant_id_fkey" FOREIGN KEY ("merchant_id") REFERENCES "merchants"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "payment_groups" ADD CONSTRAINT "payment_groups_winner_id_fkey" FOREIGN KEY ("winner_id") REFERENCES "payments"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "payments" ADD CONSTRAINT "payments_merchant_id_fkey" FOREIGN KEY ("merchant_id") REFERENCES "merchants"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "payments" ADD CONSTRAINT "payments_group_id_fkey" FOREIGN KEY ("group_id") REFERENCES "payment_groups"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "payments" ADD CONSTRAINT "payments_paid_signature_fkey" FOREIGN KEY ("paid_signature") REFERENCES "issued_transactions"("signature") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "issued_transactions" ADD CONSTRAINT "issued_transactions_payment_id_fkey" FOREIGN KEY ("payment_id") REFERENCES "payments"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "issued_transactions" ADD CONSTRAINT "issued_transactions_group_id_fkey" FOREIGN KEY ("group_id") REFERENCES "payment_groups"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "shopify_calls" ADD CONSTRAINT "shopify_calls_mutation_id_fkey" FOREIGN KEY ("mutation_id") REFERENCES "shopify_mutations"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;


-- Above: what Prisma Migrate makes of schema.prisma. Below: what it has no words for.

-- The outbox's promise: while a job of a kind is open for a record there is no second one, whoever enqueues it.
CREATE UNIQUE INDEX "jobs_open_key" ON "jobs"("kind", "record", "record_id") WHERE "status" IN ('waiting', 'running');

-- A worker asks every second for what is due; finished jobs, soon nearly all of them, stay out of its index.
CREATE INDEX "jobs_open_due_at_idx" ON "jobs"("due_at") WHERE "status" IN ('waiting', 'running');

-- Dead letters are few and looked for often.
CREATE INDEX "jobs_dead_updated_at_idx" ON "jobs"("updated_at") WHERE "status" = 'dead';

-- Shopify may open several sessions for one order, and only one of them may be paid.
CREATE UNIQUE INDEX "payments_group_id_paid_key" ON "payments"("group_id") WHERE "status" IN ('paid', 'completed');

-- What still needs doing is looked for by status and time; what is over stays out of the index.
CREATE INDEX "payments_open_status_expires_at_idx" ON "payments"("status", "expires_at")
    WHERE "status" IN ('pending', 'paid', 'rejecting', 'stuck');

-- The watcher asks for what is due; final transactions have no poll_at and stay out of its index.
CREATE INDEX "issued_transactions_poll_at_idx" ON "issued_transactions"("poll_at") WHERE "poll_at" IS NOT NULL;

-- A base58 public key has 32 to 44 characters, a signature 64 to 88.
ALTER TABLE "merchants"
    ADD CONSTRAINT "merchants_shop_named" CHECK (char_length("shop") BETWEEN 1 AND 255),
    ADD CONSTRAINT "merchants_wallet_length" CHECK (char_length("wallet") BETWEEN 32 AND 44);

ALTER TABLE "payment_groups"
    ADD CONSTRAINT "payment_groups_version_positive" CHECK ("version" > 0),
    ADD CONSTRAINT "payment_groups_base_length" CHECK (char_length("base") BETWEEN 32 AND 44),
    ADD CONSTRAINT "payment_groups_address_length" CHECK (char_length("address") BETWEEN 32 AND 44),
    -- The System program takes seeds of at most 32 bytes.
    ADD CONSTRAINT "payment_groups_seed_length" CHECK (octet_length("seed") BETWEEN 1 AND 32);

ALTER TABLE "payments"
    ADD CONSTRAINT "payments_id_shape" CHECK ("id" ~ '^[A-Za-z0-9_-]{22}$'),
    ADD CONSTRAINT "payments_shopify_id_length" CHECK (char_length("shopify_id") BETWEEN 1 AND 255),
    ADD CONSTRAINT "payments_currency_shape" CHECK ("currency" ~ '^[A-Z]{3}$'),
    ADD CONSTRAINT "payments_amount_positive" CHECK ("amount" > 0),
    ADD CONSTRAINT "payments_usdc_positive" CHECK ("usdc" > 0),
    ADD CONSTRAINT "payments_rate_positive" CHECK ("rate" > 0),
    -- A quote is whole or absent.
    ADD CONSTRAINT "payments_quote_whole" CHECK (num_nulls("usdc", "rate", "rate_source", "rate_at") IN (0, 4)),
    ADD CONSTRAINT "payments_quote_expiry_needs_quote" CHECK ("quote_expires_at" IS NULL OR "usdc" IS NOT NULL),
    ADD CONSTRAINT "payments_merchant_wallet_length" CHECK (char_length("merchant_wallet") BETWEEN 32 AND 44),
    ADD CONSTRAINT "payments_destination_length" CHECK (char_length("destination") BETWEEN 32 AND 44),
    ADD CONSTRAINT "payments_mint_length" CHECK (char_length("mint") BETWEEN 32 AND 44),
    ADD CONSTRAINT "payments_reference_length" CHECK (char_length("reference") BETWEEN 32 AND 44),
    -- Nothing is paid without the transaction that paid it and the wallet that signed.
    ADD CONSTRAINT "payments_paid_by" CHECK (num_nulls("paid_signature", "paid_wallet") IN (0, 2)),
    ADD CONSTRAINT "payments_paid_has_signature" CHECK ("status" NOT IN ('paid', 'completed') OR "paid_signature" IS NOT NULL),
    ADD CONSTRAINT "payments_stuck_has_reason" CHECK ("status" <> 'stuck' OR "stuck_reason" IS NOT NULL);

ALTER TABLE "issued_transactions"
    ADD CONSTRAINT "issued_transactions_usdc_positive" CHECK ("usdc" > 0),
    ADD CONSTRAINT "issued_transactions_group_version_positive" CHECK ("group_version" > 0),
    ADD CONSTRAINT "issued_transactions_blockhash_slot_natural" CHECK ("blockhash_slot" >= 0),
    ADD CONSTRAINT "issued_transactions_last_valid_block_height_positive" CHECK ("last_valid_block_height" > 0),
    ADD CONSTRAINT "issued_transactions_signature_length" CHECK (char_length("signature") BETWEEN 64 AND 88),
    ADD CONSTRAINT "issued_transactions_single_use_length" CHECK (char_length("single_use") BETWEEN 32 AND 44),
    ADD CONSTRAINT "issued_transactions_seed_length" CHECK (octet_length("seed") BETWEEN 1 AND 32),
    ADD CONSTRAINT "issued_transactions_wallet_length" CHECK (char_length("wallet") BETWEEN 32 AND 44),
    ADD CONSTRAINT "issued_transactions_fee_payer_length" CHECK (char_length("fee_payer") BETWEEN 32 AND 44),
    -- Our own keys are no customer's wallet.
    ADD CONSTRAINT "issued_transactions_wallet_is_not_fee_payer" CHECK ("wallet" <> "fee_payer"),
    -- What may still change is watched, and what is watched may still change.
    ADD CONSTRAINT "issued_transactions_watched_until_final" CHECK ("final" = ("poll_at" IS NULL)),
    ADD CONSTRAINT "issued_transactions_live_is_not_final" CHECK ("fate" <> 'live' OR NOT "final"),
    ADD CONSTRAINT "issued_transactions_landed_has_slot" CHECK ("fate" NOT IN ('landed', 'failed') OR "slot" IS NOT NULL),
    ADD CONSTRAINT "issued_transactions_failed_has_error" CHECK ("fate" <> 'failed' OR "error" IS NOT NULL);

ALTER TABLE "jobs"
    ADD CONSTRAINT "jobs_attempts_natural" CHECK ("attempts" >= 0),
    -- A lease has a holder and an end, and only a running job has one.
    ADD CONSTRAINT "jobs_running_is_leased"
        CHECK (num_nulls("lease_holder", "lease_until") = CASE "status" WHEN 'running' THEN 0 ELSE 2 END);

ALTER TABLE "shopify_calls"
    ADD CONSTRAINT "shopify_calls_attempt_positive" CHECK ("attempt" > 0),
    ADD CONSTRAINT "shopify_calls_ended_after_start" CHECK ("ended_at" >= "started_at");

-- Some things never change once written. The code never tries; a slip of it or of a person is refused here.
CREATE FUNCTION "refuse_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END;
$$;

-- History that can be rewritten proves nothing.
CREATE TRIGGER "events_append_only" BEFORE UPDATE OR DELETE ON "events"
    FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"('events are only ever added');

-- What Shopify told us of a payment, and where its money goes, was fixed when the session came.
CREATE TRIGGER "payments_terms_fixed"
    BEFORE UPDATE OF "id", "shopify_id", "gid", "merchant_id", "group_id", "cluster", "api_version", "amount", "currency",
        "merchant_wallet", "destination", "mint", "memo", "reference" ON "payments"
    FOR EACH ROW WHEN (
        (OLD."id", OLD."shopify_id", OLD."gid", OLD."merchant_id", OLD."group_id", OLD."cluster", OLD."api_version",
            OLD."amount", OLD."currency", OLD."merchant_wallet", OLD."destination", OLD."mint", OLD."memo", OLD."reference")
        IS DISTINCT FROM
        (NEW."id", NEW."shopify_id", NEW."gid", NEW."merchant_id", NEW."group_id", NEW."cluster", NEW."api_version",
            NEW."amount", NEW."currency", NEW."merchant_wallet", NEW."destination", NEW."mint", NEW."memo", NEW."reference"))
    EXECUTE FUNCTION "refuse_change"('the terms of a payment never change');

CREATE TRIGGER "payment_groups_identity_fixed"
    BEFORE UPDATE OF "merchant_id", "group_key", "cluster" ON "payment_groups"
    FOR EACH ROW WHEN (
        (OLD."merchant_id", OLD."group_key", OLD."cluster") IS DISTINCT FROM (NEW."merchant_id", NEW."group_key", NEW."cluster"))
    EXECUTE FUNCTION "refuse_change"('a group stays what it was opened for');

-- Settlement is decided by what was issued, so what was issued stays as it was signed.
CREATE TRIGGER "issued_transactions_fixed"
    BEFORE UPDATE OF "signature", "payment_id", "group_id", "group_version", "single_use", "seed", "wallet", "fee_payer",
        "usdc", "blockhash", "blockhash_slot", "last_valid_block_height", "message" ON "issued_transactions"
    FOR EACH ROW WHEN (
        (OLD."signature", OLD."payment_id", OLD."group_id", OLD."group_version", OLD."single_use", OLD."seed",
            OLD."wallet", OLD."fee_payer", OLD."usdc", OLD."blockhash", OLD."blockhash_slot",
            OLD."last_valid_block_height", OLD."message")
        IS DISTINCT FROM
        (NEW."signature", NEW."payment_id", NEW."group_id", NEW."group_version", NEW."single_use", NEW."seed",
            NEW."wallet", NEW."fee_payer", NEW."usdc", NEW."blockhash", NEW."blockhash_slot",
            NEW."last_valid_block_height", NEW."message"))
    EXECUTE FUNCTION "refuse_change"('an issued transaction stays as it was signed');

CREATE TRIGGER "issued_transactions_kept" BEFORE DELETE ON "issued_transactions"
    FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"('an issued transaction may have been paid');

-- Lost answers are answered by sending exactly the same again.
CREATE TRIGGER "shopify_mutations_fixed"
    BEFORE UPDATE OF "record", "record_id", "name", "variables", "api_version" ON "shopify_mutations"
    FOR EACH ROW WHEN (
        (OLD."record", OLD."record_id", OLD."name", OLD."variables", OLD."api_version")
        IS DISTINCT FROM (NEW."record", NEW."record_id", NEW."name", NEW."variables", NEW."api_version"))
    EXECUTE FUNCTION "refuse_change"('a mutation is sent again exactly as it was');
