"""The languages that customers read: which one, its sentences, and how it writes figures."""
