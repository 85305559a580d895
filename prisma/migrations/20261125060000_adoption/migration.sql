-- AlterEnum
ALTER TYPE "unknown_status" ADD VALUE 'adopted';
