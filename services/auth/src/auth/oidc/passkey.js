// Signing in with a passkey. Without this the sign-in page has no such button, and wants for nothing else.
"use strict";

const form = document.getElementById("passkey");
const fault = document.getElementById("passkey-fault");
let isAsking = false;

async function prove() {
    const answer = await fetch(form.dataset.options, { method: "POST" });
    if (!answer.ok) throw new Error(`the options were answered with ${answer.status}`);
    const options = await answer.json();
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options.public_key);
    const credential = await navigator.credentials.get({ publicKey });
    form.elements.credential.value = JSON.stringify(credential.toJSON());
}

async function submit(event) {
    event.preventDefault();
    if (isAsking) return;
    isAsking = true;
    fault.textContent = "";
    try {
        await prove();
        // The browser follows the answer itself: no script sees the code that it leads on with.
        form.submit();
    } catch {
        // Browsers do not say whether somebody cancelled, waited too long or has none, so that no page learns who has one.
        fault.textContent = "No passkey was used. Try again, or sign in another way.";
    } finally {
        isAsking = false;
    }
}

if (typeof window.PublicKeyCredential?.parseRequestOptionsFromJSON === "function") {
    form.hidden = false;
    form.addEventListener("submit", submit);
}
