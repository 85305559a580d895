"""Building one payment transaction: Settle, a bare solders script, and the two JavaScript libraries, in turns."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from nacl.signing import SigningKey
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature

from chain.addresses import token_account
from chain.fee_payer import KeyFileFeePayer
from chain.payment_transaction import TransferPlan, issue_transaction
from chain.single_use import SingleUse, derive_seed
from tests.bench.bare import DECIMALS, Order, build_bare, make_order
from tests.bench.figures import Figure, Target, figure_of_ratio

ROUNDS = 40
PER_ROUND = 60
PER_ROUND_NODE = 10
SIGNATURES_BYTES = 1 + 2 * 64
HERE = Path(__file__).parent
NODE_PACKAGES = HERE.parents[1] / ".node"


async def measure_building() -> list[Figure]:
    order = make_order()
    fee_payer = KeyFileFeePayer(order.fee_payer)
    wallets = [Keypair().pubkey() for _ in range(PER_ROUND)]
    # Signing is deterministic, so both must have made the very same bytes.
    if await build_settle(order, fee_payer, wallets[0]) != build_bare(order, wallets[0]):
        raise RuntimeError("Settle and the bare script build different transactions")
    settle, bare, signing = [], [], []
    others: dict[str, list[float]] = {"@solana/web3.js": [], "@solana/kit": []}
    with _node_builder(order, wallets) as build_node:
        for name in others:
            _check(build_node(name, 1)[1], order)
            build_node(name, PER_ROUND)  # to let V8 compile it
        for _ in range(ROUNDS):
            settle.append(await _time_settle(order, fee_payer, wallets))
            bare.append(_time(lambda wallet: build_bare(order, wallet), wallets))
            signing.append(_signing_gain(order))
            for name, times in others.items():
                times.append(build_node(name, PER_ROUND_NODE)[0])
    level = [mine + median(signing) for mine in settle]
    return [
        figure_of_ratio(
            "build one transaction: Settle / bare solders",
            settle,
            bare,
            Target(1.5),
            note=f"{min(settle):.0f} us / {min(bare):.0f} us",
        ),
        figure_of_ratio("  the same, as if Settle signed with solders too", level, bare),
        *(
            figure_of_ratio(f"  {name} / bare solders", times, bare, note=f"{min(times):.0f} us")
            for name, times in others.items()
        ),
    ]


async def build_settle(order: Order, fee_payer: KeyFileFeePayer, wallet: Pubkey) -> bytes:
    """The same as build_bare, through chain's functions."""
    seed = derive_seed(order.secret, "payment", order.shop, order.group, 1)
    plan = TransferPlan(
        fee_payer=fee_payer.address,
        single_use=SingleUse.derive(fee_payer.address, seed),
        rent_lamports=order.rent,
        wallet=wallet,
        source=token_account(wallet, order.mint),
        destination=order.destination,
        mint=order.mint,
        decimals=DECIMALS,
        amount=order.amount,
        memo=order.memo,
        reference=order.reference,
        blockhash=order.blockhash,
        compute_unit_limit=order.unit_limit,
        compute_unit_price=order.unit_price,
    )
    return (await issue_transaction(plan, fee_payer)).wire


async def _time_settle(order: Order, fee_payer: KeyFileFeePayer, wallets: list[Pubkey]) -> float:
    began = time.perf_counter()
    for wallet in wallets:
        await build_settle(order, fee_payer, wallet)
    return (time.perf_counter() - began) / len(wallets) * 1e6


def _time(build: Callable[[Pubkey], object], wallets: list[Pubkey]) -> float:
    """Microseconds per call."""
    began = time.perf_counter()
    for wallet in wallets:
        build(wallet)
    return (time.perf_counter() - began) / len(wallets) * 1e6


def _signing_gain(order: Order) -> float:
    """Microseconds that libsodium, with which Settle signs, saves for each signature compared with solders."""
    message, key = bytes(530), SigningKey(bytes(order.fee_payer)[:32])
    repeats = [order.fee_payer.pubkey()] * 20
    return _time(lambda _: order.fee_payer.sign_message(message), repeats) - _time(lambda _: key.sign(message), repeats)


NodeBuilder = Callable[[str, int], tuple[float, bytes]]


@contextmanager
def _node_builder(order: Order, wallets: list[Pubkey]) -> Iterator[NodeBuilder]:
    """A Node process that builds with the library named, so many times: microseconds per build, and the last one."""
    node = shutil.which("node")
    if node is None or not (NODE_PACKAGES / "node_modules").exists():
        raise RuntimeError("no Node.js with the packages in .node: run `make setup` (it needs npm)")
    described = {
        "feePayer": list(bytes(order.fee_payer)),
        "secret": order.secret.hex(),
        "parts": ["payment", order.shop, order.group, "1"],
        "destination": str(order.destination),
        "mint": str(order.mint),
        "amount": order.amount,
        "decimals": DECIMALS,
        "memo": order.memo,
        "reference": str(order.reference),
        "blockhash": str(order.blockhash),
        "rent": order.rent,
        "unitLimit": order.unit_limit,
        "unitPrice": order.unit_price,
        "wallets": [str(wallet) for wallet in wallets],
    }
    command = [node, str(HERE / "building.mjs"), str(NODE_PACKAGES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def ask(question: object) -> str:
            stdin.write(json.dumps(question) + "\n")
            stdin.flush()
            return stdout.readline()

        def build(library: str, times: int) -> tuple[float, bytes]:
            answer = json.loads(ask({"library": library, "times": times}))
            return answer["microseconds"], base64.b64decode(answer["transaction"])

        ask(described)
        try:
            yield build
        finally:
            stdin.close()
            process.wait(10)


def _check(wire: bytes, order: Order) -> None:
    """The libraries order accounts differently, so the bytes differ; the size and the signature must be right."""
    signature = Signature.from_bytes(wire[1:65])
    expected = len(build_bare(order, Keypair().pubkey()))
    if len(wire) != expected or not signature.verify(order.fee_payer.pubkey(), wire[SIGNATURES_BYTES:]):
        raise RuntimeError("a JavaScript library built another transaction")
