"""Reconciliation: our books beside the chain and what Shopify last said. What is safe is repaired, the rest is listed.

Everything here should find nothing, ever: each status change is stored with the job that follows from it, and the
watchers miss nothing. It is the net under them: for what a bug, a person at the database or a partial restore undid.
"""
