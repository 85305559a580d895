-- A challenge that a code shows names no wallet: whichever scans it may sign.
ALTER TABLE "wallet_challenges" ALTER COLUMN "wallet" DROP NOT NULL;
