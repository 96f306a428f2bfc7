# One image for web, worker, beat and migrations. docker-compose.yml has their commands.

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /app
# Without pip, because nothing is installed at run time.
RUN python -m venv --without-pip /venv
COPY requirements/production.txt requirements/
# Only wheels, because building a source distribution runs its code.
RUN pip --python /venv/bin/python install \
    --no-deps --only-binary :all: --require-hashes --requirement requirements/production.txt
ENV PATH=/venv/bin:$PATH

COPY LICENSE manage.py ./
COPY campaign/ campaign/
COPY petitions/ petitions/
COPY templates/ templates/
COPY static/ static/
COPY locale/ locale/
COPY deploy/healthcheck.py deploy/

RUN pybabel compile --directory locale --domain django
# This needs no secrets. Without them settings can be imported, but the site refuses to start.
RUN python manage.py collectstatic --noinput
# Compiled here, because nothing can be written at run time. Made readable, because COPY keeps the
# modes of the checkout, which may be private.
RUN python -m compileall -q campaign petitions deploy && chmod -R a+rX /app


FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# Fonts for scripts that the PDFs' own fonts lack: Noto for nearly all scripts (42 MB), and a small
# font for Chinese, Japanese and Korean (5 MB; Noto's has 91 MB).
RUN apt-get update \
    && apt-get install --yes --no-install-recommends fonts-noto-core fonts-wqy-microhei \
    && rm -rf /var/lib/apt/lists/*

# Fixed ids, so that the owner of a volume stays the same over upgrades.
RUN groupadd --gid 10001 undersigned \
    && useradd --uid 10001 --gid undersigned --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin undersigned

WORKDIR /app
# Owned by root, so that the running process cannot change its own code.
COPY --from=build /venv /venv
COPY --from=build /app /app

USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "deploy/healthcheck.py", "web"]
CMD ["gunicorn", "--config", "python:campaign.gunicorn_conf", "campaign.wsgi:application"]
