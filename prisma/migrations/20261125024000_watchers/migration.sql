-- CreateEnum
CREATE TYPE "watch_kind" AS ENUM ('polling', 'websocket', 'webhook', 'sweep', 'last_look');

-- AlterTable
ALTER TABLE "issued_transactions" ADD COLUMN     "seen_by" "watch_kind";


-- Above: what Prisma Migrate makes of schema.prisma. Below: what it has no words for.

-- Until now there was one watcher.
UPDATE "issued_transactions" SET "seen_by" = 'polling' WHERE "fate" IN ('landed', 'failed');
