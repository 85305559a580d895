"""Keys and secrets of the sandbox: made once, kept in files that only their owner reads."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from solders.keypair import Keypair


@dataclass(frozen=True)
class Secrets:
    """`derivation` and `token_key` are hex of 32 bytes; `shop_token` is Shopify's access token of the demo shop.

    `client_id` and `client_secret` are what Shopify gave the app; `helius` and `test_helius` are what the webhooks of
    the two clusters have in their Authorization header.
    """

    derivation: str
    token_key: str
    trm_api_key: str
    shop_token: str
    client_id: str
    client_secret: str
    helius: str
    test_helius: str


def keep_secrets(path: Path) -> Secrets:
    """The secrets of that file; what is not there yet is made, and stays."""
    made = Secrets(
        derivation=secrets.token_hex(32),
        token_key=secrets.token_hex(32),
        trm_api_key=secrets.token_hex(16),
        shop_token=f"shpat_{secrets.token_hex(16)}",
        client_id=secrets.token_hex(16),
        client_secret=f"shpss_{secrets.token_hex(16)}",
        helius=secrets.token_hex(16),
        test_helius=secrets.token_hex(16),
    )
    stored = json.loads(path.read_text()) if path.exists() else {}
    kept = asdict(made) | stored
    if kept != stored:
        write_private(path, json.dumps(kept, indent=1))
    return Secrets(**kept)


def keep_keypair(path: Path) -> Keypair:
    """The key of that file, made when it is not there; as solana-keygen writes it: a JSON array of 64 bytes."""
    if not path.exists():
        write_private(path, json.dumps(list(bytes(Keypair()))))
    return Keypair.from_bytes(bytes(json.loads(path.read_text())))


def write_private(path: Path, text: str) -> None:
    """Replace the file whole; nobody else can read it, not for a moment."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    os.replace(draft, path)
