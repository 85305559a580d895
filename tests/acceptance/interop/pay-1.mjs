// @solana/pay 1.0.16 (on @solana/kit) as a wallet and as a merchant, against any Solana Pay transaction request.
// The argument and the output are those of pay-0.mjs.
import { fetchTransaction, findReference, parseURL, validateTransfer } from "@solana/pay-1";
import {
  address, createKeyPairFromBytes, createSolanaRpc, createSolanaRpcSubscriptions, decompileTransactionMessage,
  generateKeyPairSigner, getBase64EncodedWireTransaction, getCompiledTransactionMessageDecoder, getSignatureFromTransaction,
  getUtf8Decoder, partiallySignTransaction, signature as toSignature,
} from "@solana/kit";

const wanted = JSON.parse(process.argv[2]);
const rpc = createSolanaRpc(wanted.rpc);
const keys = await createKeyPairFromBytes(Uint8Array.from(wanted.secret));
const customer = wanted.customer;

const { link } = parseURL(wanted.link);
const local = new URL(link.pathname, wanted.origin);
const described = await (await fetch(local)).json();
const transaction = await partiallySignTransaction([keys], await fetchTransaction(rpc, address(customer), local));
const message = decompileTransactionMessage(getCompiledTransactionMessageDecoder().decode(transaction.messageBytes));
const reference = wanted.reference ?? message.instructions.at(-1).accounts[4].address;
const memo = wanted.memo ?? getUtf8Decoder().decode(message.instructions.at(-2).data);

const signature = getSignatureFromTransaction(transaction);
const subscriptions = createSolanaRpcSubscriptions(wanted.websocket);
const confirmations = await subscriptions
  .signatureNotifications(signature, { commitment: "confirmed" })
  .subscribe({ abortSignal: AbortSignal.timeout(20_000) });
// Kit drops what arrives before it is first asked for; a fast chain confirms before the sending is answered.
const confirmed = confirmations[Symbol.asyncIterator]().next();
const wire = getBase64EncodedWireTransaction(transaction);
await rpc.sendTransaction(wire, { encoding: "base64", preflightCommitment: "confirmed" }).send();
const { value: { value: { err } } } = await confirmed;
const found = await findReference(rpc, address(reference), { commitment: "confirmed" });
const fields = {
  recipient: address(wanted.recipient), amount: Number(wanted.amount), splToken: address(wanted.mint),
  reference: address(reference), memo,
};
await validateTransfer(rpc, toSignature(signature), fields, { commitment: "confirmed" });
const stranger = (await generateKeyPairSigner()).address;
const refused = {};
for (const [name, wrong] of Object.entries({
  amount: { amount: fields.amount + 0.01 },
  memo: { memo: "another order" },
  recipient: { recipient: stranger },
  reference: { reference: stranger },
})) {
  refused[name] = await validateTransfer(rpc, toSignature(signature), { ...fields, ...wrong }, { commitment: "confirmed" })
    .then(() => false, (error) => error.name === "ValidateTransferError");
}
console.log(JSON.stringify({ label: described.label, signature: String(signature), err, found: found.signature, refused }));
process.exit(0);
