"""The one settings file. What differs between installations comes from the environment.

docs/operators.md lists every variable. Nothing here has a default that is unsafe in
production; what is missing there is reported by `campaign.checks`, all of it at once.
"""

import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import django_stubs_ext

from campaign import env, logs

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

# local: `make run` on one machine. test: the test suite. production: everything else.
ENVIRONMENT = env.choice("ENVIRONMENT", ("production", "local", "test"), "production")
DEBUG = False

# --- Secrets -----------------------------------------------------------------------------
# SECRET_KEY signs what admin sessions hold, and the links by which staff set a password; nothing
# else. What signers gave is sealed, indexed
# (blind indexes) and linked (tokens) under the three key rings, so that losing or changing
# SECRET_KEY neither opens nor breaks it.
SECRET_KEY = env.text("SECRET_KEY")
SEALING_KEYS = env.keys("SEALING_KEYS")
INDEX_KEYS = env.keys("INDEX_KEYS")
LINK_KEYS = env.keys("LINK_KEYS")

# --- Public URL and hosts ----------------------------------------------------------------
SITE_URL = env.origin("SITE_URL", "http://127.0.0.1:8000")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", urlsplit(SITE_URL).hostname or "")
ROOT_URLCONF = "campaign.urls"
WSGI_APPLICATION = "campaign.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "campaign.apps.CampaignConfig",
    "petitions.apps.PetitionsConfig",
    "django.forms",
    "crispy_forms",
    "crispy_bootstrap5",
    "campaign.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.sitemaps",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    # Outermost, so that a page from the cache skips all middleware below.
    "campaign.pagecache.PageCacheMiddleware",
    "campaign.middleware.security_headers",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "campaign.middleware.path_language",
    "campaign.middleware.refuse_malformed_requests",
    "django.middleware.common.CommonMiddleware",
    "campaign.middleware.AdminSessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "campaign.middleware.AdminAuthenticationMiddleware",
    "campaign.middleware.AdminSecondFactorMiddleware",
    "campaign.middleware.large_bodies_for_staff",
    "campaign.middleware.AdminMessageMiddleware",
    "campaign.middleware.ErrorMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "petitions.web.context.site",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"

# --- Database ----------------------------------------------------------------------------
DATABASES = {
    "default": env.database(
        "DATABASE_URL",
        "postgres:///undersigned",
        engine="campaign.database",
        conn_max_age=env.integer("DATABASE_CONN_MAX_AGE", 600),
        conn_health_checks=True,
    )
}
# Behind a transaction pooler there is no session state: no prepared statement, setting or cursor.
DATABASE_POOLER = env.flag("DATABASE_POOLER", False)
# Everywhere, so that it is the same with and without a pooler: long results are read in batches.
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
_options = DATABASES["default"].setdefault("OPTIONS", {})
_options.setdefault("connect_timeout", 3)
# TCP timeouts: connections to a host that is gone end in half a minute.
for _name, _value in (
    ("tcp_user_timeout", 30_000),
    ("keepalives_idle", 15),
    ("keepalives_interval", 5),
    ("keepalives_count", 3),
):
    _options.setdefault(_name, _value)
# Startup parameters that DATABASE_URL itself names.
DATABASE_OPTIONS = _options.get("options", "")
# Seconds of statement_timeout and lock_timeout; 0: none. See `campaign.database.timeouts`.
DATABASE_TIMEOUTS = {
    "web": (env.integer("WEB_STATEMENT_TIMEOUT", 5), env.integer("WEB_LOCK_TIMEOUT", 3)),
    "worker": (
        env.integer("WORKER_STATEMENT_TIMEOUT", 600),
        env.integer("WORKER_LOCK_TIMEOUT", 30),
    ),
    "command": (0, env.integer("COMMAND_LOCK_TIMEOUT", 60)),
    # Short: signers queue behind a migration that waits for a lock.
    "migrate": (0, env.integer("MIGRATE_LOCK_TIMEOUT", 2, at_least=1)),
}

# --- Redis and Celery --------------------------------------------------------------------
REDIS_URL = env.url("REDIS_URL", "redis://127.0.0.1:6379/0", "redis", "rediss", "unix")
# The Celery app by which requests wake the worker.
TASK_APP = "campaign.celery.app"
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
# No result backend: nothing reads results, and results are one more place to leak from.
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
# A task that dies with its worker need not come again: rows are the truth, and sweeps find them.
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "campaign.beat:HeartbeatScheduler"
# Seconds at most between two ticks of beat, each of which touches the heartbeat file.
CELERY_BEAT_MAX_LOOP_INTERVAL = 10
# The temporary folder is writeable in a container, too, whose file system is read-only.
BEAT_HEARTBEAT_FILE = env.text(
    "BEAT_HEARTBEAT_FILE", str(Path(tempfile.gettempdir()) / "undersigned-beat")
)

# --- Mail --------------------------------------------------------------------------------
# smtp, or a provider's API by django-anymail: those that can switch tracking off a mail, and
# report bounces to us.
MAIL_PROVIDER = env.choice("MAIL_PROVIDER", ("smtp", "postmark", "mailgun"), "smtp")
EMAIL_BACKEND = (
    "petitions.mail.letters.EmailBackend"
    if MAIL_PROVIDER == "smtp"
    else f"anymail.backends.{MAIL_PROVIDER}.EmailBackend"
)
MAIL_API_KEY = env.text("MAIL_API_KEY")
# Postmark: "user:password", as in the address it is told to report to. Mailgun: its signing key.
MAIL_WEBHOOK_SECRET = env.text("MAIL_WEBHOOK_SECRET")
NEWS_PER_PROVIDER_AND_MINUTE = env.integer("NEWS_PER_PROVIDER_AND_MINUTE", 300, at_least=6)
MAILS_PER_DOMAIN_AND_MINUTE = env.integer("MAILS_PER_DOMAIN_AND_MINUTE", 1000)
EMAIL_HOST = env.host("SMTP_HOST", "127.0.0.1")
EMAIL_PORT = env.port("SMTP_PORT", 25)
EMAIL_HOST_USER = env.text("SMTP_USER")
EMAIL_HOST_PASSWORD = env.text("SMTP_PASSWORD")
SMTP_SECURITY = env.choice("SMTP_SECURITY", ("none", "starttls", "tls"), "none")
EMAIL_USE_TLS = SMTP_SECURITY == "starttls"
EMAIL_USE_SSL = SMTP_SECURITY == "tls"
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.text("MAIL_FROM", "post@localhost")
ANYMAIL = {
    "POSTMARK_SERVER_TOKEN": MAIL_API_KEY,
    "WEBHOOK_SECRET": MAIL_WEBHOOK_SECRET if MAIL_PROVIDER == "postmark" else [],
    "MAILGUN_API_KEY": MAIL_API_KEY,
    "MAILGUN_API_URL": env.url("MAILGUN_API_URL", "https://api.eu.mailgun.net/v3", "https"),
    "MAILGUN_SENDER_DOMAIN": DEFAULT_FROM_EMAIL.rpartition("@")[2],
    "MAILGUN_WEBHOOK_SIGNING_KEY": MAIL_WEBHOOK_SECRET,
    "REQUESTS_TIMEOUT": 20,
    "DEBUG_API_REQUESTS": False,
}
# The name server that the check of the sender's records asks; None: the machine's.
DNS_SERVER = env.name_server("DNS_SERVER")
# Set by `make run` alone: the folder whose messages /mailbox/ shows.
LOCAL_MAILBOX = env.text("LOCAL_MAILBOX")

# --- Languages and time ------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ar", "Arabic"), ("cy", "Welsh")]
LANGUAGES_BIDI = ["ar"]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
FORMAT_MODULE_PATH = ["campaign.formats"]
USE_TZ = True
TIME_ZONE = "Europe/London"

# --- Static files ------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- Web security ------------------------------------------------------------------------
# Cookies exist for the admin alone; the public site sets none.
ADMIN_PATH = "admin/"
# Where a log-in leads whose `next` is not ours.
LOGIN_REDIRECT_URL = "admin:index"
SESSION_ENGINE = "campaign.sessions"
SESSION_COOKIE_PATH = f"/{ADMIN_PATH}"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
# Idle, and in all; see `campaign.sessions`.
SESSION_COOKIE_AGE = 30 * 60
SESSION_LASTS = 12 * 3600
CSRF_COOKIE_PATH = f"/{ADMIN_PATH}"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
IS_HTTPS = SITE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
if IS_HTTPS:
    # Browsers refuse a cookie of such a name from http and from scripts of other hosts' pages.
    # Not `__Host-`, which wants the path "/": the public site would get the cookies.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Secure-sessionid", "__Secure-csrftoken"
# In the session: the cookie of Django's default has the path "/".
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
CSRF_TRUSTED_ORIGINS = [SITE_URL]
SECURE_HSTS_SECONDS = 63_072_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("HSTS_INCLUDE_SUBDOMAINS", True)
SECURE_HSTS_PRELOAD = env.flag("HSTS_PRELOAD", True)
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(live|ready|health)$"]
# The reverse proxy must set this header itself and drop what the client sent.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
AUTHENTICATION_BACKENDS = ["campaign.staff.authentication.StaffBackend"]
CSRF_FAILURE_VIEW = "campaign.errors.csrf_failure"
PASSWORD_HASHERS = ["petitions.staff.password_hashing.LimitedHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "petitions.staff.passwords.GuessablePasswordValidator"},
]
# Seconds for which the links of invitations and forgotten passwords work.
PASSWORD_RESET_TIMEOUT = 3 * 86_400
# Without a second factor a password alone opens the admin: for trying on one machine.
SECOND_FACTOR_REQUIRED = ENVIRONMENT == "production"
# Addresses that one person may reveal in an hour.
REVEALS_PER_HOUR = env.integer("REVEALS_PER_HOUR", 20, at_least=1)
# Bytes. A form is refused above `PUBLIC_BODY_LIMIT`, unless staff send it, whose statements may be
# longer.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
PUBLIC_BODY_LIMIT = 64 * 1024

# --- Client addresses and rate limits ----------------------------------------------------
# The proxies whose X-Forwarded-For is believed. Empty: the peer is the client.
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES", "unix")
# Rate limits; "off" disables one. Networks are /24 of IPv4 and /64 of IPv6; the /48 around may do
# four times as much. Above the CHALLENGE limit signers solve one; above the other they wait.
# What everybody does together (of a petition, or of all) brings the challenge and refuses nobody,
# or one sender could stop the site for all; so does what all addresses of a domain do. Limits of
# mailboxes are silent: see `petitions.screening.rate_limits`.
LIMITS = {
    # Carriers put hundreds of people behind one address: 300 an hour must pass.
    "SIGN_NETWORK_CHALLENGE": env.rate("LIMIT_SIGN_NETWORK_CHALLENGE", "400/hour"),
    "SIGN_NETWORK": env.rate("LIMIT_SIGN_NETWORK", "1600/hour"),
    "SIGN_MAILBOX": env.rate("LIMIT_SIGN_MAILBOX", "30/hour"),
    "SIGN_DOMAIN_CHALLENGE": env.rate("LIMIT_SIGN_DOMAIN_CHALLENGE", "10000/hour"),
    "SIGN_DOMAIN": env.rate("LIMIT_SIGN_DOMAIN", "off"),
    "SIGN_PETITION_CHALLENGE": env.rate("LIMIT_SIGN_PETITION_CHALLENGE", "3000/minute"),
    "SIGN_PETITION": env.rate("LIMIT_SIGN_PETITION", "off"),
    "RESEND_NETWORK": env.rate("LIMIT_RESEND_NETWORK", "200/hour"),
    "RESEND_MAILBOX": env.rate("LIMIT_RESEND_MAILBOX", "10/hour"),
    "RESEND_DOMAIN": env.rate("LIMIT_RESEND_DOMAIN", "off"),
    "RESEND_PETITION": env.rate("LIMIT_RESEND_PETITION", "off"),
    "CODE_NETWORK": env.rate("LIMIT_CODE_NETWORK", "600/hour"),
    "CODE_MAILBOX": env.rate("LIMIT_CODE_MAILBOX", "20/hour"),
    "CODE_DOMAIN": env.rate("LIMIT_CODE_DOMAIN", "off"),
    "CODE_PETITION": env.rate("LIMIT_CODE_PETITION", "off"),
    # Forms shown again: rendering one costs several times what storing a signature does.
    "FORM_NETWORK": env.rate("LIMIT_FORM_NETWORK", "300/minute"),
    "FIND_NETWORK": env.rate("LIMIT_FIND_NETWORK", "200/hour"),
    "FIND_MAILBOX": env.rate("LIMIT_FIND_MAILBOX", "10/hour"),
    "FIND_DOMAIN": env.rate("LIMIT_FIND_DOMAIN", "off"),
    # All requests together.
    "FIND_PETITION_CHALLENGE": env.rate("LIMIT_FIND_ALL_CHALLENGE", "3000/minute"),
    # Codes to another address. PostgreSQL forgets them after an hour, or with a withdrawal.
    "ADDRESS_NETWORK": env.rate("LIMIT_ADDRESS_NETWORK", "200/hour"),
    "ADDRESS_MAILBOX": env.rate("LIMIT_ADDRESS_MAILBOX", "5/day"),
    "CONTACT_NETWORK_CHALLENGE": env.rate("LIMIT_CONTACT_NETWORK_CHALLENGE", "20/hour"),
    "CONTACT_NETWORK": env.rate("LIMIT_CONTACT_NETWORK", "200/hour"),
    # Off, or typing somebody's address again and again would stop them from complaining.
    "CONTACT_MAILBOX": env.rate("LIMIT_CONTACT_MAILBOX", "off"),
    "CONTACT_DOMAIN": env.rate("LIMIT_CONTACT_DOMAIN", "off"),
    # All messages to the organisation together.
    "CONTACT_PETITION_CHALLENGE": env.rate("LIMIT_CONTACT_ALL_CHALLENGE", "300/hour"),
}

# Signings of one petition from one network within two minutes, from which on each solves the
# challenge; 0: never. See `petitions.screening.rate_limits.BURST_SECONDS`.
BURST_CHALLENGE = env.integer("BURST_CHALLENGE", 40)

# Lockout: wrong passwords after which none is checked until the window is over: for one account
# from one network, from one network (the /48 of IPv6 around it: four times as many), and for one
# account from everywhere, but for networks from which its owner logged in. See
# `petitions.staff.logins`.
LOGIN_LIMITS = {
    "ACCOUNT_NETWORK": env.rate("LIMIT_LOGIN_ACCOUNT_NETWORK", "5 per 15 minutes"),
    "NETWORK": env.rate("LIMIT_LOGIN_NETWORK", "20 per 15 minutes"),
    "ACCOUNT": env.rate("LIMIT_LOGIN_ACCOUNT", "50 per 15 minutes"),
}

# --- Behaviour, documented in docs/operators.md ------------------------------------------
# TTL in seconds, for proxies too: what was taken off the site must not stay there for a day.
PAGE_CACHE_SECONDS = env.integer("PAGE_CACHE_SECONDS", 2, at_most=600)
PAGE_CACHE_ENTRIES = env.integer("PAGE_CACHE_ENTRIES", 500, at_least=1)
MAILS_PER_MAILBOX_AND_DAY = env.integer("MAILS_PER_MAILBOX_AND_DAY", 5, at_least=1)
# From so many signatures on, a bulk decision of a moderator waits for another one's approval.
BULK_DECISION_APPROVAL_FROM = env.integer("BULK_DECISION_APPROVAL_FROM", 500, at_least=1)
# From so many supporters on, news waits for another organiser's approval.
NEWS_APPROVAL_FROM = env.integer("NEWS_APPROVAL_FROM", 500, at_least=1)
# A promise made to signers in pages and mails, and so no variable.
PENDING_DAYS = 14

# --- Logging: route names and counts, never paths, addresses or parameters ---------------
LOGGING = {
    **logs.to_stderr(env.choice("LOG_LEVEL", ("debug", "info", "warning", "error"), "info")),
    "loggers": {
        # Django's own loggers would write request paths and mail errors to admins.
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        # A line for each task would say when somebody signed: each signing starts one.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
