-- AlterTable
ALTER TABLE "inbox_events" ADD COLUMN     "sent_at" TIMESTAMPTZ(6);
