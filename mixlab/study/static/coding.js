// Codes of comments, saved a comment at a time.
"use strict";

document.querySelectorAll("fieldset.coding").forEach((field) => {
  const status = field.querySelector(".status");
  field.querySelector("button").addEventListener("click", async () => {
    const codes = [...field.querySelectorAll("input:checked")].map((input) => input.value);
    const response = await fetch(`/monitor/coding/${field.dataset.trial}`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ coder: document.getElementById("main").dataset.coder, codes }),
    }).catch(() => null);
    status.textContent = response?.ok ? "Saved." : "Not saved; try again.";
    status.classList.toggle("wrong", !response?.ok);
  });
});
