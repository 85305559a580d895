"""JSON-RPC calls about accounts and tokens.

The answers show the newest state whatever commitment is asked for: only `context.slot` follows it. The state one slot
ago is not kept, and with a lag of one slot at `confirmed` the difference is what a client must bear anyway.
"""

from typing import Any

from solders.account import Account
from solders.pubkey import Pubkey

from app.sandbox.devnet.encoding import encode_account
from app.sandbox.devnet.errors import invalid_params
from app.sandbox.devnet.methods import Call, Method
from app.sandbox.devnet.params import Config, to_pubkey
from app.sandbox.devnet.tokens import TOKEN_PROGRAMS, read_mint, read_token_account, ui_amount

MAX_ACCOUNTS = 100


def get_account_info(call: Call) -> dict[str, Any]:
    address, config = call.params.pubkey(0), call.params.config(1)
    return call.at(config.context_slot(call.sight.view), _shown(call, address, config, "binary"))


def get_multiple_accounts(call: Call) -> dict[str, Any]:
    asked, config = call.params.items(0), call.params.config(1)
    if len(asked) > MAX_ACCOUNTS:
        raise invalid_params(f"Too many inputs provided; max {MAX_ACCOUNTS}")
    addresses = [to_pubkey(address) for address in asked]
    slot = config.context_slot(call.sight.view)
    return call.at(slot, [_shown(call, address, config, "base64") for address in addresses])


def _shown(call: Call, address: Pubkey, config: Config, default: str) -> dict[str, Any] | None:
    account = call.cluster.bank.read(address)
    return None if account is None else encode_account(account, config, call.cluster.bank.read, default)


def get_balance(call: Call) -> dict[str, Any]:
    account = call.cluster.bank.read(call.params.pubkey(0))
    return call.at(call.params.config(1).context_slot(call.sight.view), account.lamports if account else 0)


def get_token_account_balance(call: Call) -> dict[str, Any]:
    token = read_token_account(_existing(call))
    mint = read_mint(call.cluster.bank.read(token.mint)) if token else None
    if token is None or mint is None:
        raise invalid_params("Invalid param: not a Token account")
    return call.at(call.params.config(1).context_slot(call.sight.view), ui_amount(token.amount, mint.decimals))


def get_token_supply(call: Call) -> dict[str, Any]:
    mint = read_mint(_existing(call))
    if mint is None:
        raise invalid_params("Invalid param: not a Token mint")
    return call.at(call.params.config(1).context_slot(call.sight.view), ui_amount(mint.supply, mint.decimals))


def _existing(call: Call) -> Account:
    account = call.cluster.bank.read(call.params.pubkey(0))
    if account is None:
        raise invalid_params("Invalid param: could not find account")
    return account


def get_token_accounts_by_owner(call: Call) -> dict[str, Any]:
    owner, choice, config = call.params.pubkey(0), Config(call.params.options(1)), call.params.config(2)
    mint, program = _wanted(call, choice)
    slot, read = config.context_slot(call.sight.view), call.cluster.bank.read
    found: list[dict[str, Any]] = []
    for address in call.cluster.ledger.token_accounts(owner):
        account = read(address)
        token = read_token_account(account)
        if account is None or token is None or (mint is not None and token.mint != mint) or token.program != program:
            continue
        found.append({"pubkey": str(address), "account": encode_account(account, config, read)})
    return call.at(slot, found)


def _wanted(call: Call, choice: Config) -> tuple[Pubkey | None, Pubkey]:
    """The mint, if one is asked for, and the token program."""
    mint_text, program_text = choice.text("mint"), choice.text("programId")
    if (mint_text is None) == (program_text is None):
        raise invalid_params("Invalid params: expected either `mint` or `programId`.")
    if mint_text is None:
        program = to_pubkey(program_text)
        if program not in TOKEN_PROGRAMS:
            raise invalid_params("Invalid param: unrecognized Token program id")
        return None, program
    mint = to_pubkey(mint_text)
    account = call.cluster.bank.read(mint)
    if account is None:
        raise invalid_params("Invalid param: could not find mint")
    if read_mint(account) is None:
        raise invalid_params("Invalid param: not a Token mint")
    return mint, account.owner


def get_minimum_balance_for_rent_exemption(call: Call) -> int:
    return call.cluster.bank.rent(call.params.integer(0))


METHODS: dict[str, Method] = {
    "getAccountInfo": get_account_info,
    "getMultipleAccounts": get_multiple_accounts,
    "getBalance": get_balance,
    "getTokenAccountBalance": get_token_account_balance,
    "getTokenSupply": get_token_supply,
    "getTokenAccountsByOwner": get_token_accounts_by_owner,
    "getMinimumBalanceForRentExemption": get_minimum_balance_for_rent_exemption,
}
