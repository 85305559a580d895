// Follows a payment: by server-sent events, by polling while they fail, and at once when the tab wakes up.
// All words come from the page, so that this file needs no translation.
(() => {
  "use strict";
  const POLL_MS = 2000, QUIET_MS = 25000, REOPEN_MS = 10000, TROUBLE_MS = 8000, READ_MS = 2200;

  const main = document.querySelector("main[data-payment]");
  if (!main) return;
  const find = (id) => document.getElementById(id);
  const base = `/pay/${encodeURIComponent(main.dataset.payment)}`;
  const words = (list) => (list || "").split(" ");

  // --- time: the server's clock decides, not the customer's ---
  const readTime = (text) => Date.parse(String(text).replace(/(\.\d{3})\d+/, "$1"));
  let clockOffset = main.dataset.now ? readTime(main.dataset.now) - Date.now() : 0;

  const holds = find("holds");
  let priceEnds = readTime(holds?.querySelector("time")?.dateTime);
  let priceOver = false;

  function countDown() {
    if (!holds || Number.isNaN(priceEnds) || "ended" in main.dataset) return;
    const left = Math.ceil((priceEnds - Date.now() - clockOffset) / 1000);
    priceOver = left <= 0;
    const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    say(holds, priceOver ? holds.dataset.renewing : holds.dataset.counting.replace("{time}", time));
    if (priceOver && main.dataset.stage === "waiting") say(find("status-text"), main.dataset.renewing);
  }

  // --- the page ---
  function say(element, text) {
    if (element && element.textContent !== text) element.textContent = text;
  }

  function isWeb(url) {
    try {
      return ["https:", "http:"].includes(new URL(url).protocol);
    } catch {
      return false;
    }
  }

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

  function showFigures(view) {
    say(find("usdc"), view.usdc || "");
    find("usdc-known").hidden = !view.usdc;
    find("usdc-coming").hidden = !!view.usdc;
    priceEnds = view.usdc && view.price_expires_at ? readTime(view.price_expires_at) : NaN;
    priceOver = false;
    if (Number.isNaN(priceEnds)) say(holds, "");
    else countDown();
  }

  function show(view) {
    const changed = view.stage !== main.dataset.stage;
    if (changed && !find("qr") && words(main.dataset.payable).includes(view.stage)) {
      location.reload(); // the page was made without the code that is needed now
      return;
    }
    if (view.now) clockOffset = readTime(view.now) - Date.now();
    main.dataset.stage = view.stage;
    main.toggleAttribute("data-ended", view.ended);
    say(find("status-text"), view.message);
    showFigures(view);
    const focused = document.activeElement;
    if (changed) showStage(view.stage);
    if (focused?.closest("[data-off]")) find("status").focus({ preventScroll: true });
    const onward = view.redirect_url || view.back_url;
    if (isWeb(onward)) for (const link of document.querySelectorAll("[data-way-back]")) link.href = onward;
    // A payment under review may still be settled by a person.
    following = !view.ended || view.stage === "review";
    if (following) startStream();
    else stopStream();
    if (isWeb(view.redirect_url)) leaveSoon(view.redirect_url);
  }

  let leaving = false;
  function leaveSoon(url) {
    if (leaving) return;
    leaving = true;
    setTimeout(() => location.replace(url), READ_MS);
  }

  // --- news ---
  let stream = null, streaming = false, reopenAt = 0;
  let asking = false, askedAt = Date.now(), heardAt = Date.now(), failingSince = 0, following = true;

  function hear(data) {
    let view = null;
    try {
      view = JSON.parse(data);
    } catch {
      return;
    }
    heardAt = Date.now();
    failingSince = 0;
    say(find("trouble"), "");
    show(view);
  }

  function startStream() {
    if (stream || !("EventSource" in window) || Date.now() < reopenAt) return;
    stream = new EventSource(`${base}/events`);
    stream.addEventListener("status", (event) => {
      streaming = true;
      hear(event.data);
    });
    stream.addEventListener("ping", () => {
      streaming = true;
      heardAt = Date.now();
    });
    stream.addEventListener("error", () => {
      streaming = false;
      if (stream?.readyState === EventSource.CLOSED) {
        stopStream();
        reopenAt = Date.now() + REOPEN_MS;
      }
    });
  }

  function stopStream() {
    stream?.close();
    stream = null;
    streaming = false;
  }

  async function ask() {
    if (asking) return;
    asking = true;
    askedAt = Date.now();
    const heardBefore = heardAt;
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), TROUBLE_MS);
    try {
      const answer = await fetch(`${base}/status`, { cache: "no-store", signal: patience.signal });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const text = await answer.text();
      if (heardAt !== heardBefore) return; // the stream brought something newer meanwhile
      if (streaming && JSON.parse(text).stage !== main.dataset.stage) stopStream(); // it is dead without knowing
      hear(text);
    } catch {
      failingSince = failingSince || askedAt;
    } finally {
      clearTimeout(timer);
      asking = false;
    }
  }

  function tick() {
    countDown();
    if (!following) return;
    startStream();
    const now = Date.now();
    const calm = streaming && !priceOver;
    if (now - (calm ? Math.max(askedAt, heardAt) : askedAt) >= (calm ? QUIET_MS : POLL_MS)) ask();
    if (failingSince && now - failingSince > TROUBLE_MS) say(find("trouble"), find("trouble").dataset.text);
  }

  function wakeUp() {
    if (document.visibilityState !== "visible") return;
    leaving = false;
    reopenAt = 0;
    ask();
  }

  document.addEventListener("visibilitychange", wakeUp);
  window.addEventListener("pageshow", (event) => event.persisted && wakeUp());
  window.addEventListener("online", wakeUp);
  window.addEventListener("pagehide", stopStream);
  startStream();
  countDown();
  setInterval(tick, 500);

  // --- copy the link ---
  const copy = find("copy");
  copy?.addEventListener("click", async () => {
    if (!(await copyText(copy.dataset.link))) return;
    const label = copy.textContent;
    if (label === copy.dataset.copied) return;
    copy.textContent = copy.dataset.copied;
    setTimeout(() => (copy.textContent = label), 2000);
  });

  async function copyText(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      const copied = document.execCommand("copy");
      field.remove();
      copy.focus();
      return copied;
    }
  }
})();
