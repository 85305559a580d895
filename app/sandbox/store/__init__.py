"""A Shopify store and its Payments Apps API, faithful enough to check a real payments app."""

from app.sandbox.store.oauth import App
from app.sandbox.store.store import SCOPES, Store

__all__ = ["SCOPES", "App", "Store"]
