"""What executing transactions does and shows: failures, fees, lookup tables, nonces, simulation."""

import base64

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import (
    AdvanceNonceAccountParams,
    CreateAccountParams,
    InitializeNonceAccountParams,
    TransferParams,
    advance_nonce_account,
    create_account,
    initialize_nonce_account,
    transfer,
)
from solders.transaction import VersionedTransaction

from tests.integration.devnet.running import SOL, Running

SYSTEM = Pubkey.from_string("11111111111111111111111111111111")
TABLES = Pubkey.from_string("AddressLookupTab1e1111111111111111111111111")
NOW = {"encoding": "base64", "preflightCommitment": "processed"}
UNCHECKED = NOW | {"skipPreflight": True}


def encode(tx: VersionedTransaction) -> str:
    return base64.b64encode(bytes(tx)).decode()


async def test_a_failing_transaction_is_refused_in_preflight_with_its_error_and_logs(running: Running) -> None:
    key = await running.rich_key(sol=1)
    error = await running.error("sendTransaction", encode(running.pay_sol(key, 5 * SOL)), NOW)

    assert error["code"] == -32002
    assert (
        error["message"] == "Transaction simulation failed: Error processing Instruction 0: custom program error: 0x1"
    )
    assert error["data"]["err"] == {"InstructionError": [0, {"Custom": 1}]}
    assert any("insufficient lamports" in line for line in error["data"]["logs"])


async def test_a_failing_transaction_sent_unchecked_is_recorded_and_pays_its_fee(running: Running) -> None:
    key = await running.rich_key(sol=1)
    signature = await running.result("sendTransaction", encode(running.pay_sol(key, 5 * SOL)), UNCHECKED)
    running.devnet.advance_slots(1)

    status = (await running.result("getSignatureStatuses", [signature]))["value"][0]
    options = {"commitment": "confirmed", "maxSupportedTransactionVersion": 0}
    shown = await running.result("getTransaction", signature, options)

    failure = {"InstructionError": [0, {"Custom": 1}]}
    assert status["err"] == failure
    assert status["status"] == {"Err": failure}
    assert shown["meta"]["err"] == failure
    assert shown["meta"]["fee"] == 5000
    assert shown["meta"]["preBalances"][0] - shown["meta"]["postBalances"][0] == 5000
    assert shown["version"] == "legacy"
    assert (await running.result("getBalance", str(key.pubkey())))["value"] == SOL - 5000


async def test_a_transaction_that_nobody_pays_for_leaves_no_trace(running: Running) -> None:
    signature = await running.result("sendTransaction", encode(running.pay_sol(Keypair(), 1)), UNCHECKED)
    assert (await running.result("getSignatureStatuses", [signature]))["value"] == [None]


async def test_a_wrong_or_missing_signature_is_refused(running: Running) -> None:
    key = await running.rich_key()
    good = running.pay_sol(key)
    for signature in (Signature.default(), Keypair().sign_message(b"other")):
        bad = VersionedTransaction.populate(good.message, [signature])
        error = await running.error("sendTransaction", encode(bad), NOW)
        assert error == {"code": -32003, "message": "Transaction signature verification failure"}
        await running.result("sendTransaction", encode(bad), UNCHECKED)
        assert (await running.result("getSignatureStatuses", [str(bad.signatures[0])]))["value"] == [None]


async def test_simulation_needs_no_signature_and_changes_nothing(running: Running) -> None:
    key, target = await running.rich_key(), Keypair().pubkey()
    unsigned = VersionedTransaction.populate(running.pay_sol(key, SOL, target).message, [Signature.default()])
    accounts = {"addresses": [str(target)], "encoding": "base64"}
    options = {"encoding": "base64", "commitment": "processed", "accounts": accounts}

    value = (await running.result("simulateTransaction", encode(unsigned), options))["value"]

    assert value["err"] is None
    assert value["unitsConsumed"] == 150
    assert value["accounts"][0]["lamports"] == SOL
    assert (await running.result("getBalance", str(target)))["value"] == 0
    error = await running.error("simulateTransaction", encode(unsigned), options | {"sigVerify": True})
    assert error["code"] == -32003


async def test_simulation_can_replace_an_old_blockhash(running: Running) -> None:
    key = await running.rich_key()
    tx = running.pay_sol(key)
    running.devnet.advance_slots(200)
    options = {"encoding": "base64"}

    old = (await running.result("simulateTransaction", encode(tx), options))["value"]
    new = (await running.result("simulateTransaction", encode(tx), options | {"replaceRecentBlockhash": True}))["value"]
    both = options | {"replaceRecentBlockhash": True, "sigVerify": True}
    error = await running.error("simulateTransaction", encode(tx), both)

    assert old["err"] == "BlockhashNotFound"
    assert new["err"] is None
    assert new["replacementBlockhash"]["lastValidBlockHeight"]
    assert error["code"] == -32602


async def test_a_lookup_table_is_made_used_and_shown(running: Running) -> None:
    key, target = await running.rich_key(), Keypair().pubkey()
    running.devnet.advance_slots(40)
    table = await _make_table(running, key, [target])
    moving = transfer(TransferParams(from_pubkey=key.pubkey(), to_pubkey=target, lamports=SOL))
    message = MessageV0.try_compile(
        key.pubkey(), [moving], [AddressLookupTableAccount(table, [target])], running.blockhash()
    )
    signature = await running.result("sendTransaction", encode(VersionedTransaction(message, [key])), NOW)
    running.devnet.advance_slots(1)

    options = {"commitment": "confirmed", "maxSupportedTransactionVersion": 0}
    plain = await running.result("getTransaction", signature, options)
    parsed = await running.result("getTransaction", signature, options | {"encoding": "jsonParsed"})
    error = await running.error("getTransaction", signature, {"commitment": "confirmed"})

    assert plain["version"] == 0
    assert plain["meta"]["loadedAddresses"] == {"writable": [str(target)], "readonly": []}
    assert plain["meta"]["postBalances"][-1] == SOL
    assert str(target) not in plain["transaction"]["message"]["accountKeys"]
    last = parsed["transaction"]["message"]["accountKeys"][-1]
    assert last == {"pubkey": str(target), "signer": False, "writable": True, "source": "lookupTable"}
    assert error["code"] == -32015
    account = (await running.result("getAccountInfo", str(table), {"encoding": "jsonParsed"}))["value"]
    assert account["data"]["parsed"]["info"]["addresses"] == [str(target)]


async def _make_table(running: Running, key: Keypair, addresses: list[Pubkey]) -> Pubkey:
    slot = running.devnet.cluster.slot - 1
    seeds = [bytes(key.pubkey()), slot.to_bytes(8, "little")]
    table, bump = Pubkey.find_program_address(seeds, TABLES)
    accounts = [
        AccountMeta(table, is_signer=False, is_writable=True),
        AccountMeta(key.pubkey(), is_signer=True, is_writable=False),
        AccountMeta(key.pubkey(), is_signer=True, is_writable=True),
        AccountMeta(SYSTEM, is_signer=False, is_writable=False),
    ]
    create = Instruction(TABLES, bytes(4) + slot.to_bytes(8, "little") + bytes([bump]), accounts)
    content = b"".join(bytes(address) for address in addresses)
    extend = Instruction(TABLES, (2).to_bytes(4, "little") + len(addresses).to_bytes(8, "little") + content, accounts)
    await running.result("sendTransaction", encode(running.sign(key, create, extend)), NOW)
    running.devnet.advance_slots(1)
    return table


async def test_a_durable_nonce_outlives_blockhashes_and_is_used_up_even_by_a_failure(running: Running) -> None:
    key, nonce = await running.rich_key(), Keypair()
    make = create_account(
        CreateAccountParams(
            from_pubkey=key.pubkey(), to_pubkey=nonce.pubkey(), lamports=SOL // 100, space=80, owner=SYSTEM
        )
    )
    init = initialize_nonce_account(InitializeNonceAccountParams(nonce_pubkey=nonce.pubkey(), authority=key.pubkey()))
    message = MessageV0.try_compile(key.pubkey(), [make, init], [], running.blockhash())
    await running.result("sendTransaction", encode(VersionedTransaction(message, [key, nonce])), NOW)
    running.devnet.advance_slots(500)
    advance = advance_nonce_account(
        AdvanceNonceAccountParams(nonce_pubkey=nonce.pubkey(), authorized_pubkey=key.pubkey())
    )

    async def stored() -> Hash:
        account = await running.result("getAccountInfo", str(nonce.pubkey()), {"encoding": "jsonParsed"})
        return Hash.from_string(account["value"]["data"]["parsed"]["info"]["blockhash"])

    for lamports in (SOL, 1_000 * SOL):
        before = await stored()
        move = transfer(TransferParams(from_pubkey=key.pubkey(), to_pubkey=Keypair().pubkey(), lamports=lamports))
        tx = running.sign(key, advance, move, blockhash=before)
        signature = await running.result("sendTransaction", encode(tx), UNCHECKED)
        running.devnet.advance_slots(1)
        status = (await running.result("getSignatureStatuses", [signature]))["value"][0]
        assert (status["err"] is None) == (lamports == SOL)
        assert await stored() != before


async def test_parsed_instructions_read_as_a_node_shows_them(running: Running) -> None:
    customer, merchant = await running.rich_key(usdc=10), Keypair().pubkey()
    await running.devnet.fund_usdc(str(merchant), 0)
    reference = Keypair().pubkey()
    tx = running.sign(customer, running.usdc_transfer(customer.pubkey(), merchant, 4, reference))
    signature = await running.result("sendTransaction", encode(tx), NOW)
    running.devnet.advance_slots(1)
    options = {"commitment": "confirmed", "encoding": "jsonParsed"}

    shown = await running.result("getTransaction", signature, options)

    instruction = shown["transaction"]["message"]["instructions"][0]
    assert instruction["program"] == "spl-token"
    assert instruction["parsed"]["type"] == "transferChecked"
    info = instruction["parsed"]["info"]
    assert info["tokenAmount"]["uiAmountString"] == "0.000004"
    assert info["multisigAuthority"] == str(customer.pubkey())
    assert info["signers"] == [str(reference)]


async def test_the_programs_know_the_time(running: Running) -> None:
    running.devnet.advance_slots(5)
    clock = await running.result(
        "getAccountInfo", "SysvarC1ock11111111111111111111111111111111", {"encoding": "base64"}
    )
    data = base64.b64decode(clock["value"]["data"][0])
    assert int.from_bytes(data[:8], "little") == running.devnet.cluster.slot
    assert abs(int.from_bytes(data[32:40], "little") - running.devnet.cluster.unix_time()) <= 2
