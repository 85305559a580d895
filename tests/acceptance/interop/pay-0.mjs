// @solana/pay 0.2.6 (on web3.js) as a wallet and as a merchant, against any Solana Pay transaction request.
// One argument, a JSON object: {"link": "solana:https://...", "origin": where that host really answers, "rpc", "websocket",
// "secret": the customer's key, "recipient", "amount", "mint", "memo", "reference"}. The last two may be null: then they are
// read from the transaction. parseURL refuses http, so the link is https and its origin is replaced. Prints a JSON object.
import { fetchTransaction, findReference, parseURL, validateTransfer } from "@solana/pay-0";
import { Connection, Keypair, PublicKey } from "@solana/web3.js";
import BigNumber from "bignumber.js";

const wanted = JSON.parse(process.argv[2]);
const connection = new Connection(wanted.rpc, { wsEndpoint: wanted.websocket, commitment: "confirmed" });
const customer = Keypair.fromSecretKey(Uint8Array.from(wanted.secret));

const { link } = parseURL(wanted.link);
const local = new URL(link.pathname, wanted.origin);
const described = await (await fetch(local)).json();
const transaction = await fetchTransaction(connection, customer.publicKey, local);
transaction.partialSign(customer);
const transfer = transaction.instructions.at(-1);
const reference = wanted.reference ? new PublicKey(wanted.reference) : transfer.keys[4].pubkey;
const memo = wanted.memo ?? transaction.instructions.at(-2).data.toString();

const latest = await connection.getLatestBlockhash();
const signature = await connection.sendRawTransaction(transaction.serialize());
const confirmed = await connection.confirmTransaction({ signature, ...latest }, "confirmed");
const found = await findReference(connection, reference, { finality: "confirmed" });
const fields = {
  recipient: new PublicKey(wanted.recipient), amount: new BigNumber(wanted.amount), splToken: new PublicKey(wanted.mint),
  reference, memo,
};
await validateTransfer(connection, signature, fields, { commitment: "confirmed" });
const refused = {};
for (const [name, wrong] of Object.entries({
  amount: { amount: fields.amount.plus("0.01") },
  memo: { memo: "another order" },
  recipient: { recipient: Keypair.generate().publicKey },
  reference: { reference: Keypair.generate().publicKey },
})) {
  refused[name] = await validateTransfer(connection, signature, { ...fields, ...wrong }, { commitment: "confirmed" })
    .then(() => false, (error) => error.name === "ValidateTransferError");
}
console.log(JSON.stringify({ label: described.label, signature, err: confirmed.value.err, found: found.signature, refused }));
process.exit(0);
