"""Every module of ours, for what is known only when all are loaded: the errors, the sentences, the jobs."""

import importlib
import pkgutil

import app
import handlers


def load_all() -> None:
    """Import every module of app and handlers. The sandbox is the outside world, and none of ours."""
    for package in (app, handlers):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith("app.sandbox"):
                importlib.import_module(module.name)
