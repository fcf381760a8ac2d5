// Sign-in with a passkey. Without script the sign-in page only lacks this button.
"use strict";

const form = document.getElementById("passkey");
const error = document.getElementById("passkey-error");
let isRunning = false;

async function authenticate() {
    const answer = await fetch(form.dataset.options, { method: "POST" });
    if (!answer.ok) throw new Error(`the request for options was answered with ${answer.status}`);
    const options = await answer.json();
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options.public_key);
    const credential = await navigator.credentials.get({ publicKey });
    form.elements.credential.value = JSON.stringify(credential.toJSON());
}

async function submit(event) {
    event.preventDefault();
    if (isRunning) return;
    isRunning = true;
    error.textContent = "";
    try {
        await authenticate();
        // The browser follows the redirect by itself, so no script sees the code.
        form.submit();
    } catch {
        // For privacy, browsers do not say whether the user cancelled, timed out, or has no passkey.
        error.textContent = "No passkey was used. Try again, or sign in another way.";
    } finally {
        isRunning = false;
    }
}

if (typeof window.PublicKeyCredential?.parseRequestOptionsFromJSON === "function") {
    form.hidden = false;
    form.addEventListener("submit", submit);
}
