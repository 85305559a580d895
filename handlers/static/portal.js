// Small comforts of the portal: times as the reader's clock shows them, and buttons that copy. Every page works without.
(() => {
  "use strict";

  // A region that was just made is not listened to yet.
  const SAY_MS = 300;
  const format = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit",
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

  // A page that made itself anew (standing.js) says why; of what stands there from the start nobody would be told.
  try {
    const moved = sessionStorage.getItem("moved") === location.pathname;
    sessionStorage.removeItem("moved");
    const standing = document.querySelector("main [role=status]");
    if (moved && standing) setTimeout(() => (announcer.textContent = standing.innerText), SAY_MS);
  } catch {
    // Without storage nothing is said twice, and nothing is lost.
  }

  const logo = document.getElementById("logo");
  logo?.addEventListener("change", async () => {
    const form = document.getElementById("logo-form"), problem = document.getElementById("logo-problem");
    const file = logo.files[0];
    problem.textContent = "";
    if (!file) return;
    if (file.size > Number(form.dataset.max)) {
      problem.textContent = "This picture is too large.";
      return;
    }
    try {
      const headers = { "X-CSRF-Token": form.dataset.csrf, "Content-Type": file.type };
      const answer = await fetch("/portal/api/logo", { method: "PUT", headers, body: file });
      if (answer.ok) location.assign("/portal/settings?done=saved");
      else problem.textContent = (await answer.json()).message;
    } catch {
      problem.textContent = "The picture could not be sent. Please try again.";
    }
  });

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
