"""The only settings file. Values that differ between installations come from the environment.

docs/operators.md lists every variable. No default is unsafe in production: `campaign.checks`
reports all missing values at once.
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
# SECRET_KEY only signs the data of admin sessions, and the links by which staff set a password.
# Signers' data is sealed, indexed (blind indexes) and linked (tokens) under the three key rings.
# Losing or changing SECRET_KEY neither opens nor breaks it.
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
    "campaign.middleware.cookies_for_admin_only",
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
# Always, so that the code is the same with and without a pooler. Long results are read in batches.
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
_options = DATABASES["default"].setdefault("OPTIONS", {})
_options.setdefault("connect_timeout", 3)
# TCP timeouts: connections to a vanished host end after half a minute.
for _name, _value in (
    ("tcp_user_timeout", 30_000),
    ("keepalives_idle", 15),
    ("keepalives_interval", 5),
    ("keepalives_count", 3),
):
    _options.setdefault(_name, _value)
# Startup parameters in DATABASE_URL.
DATABASE_OPTIONS = _options.get("options", "")
# statement_timeout and lock_timeout in seconds; 0 means none. See `campaign.database.timeouts`.
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
# The Celery app with which requests wake the worker.
TASK_APP = "campaign.celery.app"
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
# No result backend: nothing reads results, and stored results could leak.
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
# A task that dies with its worker need not run again, because sweeps find its rows.
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "campaign.beat:HeartbeatScheduler"
# Maximum seconds between two ticks of beat. Each tick touches the heartbeat file.
CELERY_BEAT_MAX_LOOP_INTERVAL = 10
# A container's file system is read-only, but its temporary folder is writeable.
BEAT_HEARTBEAT_FILE = env.text(
    "BEAT_HEARTBEAT_FILE", str(Path(tempfile.gettempdir()) / "undersigned-beat")
)

# --- Mail --------------------------------------------------------------------------------
# smtp, or a provider's API through django-anymail. Only providers that can switch off tracking and
# report bounces are supported.
MAIL_PROVIDER = env.choice("MAIL_PROVIDER", ("smtp", "postmark", "mailgun"), "smtp")
EMAIL_BACKEND = (
    "petitions.mail.letters.EmailBackend"
    if MAIL_PROVIDER == "smtp"
    else f"anymail.backends.{MAIL_PROVIDER}.EmailBackend"
)
MAIL_API_KEY = env.text("MAIL_API_KEY")
# Postmark: "user:password", as in the webhook's URL. Mailgun: its webhook signing key.
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
# The name server for `manage.py check_mail` and the admin's check; None means the machine's.
DNS_SERVER = env.name_server("DNS_SERVER")
# The folder whose messages /mailbox/ shows. Only `make run` sets it.
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
# Only the admin has cookies. The public site sets none.
ADMIN_PATH = "admin/"
# Where a login leads if its `next` is missing or not ours.
LOGIN_REDIRECT_URL = "admin:index"
SESSION_ENGINE = "campaign.sessions"
SESSION_COOKIE_PATH = f"/{ADMIN_PATH}"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
# Seconds idle, and seconds in total: see `campaign.sessions`.
SESSION_COOKIE_AGE = 30 * 60
SESSION_LASTS = 12 * 3600
CSRF_COOKIE_PATH = f"/{ADMIN_PATH}"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
IS_HTTPS = SITE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
if IS_HTTPS:
    # Browsers accept a cookie with this prefix only over https, and only with `Secure`. The prefix
    # `__Host-` would require the path "/", and the public site would get the cookies.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Secure-sessionid", "__Secure-csrftoken"
# Messages are kept in the session, because the cookie of Django's default has the path "/".
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
CSRF_TRUSTED_ORIGINS = [SITE_URL]
SECURE_HSTS_SECONDS = 63_072_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("HSTS_INCLUDE_SUBDOMAINS", True)
SECURE_HSTS_PRELOAD = env.flag("HSTS_PRELOAD", True)
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(live|ready|health)$"]
# The reverse proxy must set this header itself, and drop the client's.
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
# Lifetime of links in invitations and for forgotten passwords, in seconds.
PASSWORD_RESET_TIMEOUT = 3 * 86_400
# Without a second factor a password alone opens the admin, for trials on one machine.
SECOND_FACTOR_REQUIRED = ENVIRONMENT == "production"
# Addresses that one member of staff may reveal in an hour.
REVEALS_PER_HOUR = env.integer("REVEALS_PER_HOUR", 20, at_least=1)
# Bytes. Only staff may send forms larger than `PUBLIC_BODY_LIMIT`, because statements can be long.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
PUBLIC_BODY_LIMIT = 64 * 1024

# --- Client addresses and rate limits ----------------------------------------------------
# Proxies whose X-Forwarded-For is trusted. If empty, the peer is the client.
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES", "unix")
# Rate limits; "off" disables one. A network is an IPv4 /24 or an IPv6 /64; the limit of the IPv6
# /48 around it is four times as high. Above a CHALLENGE limit signers solve a challenge; above the
# other they wait. Limits of a petition, of all requests and of a mail domain only bring the
# challenge by default: otherwise one sender could stop the site for all. Limits of mailboxes are
# silent: see `petitions.screening.rate_limits`.
LIMITS = {
    # Mobile carriers put hundreds of people behind one address: 300 an hour must pass.
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
    # Not by mailbox: anybody could use up the tries of its owner, and a copy of Redis would tell
    # that somebody typed a code. Each form has tries of its own, in the database.
    "CODE_NETWORK": env.rate("LIMIT_CODE_NETWORK", "600/hour"),
    "CODE_DOMAIN": env.rate("LIMIT_CODE_DOMAIN", "off"),
    "CODE_PETITION": env.rate("LIMIT_CODE_PETITION", "off"),
    # Forms shown again with errors: rendering one costs several times as much as storing one.
    "FORM_NETWORK": env.rate("LIMIT_FORM_NETWORK", "300/minute"),
    "FIND_NETWORK": env.rate("LIMIT_FIND_NETWORK", "200/hour"),
    "FIND_MAILBOX": env.rate("LIMIT_FIND_MAILBOX", "10/hour"),
    "FIND_DOMAIN": env.rate("LIMIT_FIND_DOMAIN", "off"),
    # All requests together.
    "FIND_PETITION_CHALLENGE": env.rate("LIMIT_FIND_ALL_CHALLENGE", "3000/minute"),
    # Codes sent to another address. PostgreSQL keeps them for an hour, or until a withdrawal.
    "ADDRESS_NETWORK": env.rate("LIMIT_ADDRESS_NETWORK", "200/hour"),
    "ADDRESS_MAILBOX": env.rate("LIMIT_ADDRESS_MAILBOX", "5/day"),
    "CONTACT_NETWORK_CHALLENGE": env.rate("LIMIT_CONTACT_NETWORK_CHALLENGE", "20/hour"),
    "CONTACT_NETWORK": env.rate("LIMIT_CONTACT_NETWORK", "200/hour"),
    # Off: otherwise, by typing somebody's address often, one could stop them from complaining.
    "CONTACT_MAILBOX": env.rate("LIMIT_CONTACT_MAILBOX", "off"),
    "CONTACT_DOMAIN": env.rate("LIMIT_CONTACT_DOMAIN", "off"),
    # All messages to the organisation together.
    "CONTACT_PETITION_CHALLENGE": env.rate("LIMIT_CONTACT_ALL_CHALLENGE", "300/hour"),
    # Links to set a staff password. An account gets three an hour: see `petitions.mail.team`.
    "STAFF_LINK_NETWORK": env.rate("LIMIT_STAFF_LINK_NETWORK", "20/hour"),
}

# The challenge starts with this many signings of one petition from one network within two minutes;
# 0 means never. See `petitions.screening.rate_limits.BURST_SECONDS`.
BURST_CHALLENGE = env.integer("BURST_CHALLENGE", 40)

# Lockout: after this many wrong passwords none is checked until the window ends. The limits are for
# an account from one network, for a network (four times as many for its IPv6 /48), and for an
# account from all networks except those from which its owner logged in. See
# `petitions.staff.logins`.
LOGIN_LIMITS = {
    "ACCOUNT_NETWORK": env.rate("LIMIT_LOGIN_ACCOUNT_NETWORK", "5 per 15 minutes"),
    "NETWORK": env.rate("LIMIT_LOGIN_NETWORK", "20 per 15 minutes"),
    "ACCOUNT": env.rate("LIMIT_LOGIN_ACCOUNT", "50 per 15 minutes"),
}

# --- Behaviour, documented in docs/operators.md ------------------------------------------
# TTL in seconds, for proxies too: a page taken off the site must not stay there for a day.
PAGE_CACHE_SECONDS = env.integer("PAGE_CACHE_SECONDS", 2, at_most=600)
PAGE_CACHE_ENTRIES = env.integer("PAGE_CACHE_ENTRIES", 500, at_least=1)
MAILS_PER_MAILBOX_AND_DAY = env.integer("MAILS_PER_MAILBOX_AND_DAY", 5, at_least=1)
# A bulk decision about this many signatures or more waits for another moderator's approval.
BULK_DECISION_APPROVAL_FROM = env.integer("BULK_DECISION_APPROVAL_FROM", 500, at_least=1)
# News to this many supporters or more waits for another organiser's approval.
NEWS_APPROVAL_FROM = env.integer("NEWS_APPROVAL_FROM", 500, at_least=1)
# Not an environment variable, because pages and mails promise it to signers.
PENDING_DAYS = 14

# --- Logging: route names and counts, never paths, addresses or parameters ---------------
LOGGING = {
    **logs.to_stderr(env.choice("LOG_LEVEL", ("debug", "info", "warning", "error"), "info")),
    "loggers": {
        # Django's own handlers would write request paths, and mail errors to admins.
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        # Each signing starts a task. A log line for each task would tell when somebody signed.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
