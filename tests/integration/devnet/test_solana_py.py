"""solana-py's own client, unchanged, against the devnet."""

from solana.rpc.commitment import Confirmed, Finalized, Processed
from solana.rpc.models import TokenAccountOpts, TxOpts
from solana.rpc.websocket_api import SolanaWsClient
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.rpc.config import RpcTransactionLogsFilterMentions
from solders.transaction_status import TransactionConfirmationStatus

from tests.integration.devnet.running import SOL, Running, memo


async def test_a_usdc_payment_is_sent_confirmed_finalized_and_read_back(running: Running) -> None:
    customer, merchant = await running.rich_key(usdc=5_000_000), await running.rich_key()
    await running.devnet.fund_usdc(str(merchant.pubkey()), 0)
    running.devnet.advance_slots(1)
    blockhash = (await running.client.get_latest_blockhash(Confirmed)).value.blockhash
    reference = Keypair().pubkey()
    pay = running.usdc_transfer(customer.pubkey(), merchant.pubkey(), 1_250_000, reference)
    tx = running.sign(customer, memo("order 7"), pay, blockhash=blockhash)

    signature = (await running.client.send_transaction(tx, TxOpts(preflight_commitment=Confirmed))).value

    assert signature == tx.signatures[0]
    levels = []
    for slots in (0, 1, 31):
        running.devnet.advance_slots(slots)
        status = (await running.client.get_signature_statuses([signature])).value[0]
        assert status is not None
        assert status.err is None
        levels.append(status.confirmation_status)
    level = TransactionConfirmationStatus
    assert levels == [level.Processed, level.Confirmed, level.Finalized]
    for encoding in ("json", "jsonParsed", "base64"):
        answer = (await running.client.get_transaction(signature, encoding, Finalized, 0)).value
        assert answer is not None
        meta = answer.transaction.meta
        assert meta is not None
        before, after = (
            {str(balance.owner): balance.ui_token_amount.amount for balance in balances or []}
            for balances in (meta.pre_token_balances, meta.post_token_balances)
        )
        assert before == {str(customer.pubkey()): "5000000", str(merchant.pubkey()): "0"}
        assert after == {str(customer.pubkey()): "3750000", str(merchant.pubkey()): "1250000"}
    for address in (reference, customer.pubkey(), merchant.pubkey()):
        history = (await running.client.get_signatures_for_address(address, limit=5, commitment=Confirmed)).value
        expected = address != merchant.pubkey()
        assert (signature in [line.signature for line in history]) == expected
    line = (await running.client.get_signatures_for_address(reference)).value[0]
    assert line.memo == "[7] order 7"


async def test_accounts_are_readable_in_every_form(running: Running) -> None:
    key = await running.rich_key(sol=3, usdc=42)
    account, client = running.usdc_account(key.pubkey()), running.client

    assert (await client.get_balance(key.pubkey())).value == 3 * SOL
    assert (await client.get_token_account_balance(account)).value.ui_amount_string == "0.000042"
    assert (await client.get_token_supply(Pubkey.from_string(running.devnet.usdc_mint))).value.amount == "42"
    raw = (await client.get_account_info(account)).value
    parsed = (await client.get_account_info_json_parsed(account)).value
    assert raw is not None
    assert parsed is not None
    assert len(raw.data) == 165
    assert parsed.data.parsed["info"]["owner"] == str(key.pubkey())
    both = (await client.get_multiple_accounts([account, Keypair().pubkey()])).value
    assert both[0] == raw
    assert both[1] is None
    owned = await client.get_token_accounts_by_owner(
        key.pubkey(), TokenAccountOpts(mint=Pubkey.from_string(running.devnet.usdc_mint))
    )
    assert [one.pubkey for one in owned.value] == [account]
    assert (await client.get_minimum_balance_for_rent_exemption(0)).value == 890_880


async def test_the_chain_describes_itself(running: Running) -> None:
    client = running.client
    slot, height = (await client.get_slot(Confirmed)).value, (await client.get_block_height(Confirmed)).value
    epoch = (await client.get_epoch_info(Confirmed)).value

    assert await client.is_connected()
    assert (epoch.absolute_slot, epoch.block_height) == (slot, height)
    assert height < slot
    assert (await client.get_slot(Processed)).value == slot + 1
    assert (await client.get_slot(Finalized)).value == slot + 1 - 32
    assert str((await client.get_genesis_hash()).value) == running.devnet.cluster.genesis_hash
    assert (await client.get_version()).value.solana_core
    assert (await client.get_first_available_block()).value == (await client.get_minimum_ledger_slot()).value
    assert len((await client.get_recent_prioritization_fees()).value) == 150
    assert (await client.get_transaction_count()).value >= 0
    assert (await client.get_block_time(slot)).value is not None
    assert (await client.get_recent_performance_samples(3)).value
    message = running.pay_sol(Keypair()).message
    assert (await client.get_fee_for_message(message, Processed)).value == 5000


async def test_an_airdrop_arrives(running: Running) -> None:
    key = Keypair().pubkey()
    signature = (await running.client.request_airdrop(key, 2 * SOL)).value

    running.devnet.advance_slots(1)
    await running.client.confirm_transaction(signature, Confirmed, sleep_seconds=0.01)
    assert (await running.client.get_balance(key)).value == 2 * SOL


async def test_the_websocket_tells_of_accounts_signatures_logs_slots_and_roots(running: Running) -> None:
    key, target = await running.rich_key(), Keypair().pubkey()
    running.devnet.advance_slots(33)
    tx = running.pay_sol(key, SOL, target)
    async with SolanaWsClient(running.websocket_url) as ws:
        numbers = {
            "account": await ws.account_subscribe(pubkey=target, commitment=Confirmed, encoding="base64"),
            "logs": await ws.logs_subscribe(
                filter_=RpcTransactionLogsFilterMentions(key.pubkey()), commitment=Processed
            ),
            "signature": await ws.signature_subscribe(signature=tx.signatures[0], commitment=Finalized),
            "slot": await ws.slot_subscribe(),
            "root": await ws.root_subscribe(),
        }
        await running.client.send_transaction(tx, TxOpts(skip_preflight=True))
        running.devnet.advance_slots(32)

        heard: dict[str, list[object]] = {name: [] for name in numbers}
        names = {subscription.subscription_id: name for name, subscription in numbers.items()}
        # One account, one log line, one signature; every slot and every root.
        for _ in range(1 + 1 + 1 + 32 + 32):
            notification = await ws.recv()
            heard[names[notification.subscription]].append(notification.result)
        for name in ("account", "logs", "slot", "root"):
            await ws.unsubscribe(numbers[name])

    assert {name: len(list_) for name, list_ in heard.items()} == {
        "account": 1,
        "logs": 1,
        "signature": 1,
        "slot": 32,
        "root": 32,
    }
