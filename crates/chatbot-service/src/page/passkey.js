
"use strict";
// Each form that asks for a passkey is sent once an authenticator has answered.
for (const form of document.querySelectorAll("form[data-ceremony]")) {
  const makes = form.dataset.ceremony === "create";
  const browser = window.PublicKeyCredential;
  if (!browser || !browser.parseRequestOptionsFromJSON) continue;
  form.hidden = false;
  document.querySelectorAll("[data-without-passkey]").forEach((told) => (told.hidden = true));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const told = form.querySelector("[role=status]");
    told.textContent = "";
    try {
      const asked = JSON.parse(form.dataset.options);
      const answer = makes
        ? await navigator.credentials.create({ publicKey: browser.parseCreationOptionsFromJSON(asked) })
        : await navigator.credentials.get({ publicKey: browser.parseRequestOptionsFromJSON(asked) });
      form.querySelector("input[type=hidden]").value = JSON.stringify(answer);
      form.submit();
    } catch (error) {
      told.textContent = `No passkey came of it: ${error.message}`;
    }
  });
}
