// Wallets in this browser, by the Wallet Standard (extensions, and the browsers inside wallet apps): they announce
// themselves by its two events; one of them then answers a Solana Pay transaction request as a phone would.

const CONNECT = "standard:connect", SEND = "solana:signAndSendTransaction", SIGN = "solana:signTransaction";

/** A sentence of the payment service: it stands for itself. */
export class Refused extends Error {}

/** Something that the page has words for, by its `reason`: `no-account`, `declined` or `unreachable`. */
export class WalletProblem extends Error {
  constructor(reason, cause) {
    super(reason, { cause });
    this.reason = reason;
  }
}

/** Calls changed(wallets) with those that can pay on `chain`, whenever one more, or one less, is there. */
export function watchWallets(chain, changed) {
  const wallets = new Set();
  const tell = () => changed([...wallets].filter((wallet) => canPay(wallet, chain)));
  const api = Object.freeze({
    register(...more) {
      more.forEach((wallet) => wallets.add(wallet));
      tell();
      return () => {
        more.forEach((wallet) => wallets.delete(wallet));
        tell();
      };
    },
  });
  window.addEventListener("wallet-standard:register-wallet", (event) => event.detail(api));
  window.dispatchEvent(new CustomEvent("wallet-standard:app-ready", { detail: api }));
}

function canPay(wallet, chain) {
  const { features = {}, chains = [] } = wallet;
  const signing = features[SEND] ?? features[SIGN];
  const versions = signing?.supportedTransactionVersions ?? ["legacy"];
  return CONNECT in features && signing && chains.includes(chain) && versions.includes("legacy");
}

/**
 * Pay with a wallet. `request` is the address of the transaction request; `signed` takes what a wallet has only signed.
 * step() is told `connecting`, `approving`, `sent`. Throws Refused or WalletProblem.
 */
export async function payWith(wallet, { chain, request, signed, step }) {
  step("connecting");
  const { accounts } = await orDeclined(() => wallet.features[CONNECT].connect());
  const account = (accounts ?? wallet.accounts).find((one) => one.chains.includes(chain));
  if (!account) throw new WalletProblem("no-account");
  await call(request); // as wallets do first; it also tells the page's other tabs
  const offer = await call(request, { account: account.address });
  step("approving");
  const input = { account, chain, transaction: decode(offer.transaction) };
  if (SEND in wallet.features) {
    await orDeclined(() => wallet.features[SEND].signAndSendTransaction(input));
  } else {
    const [{ signedTransaction }] = await orDeclined(() => wallet.features[SIGN].signTransaction(input));
    await call(signed, { transaction: encode(signedTransaction) });
  }
  step("sent");
}

async function orDeclined(ask) {
  try {
    return await ask();
  } catch (error) {
    throw new WalletProblem("declined", error);
  }
}

async function call(url, body) {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let answer, content;
  try {
    answer = await fetch(url, { cache: "no-store", ...options });
    content = await answer.json();
  } catch (error) {
    throw new WalletProblem("unreachable", error);
  }
  if (!answer.ok) throw content.message ? new Refused(content.message) : new WalletProblem("unreachable");
  return content;
}

const decode = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
const encode = (bytes) => btoa(String.fromCharCode(...bytes));

/**
 * Turn a button (see `pay_row` in parts.html) into the way to pay with what is in this browser. begin() is called when
 * the customer starts, fail(sentence) when it comes to nothing. Without any wallet the button stays hidden.
 */
export function offerWallets(button, { chain, request, signed, begin, fail }) {
  if (!button) return;
  const dialog = document.getElementById("wallet-choice"), list = document.getElementById("wallet-list");
  let wallets = [], isBusy = false;

  watchWallets(chain, (found) => {
    wallets = found;
    button.hidden = !wallets.length;
    if (!isBusy) label();
    list.replaceChildren(...wallets.map(listed));
  });
  button.addEventListener("click", () => (wallets.length === 1 ? pay(wallets[0]) : dialog.showModal()));

  function label() {
    const { one, many } = button.dataset;
    button.replaceChildren(...(wallets.length === 1 ? named(wallets[0], one) : [many]));
  }

  function listed(wallet) {
    const item = document.createElement("li"), choice = document.createElement("button");
    choice.type = "button";
    choice.className = "button quiet";
    choice.append(...named(wallet, "{wallet}"));
    choice.addEventListener("click", () => {
      dialog.close();
      pay(wallet);
    });
    item.append(choice);
    return item;
  }

  async function pay(wallet) {
    if (isBusy) return;
    isBusy = true;
    // Not disabled: it keeps the focus, and says how far it is.
    button.setAttribute("aria-disabled", "true");
    begin();
    try {
      await payWith(wallet, { chain, request, signed, step: (name) => button.replaceChildren(...named(wallet, button.dataset[name])) });
    } catch (problem) {
      const words = button.dataset[{ "no-account": "noAccount" }[problem.reason] ?? problem.reason];
      fail(problem instanceof Refused ? problem.message : fillIn(words, wallet));
      label();
    } finally {
      isBusy = false;
      button.removeAttribute("aria-disabled");
    }
  }
}

const fillIn = (words, wallet) => words.replace("{wallet}", wallet.name);

function named(wallet, words) {
  const icon = document.createElement("img");
  icon.alt = "";
  icon.width = icon.height = 24;
  // The standard wants pictures as data, so nothing is fetched.
  if (String(wallet.icon).startsWith("data:image/")) icon.src = wallet.icon;
  const label = document.createElement("span");
  label.textContent = fillIn(words, wallet);
  return icon.src ? [icon, label] : [label];
}
