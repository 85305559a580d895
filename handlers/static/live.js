// Follows something that changes on the server: by server-sent events, by polling while they fail, and at once when the
// tab wakes up.

const POLL_MS = 2000, QUIET_MS = 25000, REOPEN_MS = 10000, TROUBLE_MS = 8000, TICK_MS = 500;

/**
 * `base` + "/events" streams events named `status`, `base` + "/status" answers the same once, as JSON.
 * show(view) is called with each, and returns whether to go on following; trouble(isOn) when the connection is lost and
 * when it is back; isOverdue() says that it is time for another view; isStale(view) that what is shown differs from an
 * answer that the stream should have brought; tick() is called twice a second. Returns nothing to stop it with: it ends with
 * the page.
 */
export function follow(base, { show, trouble, isOverdue = () => false, isStale = () => false, tick = () => {} }) {
  let stream = null, streaming = false, reopenAt = 0, following = true;
  let asking = false, askedAt = Date.now(), heardAt = Date.now(), failingSince = 0;

  function hear(data) {
    let view = null;
    try {
      view = JSON.parse(data);
    } catch {
      return;
    }
    heardAt = Date.now();
    failingSince = 0;
    trouble(false);
    following = show(view);
    if (following) startStream();
    else stopStream();
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
    try {
      const answer = await fetch(`${base}/status`, { cache: "no-store", signal: AbortSignal.timeout(TROUBLE_MS) });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const text = await answer.text();
      if (heardAt !== heardBefore) return; // the stream brought something newer meanwhile
      if (streaming && isStale(JSON.parse(text))) stopStream(); // it is dead without knowing
      hear(text);
    } catch {
      failingSince = failingSince || askedAt;
    } finally {
      asking = false;
    }
  }

  function look() {
    tick();
    if (!following) return;
    startStream();
    const now = Date.now();
    const calm = streaming && !isOverdue();
    if (now - (calm ? Math.max(askedAt, heardAt) : askedAt) >= (calm ? QUIET_MS : POLL_MS)) ask();
    if (failingSince && now - failingSince > TROUBLE_MS) trouble(true);
  }

  function wakeUp() {
    if (document.visibilityState !== "visible") return;
    reopenAt = 0;
    ask();
  }

  document.addEventListener("visibilitychange", wakeUp);
  window.addEventListener("pageshow", (event) => event.persisted && wakeUp());
  window.addEventListener("online", wakeUp);
  window.addEventListener("pagehide", stopStream);
  startStream();
  tick();
  setInterval(look, TICK_MS);
}
