"""A Shopify store and its Payments Apps API, faithful enough to check a real payments app."""

from app.sandbox.store.store import Store

__all__ = ["Store"]
