"""Every setting of Settle in one class, the rules that bind several of them, and what is known of each."""

import ipaddress
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from app.settings.about import about
from app.settings.addresses import find_fault, is_address
from app.settings.database import Database
from app.settings.doors import Doors
from app.settings.errors import SettingsInvalid
from app.settings.jobs import Jobs
from app.settings.merchants import Merchants
from app.settings.operation import Operation
from app.settings.payments import Payments
from app.settings.prices import Prices
from app.settings.sandbox import Sandbox
from app.settings.screening import Screening
from app.settings.shopify import Shopify
from app.settings.solana import Solana
from app.settings.spending import Spending
from app.settings.variables import variable
from app.settings.watching import Watching

# What anybody may try needs to be hard to guess.
HELIUS_AUTHORIZATION_CHARS = 16


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings(
    Database,
    Doors,
    Shopify,
    Merchants,
    Solana,
    Watching,
    Payments,
    Spending,
    Screening,
    Prices,
    Jobs,
    Operation,
    Sandbox,
):
    """What the environment says. A setting without a default must be given."""

    environment: Annotated[
        Literal["production", "sandbox"], about("`production`, or `sandbox` where the outside world is our simulator.")
    ] = "production"

    def __post_init__(self) -> None:
        self._check_addresses()
        if self.environment == "production":
            fields = read_fields()
            problems = [
                variable(name) for name in sorted(names(sandbox=True)) if getattr(self, name) != fields[name].default
            ]
            if problems:
                raise SettingsInvalid(problem=f"{', '.join(problems)} may only be set in the sandbox")
            if not self.public_url.startswith("https://"):
                raise SettingsInvalid(problem=f"{variable('public_url')} must start with https:// in production")
        if self.job_lease_seconds <= 2 * self.shopify_timeout_seconds:
            raise SettingsInvalid(
                problem=f"{variable('job_lease_seconds')} must be more than twice {variable('shopify_timeout_seconds')}"
            )
        for name in ("trusted_proxies", "shopify_proxies"):
            for proxy in getattr(self, name):
                try:
                    ipaddress.ip_network(proxy)
                except ValueError as error:
                    raise SettingsInvalid(problem=f"{variable(name)}: {error}") from None
        self._check_services()
        if self.test_rpc_urls and not self.test_fee_payer:
            raise SettingsInvalid(problem=f"{variable('test_fee_payer')} is missing for {variable('test_rpc_urls')}")
        # What is shared would lead from a test payment to real money, or back.
        for name, shared in (
            ("rpc_urls", set(self.rpc_urls) & set(self.test_rpc_urls)),
            ("usdc_mint", self.test_rpc_urls and self.usdc_mint == self.test_usdc_mint),
        ):
            if shared:
                raise SettingsInvalid(
                    problem=f"{variable(f'test_{name}')} and {variable(name)} have something in common"
                )

    def _check_addresses(self) -> None:
        """Raises SettingsInvalid."""
        for name in filter(is_address, read_fields()):
            value = getattr(self, name)
            for address in value if isinstance(value, tuple) else (value,):
                if address and (fault := find_fault(name, address)) is not None:
                    raise SettingsInvalid(problem=f"{variable(name)} {fault}")

    def _check_services(self) -> None:
        """What other services need. Raises SettingsInvalid."""
        known = [*self.helius_authorizations, *self.test_helius_authorizations]
        if len(set(known)) < len(known) or any(len(one) < HELIUS_AUTHORIZATION_CHARS for one in known):
            raise SettingsInvalid(
                problem=f"{variable('helius_authorizations')}: each value has {HELIUS_AUTHORIZATION_CHARS} characters "
                "or more, and stands for one cluster"
            )
        if self.identity_provider == "persona" and not (self.persona_api_key and self.persona_template):
            needed = f"{variable('persona_api_key')} and {variable('persona_template')}"
            raise SettingsInvalid(problem=f"{needed} are needed for {variable('identity_provider')}=persona")

    def __repr__(self) -> str:
        hidden = names(secret=True)
        shown = (f"{name}={'***' if name in hidden else repr(getattr(self, name))}" for name in read_fields())
        return f"Settings({', '.join(shown)})"


def read_fields() -> dict[str, msgspec.inspect.Field]:
    info = msgspec.inspect.type_info(Settings)
    assert isinstance(info, msgspec.inspect.DataclassType)
    return {field.name: field for field in info.fields}


def describe(field: msgspec.inspect.Field) -> tuple[str, dict[str, bool], msgspec.inspect.Type]:
    """Description, marks and type of a setting."""
    kind = field.type
    assert isinstance(kind, msgspec.inspect.Metadata)
    assert kind.extra_json_schema is not None
    assert kind.extra is not None
    return kind.extra_json_schema["description"], kind.extra, kind.type


def names(**marks: bool) -> set[str]:
    """The settings that carry all of these marks (`secret`, `sandbox`)."""
    found = set()
    for name, field in read_fields().items():
        _, has, _ = describe(field)
        if all(has[mark] == wanted for mark, wanted in marks.items()):
            found.add(name)
    return found
