"""The local Solana devnet: JSON-RPC and websocket over LiteSVM, which runs the real programs.

What differs from a validator: accounts answer their newest state at every commitment; every slot has a block; there is
one leader, no votes, no rent collection, no stake; fees are burnt.
"""

from app.sandbox.devnet.devnet import Devnet

__all__ = ["Devnet"]
