// Sandbox only: a wallet of the outside world acts as the customer's phone.
import { fill, find } from "./dom.js";

const button = find("sandbox-pay"), message = find("sandbox-message");
const { url, link, cluster } = button.dataset;

class Refused extends Error {}

async function post(path, body) {
  const answer = await fetch(url + path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const result = await answer.json();
  if (!answer.ok) throw new Refused(result.message || `${answer.status}`);
  return result;
}

// One USDC more than the price, in whole numbers: "1,234.5" -> "1235.5".
function enough(price) {
  const [whole, fraction = "0"] = price.replace(/,/g, "").split(".");
  return `${BigInt(whole) + 1n}.${fraction}`;
}

button.addEventListener("click", async () => {
  const price = find("usdc").dataset.plain;
  if (!price) {
    message.textContent = message.dataset.unpriced;
    return;
  }
  button.disabled = true;
  try {
    message.textContent = message.dataset.filling;
    const { address } = await post("/sandbox/wallets", { usdc: enough(price), cluster });
    message.textContent = message.dataset.paying;
    const { signature } = await post(`/sandbox/wallets/${encodeURIComponent(address)}/pay`, { link });
    message.textContent = fill(message.dataset.sent, { signature });
  } catch (problem) {
    message.textContent = problem instanceof Refused ? problem.message : message.dataset.unreachable;
  } finally {
    button.disabled = false;
  }
});
