"""What one USDC costs in the world's currencies, as CoinGecko's simple price and as Coinbase's exchange rates."""

import json
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app.sandbox.calls import read_object
from app.sandbox.clock import VirtualClock
from app.sandbox.faults import BadFault, Fault, Faults, number_between
from app.sandbox.state import open_state

# Both sources, and each alone. With `times`, a fault of both is used up by whichever is asked.
TARGET, COINGECKO, COINBASE = "prices", "coingecko", "coinbase"
KINDS = {
    "jump": "every price times this factor (default 10)",
    "zero": "every price is 0",
    "negative": "every price has a minus before it",
    "absent": "no price is known: the coin is missing in the answer",
    "stale": "the prices are this many seconds old (default 3600); Coinbase, which tells no time, knows none then",
}
COIN = "usd-coin"
# What the real service does: prices are brought up to date this often.
UPDATED_EVERY_SECONDS = 30
# One USDC in each currency, on an ordinary day.
RATES = {
    "AED": "3.6721",
    "ARS": "1412.58",
    "AUD": "1.5312",
    "BRL": "5.3364",
    "CAD": "1.4018",
    "CHF": "0.80431",
    "CLP": "931.27",
    "CNY": "7.1094",
    "CZK": "20.9145",
    "DKK": "6.4553",
    "EUR": "0.86442",
    "GBP": "0.76318",
    "HKD": "7.7806",
    "HUF": "331.62",
    "IDR": "16702.4",
    "ILS": "3.2571",
    "INR": "88.6931",
    "JPY": "156.874",
    "KRW": "1466.35",
    "KWD": "0.306842",
    "MXN": "18.3927",
    "MYR": "4.1436",
    "NGN": "1448.91",
    "NOK": "10.1582",
    "NZD": "1.7641",
    "PHP": "58.7318",
    "PLN": "3.6642",
    "SEK": "9.5327",
    "SGD": "1.3054",
    "THB": "32.4176",
    "TRY": "42.3891",
    "TWD": "31.1752",
    "USD": "0.99984",
    "VND": "26341.7",
    "ZAR": "17.1946",
}
_TABLES = "CREATE TABLE IF NOT EXISTS rates (currency TEXT PRIMARY KEY, rate TEXT NOT NULL)"
_LARGEST = Decimal(10) ** 12


class Prices:
    """The price API; rates changed by a program are kept in `data`/prices.sqlite3."""

    def __init__(self, data: Path, clock: VirtualClock, faults: Faults) -> None:
        for target in (TARGET, COINGECKO, COINBASE):
            faults.register(target, KINDS, {"jump": _check_factor, "stale": number_between(0, 1e9)})
        self._faults = faults
        self._clock = clock
        self._state = open_state(data / "prices.sqlite3", _TABLES)
        changed = self._state.execute("SELECT currency, rate FROM rates").fetchall()
        self._rates = {currency: Decimal(rate) for currency, rate in [*RATES.items(), *changed]}
        self.coingecko_routes: list[BaseRoute] = [
            Route("/coingecko/api/v3/simple/price", self.answer_coingecko, methods=["GET"])
        ]
        self.coinbase_routes: list[BaseRoute] = [
            Route("/coinbase/v2/exchange-rates", self.answer_coinbase, methods=["GET"])
        ]
        self.routes: list[BaseRoute] = [
            Route("/sandbox/prices", self.show, methods=["GET"]),
            Route("/sandbox/prices", self.change, methods=["POST"]),
        ]

    async def start(self) -> None:
        """Nothing to prepare."""

    async def stop(self) -> None:
        self._state.close()

    async def answer_coingecko(self, request: Request) -> Response:
        """Unknown coins and currencies are left out, as the real service does."""
        for name in ("ids", "vs_currencies"):
            if not request.query_params.get(name):
                return JSONResponse({"error": f"Missing parameter {name}"}, 422)
        precision = request.query_params.get("precision")
        if precision not in (None, "full", *map(str, range(19))):
            return JSONResponse({"error": "Invalid precision"}, 422)
        coins = _split(request.query_params["ids"])
        currencies = _split(request.query_params["vs_currencies"])
        fault = self._fault(COINGECKO)
        figures: dict[str, str] = {}
        for currency in currencies:
            if currency.upper() in self._rates:
                figures[currency] = _write(_twist(self._rates[currency.upper()], fault), precision)
        if request.query_params.get("include_last_updated_at") == "true":
            figures["last_updated_at"] = str(self._updated_at(fault))
        if COIN not in coins or (fault and fault.fault == "absent"):
            return JSONResponse({})
        return _respond(figures)

    async def answer_coinbase(self, request: Request) -> Response:
        """Every rate there is, as texts; of the coins only USDC is known."""
        if request.query_params.get("currency", "USD") != "USDC":
            return JSONResponse({"errors": [{"id": "invalid_request", "message": "Currency is invalid"}]}, 400)
        fault = self._fault(COINBASE)
        known = {} if fault and fault.fault in ("absent", "stale") else self._rates
        rates = {currency: f"{_twist(rate, fault):f}" for currency, rate in known.items()}
        return JSONResponse({"data": {"currency": "USDC", "rates": rates}})

    def _fault(self, target: str) -> Fault | None:
        return self._faults.take(target, *KINDS) or self._faults.take(TARGET, *KINDS)

    async def show(self, _request: Request) -> Response:
        """{"EUR":"0.86442",...}: what one USDC costs."""
        return JSONResponse({currency: str(rate) for currency, rate in sorted(self._rates.items())})

    async def change(self, request: Request) -> Response:
        """{"EUR":"0.92",...}: new prices, kept over restarts. Answers as `show`; 422 changes nothing."""
        message = await read_object(request)
        rates = {currency: _read_rate(currency, value) for currency, value in message.items()}
        for currency, rate in rates.items():
            self._state.execute("INSERT OR REPLACE INTO rates VALUES (?, ?)", (currency, str(rate)))
        self._rates |= rates
        return await self.show(request)

    def _updated_at(self, fault: Fault | None) -> int:
        now = int(self._clock.now().timestamp())
        if fault and fault.fault == "stale":
            return now - int(3600 if fault.value is None else fault.value)
        return now - now % UPDATED_EVERY_SECONDS


def _check_factor(value: Any) -> None:
    try:
        factor = Decimal(str(value))
    except InvalidOperation:
        factor = Decimal(0)
    if not factor.is_finite() or not 0 < factor <= _LARGEST:
        raise BadFault("its value is a factor above 0, a number or its text")


def _twist(rate: Decimal, fault: Fault | None) -> Decimal:
    match fault.fault if fault else None:
        case "zero":
            return Decimal(0)
        case "negative":
            return -rate
        case "jump":
            assert fault is not None
            return rate * Decimal(str(10 if fault.value is None else fault.value))
        case _:
            return rate


def _read_rate(currency: str, value: Any) -> Decimal:
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()):
        raise HTTPException(422, f"{currency!r} is no currency code, as in {{'EUR': '0.92'}}")
    try:
        rate = Decimal(value) if isinstance(value, str) else Decimal(0)
    except InvalidOperation:
        rate = Decimal(0)
    if not rate.is_finite() or not 0 < rate < _LARGEST:
        raise HTTPException(422, f"the price of {currency} must be a string with a number above 0, as in '0.92'")
    return rate


def _split(text: str) -> list[str]:
    return [part.strip().lower() for part in text.split(",") if part.strip()]


def _write(rate: Decimal, precision: str | None) -> str:
    """The number as JSON has it. Without `precision` the service rounds as it likes: to six digits."""
    if precision is None:
        rate = Decimal(f"{rate:.6g}")
    elif precision != "full":
        rate = round(rate, int(precision))
    return f"{rate:f}"


def _respond(figures: dict[str, str]) -> Response:
    # By hand, as no number may become a float on its way.
    inner = ",".join(f"{json.dumps(name)}:{figure}" for name, figure in figures.items())
    return Response(f'{{"{COIN}":{{{inner}}}}}', media_type="application/json")
