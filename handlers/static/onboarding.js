// A wallet in this browser shows that it is the merchant's: by signing a text, or the transaction that opens its account.
import { watchWallets } from "./wallets.js";

const CONNECT = "standard:connect", MESSAGE = "solana:signMessage", SIGN = "solana:signTransaction";
const encode = (bytes) => btoa(String.fromCharCode(...bytes));
const decode = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

for (const place of document.querySelectorAll("[data-proof]")) {
  const byMessage = place.dataset.proof === "message", feature = byMessage ? MESSAGE : SIGN;
  const [buttons, problem] = place.children;
  watchWallets(place.dataset.chain, (wallets) => {
    const able = wallets.filter((wallet) => feature in wallet.features);
    place.hidden = !able.length;
    buttons.replaceChildren(...able.map((wallet) => offer(place, wallet, feature, problem)));
  });
}

function offer(place, wallet, feature, problem) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = feature === MESSAGE ? `Use ${wallet.name}` : `Open the account with ${wallet.name}`;
  button.addEventListener("click", async () => {
    button.disabled = true;
    problem.textContent = "";
    try {
      await prove(place, wallet, feature);
      location.assign("/portal/onboarding?done=proved");
    } catch (error) {
      problem.textContent = error.shown ?? `${wallet.name} did not sign. You can try again.`;
      button.disabled = false;
    }
  });
  return button;
}

async function prove(place, wallet, feature) {
  const { chain, csrf, proof, only } = place.dataset;
  const { accounts } = await wallet.features[CONNECT].connect();
  const account = (accounts ?? wallet.accounts).find((one) => one.chains.includes(chain) && (!only || one.address === only));
  if (!account) throw shown(only ? `${wallet.name} does not have the wallet that you proved.` : `${wallet.name} shared no Solana account.`);
  const asked = await call("wallet", { wallet: account.address, proof }, csrf);
  let signed;
  if (feature === MESSAGE) {
    const message = new TextEncoder().encode(asked.content);
    [{ signature: signed }] = await wallet.features[MESSAGE].signMessage({ account, message });
  } else {
    const input = { account, chain, transaction: decode(asked.content) };
    [{ signedTransaction: signed }] = await wallet.features[SIGN].signTransaction(input);
  }
  await call("proof", { nonce: asked.nonce, signed: encode(signed) }, csrf);
}

async function call(step, body, csrf) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
  let answer, content;
  try {
    answer = await fetch(`/portal/api/onboarding/${step}`, { method: "POST", headers, body: JSON.stringify(body) });
    content = await answer.json();
  } catch {
    throw shown("Settle cannot be reached. Check your connection, then try again.");
  }
  if (!answer.ok) throw shown(content.message);
  return content;
}

const shown = (sentence) => Object.assign(new Error(sentence), { shown: sentence });
