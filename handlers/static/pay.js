// The customer's page: shows each stage, counts the price down, lets a wallet in this browser pay.
import { fill, find, isWeb, offerCopy, readTime, say, words } from "./dom.js";
import { follow } from "./live.js";
import { offerWallets } from "./wallets.js";

const READ_MS = 2200;
const main = document.querySelector("main[data-payment]");
const base = `/pay/${encodeURIComponent(main.dataset.payment)}`;

// --- the price: the server's clock decides, not the customer's ---
const holds = find("holds");
let clockOffset = readTime(main.dataset.now) - Date.now();
let priceEnds = readTime(holds?.querySelector("time")?.dateTime);
let priceOver = false;

function countDown() {
  if (!holds || Number.isNaN(priceEnds) || "ended" in main.dataset) return;
  const left = Math.ceil((priceEnds - Date.now() - clockOffset) / 1000);
  priceOver = left <= 0;
  const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  say(holds, priceOver ? main.dataset.renewing : fill(holds.dataset.counting, { time }));
}

function showFigures(view) {
  say(find("usdc"), view.usdc_text || "");
  find("usdc").dataset.plain = view.usdc || "";
  find("usdc-known").hidden = !view.usdc;
  find("usdc-coming").hidden = !!view.usdc;
  if (view.rate_text) say(find("rate"), view.rate_text);
  priceEnds = view.usdc && view.price_expires_at ? readTime(view.price_expires_at) : NaN;
  priceOver = false;
  if (Number.isNaN(priceEnds)) say(holds, "");
  else countDown();
}

// --- the stage ---
function showStage(stage) {
  for (const part of document.querySelectorAll("[data-in]")) {
    part.toggleAttribute("data-off", !words(part.dataset.in).includes(stage));
  }
  const steps = [...document.querySelectorAll("[data-step]")];
  const current = steps.findIndex((step) => words(step.dataset.step).includes(stage));
  steps.forEach((step, index) => {
    step.toggleAttribute("data-past", index < current);
    if (index === current) step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
  });
}

function show(view) {
  const changed = view.stage !== main.dataset.stage;
  const isPayable = words(main.dataset.payable).includes(view.stage);
  const lacksParts = (changed && isPayable && !find("qr")) || (view.status === "expired" && main.dataset.status !== "expired");
  if (lacksParts) {
    location.reload(); // the page was made without what is needed now
    return true;
  }
  clockOffset = readTime(view.now) - Date.now();
  main.dataset.stage = view.stage;
  main.dataset.status = view.status;
  main.toggleAttribute("data-ended", view.ended);
  // A page that was opened when a wallet was at it already has a sentence of its own for that.
  if (view.stage !== main.dataset.opened) {
    delete main.dataset.opened;
    say(find("status-heading"), view.heading);
    say(find("status-text"), view.message);
  }
  showFigures(view);
  const focused = document.activeElement;
  if (changed) showStage(view.stage);
  showRefusal(view.refusal, isPayable);
  if (focused?.closest("[data-off]")) find("status").focus({ preventScroll: true });
  const onward = view.redirect_url || view.back_url;
  if (isWeb(onward)) for (const link of document.querySelectorAll("[data-way-back]")) link.href = onward;
  if (isWeb(view.redirect_url)) leaveSoon(view.redirect_url);
  // A payment under review may still be settled by a person.
  return !view.ended || view.stage === "review";
}

let leaving = false;
function leaveSoon(url) {
  if (leaving) return;
  leaving = true;
  setTimeout(() => location.replace(url), READ_MS);
}
window.addEventListener("pageshow", (event) => event.persisted && (leaving = false));

// --- what went wrong, laid over the code ---
const notice = find("notice");
let refusedAt = null;

function showNotice(text) {
  notice.hidden = false;
  say(find("notice-text"), text);
}

function hideNotice() {
  notice.hidden = true;
  say(find("notice-text"), "");
}

function showRefusal(refusal, isPayable) {
  if (refusal && refusal.at !== refusedAt) showNotice(refusal.message);
  if (!isPayable || (!refusal && refusedAt)) hideNotice();
  refusedAt = refusal?.at ?? null;
}

find("notice-dismiss").addEventListener("click", () => {
  hideNotice();
  find("status").focus({ preventScroll: true });
});

follow(base, {
  show,
  trouble: (isOn) => say(find("trouble"), isOn ? find("trouble").dataset.text : ""),
  isOverdue: () => priceOver,
  isStale: (view) => view.stage !== main.dataset.stage,
  tick: countDown,
});
offerCopy(find("copy"));
offerWallets(find("wallet-pay"), {
  chain: main.dataset.chain,
  request: `/transactions/payment/${encodeURIComponent(main.dataset.payment)}`,
  signed: `${base}/signed`,
  begin: hideNotice,
  fail: showNotice,
});
