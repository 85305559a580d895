"""`settle find` and `settle stuck`: one payment's whole story, and what needs a person, over all shops."""

from typing import Annotated

import typer

from app.lookup import find_histories, list_troubled
from app.money import format_usdc
from app.portal.history import History
from app.portal.timeline import tell
from app.system import System
from handlers.figures import Figure, show
from handlers.running import run_with_system


def find(
    what: Annotated[str, typer.Argument(help="An id of ours or of Shopify's, a signature, a wallet, or a link.")],
) -> None:
    """Find payments by what is known of them; of a single one, tell the whole story."""

    async def task(system: System) -> None:
        found = await find_histories(system, what)
        if not found:
            typer.echo("nothing of ours: no payment, refund or transaction has that id, and no wallet was issued one")
            raise typer.Exit(1)
        show([_sum_up(shop, history) for shop, history in found])
        if len(found) == 1:
            [(_, history)] = found
            show(_list_issued(history))
            show(_list_moments(history))

    run_with_system(task)


def stuck() -> None:
    """List the payments and refunds that wait for a person: stuck, or with an exception; the oldest first."""

    async def task(system: System) -> None:
        show(
            [
                {
                    "record": row["record"],
                    "id": row["id"],
                    "shop": row["shop"],
                    "status": row["status"],
                    "exception": row["exception"],
                    "reason": row["stuck_reason"],
                    "signature": row["paid_signature"],
                    "since": row["updated_at"],
                }
                for row in await list_troubled(system)
            ]
        )

    run_with_system(task)


def _sum_up(shop: str, history: History) -> dict[str, Figure]:
    payment = history.payment
    return {
        "payment": payment.id,
        "shop": shop,
        "cluster": payment.cluster,
        "status": payment.status,
        "exception": payment.exception,
        "reason": payment.stuck_reason,
        "amount": payment.amount,
        "currency": payment.currency,
        "usdc": None if payment.usdc is None else format_usdc(payment.usdc),
        "paid_signature": payment.paid_signature,
    }


def _list_issued(history: History) -> list[dict[str, Figure]]:
    return [
        {
            "transaction": issued.signature,
            "fate": issued.fate,
            "final": "yes" if issued.final else "no",
            "error": issued.error,
            "wallet": issued.wallet,
            "issued_at": issued.created_at,
        }
        for issued in history.issued
    ]


def _list_moments(history: History) -> list[dict[str, Figure]]:
    return [
        {"at": moment.at, "what": moment.title, "more": moment.text}
        for moment in reversed(tell(history.events, history.told))
    ]
