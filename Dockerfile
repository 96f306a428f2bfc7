# One image for everything of ours that runs: web, worker, beat and migration.
# docker-compose.yml says which command each of them runs.

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /app
# Without pip inside: nothing that runs here later has to install anything.
RUN python -m venv --without-pip /venv
COPY requirements/production.txt requirements/
# Wheels only: a source build would run code of a package while it is installed.
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
# Needs no secret: settings import without any, and only starting is refused.
RUN python manage.py collectstatic --noinput
# Compiled here because nothing can be written later; readable to all because the modes of
# the checkout came along, and its owner may have kept it to himself.
RUN python -m compileall -q campaign petitions deploy && chmod -R a+rX /app


FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# Fonts for the scripts that the PDFs' own lack: Noto for nearly all (42 MB), and a small one for
# Chinese, Japanese and Korean (5 MB), of which Noto's has 91 MB.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends fonts-noto-core fonts-wqy-microhei \
    && rm -rf /var/lib/apt/lists/*

# A fixed number, so that a volume's owner stays the same over upgrades.
RUN groupadd --gid 10001 undersigned \
    && useradd --uid 10001 --gid undersigned --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin undersigned

WORKDIR /app
# Both stay root's: the running process cannot change its own code.
COPY --from=build /venv /venv
COPY --from=build /app /app

USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "deploy/healthcheck.py", "web"]
CMD ["gunicorn", "--config", "python:campaign.gunicorn_conf", "campaign.wsgi:application"]
