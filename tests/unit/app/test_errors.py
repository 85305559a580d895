"""Every error class carries a reason code, an HTTP status and a sentence, and no two mean the same."""

import importlib
import pkgutil

import app
from app.errors import SettleError


def _classes(base: type[SettleError]) -> list[type[SettleError]]:
    return [found for child in base.__subclasses__() for found in (child, *_classes(child))]


def _ours() -> list[type[SettleError]]:
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if not module.name.startswith("app.sandbox"):
            importlib.import_module(module.name)
    ours = [found for found in _classes(SettleError) if found.__module__.startswith("app.")]
    # A family of errors has no reason of its own.
    return [found for found in ours if hasattr(found, "reason") or not found.__subclasses__()]


def test_each_has_a_reason_a_status_and_a_sentence() -> None:
    for error in _ours():
        assert error.reason == error.reason.lower().replace(" ", "_"), error
        assert 400 <= error.status < 600, error
        assert error.__doc__, error
        assert error.__doc__.strip().endswith("."), error


def test_reasons_are_unique() -> None:
    reasons = [error.reason for error in _ours()]
    assert len(reasons) == len(set(reasons)) > 20
