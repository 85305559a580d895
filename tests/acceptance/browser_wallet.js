// A wallet as an extension brings it into a page: it keeps to the Wallet Standard, and to nothing else. The test that put
// it there keeps the key and signs and sends by testWalletSign and testWalletSend.
(options) => {
  const chains = ["solana:mainnet", "solana:devnet"];
  const features = ["solana:signAndSendTransaction", "solana:signTransaction"];
  const account = { address: options.address, publicKey: new Uint8Array(options.publicKey), chains, features };
  const encode = (bytes) => btoa(String.fromCharCode(...bytes));
  const decode = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const sign = async ({ transaction, account: asked, chain }) => {
    if (asked.address !== options.address || !chains.includes(chain) || !(transaction instanceof Uint8Array)) throw new TypeError();
    if (options.declines) throw Object.assign(new Error("User rejected the request."), { code: 4001 });
    return window.testWalletSign(encode(transaction));
  };
  const wallet = {
    version: "1.0.0",
    name: options.name,
    icon: `data:image/svg+xml;base64,${btoa('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect width="8" height="8" fill="#7b5cff"/></svg>')}`,
    chains,
    accounts: [],
    features: {
      "standard:connect": { version: "1.0.0", connect: async () => ({ accounts: (wallet.accounts = [account]) }) },
      "solana:signTransaction": {
        version: "1.0.0",
        supportedTransactionVersions: ["legacy", 0],
        signTransaction: async (...inputs) =>
          Promise.all(inputs.map(async (input) => ({ signedTransaction: decode(await sign(input)) }))),
      },
    },
  };
  if (!options.onlySigns) {
    wallet.features["solana:signAndSendTransaction"] = {
      version: "1.0.0",
      supportedTransactionVersions: ["legacy", 0],
      signAndSendTransaction: async (...inputs) =>
        Promise.all(inputs.map(async (input) => ({ signature: await window.testWalletSend(await sign(input)) }))),
    };
  }
  const announce = () => {
    const callback = ({ register }) => register(wallet);
    window.dispatchEvent(new CustomEvent("wallet-standard:register-wallet", { detail: callback }));
    window.addEventListener("wallet-standard:app-ready", ({ detail }) => callback(detail));
  };
  if (options.late) window.addEventListener("load", () => setTimeout(announce, 200));
  else announce();
}
