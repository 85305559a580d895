"""What an operator looks for, over all shops."""

from pathlib import Path

import pytest

from app.lookup import find_histories, list_troubled
from app.payments import lifecycle
from app.portal.clues import ClueUnreadable
from tests.box import open_box


async def test_a_payment_is_found_by_all_that_is_known_of_it_and_what_is_stuck_is_listed(
    database_url: str, tmp_path: Path
) -> None:
    async with open_box(database_url, tmp_path) as box:
        system = box.house.system
        paid, other = await box.paid(), await box.checkout()
        refund = await box.refund(paid)
        [issued] = await box.house.rows("SELECT signature, single_use FROM issued_transactions")
        for clue in (
            *(paid["payment"], paid["id"], paid["gid"], paid["redirect_url"], paid["wallet"]),
            *(refund["id"], refund["row"]["id"], issued["signature"], issued["single_use"]),
        ):
            [(shop, history)] = await find_histories(system, clue)
            assert (shop, history.payment.id) == ("sandbox.myshopify.com", paid["payment"]), clue
        assert await find_histories(system, "nobody-knows-this") == []

        assert await list_troubled(system) == []
        async with system.database.transaction() as connection:
            await lifecycle.PAYMENTS.stick(connection, other["payment"], "landed_unknown", at=system.clock.now())
        assert [(row["record"], row["id"], row["stuck_reason"]) for row in await list_troubled(system)] == [
            ("payment", other["payment"], "landed_unknown")
        ]


@pytest.mark.parametrize("clue", ["", "x" * 600])
async def test_what_can_not_be_searched_for_is_refused(database_url: str, tmp_path: Path, clue: str) -> None:
    async with open_box(database_url, tmp_path, worker=False) as box:
        with pytest.raises(ClueUnreadable):
            await find_histories(box.house.system, clue)
