-- AlterEnum
ALTER TYPE "inbox_source" ADD VALUE 'persona';
