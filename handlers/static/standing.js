// Something that is on its way, a refund or a wallet's signature: asked how it stands, and the page is made anew when
// that is different.

const ASK_MS = 2000, PATIENCE_MS = 8000;
const ENDED = "Your session has ended. Open Settle from your Shopify admin again, then load this page anew.";
const LOST = "Settle cannot be reached right now, so this page may be out of date. It goes on by itself.";

const followed = document.querySelector("[data-follow]"), trouble = document.getElementById("trouble");
let asking = false, failingSince = 0;

function say(text) {
  if (trouble.textContent !== text) trouble.textContent = text;
}

function makeAnew() {
  // What a form answered with stands at an address that nobody can open.
  const page = followed.dataset.page ?? location.pathname;
  try {
    sessionStorage.setItem("moved", page);
  } catch {
    // Then the page is made anew without a word (portal.js).
  }
  // Without the query: what it says was just done is over.
  location.replace(page);
}

async function look() {
  // Not while a wallet is at it.
  if (asking || document.visibilityState !== "visible" || document.querySelector("#wallet-pay[aria-disabled]")) return;
  asking = true;
  const askedAt = Date.now();
  try {
    const headers = { Accept: "application/json" }, signal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await fetch(followed.dataset.follow, { cache: "no-store", headers, signal });
    if (answer.status === 401) {
      clearInterval(timer);
      say(ENDED);
      return;
    }
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const { mark } = await answer.json();
    failingSince = 0;
    say("");
    if (mark !== followed.dataset.mark) makeAnew();
  } catch {
    failingSince ||= askedAt;
    if (Date.now() - failingSince >= PATIENCE_MS) say(LOST);
  } finally {
    asking = false;
  }
}

const timer = setInterval(look, ASK_MS);
document.addEventListener("visibilitychange", look);
window.addEventListener("online", look);
