// @solana/web3.js 1.x against the devnet: arguments rpc, websocket, the customer's secret key and the mint.
// Prints one JSON object of what it saw.
import {
  Connection, Keypair, LAMPORTS_PER_SOL, PublicKey, SendTransactionError, SystemProgram, Transaction, TransactionMessage,
  VersionedTransaction,
} from "@solana/web3.js";

const [rpc, websocket, secret, mint] = process.argv.slice(2);
const connection = new Connection(rpc, { wsEndpoint: websocket, commitment: "confirmed" });
const customer = Keypair.fromSecretKey(Uint8Array.from(JSON.parse(secret)));
const saw = {};

const target = Keypair.generate().publicKey;
const heard = { logs: [], accounts: [], slots: 0, roots: 0 };
const logs = connection.onLogs(customer.publicKey, (one) => heard.logs.push(one.signature), "confirmed");
const accounts = connection.onAccountChange(target, (one) => heard.accounts.push(one.lamports), "confirmed");
const slots = connection.onSlotChange(() => heard.slots++);
const roots = connection.onRootChange(() => heard.roots++);

async function until(condition) {
  for (const deadline = Date.now() + 20_000; !condition(); ) {
    if (Date.now() > deadline) throw new Error(`never came true: ${condition}; heard ${JSON.stringify(heard)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
await until(() => heard.slots > 0);

saw.balance = await connection.getBalance(customer.publicKey);
saw.rent = await connection.getMinimumBalanceForRentExemption(0);
const held = await connection.getParsedTokenAccountsByOwner(customer.publicKey, { mint: new PublicKey(mint) });
saw.usdc = held.value[0].account.data.parsed.info.tokenAmount.uiAmountString;

// A legacy transaction, confirmed over the websocket.
const latest = await connection.getLatestBlockhash();
const legacy = new Transaction({ ...latest, feePayer: customer.publicKey }).add(
  SystemProgram.transfer({ fromPubkey: customer.publicKey, toPubkey: target, lamports: LAMPORTS_PER_SOL }),
);
legacy.sign(customer);
const signature = await connection.sendRawTransaction(legacy.serialize());
saw.confirmed = (await connection.confirmTransaction({ signature, ...latest }, "confirmed")).value.err;
await until(() => heard.logs.includes(signature) && heard.accounts.includes(LAMPORTS_PER_SOL));
const parsed = await connection.getParsedTransaction(signature, { commitment: "confirmed", maxSupportedTransactionVersion: 0 });
saw.parsed = parsed.transaction.message.instructions[0].parsed.type;
saw.status = (await connection.getSignatureStatuses([signature])).value[0].err;
saw.history = (await connection.getSignaturesForAddress(target)).map((line) => line.signature === signature);

// A versioned one, simulated first.
const message = new TransactionMessage({
  payerKey: customer.publicKey,
  recentBlockhash: (await connection.getLatestBlockhash()).blockhash,
  instructions: [SystemProgram.transfer({ fromPubkey: customer.publicKey, toPubkey: target, lamports: 5 })],
}).compileToV0Message();
saw.fee = (await connection.getFeeForMessage(message)).value;
const versioned = new VersionedTransaction(message);
versioned.sign([customer]);
saw.simulated = (await connection.simulateTransaction(versioned)).value.err;
const second = await connection.sendTransaction(versioned);
saw.finalized = (await connection.confirmTransaction(second, "finalized")).value.err;
saw.version = (await connection.getTransaction(second, { maxSupportedTransactionVersion: 0 })).version;

// One that fails: the error that wallets show.
const tooMuch = new Transaction().add(
  SystemProgram.transfer({ fromPubkey: customer.publicKey, toPubkey: target, lamports: 10_000 * LAMPORTS_PER_SOL }),
);
try {
  await connection.sendTransaction(tooMuch, [customer]);
} catch (error) {
  saw.failure = { known: error instanceof SendTransactionError, message: error.message, logs: error.logs?.length };
}

const gift = await connection.requestAirdrop(target, LAMPORTS_PER_SOL);
saw.airdrop = (await connection.confirmTransaction(gift)).value.err;
const multiple = await connection.getMultipleAccountsInfo([target, Keypair.generate().publicKey]);
saw.accounts = multiple.map((account) => account && account.lamports);
saw.epoch = Object.keys(await connection.getEpochInfo()).sort();
saw.version_of_node = typeof (await connection.getVersion())["solana-core"];
await until(() => heard.roots > 0);

await connection.removeOnLogsListener(logs);
await connection.removeAccountChangeListener(accounts);
await connection.removeSlotChangeListener(slots);
await connection.removeRootChangeListener(roots);
console.log(JSON.stringify(saw));
process.exit(0);
