// Small comforts of the portal: times as the reader's clock shows them, and buttons that copy. Every page works without.
(() => {
  "use strict";

  const format = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  });
  for (const time of document.querySelectorAll("time[data-local]")) {
    // Browsers read three digits of a second, the server writes six.
    const at = new Date(time.dateTime.replace(/(\.\d{3})\d+/, "$1"));
    if (Number.isNaN(at.getTime())) continue;
    time.title = time.textContent;
    time.textContent = format.format(at);
  }

  const announcer = document.createElement("p");
  announcer.className = "visually-hidden";
  announcer.setAttribute("role", "status");
  document.body.append(announcer);

  document.addEventListener("click", async (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      announcer.textContent = "Copied";
      button.classList.add("copied");
    } catch {
      announcer.textContent = "Copying is not allowed here";
      return;
    }
    setTimeout(() => {
      announcer.textContent = "";
      button.classList.remove("copied");
    }, 1500);
  });
})();
