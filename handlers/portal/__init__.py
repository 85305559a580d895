"""The merchant portal. A new page is a module here with its list of routes, and a template in templates/portal."""

from starlette.routing import BaseRoute

from handlers.portal.home import HOME, NOWHERE
from handlers.portal.onboarding import ONBOARDING
from handlers.portal.onboarding_pages import ONBOARDING_PAGES
from handlers.portal.payments import PAYMENTS
from handlers.portal.privacy import PRIVACY
from handlers.portal.refund_pages import REFUND_PAGES
from handlers.portal.refunds import REFUNDS
from handlers.portal.settings import SETTINGS
from handlers.portal.trouble import TROUBLE

PORTAL: list[BaseRoute] = [
    *HOME,
    *ONBOARDING,
    *ONBOARDING_PAGES,
    *PAYMENTS,
    *REFUNDS,
    *REFUND_PAGES,
    *PRIVACY,
    *TROUBLE,
    *SETTINGS,
    *NOWHERE,
]
