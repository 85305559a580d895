"""Addresses of the programs we use, and the layouts of what they store and read."""

from solders.pubkey import Pubkey

SYSTEM_PROGRAM = Pubkey.from_string("11111111111111111111111111111111")
COMPUTE_BUDGET_PROGRAM = Pubkey.from_string("ComputeBudget111111111111111111111111111111")
TOKEN_PROGRAM = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
ASSOCIATED_TOKEN_PROGRAM = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
MEMO_PROGRAM = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")

# Compute budget program: u8 tag and u32 units, u8 tag and u64 micro-lamports for one.
COMPUTE_UNIT_LIMIT_TAG = 2
COMPUTE_UNIT_PRICE_TAG = 3

# System program, CreateAccountWithSeed: u32 tag, 32 bytes base, u64 length and seed, u64 lamports, u64 space, 32 bytes
# owner.
CREATE_ACCOUNT_WITH_SEED_TAG = 3

# Token program, TransferChecked: u8 tag, u64 amount, u8 decimals; accounts: source, mint, destination, authority,
# references.
TRANSFER_CHECKED_TAG = 12

# Associated token program, CreateIdempotent: u8 tag; accounts: funder, token account, owner, mint, System, Token.
CREATE_IDEMPOTENT_TAG = 1

# A token account: 32 bytes mint, 32 owner, u64 amount, 36 delegate, u8 state, 12 native, u64 delegated, 36 close
# authority.
TOKEN_ACCOUNT_SIZE = 165
TOKEN_ACCOUNT_STATE_OFFSET = 108
TOKEN_ACCOUNT_INITIALIZED = 1
TOKEN_ACCOUNT_FROZEN = 2

# A mint: 36 bytes authority, u64 supply, u8 decimals, u8 initialized, 36 freeze authority.
MINT_SIZE = 82
MINT_DECIMALS_OFFSET = 44
MINT_INITIALIZED_OFFSET = 45

# What every wallet accepts, and what the network takes in one packet is 1,232: ours must stay well below.
MAX_TRANSACTION_BYTES = 800
MAX_SEED_BYTES = 32

# A transaction can land in this many blocks after the one that gave its blockhash.
BLOCKHASH_LIFE_BLOCKS = 150

SOL_DECIMALS = 9

# What the network takes for each signature of a transaction.
LAMPORTS_PER_SIGNATURE = 5_000

# Limits of the RPC calls, the same on every node.
MAX_ACCOUNTS_PER_CALL = 100
MAX_STATUSES_PER_CALL = 256
MAX_HISTORY_PER_CALL = 1_000
