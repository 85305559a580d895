// The price follows the currency, unless the customer wrote another one; one click is one checkout.
const form = document.getElementById("buy");
const amount = document.getElementById("amount");
const button = form.querySelector("button");
let edited = false;

amount.addEventListener("input", () => { edited = true; });
form.addEventListener("change", (event) => {
  if (event.target.name === "currency" && !edited) amount.value = event.target.dataset.price;
});
form.addEventListener("submit", () => {
  button.disabled = true;
  button.textContent = "Opening the payment …";
});
// Coming back with the browser's back button finds the form usable again.
window.addEventListener("pageshow", () => {
  button.disabled = false;
  button.textContent = "Pay with Solana";
});
