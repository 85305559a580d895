// Builds the payment transaction of tests/bench/bare.py with @solana/web3.js and @solana/kit, on request.
// Arguments: the folder with node_modules. Standard input: one line with the order, then {"library","times"} lines.
import { createHmac } from "node:crypto";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "package.json"));
const SYSTEM = "11111111111111111111111111111111";
const TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
const ASSOCIATED = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL";
const MEMO = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr";
const BUDGET = "ComputeBudget111111111111111111111111111111";

function deriveSeed(order) {
  const parts = order.parts.map((part) => {
    const bytes = Buffer.from(part);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  });
  const digest = createHmac("sha256", Buffer.from(order.secret, "hex")).update(Buffer.concat(parts)).digest();
  return digest.subarray(0, 16).toString("base64url");
}

function transferData(order) {
  const data = Buffer.alloc(10);
  data.writeUInt8(12, 0);
  data.writeBigUInt64LE(BigInt(order.amount), 1);
  data.writeUInt8(order.decimals, 9);
  return data;
}

function makeWeb3Builder(order) {
  const web3 = require("@solana/web3.js");
  const { ComputeBudgetProgram, Keypair, PublicKey, SystemProgram, Transaction, TransactionInstruction } = web3;
  const feePayer = Keypair.fromSecretKey(Uint8Array.from(order.feePayer));
  const [token, associated, memo, mint, destination, reference] = [
    TOKEN, ASSOCIATED, MEMO, order.mint, order.destination, order.reference,
  ].map((address) => new PublicKey(address));
  const wallets = order.wallets.map((address) => new PublicKey(address));
  return async (index) => {
    const wallet = wallets[index % wallets.length];
    const seed = deriveSeed(order);
    const singleUse = await PublicKey.createWithSeed(feePayer.publicKey, seed, SystemProgram.programId);
    const [source] = PublicKey.findProgramAddressSync([wallet.toBuffer(), token.toBuffer(), mint.toBuffer()], associated);
    const account = (pubkey, isSigner, isWritable) => ({ pubkey, isSigner, isWritable });
    const transaction = new Transaction({
      feePayer: feePayer.publicKey,
      blockhash: order.blockhash,
      lastValidBlockHeight: 1,
    }).add(
      ComputeBudgetProgram.setComputeUnitLimit({ units: order.unitLimit }),
      ComputeBudgetProgram.setComputeUnitPrice({ microLamports: order.unitPrice }),
      SystemProgram.createAccountWithSeed({
        fromPubkey: feePayer.publicKey,
        newAccountPubkey: singleUse,
        basePubkey: feePayer.publicKey,
        seed,
        lamports: order.rent,
        space: 0,
        programId: SystemProgram.programId,
      }),
      new TransactionInstruction({ programId: memo, keys: [], data: Buffer.from(order.memo) }),
      new TransactionInstruction({
        programId: token,
        keys: [
          account(source, false, true),
          account(mint, false, false),
          account(destination, false, true),
          account(wallet, true, false),
          account(reference, false, false),
        ],
        data: transferData(order),
      }),
    );
    transaction.partialSign(feePayer);
    return transaction.serialize({ requireAllSignatures: false });
  };
}

async function makeKitBuilder(order) {
  const kit = require("@solana/kit");
  const keys = await kit.createKeyPairFromBytes(Uint8Array.from(order.feePayer));
  const feePayer = await kit.getAddressFromPublicKey(keys.publicKey);
  const encoder = kit.getTransactionEncoder();
  const addressEncoder = kit.getAddressEncoder();
  const { WRITABLE, READONLY, READONLY_SIGNER, WRITABLE_SIGNER } = kit.AccountRole;
  const createData = kit.getStructEncoder([
    ["tag", kit.getU32Encoder()],
    ["base", addressEncoder],
    ["seed", kit.addEncoderSizePrefix(kit.getUtf8Encoder(), kit.getU64Encoder())],
    ["lamports", kit.getU64Encoder()],
    ["space", kit.getU64Encoder()],
    ["owner", addressEncoder],
  ]);
  const limitData = kit.getStructEncoder([["tag", kit.getU8Encoder()], ["units", kit.getU32Encoder()]]);
  const priceData = kit.getStructEncoder([["tag", kit.getU8Encoder()], ["price", kit.getU64Encoder()]]);
  return async (index) => {
    const wallet = order.wallets[index % order.wallets.length];
    const seed = deriveSeed(order);
    const singleUse = await kit.createAddressWithSeed({ baseAddress: feePayer, programAddress: SYSTEM, seed });
    const [source] = await kit.getProgramDerivedAddress({
      programAddress: ASSOCIATED,
      seeds: [wallet, TOKEN, order.mint].map((address) => addressEncoder.encode(address)),
    });
    const account = (address, role) => ({ address, role });
    const instructions = [
      { programAddress: BUDGET, data: limitData.encode({ tag: 2, units: order.unitLimit }) },
      { programAddress: BUDGET, data: priceData.encode({ tag: 3, price: order.unitPrice }) },
      {
        programAddress: SYSTEM,
        accounts: [account(feePayer, WRITABLE_SIGNER), account(singleUse, WRITABLE)],
        data: createData.encode({ tag: 3, base: feePayer, seed, lamports: order.rent, space: 0, owner: SYSTEM }),
      },
      { programAddress: MEMO, data: Buffer.from(order.memo) },
      {
        programAddress: TOKEN,
        accounts: [
          account(source, WRITABLE),
          account(order.mint, READONLY),
          account(order.destination, WRITABLE),
          account(wallet, READONLY_SIGNER),
          account(order.reference, READONLY),
        ],
        data: transferData(order),
      },
    ];
    const lifetime = { blockhash: order.blockhash, lastValidBlockHeight: 1n };
    const message = kit.pipe(
      kit.createTransactionMessage({ version: "legacy" }),
      (m) => kit.setTransactionMessageFeePayer(feePayer, m),
      (m) => kit.setTransactionMessageLifetimeUsingBlockhash(lifetime, m),
      (m) => kit.appendTransactionMessageInstructions(instructions, m),
    );
    const signed = await kit.partiallySignTransaction([keys], kit.compileTransaction(message));
    return encoder.encode(signed);
  };
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const order = JSON.parse((await lines.next()).value);
const builders = { "@solana/web3.js": makeWeb3Builder(order), "@solana/kit": await makeKitBuilder(order) };
console.log("{}");
for await (const line of lines) {
  const { library, times } = JSON.parse(line);
  const build = builders[library];
  const began = process.hrtime.bigint();
  let transaction;
  for (let index = 0; index < times; index += 1) transaction = await build(index);
  const microseconds = Number(process.hrtime.bigint() - began) / 1000 / times;
  console.log(JSON.stringify({ microseconds, transaction: Buffer.from(transaction).toString("base64") }));
}
