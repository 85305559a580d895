// A refund that waits: a wallet in this browser may pay it.
import { offerWallets } from "./wallets.js";

const button = document.getElementById("wallet-pay"), problem = document.getElementById("wallet-problem");

offerWallets(button, {
  chain: button.dataset.chain,
  request: button.dataset.request,
  signed: `${button?.dataset.request}/signed`,
  begin: () => (problem.textContent = ""),
  fail: (sentence) => (problem.textContent = sentence),
});
