// @solana/kit against the devnet: arguments rpc, websocket, the customer's secret key and the mint.
// Prints one JSON object of what it saw.
import {
  address, airdropFactory, appendTransactionMessageInstruction, createKeyPairSignerFromBytes, createSolanaRpc,
  createSolanaRpcSubscriptions, createTransactionMessage, generateKeyPairSigner, getSignatureFromTransaction,
  isSolanaError, lamports, pipe, sendAndConfirmTransactionFactory, setTransactionMessageFeePayerSigner,
  setTransactionMessageLifetimeUsingBlockhash, signTransactionMessageWithSigners,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE,
} from "@solana/kit";
import { getTransferSolInstruction } from "@solana-program/system";

const [url, websocket, secret, mint] = process.argv.slice(2);
const rpc = createSolanaRpc(url);
const rpcSubscriptions = createSolanaRpcSubscriptions(websocket);
const customer = await createKeyPairSignerFromBytes(Uint8Array.from(JSON.parse(secret)));
const target = (await generateKeyPairSigner()).address;
const sendAndConfirm = sendAndConfirmTransactionFactory({ rpc, rpcSubscriptions });
const saw = {};

async function transfer(amount, version) {
  const { value: latest } = await rpc.getLatestBlockhash({ commitment: "confirmed" }).send();
  const message = pipe(
    createTransactionMessage({ version }),
    (m) => setTransactionMessageFeePayerSigner(customer, m),
    (m) => setTransactionMessageLifetimeUsingBlockhash(latest, m),
    (m) => appendTransactionMessageInstruction(
      getTransferSolInstruction({ source: customer, destination: target, amount: lamports(amount) }), m),
  );
  return signTransactionMessageWithSigners(message);
}

const stop = new AbortController();
const logs = await rpcSubscriptions
  .logsNotifications({ mentions: [customer.address] }, { commitment: "confirmed" })
  .subscribe({ abortSignal: stop.signal });
// What comes before somebody iterates is lost, so the reading begins here.
const logged = (async () => {
  for await (const { value } of logs) if (value.err === null) return value.signature;
})();
const slots = await rpcSubscriptions.slotNotifications().subscribe({ abortSignal: stop.signal });
for await (const slot of slots) {
  saw.slot = typeof slot.slot;
  break;
}

saw.balance = String((await rpc.getBalance(customer.address).send()).value);
const accounts = await rpc.getTokenAccountsByOwner(customer.address, { mint: address(mint) }, { encoding: "jsonParsed" }).send();
saw.usdc = accounts.value[0].account.data.parsed.info.tokenAmount.uiAmountString;
saw.valid = (await rpc.isBlockhashValid((await rpc.getLatestBlockhash().send()).value.blockhash).send()).value;

const legacy = await transfer(1_000_000_000n, "legacy");
await sendAndConfirm(legacy, { commitment: "confirmed" });
const signature = getSignatureFromTransaction(legacy);
saw.logs = (await logged) === signature;
const versioned = await transfer(2_000_000n, 0);
await sendAndConfirm(versioned, { commitment: "finalized" });
const shown = await rpc
  .getTransaction(getSignatureFromTransaction(versioned), { encoding: "jsonParsed", maxSupportedTransactionVersion: 0 })
  .send();
saw.version = shown.version;
saw.parsed = shown.transaction.message.instructions[0].parsed.type;
const { value: [status] } = await rpc.getSignatureStatuses([signature], { searchTransactionHistory: true }).send();
saw.status = status.confirmationStatus;
saw.history = (await rpc.getSignaturesForAddress(target, { commitment: "confirmed" }).send()).length;

try {
  await sendAndConfirm(await transfer(10_000_000_000_000n, 0), { commitment: "confirmed" });
} catch (error) {
  saw.failure = {
    known: isSolanaError(error, SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE),
    cause: error.cause?.message,
    logs: error.context?.logs?.length,
  };
}

const airdrop = airdropFactory({ rpc, rpcSubscriptions });
await airdrop({ commitment: "confirmed", lamports: lamports(3_000_000_000n), recipientAddress: target });
saw.target = String((await rpc.getBalance(target).send()).value);
const parsedAccount = await rpc.getAccountInfo(address(mint), { encoding: "jsonParsed" }).send();
saw.decimals = parsedAccount.value.data.parsed.info.decimals;
saw.height = typeof (await rpc.getEpochInfo().send()).blockHeight;
stop.abort();
console.log(JSON.stringify(saw, (_, value) => (typeof value === "bigint" ? Number(value) : value)));
process.exit(0);
