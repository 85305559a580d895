// Sandbox only: a wallet of the outside world acts as the phone of the customer, or of the merchant.
import { fill, find } from "./dom.js";

const button = find("sandbox-pay"), message = find("sandbox-message");
const { url, link, cluster, wallet = "customer" } = button.dataset;

// What it says in its own words; anything else is the connection's trouble.
class Refused extends Error {}

async function call(path, body) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(url + path, body && { method: "POST", headers, body: JSON.stringify(body) });
  const result = await answer.json();
  if (!answer.ok) throw new Refused(result.message || `${answer.status}`);
  return result;
}

// One USDC more than the price, in whole numbers: "1,234.5" -> "1235.5".
function enough(price) {
  const [whole, fraction = "0"] = price.replace(/,/g, "").split(".");
  return `${BigInt(whole) + 1n}.${fraction}`;
}

// Each gives the address of the wallet that follows the link.
const wallets = {
  async customer() {
    const price = find("usdc").dataset.plain;
    if (!price) throw new Refused(message.dataset.unpriced);
    return (await call("/sandbox/wallets", { usdc: enough(price), cluster })).address;
  },
  // What customers paid is in it.
  merchant: async () => (await call("/sandbox/merchant")).wallet,
  // A new one, with SOL for the network's fee.
  fresh: async () => (await call("/sandbox/wallets", { usdc: "0", sol: "1" })).address,
};

button.addEventListener("click", async () => {
  button.disabled = true;
  try {
    message.textContent = message.dataset.filling;
    const address = await wallets[wallet]();
    message.textContent = message.dataset.paying;
    const { signature } = await call(`/sandbox/wallets/${encodeURIComponent(address)}/pay`, { link });
    message.textContent = fill(message.dataset.sent, { signature });
  } catch (problem) {
    message.textContent = problem instanceof Refused ? problem.message : message.dataset.unreachable;
  } finally {
    button.disabled = false;
  }
});
