// What a page does better with a script; everything works without it.
(() => {
  "use strict";
  const told = document.getElementById("told");
  const say = (text) => { if (told) { told.textContent = ""; told.textContent = text; } };

  for (const button of document.querySelectorAll("button[data-copy]")) {
    if (!navigator.clipboard) continue;  // only where the page is secure (https or loopback)
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        const before = button.textContent;
        button.textContent = "Copied";
        say("Copied");
        setTimeout(() => { button.textContent = before; }, 1500);
      } catch {
        say("Copying is not allowed here: mark the text and copy it");
      }
    });
  }
  for (const select of document.querySelectorAll("select[data-go]")) {
    select.addEventListener("change", () => select.form.requestSubmit());
  }
  for (const form of document.querySelectorAll("form[data-busy]")) {
    form.addEventListener("submit", () => {
      const button = form.querySelector("button[type=submit]");
      button.textContent = form.dataset.busy;
      button.setAttribute("aria-disabled", "true");
      say(form.dataset.busy);
    });
  }
})();
