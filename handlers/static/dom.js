// Small things that every page's script needs. All words come from the page, so that no script needs a translation.

export const find = (id) => document.getElementById(id);

export const words = (list) => (list || "").split(" ");

/** Set an element's text, and only touch it when it changes: what is not touched is not announced again. */
export function say(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/** `fill("Pay with {wallet}", { wallet: "Phantom" })` */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (braces, name) => values[name] ?? braces);
}

export function isWeb(url) {
  try {
    return ["https:", "http:"].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}

/** Milliseconds of an ISO 8601 time, whose fraction may have more digits than browsers like. */
export const readTime = (text) => Date.parse(String(text).replace(/(\.\d{3})\d+/, "$1"));

/** A button that copies `data-link`, and says so for a while. */
export function offerCopy(button) {
  button?.addEventListener("click", async () => {
    if (!(await copyText(button.dataset.link, button))) return;
    const label = button.querySelector("span"), before = label.textContent;
    if (before === button.dataset.copied) return;
    label.textContent = button.dataset.copied;
    button.toggleAttribute("data-done", true);
    setTimeout(() => {
      label.textContent = before;
      button.removeAttribute("data-done");
    }, 2000);
  });
}

async function copyText(text, focusAfter) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Only https pages have a clipboard.
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    focusAfter.focus();
    return copied;
  }
}
