"""The pages that a buyer sees: Checkout, and 3-D Secure."""

from html import escape
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from standins.stripe.account import Json
from standins.stripe.checkout_sessions import pay
from standins.stripe.confirmations import authenticate
from standins.stripe.currencies import show
from standins.stripe.errors import StripeError
from standins.stripe.standin import StandIn

METHODS = {
    "pay": "pm_card_visa",
    "decline": "pm_card_chargeDeclined",
    "three_d_secure": "pm_card_threeDSecure2Required",
}
"""What the buttons of the Checkout page pay with."""


def page_routes(standin: StandIn) -> list[Route]:
    """The pages of a stand-in."""
    three_d_secure, checkout = _ThreeDSecurePage(standin), _CheckoutPage(standin)
    return [
        Route("/_pages/three_d_secure/{id}", three_d_secure.show, methods=["GET"]),
        Route("/_pages/three_d_secure/{id}", three_d_secure.decide, methods=["POST"]),
        Route("/c/pay/{id}", checkout.show, methods=["GET"]),
        Route("/c/pay/{id}", checkout.act, methods=["POST"]),
    ]


def _page(title: str, body: str, status: int = 200) -> Response:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
        f"<body><h1>{title}</h1>{body}</body></html>",
        status,
    )


class _CheckoutPage:
    def __init__(self, standin: StandIn) -> None:
        self._standin = standin

    async def show(self, request: Request) -> Response:
        """Lines, total and buttons, while the session is open."""
        session = self._find(request)
        if session is None:
            return _page("Not found", "<p>There is no such Checkout session.", 404)
        return self._show(session)

    async def act(self, request: Request) -> Response:
        """Pay, be declined, go to 3-D Secure, or leave."""
        session = self._find(request)
        if session is None:
            return _page("Not found", "<p>There is no such Checkout session.", 404)
        action = parse_qs((await request.body()).decode()).get("action", [""])[0]
        success_url = session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])
        if action == "leave":
            return RedirectResponse(session["cancel_url"] or success_url, 303)
        try:
            pay(self._standin.account, session, METHODS[action], return_url=success_url)
        except KeyError:
            return self._show(session, "There is no such button.", 400)
        except StripeError as error:
            return self._show(session, str(error), error.status)
        finally:
            self._standin.deliveries.wake()
        return RedirectResponse(self._next(session) or success_url, 303)

    def _find(self, request: Request) -> Json | None:
        self._standin.account.run_due()
        sessions = self._standin.account.objects.get("checkout.session", {})
        return sessions.get(request.path_params["id"])

    def _next(self, session: Json) -> str | None:
        intent = self._standin.account.objects["payment_intent"][session["payment_intent"]]
        action = (intent["next_action"] or {}).get("redirect_to_url") or {}
        url: str | None = action.get("url")
        return url

    def _show(self, session: Json, message: str = "", status: int = 200) -> Response:
        if session["status"] != "open":
            return _page("Checkout", f"<p>This session has a status of {session['status']}.", status)
        lines = "".join(
            f"<li>{line['quantity']} &times; {escape(line['description'])}: "
            f"{show(line['amount_total'], line['currency'])}</li>"
            for line in self._standin.account.checkouts[session["id"]]["lines"]
        )
        buttons = " ".join(
            f'<button name="action" value="{value}">{text}</button>'
            for value, text in (
                ("pay", "Pay"),
                ("decline", "Pay with a card that is declined"),
                ("three_d_secure", "Pay with 3-D Secure"),
                ("leave", "Leave"),
            )
        )
        said = f'<p role="alert">{escape(message)}</p>' if message else ""
        total = show(session["amount_total"], session["currency"])
        return _page(
            "Checkout",
            f'{said}<ul>{lines}</ul><p>Total: {total}</p><form method="post">{buttons}</form>',
            status,
        )


class _ThreeDSecurePage:
    def __init__(self, standin: StandIn) -> None:
        self._standin = standin

    async def show(self, request: Request) -> Response:
        """The two buttons."""
        return _page(
            "3-D Secure",
            f"<p>{escape(request.path_params['id'])}</p><form method='post'>"
            "<button name='succeeds' value='true'>Complete</button> <button name='succeeds' value='false'>Fail</button>"
            "</form>",
        )

    async def decide(self, request: Request) -> Response:
        """What was chosen; then back to the shop, if it named a page, or to Checkout after a failure."""
        account = self._standin.account
        intent = account.objects.get("payment_intent", {}).get(request.path_params["id"])
        if intent is None or request.query_params.get("key") != intent["client_secret"]:
            return _page("Not found", "<p>There is no such payment.", 404)
        back = ((intent["next_action"] or {}).get("redirect_to_url") or {}).get("return_url")
        authenticate(account, intent, succeeds=b"succeeds=true" in await request.body())
        self._standin.deliveries.wake()
        session = account.session_of.get(intent["id"])
        if session is not None and session["status"] == "open":
            return RedirectResponse(session["url"], 303)
        if back:
            return RedirectResponse(f"{back}{'&' if '?' in back else '?'}payment_intent={intent['id']}", 303)
        return _page("3-D Secure", f"<p>{escape(intent['status'])}")
